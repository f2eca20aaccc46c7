"""What is sent: bodies made from a model card, or from the rows of a CSV file."""

import csv
import hashlib
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite

from benchmark.observe import request_body
from inference.card import ModelCard

MAX_ROWS = 10_000


class BodyError(ValueError):
    """No body can be made of this; the message says why and, for a file, in which line."""


@dataclass(frozen=True, slots=True)
class Bodies:
    """Request bodies, and where they come from in a few words."""

    source: str
    bodies: tuple[bytes, ...]

    @property
    def sha256(self) -> str:
        """Of all bodies in their order: two runs with the same one sent the same."""
        return hashlib.sha256(b"\n".join(self.bodies)).hexdigest()


def from_card(card: ModelCard) -> Bodies:
    """The card's default input and its presets."""
    inputs = [tuple(feature.default for feature in card.features), *(preset.values for preset in card.presets)]
    return Bodies(f"card of {card.name}", tuple(request_body(card, values) for values in dict.fromkeys(inputs)))


def from_csv(text: str, name: str, card: ModelCard | None) -> Bodies:
    """One body a row: the columns of the card's features by their names, or all columns where there is no card.

    Raises BodyError.
    """
    try:
        lines = csv.reader(io.StringIO(text.removeprefix("\ufeff")), strict=True)
        header = [title.strip() for title in next(lines, [])]
        wanted = list(card.feature_names) if card else header
        if not header or (missing := [title for title in wanted if title not in header]):
            raise BodyError(f"{name} has no column {missing[0]}" if header else f"{name} is empty")
        if twice := [title for title in wanted if header.count(title) > 1]:
            raise BodyError(f"{name} has the column {twice[0]} twice")
        positions = [header.index(title) for title in wanted]
        bodies = []
        for row in lines:
            if not row:
                continue
            try:
                values = {title: float(row[at]) for title, at in zip(wanted, positions, strict=True)}
                if not all(map(isfinite, values.values())):
                    raise ValueError  # Python reads "nan" and "inf" as numbers, JSON knows neither
                bodies.append(json.dumps(values))
            except (ValueError, IndexError):
                raise BodyError(f"{name}, line {lines.line_num}: not a number in every column") from None
            if len(bodies) > MAX_ROWS:
                raise BodyError(f"{name} has more than {MAX_ROWS} rows")
    except csv.Error as error:
        raise BodyError(f"{name}, line {lines.line_num}: {error}") from None
    if not bodies:
        raise BodyError(f"{name} has no rows")
    return Bodies(name, tuple(body.encode() for body in bodies))


def card_of(cards: Sequence[ModelCard | None]) -> ModelCard | None:
    """The card that answers are checked against: the first that an endpoint gave."""
    return next((card for card in cards if card), None)
