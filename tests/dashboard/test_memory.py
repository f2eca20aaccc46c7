"""What is imported is not visited by garbage collections."""

import gc
import sys
from types import ModuleType

import pytest

from dashboard import memory


@pytest.fixture
def collections(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The calls of the garbage collector, which does nothing."""
    calls: list[str] = []
    monkeypatch.setattr(memory, "_modules_before", 0)
    for name in ("collect", "freeze"):
        monkeypatch.setattr(gc, name, lambda name=name: calls.append(name))
    return calls


def test_imports_are_frozen_without_the_garbage_of_making_them(collections: list[str]) -> None:
    memory.freeze_imports()
    assert collections == ["collect", "freeze"]


def test_nothing_is_done_until_something_more_is_imported(
    collections: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    memory.freeze_imports()
    memory.freeze_imports()
    assert len(collections) == 2
    monkeypatch.setitem(sys.modules, "imported_in_the_meantime", ModuleType("imported_in_the_meantime"))
    memory.freeze_imports()
    assert len(collections) == 4


def test_memory_is_given_back_only_where_the_c_library_can(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ctypes.CDLL", lambda _: object())
    memory.give_memory_back()
