"""What can happen to an artifact on its way, each as a function that does it and says which file is at fault."""

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from inference.card import content_version

FILES = ("model.joblib", "model.onnx", "model.linear.json", "data.csv")


@dataclass(frozen=True, slots=True)
class Damage:
    """Called with the directory of an artifact, damages it and returns the name of the file to be refused."""

    name: str
    do: Callable[[Path], None]
    file: str

    def __call__(self, directory: Path) -> str:
        self.do(directory)
        return self.file


def copy_of(artifact: Path, directory: Path) -> Path:
    """A copy that may be damaged."""
    shutil.copytree(artifact, directory)
    return directory


def change_card(directory: Path, change: Callable[[dict[str, Any]], object], *, keep_version: bool = False) -> None:
    """Edit the card; its version is made to fit unless it is to be kept."""
    path = directory / "model.json"
    document = json.loads(path.read_text())
    change(document)
    if not keep_version:
        document["version"] = content_version(document)
    path.write_text(json.dumps(document))


def _missing(name: str) -> Damage:
    return Damage(f"{name}-missing", lambda directory: (directory / name).unlink(), name)


def _truncated(name: str) -> Damage:
    def do(directory: Path) -> None:
        data = (directory / name).read_bytes()
        (directory / name).write_bytes(data[: len(data) // 2])

    return Damage(f"{name}-truncated", do, name)


def _emptied(name: str) -> Damage:
    return Damage(f"{name}-emptied", lambda directory: write(directory / name, b""), name)


def _extended(name: str) -> Damage:
    def do(directory: Path) -> None:
        with (directory / name).open("ab") as file:
            file.write(b"\n")

    return Damage(f"{name}-extended", do, name)


def _flipped(name: str) -> Damage:
    def do(directory: Path) -> None:
        data = bytearray((directory / name).read_bytes())
        data[len(data) // 2] ^= 1
        (directory / name).write_bytes(data)

    return Damage(f"{name}-flipped", do, name)


def _swapped(one: str, other: str) -> Damage:
    def do(directory: Path) -> None:
        (directory / one).rename(directory / "aside")
        (directory / other).rename(directory / one)
        (directory / "aside").rename(directory / other)

    return Damage(f"{one}-swapped-with-{other}", do, one)


def _directory(name: str) -> Damage:
    def do(directory: Path) -> None:
        (directory / name).unlink()
        (directory / name).mkdir()

    return Damage(f"{name}-is-a-directory", do, name)


def _card_text(name: str, text: bytes) -> Damage:
    return Damage(f"card-{name}", lambda directory: write(directory / "model.json", text), "model.json")


def _edited(name: str, change: Callable[[dict[str, Any]], object]) -> Damage:
    def do(directory: Path) -> None:
        change_card(directory, change, keep_version=True)

    return Damage(f"card-edited-{name}", do, "model.json")


def write(path: Path, data: bytes) -> None:
    """`Path.write_bytes` without its result."""
    path.write_bytes(data)


DAMAGES = (
    *(make(name) for name in FILES for make in (_missing, _flipped)),
    _truncated("model.joblib"),
    _truncated("model.json"),
    _swapped("model.joblib", "model.onnx"),
    _missing("model.json"),
    _edited("classes", lambda card: card["classes"].reverse()),
)
"""One of each kind, for what takes a whole start."""

MORE_DAMAGES = (
    *(make(name) for name in FILES for make in (_truncated, _emptied, _extended, _directory)),
    _emptied("model.json"),
    _directory("model.json"),
    _swapped("model.joblib", "data.csv"),
    _card_text("text", b"hello"),
    _card_text("bytes", b"\xff\xfe\x00"),
    _card_text("list", b"[]"),
    _card_text("null", b"null"),
    _card_text("empty-object", b"{}"),
    _card_text("nested", b"[" * 100_000),
    _card_text("long-integer", b'{"format_version":' + b"1" * 5000 + b"}"),
    _edited("title", lambda card: card.update(title="Another")),
    _edited("limits", lambda card: card["features"][0]["limits"].update(maximum=31.0)),
    _edited("known-answer", lambda card: card["known_answers"][0]["outputs"].reverse()),
    _edited("metrics", lambda card: card["metrics"]["accuracy"].update(mean=1.0)),
    _edited("sha256", lambda card: card["files"]["model.onnx"].update(sha256="0" * 64)),
    _edited("version", lambda card: card.update(version="000000000000")),
    _edited("added", lambda card: card.update(note="")),
    _edited("removed", lambda card: card.pop("libraries")),
)
