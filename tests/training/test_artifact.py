"""Writing an artifact: all of it appears at once, or what was there stays byte for byte."""

from collections.abc import Callable
from pathlib import Path

import pytest

from training.artifact import write_artifact

OLD = {"model.json": b"old card", "model.onnx": b"old model"}
NEW = {"model.json": b"new card", "model.onnx": b"new model", "data.csv": b"rows"}


class CheckError(Exception):
    """What a check of these tests raises."""


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """An artifact that is there already."""
    target = tmp_path / "artifacts" / "iris"
    target.mkdir(parents=True)
    for name, data in OLD.items():
        (target / name).write_bytes(data)
    return target


def content(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in directory.iterdir()}


def accept(_: Path) -> None:
    """A check that finds nothing wrong."""


def refuse(_: Path) -> None:
    raise CheckError


def test_a_new_artifact_is_written_with_the_folders_that_it_needs(tmp_path: Path) -> None:
    write_artifact(tmp_path / "a" / "b", NEW, accept)
    assert content(tmp_path / "a" / "b") == NEW
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["b"]


def test_an_artifact_is_replaced_whole_and_nothing_is_left_beside_it(directory: Path) -> None:
    write_artifact(directory, NEW, accept)
    assert content(directory) == NEW
    assert list(directory.parent.iterdir()) == [directory]


def test_an_empty_directory_becomes_an_artifact(tmp_path: Path) -> None:
    (tmp_path / "iris").mkdir()
    write_artifact(tmp_path / "iris", NEW, accept)
    assert content(tmp_path / "iris") == NEW


def test_the_check_sees_all_files_before_anything_has_changed(directory: Path) -> None:
    seen = []

    def check(staging: Path) -> None:
        seen.append((content(staging), content(directory)))

    write_artifact(directory, NEW, check)
    assert seen == [(NEW, OLD)]


def test_a_refusal_by_the_check_changes_nothing(directory: Path) -> None:
    with pytest.raises(CheckError):
        write_artifact(directory, NEW, refuse)
    assert content(directory) == OLD
    assert list(directory.parent.iterdir()) == [directory]


def test_a_refusal_by_the_check_leaves_no_new_artifact(tmp_path: Path) -> None:
    with pytest.raises(CheckError):
        write_artifact(tmp_path / "iris", NEW, refuse)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("unwritable", ["no/such/folder", "x" * 300])
def test_an_error_in_the_middle_of_writing_changes_nothing(unwritable: str, directory: Path) -> None:
    with pytest.raises(OSError, match=r"No such file|too long"):
        write_artifact(directory, {**NEW, unwritable: b""}, accept)
    assert content(directory) == OLD
    assert list(directory.parent.iterdir()) == [directory]


@pytest.mark.parametrize("make", [Path.touch, Path.mkdir], ids=["file", "folder"])
def test_a_directory_that_holds_anything_else_is_left_alone(make: Callable[[Path], None], directory: Path) -> None:
    make(directory / "thesis")
    with pytest.raises(FileExistsError, match="is not an artifact: it holds thesis"):
        write_artifact(directory, NEW, accept)
    assert (directory / "thesis").exists()
    assert {name: (directory / name).read_bytes() for name in OLD} == OLD
    assert list(directory.parent.iterdir()) == [directory]


def test_a_file_in_the_place_of_the_directory_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "iris").write_bytes(b"a file")
    with pytest.raises(NotADirectoryError):
        write_artifact(tmp_path / "iris", NEW, accept)
    assert (tmp_path / "iris").read_bytes() == b"a file"


def test_a_link_to_the_directory_stays_a_link(directory: Path) -> None:
    link = directory.parent / "current"
    link.symlink_to(directory.name)
    write_artifact(link, NEW, accept)
    assert link.is_symlink()
    assert content(directory) == NEW


def test_the_directory_is_readable_by_everybody(directory: Path) -> None:
    write_artifact(directory, NEW, accept)
    assert directory.stat().st_mode & 0o777 == 0o755


def crashing(monkeypatch: pytest.MonkeyPatch, target: Path, crash: type[BaseException]) -> None:
    """Let the rename of a new artifact to `target` end with `crash`."""
    rename = Path.rename

    def crashing(self: Path, to: Path) -> Path:
        if to == target and not self.name.endswith(".previous"):
            raise crash
        return rename(self, to)

    monkeypatch.setattr(Path, "rename", crashing)


@pytest.mark.parametrize("crash", [OSError, KeyboardInterrupt])
def test_the_first_of_two_renames_is_undone_where_the_second_fails(
    directory: Path, crash: type[BaseException], monkeypatch: pytest.MonkeyPatch
) -> None:
    crashing(monkeypatch, directory, crash)
    with pytest.raises(crash):
        write_artifact(directory, NEW, accept)
    assert content(directory) == OLD
    assert list(directory.parent.iterdir()) == [directory]


def test_an_artifact_that_a_crash_left_between_the_renames_is_brought_back(directory: Path) -> None:
    directory.rename(directory.with_name(".iris.previous"))
    with pytest.raises(CheckError):
        write_artifact(directory, NEW, refuse)
    assert content(directory) == OLD
    assert list(directory.parent.iterdir()) == [directory]


def test_what_a_crash_left_after_the_renames_is_deleted(directory: Path) -> None:
    (directory.parent / ".iris.previous").mkdir()
    with pytest.raises(CheckError):
        write_artifact(directory, NEW, refuse)
    assert content(directory) == OLD
    assert list(directory.parent.iterdir()) == [directory]
