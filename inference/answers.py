"""The bodies of answers, put together from parts that are made once from the card.

`contract.answer` defines what they say; encoding the whole document each time would take twice as long.
"""

from collections.abc import Sequence
from math import isfinite

from inference.card import ModelCard
from inference.contract import Rows, encode

_number = float.__repr__  # as JSON has it, where it is finite


class Answers:
    """Writes what a model gave as JSON."""

    def __init__(self, card: ModelCard) -> None:
        version = f'"model_version":{encode(card.version)}}}'
        self._of_one = self._classified if card.is_classifier else self._regressed
        self._end = f",{version}"
        self._end_of_batch = f"],{version}"
        self._classes = [
            f'{{"prediction":{index},"prediction_label":{encode(name)},"confidence":'
            for index, name in enumerate(card.classes)
        ]
        self._labels = [f"{encode(name)}:" for name in card.classes]

    def body(self, rows: Rows, outputs: Sequence[Sequence[float]]) -> bytes:
        """The finished answer to `rows`, which gave `outputs`. Raises ValueError where one of them is not finite."""
        written = ",".join([self._of_one(output) for output in outputs])
        return (f'{{"predictions":[{written}{self._end_of_batch}' if rows.is_batch else written).encode()

    def _classified(self, output: Sequence[float]) -> str:
        numbers = _numbers(output)
        index = output.index(max(output))
        shares = ",".join([label + number for label, number in zip(self._labels, numbers, strict=True)])
        return f'{self._classes[index]}{numbers[index]},"probabilities":{{{shares}}}{self._end}'

    def _regressed(self, output: Sequence[float]) -> str:
        return f'{{"prediction":{_numbers(output)[0]}{self._end}'


def _numbers(output: Sequence[float]) -> list[str]:
    if not isfinite(sum(output)):
        raise ValueError("the model gave what JSON cannot express")
    return [*map(_number, output)]
