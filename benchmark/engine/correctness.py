"""Whether answers under load are those at rest: a server that mixes up concurrent requests is fast and wrong."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from benchmark.endpoints.sample import Answer
from benchmark.engine.client import Client

MOST_BODIES = 100
"""Different inputs that are asked at rest; answers to others are not compared."""
TOLERANCE = 1e-5
"""Numbers within it are the same: absolute for probabilities, else relative, as in an audit of the agreement."""
_ASKED = 2
_GIVE_UP_AFTER = 3


def at_rest_requests(bodies: Sequence[bytes]) -> int:
    """How many requests at rest an endpoint gets before the load."""
    return _ASKED * min(len(set(bodies)), MOST_BODIES)


class AtRest:
    """The answers of one endpoint at rest, and how many of those under load differ from them."""

    def __init__(self) -> None:
        self._known: dict[bytes, Answer] = {}
        self._unstable = 0
        self._asked: list[Answer] | None = None
        self._counts: dict[int, list[int]] = defaultdict(lambda: [0, 0])

    async def ask(self, client: Client, bodies: Sequence[bytes], began_ns: int) -> None:
        """Ask for each different input twice, one request in flight, and then compare all further answers of `client`.

        An input with two different answers, or without an answer, is unstable: nothing can be said of it under load.
        After some inputs in a row without an answer, the others are not asked.
        """
        client.observe = self.add
        silent = 0
        for body in list(dict.fromkeys(bodies))[:MOST_BODIES]:
            found: list[Answer] = []
            self._asked = found
            for _ in range(_ASKED):
                await client.send(body, 0, began_ns=began_ns, warmup=False)
            if len(found) == _ASKED and is_same(*found):
                self._known[body] = found[0]
            else:
                self._unstable += 1
            silent = 0 if found else silent + 1
            if silent == _GIVE_UP_AFTER:
                break
        self._asked = None

    def add(self, body: bytes, answer: Answer, instance: int) -> None:
        """Take the answer of an instance (0: unknown) to `body` into account."""
        if self._asked is not None:
            self._asked.append(answer)
        elif (known := self._known.get(body)) is not None:
            counts = self._counts[instance]
            counts[0] += 1
            # Equal bytes are judged once, so most answers are one object.
            counts[1] += answer is not known and not is_same(answer, known)

    def document(self, instances: Sequence[str]) -> dict[str, Any]:
        """The counts for the outcome of a run; `instances` are the IDs of the numbers from 1."""
        return {
            "bodies": len(self._known) + self._unstable,
            "unstable": self._unstable,
            "instances": [
                {"id": instances[number - 1] if number else None, "compared": compared, "changed": changed}
                for number, (compared, changed) in sorted(self._counts.items())
            ],
        }


def is_same(one: Answer, other: Answer) -> bool:
    """Whether two answers to the same input are the same, up to rounding errors of arithmetic."""
    if one == other:
        return True
    if one.label != other.label or one.model_version != other.model_version:
        return False
    if not _are_close(_shares(one), _shares(other)):
        return False
    if one.label is not None:
        return one.prediction == other.prediction
    return abs(one.prediction - other.prediction) <= TOLERANCE * max(abs(one.prediction), abs(other.prediction))


def _shares(answer: Answer) -> tuple[float | None, ...]:
    return (answer.confidence, *(answer.probabilities or ()))


def _are_close(one: Sequence[float | None], other: Sequence[float | None]) -> bool:
    """Whether both have the same numbers at the same places, within the tolerance."""
    return len(one) == len(other) and all(
        a is b if a is None or b is None else abs(a - b) <= TOLERANCE for a, b in zip(one, other, strict=True)
    )
