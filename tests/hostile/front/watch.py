"""What this process does to the world outside of itself: commands, files and hosts, by Python's own audit events.

An audit hook can never be taken away again, so there is one, which tells whoever watches at that moment.
"""

import ipaddress
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

from tests.hostile.front.figures import Problem

_COMMANDS = ("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.spawn", "os.fork", "pty.spawn")
_CHANGES = ("os.mkdir", "os.remove", "os.rename", "os.rmdir", "os.link", "os.symlink", "os.truncate", "os.chmod")
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_HARMLESS = (os.devnull,)

_tell: Callable[[Problem], None] | None = None
_directories: tuple[str, ...] = ()
_commands: tuple[list[str], ...] = ()
_hooked = False


@contextmanager
def watching(
    tell: Callable[[Problem], None], may_write: Sequence[Path], may_run: Sequence[Sequence[str]] = ()
) -> Iterator[None]:
    """Tell of commands other than those given, of hosts that are not this machine, and of what is written elsewhere."""
    global _tell, _directories, _commands, _hooked
    if not _hooked:
        sys.addaudithook(_hook)
        _hooked = True
    _commands = tuple(map(list, may_run))
    _directories = tuple(os.path.realpath(directory) for directory in may_write)
    bytecode, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    _tell = tell
    try:
        yield
    finally:
        _tell = None
        sys.dont_write_bytecode = bytecode


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    tell = _tell
    if tell is None:
        return
    if event == "open":
        path, _, flags = arguments
        if isinstance(path, str | bytes | os.PathLike) and isinstance(flags, int) and flags & _WRITES:
            _written(tell, path)
    elif event == "sqlite3.connect" or event in _CHANGES:
        _written(tell, arguments[0])
    elif event in _COMMANDS and not (event == "subprocess.Popen" and list(arguments[1]) in _commands):
        tell(Problem("commands run", f"{event} {arguments[:2]!r}"[:200]))
        raise PermissionError("no command may be run here")
    elif event == "socket.connect":
        address = arguments[1]
        if isinstance(address, tuple) and not _is_here(address[0]):
            _contacted(tell, address)
    elif event in ("socket.getaddrinfo", "socket.gethostbyname") and not _is_here(arguments[0]):
        _contacted(tell, arguments[0])


def _contacted(tell: Callable[[Problem], None], address: Any) -> NoReturn:
    tell(Problem("hosts contacted", repr(address)))
    raise PermissionError("no other host may be contacted here")  # nor is it: this comes before the first packet


def _written(tell: Callable[[Problem], None], path: Any) -> None:
    where = os.fsdecode(path) if not isinstance(path, int) else ""
    absolute = os.path.abspath(where)
    allowed = absolute in _directories or absolute.startswith(tuple(f"{one}{os.sep}" for one in _directories))
    if where and where not in _HARMLESS and not allowed:
        tell(Problem("files written outside", absolute))


def _is_here(host: Any) -> bool:
    text = host.decode("ascii", "replace") if isinstance(host, bytes) else host
    if text in (None, "", "localhost"):
        return True
    try:
        return ipaddress.ip_address(text).is_loopback
    except ValueError:
        return False
