"""Force a new instance with a shell command from the operator."""

import asyncio
import os
import signal
from contextlib import suppress

TIMEOUT_S = 900.0
"""A deployment may take minutes."""


class ForceError(Exception):
    """The command that forces a new instance failed; the message says how. It never holds the command."""


async def force_instance(command: str, key: str, unique: str) -> None:
    """Run the shell `command` with FORCE_ENDPOINT set to the endpoint's `key` and FORCE_ID to a new value each time.

    All processes it started have ended on return, even after a cancellation. Raises ForceError.
    """
    process = await asyncio.create_subprocess_exec(
        "/bin/sh",
        "-c",
        command,
        env={**os.environ, "FORCE_ENDPOINT": key, "FORCE_ID": unique},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        async with asyncio.timeout(TIMEOUT_S):
            status = await process.wait()
    except TimeoutError:
        raise ForceError(f"the command for {key} took more than {TIMEOUT_S:g} s") from None
    finally:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
    if status:
        raise ForceError(f"the command that forces a new instance of {key} ended with status {status}")
