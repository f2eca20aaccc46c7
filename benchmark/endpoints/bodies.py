"""Request bodies: inputs from a model card or a CSV file, as JSON objects of names and values.

Each endpoint's protocol encodes them.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from benchmark.endpoints.protocols import named_body
from benchmark.endpoints.rows import Column, RowsError, read_inputs
from inference.card import Feature, ModelCard


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

    Categories are JSON strings, and missing values are null where the card accepts them. Raises BodyError.
    """
    columns = None if card is None else [_column(feature) for feature in card.features]
    try:
        inputs = read_inputs(text, columns)
    except RowsError as error:
        raise BodyError(f"{name} {error}") from None
    if inputs.bad:
        raise BodyError(f"{name}, line {inputs.bad[0].line}: {inputs.bad[0].problem}")
    return Bodies(name, tuple(named_body(inputs.names, row) for row in inputs.rows))


def _column(feature: Feature) -> Column:
    """How a feature is written in a file. Features without categories are numbers, and have to be there."""
    return Column(feature.name, hasattr(feature, "categories"), getattr(feature, "accepts_missing", False))


def card_of(cards: Sequence[ModelCard | None]) -> ModelCard | None:
    """The card that answers are checked against: the first one that an endpoint returned."""
    return next((card for card in cards if card), None)
