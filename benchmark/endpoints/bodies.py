"""Request bodies: inputs from a model card or a CSV file, as JSON objects of names and values.

Each endpoint's protocol encodes them.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from benchmark.endpoints.protocols import named_body
from benchmark.endpoints.rows import RowsError, read_rows
from inference.card import ModelCard


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


def request_body(card: ModelCard, inputs: Sequence[float]) -> bytes:
    """The JSON object of `inputs` (in the card's order) by their names."""
    return named_body(card.feature_names, inputs)


def from_card(card: ModelCard) -> Bodies:
    """The card's default input and its presets."""
    inputs = [tuple(feature.default for feature in card.features), *(preset.values for preset in card.presets)]
    return Bodies(f"card of {card.name}", tuple(request_body(card, values) for values in dict.fromkeys(inputs)))


def from_csv(text: str, name: str, card: ModelCard | None) -> Bodies:
    """One body per row, with the columns of the card's features, or all columns without a card.

    Raises BodyError.
    """
    try:
        table = read_rows(text, card.feature_names if card else None)
    except RowsError as error:
        raise BodyError(f"{name} {error}") from None
    if table.bad:
        raise BodyError(f"{name}, line {table.bad[0].line}: {table.bad[0].problem}")
    return Bodies(name, tuple(named_body(table.names, row.values) for row in table.rows))


def card_of(cards: Sequence[ModelCard | None]) -> ModelCard | None:
    """The card that answers are checked against: the first one that an endpoint returned."""
    return next((card for card in cards if card), None)
