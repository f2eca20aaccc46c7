"""A local platform that scales to zero.

    python -m benchmark.coldstart.scale_to_zero --port P --idle S -- COMMAND

Starts COMMAND (a server that listens on $PORT) on the first request and stops it after S seconds without one. Use it to
measure cold starts without a cloud account, and to test the measurement against known values. It supports one instance
and any number of connections, and forwards bytes without reading them.
"""

import argparse
import asyncio
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from time import monotonic

from benchmark.coldstart.program import HOST, Command, LocalProgram, ProgramError

_START_S = 60.0
_CHUNK = 65536


class _Traffic:
    """The idle state of one connection: it is busy as long as an answer is outstanding."""

    def __init__(self) -> None:
        self.owed = False
        self.last_s = monotonic()


class ScaleToZero:
    """Connections to one address, forwarded to an instance that runs only while it is needed."""

    def __init__(self, command: Command, idle_s: float) -> None:
        self._command = command
        self._idle_s = idle_s
        self._instance: LocalProgram | None = None
        self._changing = asyncio.Lock()  # only one task at a time starts or stops an instance
        self._traffic: set[_Traffic] = set()
        self._quiet_since_s = monotonic()
        self._closed = False

    async def connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection, from its first byte to its end; a start that fails closes it."""
        try:
            # A connection alone does not need an instance: its first byte does.
            if first := await reader.read(_CHUNK):
                await self._relay(first, reader, writer)
        except (OSError, ProgramError) as error:
            print(f"scale_to_zero: {error}", file=sys.stderr, flush=True)
        finally:
            writer.close()

    async def _relay(self, first: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Forward `first` and all following bytes to the instance until it closes."""
        traffic = _Traffic()
        async with self._changing:
            instance = await self._running()
            traffic.owed = True
            self._traffic.add(traffic)  # inside the lock, so that it is not stopped in between
        try:
            inward, outward = await asyncio.open_connection(HOST, instance.port)
            outward.write(first)
            sending = asyncio.create_task(_pass_on(reader, outward, traffic, owed=True))
            try:
                # The instance ends the connection: a client that has sent everything may still wait for its answer.
                await _pass_on(inward, writer, traffic, owed=False)
            finally:
                sending.cancel()
                outward.close()
        finally:
            self._traffic.discard(traffic)
            self._quiet_since_s = monotonic()

    async def _running(self) -> LocalProgram:
        if self._closed:
            raise ProgramError("the platform is shutting down")
        if self._instance is not None and self._instance.has_ended:
            self._instance.kill()
            self._instance = None
        if self._instance is None:
            self._instance = LocalProgram(self._command)
            try:
                await self._instance.wait_until_open(_START_S)
            except BaseException:
                self._instance.kill()
                self._instance = None
                raise
        return self._instance

    async def watch(self) -> None:
        """Stop the instance each time it has been idle for long enough; never returns."""
        while True:
            await asyncio.sleep(min(0.05, self._idle_s / 10))
            if self._instance is None or self._instance.has_ended:  # polling reaps the process
                continue
            if self._idle_for_s() >= self._idle_s:
                async with self._changing:
                    if self._instance is not None and self._idle_for_s() >= self._idle_s:
                        await asyncio.to_thread(self._instance.stop)
                        self._instance = None

    def _idle_for_s(self) -> float:
        if any(traffic.owed for traffic in self._traffic):
            return 0.0
        return monotonic() - max([self._quiet_since_s, *(traffic.last_s for traffic in self._traffic)])

    async def close(self) -> None:
        """Stop the instance, even while it starts, and start no more; pending answers are still delivered."""
        self._closed = True
        if self._instance is not None:
            await asyncio.to_thread(self._instance.stop)


async def _pass_on(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, traffic: _Traffic, *, owed: bool
) -> None:
    """Forward bytes until the end, then forward the end."""
    with suppress(OSError):
        while data := await reader.read(_CHUNK):
            traffic.owed, traffic.last_s = owed, monotonic()
            writer.write(data)
            await writer.drain()
    with suppress(OSError):
        writer.write_eof()


async def serve(port: int, idle_s: float, command: Command) -> None:
    """Serve until SIGINT or SIGTERM; prints the port when it is open (0 chooses one). Raises OSError."""
    stopped = asyncio.Event()
    for sign in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(sign, stopped.set)
    platform = ScaleToZero(command, idle_s)
    server = await asyncio.start_server(platform.connect, HOST, port)
    print(server.sockets[0].getsockname()[1], flush=True)
    watching = asyncio.create_task(platform.watch())
    try:
        await stopped.wait()
    finally:
        server.close()
        await platform.close()
        watching.cancel()


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line. Returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmark.coldstart.scale_to_zero", description=(__doc__ or "").split("\n\n")[1]
    )
    parser.add_argument("--port", type=int, required=True, help="port to listen on; 0 for any free port")
    parser.add_argument("--idle", type=float, required=True, metavar="S", help="stop the instance after S s idle")
    parser.add_argument(
        "--directory",
        type=Path,
        default=Path.cwd(),
        metavar="DIR",
        help="working directory of COMMAND (default: this one)",
    )
    parser.add_argument("command", nargs="+", metavar="COMMAND", help="a server that listens on $PORT")
    given = parser.parse_args(arguments)
    if not given.idle > 0:
        parser.error("--idle must be above 0 s")
    try:
        asyncio.run(serve(given.port, given.idle, Command(tuple(given.command), given.directory)))
    except OSError as error:
        print(f"scale_to_zero: port {given.port} cannot be used ({error.strerror})", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
