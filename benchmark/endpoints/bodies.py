"""Request bodies: inputs from a model card or a CSV file, as JSON objects of names and values.

Each endpoint's protocol encodes them.
"""

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmark.endpoints.catalog import Served
from benchmark.endpoints.endpoint import Endpoint
from benchmark.endpoints.protocols import DEFAULT, named_body
from benchmark.endpoints.rows import RowsError, read_rows
from inference.card import CARD_FILE, CardError, ModelCard, Value, parse_card

_ROOT = Path(__file__).resolve().parents[2]


class BodyError(ValueError):
    """The source of the inputs is invalid; the message says why and, for a file, in which line."""


@dataclass(frozen=True, slots=True)
class Bodies:
    """Inputs as JSON objects, and a short description of their source."""

    source: str
    bodies: tuple[bytes, ...]

    @property
    def sha256(self) -> str:
        """The hash of all bodies in order: runs with the same hash sent the same inputs."""
        return hashlib.sha256(b"\n".join(self.bodies)).hexdigest()


def request_body(card: ModelCard, inputs: Sequence[Value]) -> bytes:
    """The JSON object of `inputs` (in the card's order) by their names."""
    return named_body(card.feature_names, inputs)


def from_card(card: ModelCard) -> Bodies:
    """The card's default input and its presets."""
    inputs = [card.defaults, *(preset.values for preset in card.presets)]
    return Bodies(f"card of {card.name}", tuple(request_body(card, values) for values in dict.fromkeys(inputs)))


def from_csv(text: str, name: str, card: ModelCard | None) -> Bodies:
    """One body per row, with the columns of the card's features, or all columns without a card.

    A category is a JSON string, and a missing value is null. Raises BodyError.
    """
    try:
        table = read_rows(text, card.features if card else None)
    except RowsError as error:
        raise BodyError(f"{name} {error}") from None
    if table.bad:
        raise BodyError(f"{name}, line {table.bad[0].line}: {table.bad[0].problem}")
    return Bodies(name, tuple(named_body(table.names, row.values) for row in table.rows))


def from_descriptions(endpoints: Sequence[Endpoint], served: Sequence[Served]) -> Bodies | None:
    """The sample of the first endpoint that has one, or else an input by the first endpoint's own description."""
    for endpoint in endpoints:
        if endpoint.sample:
            return Bodies(f"sample of {endpoint.key}", (endpoint.sample.encode(),))
    for endpoint, known in zip(endpoints, served, strict=True):
        if known.example:
            return Bodies(f"metadata of {endpoint.key}", (json.dumps(dict(known.example)).encode(),))
    return None


def card_on_this_machine(environ: Mapping[str, str] = os.environ) -> ModelCard | None:
    """The card of the artifact that MODEL_DIR names, or else of Iris."""
    return card_in(Path(environ.get("MODEL_DIR") or _ROOT / "artifacts" / "iris"))


def card_in(directory: Path) -> ModelCard | None:
    """The card of the artifact in `directory`; None if there is none that can be read."""
    try:
        return parse_card(json.loads((directory / CARD_FILE).read_bytes()))
    except (OSError, ValueError, CardError):
        return None


def card_for(
    endpoints: Sequence[Endpoint],
    served: Sequence[Served],
    source: str = "card",
    environ: Mapping[str, str] = os.environ,
) -> ModelCard | None:
    """The card that answers are checked against: an endpoint's own, or else that of the artifact on this machine.

    The artifact's card is only for endpoints whose protocol has no cards, and only where no sample or metadata
    contradicts it. For a file of inputs (`source`), MODEL_DIR must name the artifact.
    """
    card = card_of([one.card for one in served])
    if card or all(one.speaks == DEFAULT for one in endpoints) or (source != "card" and not environ.get("MODEL_DIR")):
        return card
    card = card_on_this_machine(environ)
    if card is None:
        return None
    samples = [json.loads(one.sample) for one in endpoints if one.sample]
    fits = all(set(sample) == set(card.feature_names) for sample in samples)
    sizes = [len(one.example) for one in served if one.example]
    return card if fits and all(size == len(card.features) for size in sizes) else None


def card_of(cards: Sequence[ModelCard | None]) -> ModelCard | None:
    """The card that answers are checked against: the first one that an endpoint returned."""
    return next((card for card in cards if card), None)
