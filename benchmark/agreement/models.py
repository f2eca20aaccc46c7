"""Whether endpoints say that they serve the same model: by their cards, by the files in them, by their answers.

This comes before every other result: with different models, different answers are not a defect of a platform.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from benchmark.agreement.outcomes import InputOutcome
from benchmark.endpoints.catalog import Served


@dataclass(frozen=True, slots=True)
class OtherCards:
    """The endpoints at `positions` serve cards of different versions; `models` are their titles and versions."""

    positions: tuple[int, ...]
    models: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class OtherFiles:
    """Files of the model whose sha256 is not the same in every card."""

    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class OtherClassOrder:
    """The cards name the same classes in these different orders."""

    orders: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class OtherVersions:
    """The answers of the endpoints at `positions` name different model versions; None is an answer without one."""

    positions: tuple[int, ...]
    versions: tuple[tuple[str | None, ...], ...]


ModelDifference = OtherCards | OtherFiles | OtherClassOrder | OtherVersions


def model_differences(
    served: Sequence[Served | None], outcomes: Sequence[Sequence[InputOutcome]]
) -> tuple[ModelDifference, ...]:
    """How the endpoints' own statements about their models differ; both arguments have an entry for each endpoint."""
    found: list[ModelDifference] = []
    known = [(position, one.card) for position, one in enumerate(served) if one and one.card]
    cards = [card for _, card in known]
    if len({card.version for card in cards}) > 1:
        found.append(
            OtherCards(tuple(position for position, _ in known), tuple((card.title, card.version) for card in cards))
        )
    names = {name for card in cards for name in card.sha256}
    if other := sorted(name for name in names if len({card.sha256.get(name) for card in cards}) > 1):
        found.append(OtherFiles(tuple(other)))
    if len({frozenset(card.classes) for card in cards}) == 1 and len({card.classes for card in cards}) > 1:
        found.append(OtherClassOrder(tuple(dict.fromkeys(card.classes for card in cards))))
    versions = {
        position: frozenset(outcome.answer.model_version for outcome in side if outcome.answer)
        for position, side in enumerate(outcomes)
    }
    answered = {position: seen for position, seen in versions.items() if seen}
    if len(set(answered.values())) > 1:
        found.append(
            OtherVersions(
                tuple(answered), tuple(tuple(sorted(seen, key=lambda one: one or "none")) for seen in answered.values())
            )
        )
    return tuple(found)
