"""The outcome of one input: an answer, a refusal or a failure, parsed from an untrusted reply."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from benchmark.agreement.inputs import Invalid
from benchmark.endpoints.answer import NotJson, decode, judge
from benchmark.endpoints.protocols import Form, Protocol, WrongSchema
from benchmark.endpoints.readable import is_readable
from benchmark.endpoints.sample import Answer, Failure
from inference.card import KnownAnswer, ModelCard


@dataclass(frozen=True, slots=True)
class InputOutcome:
    """The outcome of one valid input at one endpoint. Without a `status` there was no HTTP answer; `failure` says why.

    `fields` are the names in the answer, in alphabetical order; None if they cannot be compared, as for a known
    answer of the model card, which has none.
    """

    status: int | None = None
    failure: Failure | None = None
    detail: str | None = None
    answer: Answer | None = None
    fields: tuple[str, ...] | None = ()


@dataclass(frozen=True, slots=True)
class Refusal:
    """How one endpoint replied to one invalid input, which may not be a refusal: its status, and any error code."""

    status: int | None
    code: str | None = None

    @property
    def refused(self) -> bool:
        """Whether the endpoint refused the request with a 4xx status, as required."""
        return self.status is not None and 400 <= self.status < 500


@dataclass(frozen=True, slots=True)
class InvalidResult:
    """One invalid input and the reply of each endpoint, in the order of the endpoints."""

    invalid: Invalid
    refusals: tuple[Refusal, ...]
    by_contract: bool = True
    """whether all endpoints have the same contract, which says with which status and code they refuse"""

    @property
    def compared(self) -> bool:
        """Whether every endpoint answered, or the answers received already differ."""
        answered = [one for one in self.refusals if one.status is not None]
        return len(answered) == len(self.refusals) or (len(answered) > 1 and not _alike(answered))

    @property
    def same(self) -> bool:
        """Whether every endpoint refused it; under one contract, with the same status and code."""
        return _alike(self.refusals) if self.by_contract else all(one.refused for one in self.refusals)


def _alike(refusals: Sequence[Refusal]) -> bool:
    return all(one.refused and one == refusals[0] for one in refusals)


def read_outcome(status: int, body: bytes, card: ModelCard, protocol: Protocol) -> InputOutcome:
    """The outcome of a request with one row."""
    judged = judge(status, body, card, protocol)
    if judged.answer is None:
        return InputOutcome(status, judged.failure, judged.detail)
    return InputOutcome(status, answer=judged.answer, fields=_fields(decode(body)))


def read_outcomes(
    status: int, body: bytes, card: ModelCard, protocol: Protocol, form: Form, count: int
) -> list[InputOutcome] | None:
    """The outcomes of a request with `count` rows in `form`; None if the reply does not answer `count` rows."""
    if status != 200:
        return None
    try:
        documents = form.split(decode(body), count)
    except NotJson:
        return None
    return None if documents is None else [_one_of_many(status, one, card, protocol) for one in documents]


def _one_of_many(status: int, document: Any, card: ModelCard, protocol: Protocol) -> InputOutcome:
    try:
        return InputOutcome(status, answer=protocol.read_answer(document, card), fields=_fields(document))
    except WrongSchema as error:
        return InputOutcome(status, Failure.WRONG_SCHEMA, str(error))


def _fields(document: Any) -> tuple[str, ...] | None:
    return tuple(sorted(document)) if isinstance(document, dict) else None


def known_outcome(known: KnownAnswer, card: ModelCard) -> InputOutcome:
    """A known answer of `card` as the outcome that an endpoint should have."""
    if not card.is_classifier:
        return InputOutcome(200, answer=Answer(known.outputs[0]), fields=None)
    confidence = max(known.outputs)
    index = known.outputs.index(confidence)
    return InputOutcome(200, answer=Answer(index, card.classes[index], confidence, known.outputs), fields=None)


def read_refusal(status: int, body: bytes) -> Refusal:
    """The refusal in a reply; its code is that of `{"error": {"code": ...}}`."""
    try:
        document = decode(body)
    except NotJson:
        return Refusal(status)
    error = document.get("error") if isinstance(document, dict) else None
    code = error.get("code") if isinstance(error, dict) else None
    return Refusal(status, code if isinstance(code, str) and len(code) <= 64 and is_readable(code) else None)
