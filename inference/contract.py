"""The contract of `POST /predict`: the accepted bodies, the answers and the errors.

Strict on purpose: the card either allows a body, or the error says what is wrong with it. No message repeats any of
the input.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NoReturn

from inference.card import ModelCard, Value

MAX_BODY_BYTES = 64 * 1024
MAX_HEAD_BYTES = 64 * 1024
MAX_INSTANCES = 1000
MAX_DEPTH = 32
"""Deepest nesting that is read as JSON. A valid body needs 4; the parser's own limit depends on who calls it."""
MAX_DETAILS = 20
"""An error names at most so many offending fields, so that a bad body cannot ask for a large answer."""

TRAFFIC_HEADER = "x-traffic"
TEST_TRAFFIC = "test"
"""The header, and its one value, that mark test traffic. It gets the same answers and is counted separately in
`/metrics`; every other request counts as a user's."""

encode = json.JSONEncoder(separators=(",", ":"), ensure_ascii=True, allow_nan=False).encode


@dataclass(frozen=True, slots=True)
class Detail:
    """One thing wrong with a request, and where: a feature, `features[2]`, `instances[7]` or `body`."""

    field: str
    message: str


class ContractError(Exception):
    """The request is refused. The message never repeats any of the input."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        details: Sequence[Detail] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.details = tuple(details)
        self.headers = dict(headers or {})

    def body(self) -> bytes:
        """The error as the client gets it."""
        error: dict[str, Any] = {"code": self.code, "message": self.message}
        if self.details:
            error["details"] = [{"field": item.field, "message": item.message} for item in self.details]
        return encode({"error": error}).encode()


@dataclass(frozen=True, slots=True)
class Rows:
    """The validated measurements of one request, in the card's order."""

    values: Sequence[list[Value]]
    is_batch: bool = field(default=False)


def malformed(message: str) -> ContractError:
    return ContractError(400, "malformed_json", message)


def invalid(message: str, details: Sequence[Detail]) -> ContractError:
    return ContractError(422, "invalid_input", message, details)


def too_large() -> ContractError:
    return ContractError(413, "too_large", f"The body is larger than {MAX_BODY_BYTES} bytes.")


def headers_too_large() -> ContractError:
    message = f"The headers are larger than {MAX_HEAD_BYTES} bytes."
    return ContractError(431, "headers_too_large", message, headers={"connection": "close"})


def request_timeout() -> ContractError:
    return ContractError(408, "request_timeout", "The request did not arrive in time.", headers={"connection": "close"})


def internal_error() -> ContractError:
    return ContractError(500, "internal", "The request could not be answered. It is not your input; try again.")


def check_media_type(content_type: str | None, content_encoding: str | None) -> None:
    """Accept JSON in UTF-8, uncompressed; raise a 415 for anything else, also for no Content-Type at all.

    A page of another origin can send a body without a Content-Type, or as text/plain, with no preflight.
    """
    if content_type != "application/json":  # the common case costs one comparison
        media_type, *parameters = (content_type or "").split(";")
        accepted = media_type.strip().lower() == "application/json" and all(
            not parameter.strip() or parameter.strip().lower() in ("charset=utf-8", 'charset="utf-8"')
            for parameter in parameters
        )
        if not accepted:
            raise ContractError(
                415, "unsupported_media_type", "Send JSON in UTF-8 with the header Content-Type: application/json."
            )
    if content_encoding is not None and content_encoding.strip().lower() not in ("", "identity"):
        raise ContractError(415, "unsupported_media_type", "Compressed bodies are not accepted.")


def parse_rows(body: bytes, card: ModelCard) -> Rows:
    """Read a request body: the named features, `features`, or `instances`.

    Raises ContractError: 400 if it is not JSON, 422 if it is JSON but not a valid measurement.
    """
    document = _decode(body)
    try:
        rows = _rows(document, card)
        if card.categories:
            for values in rows.values:
                for place, feature in card.categories:
                    values[place] = feature.read(values[place])
        return rows
    except ContractError:
        # Depth is judged here, where valid bodies never come, and by our own limit: where the parser gives up
        # depends on how deep its caller already is, so the two endpoints would answer differently.
        if _deeper_than(document, MAX_DEPTH):
            raise malformed("The JSON is nested too deeply.") from None
        if _is_ambiguous(document):
            raise invalid("A field is given twice.", [Detail("body", "every field may be given once")]) from None
        raise


def answer(card: ModelCard, output: Sequence[float]) -> dict[str, Any]:
    """The reply to one row: `output` as the model gives it (class probabilities, or one value)."""
    if not card.is_classifier:
        return {"prediction": output[0], "model_version": card.version}
    confidence = max(output)
    prediction = output.index(confidence)
    return {
        "prediction": prediction,
        "prediction_label": card.classes[prediction],
        "confidence": confidence,
        "probabilities": dict(zip(card.classes, output, strict=True)),
        "model_version": card.version,
    }


class _Ambiguous(list[Any]):
    """The values of an object that names a field twice, so that its meaning is ambiguous."""


class _NotJson(Exception):
    """A literal that Python's parser accepts and the JSON grammar does not."""


def _refuse_constant(_: str) -> NoReturn:
    raise _NotJson


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any] | _Ambiguous:
    result = dict(pairs)
    if len(result) != len(pairs):
        # Not raised from here: the rest of the body may not even be JSON, which is the graver error.
        return _Ambiguous(value for _, value in pairs)
    return result


_decoder = json.JSONDecoder(parse_constant=_refuse_constant, object_pairs_hook=_object)


def _decode(body: bytes) -> Any:
    try:
        return _decoder.decode(body.decode("utf-8"))
    except UnicodeDecodeError:
        raise malformed("The body is not UTF-8.") from None
    except _NotJson:
        raise malformed("NaN and Infinity are not JSON.") from None
    except RecursionError:
        raise malformed("The JSON is nested too deeply.") from None
    except ValueError:  # the grammar, and integers past Python's 4300 digits
        raise malformed("The body is not JSON.") from None


def _rows(document: Any, card: ModelCard) -> Rows:
    if type(document) is not dict:
        raise invalid("The body is not an object.", [Detail("body", _shapes(card))])
    if "instances" in document:
        return _batch(document, card)
    problems: list[Detail] = []
    values = _row(document, card, problems)
    if problems:
        raise invalid("The input is not valid.", problems[:MAX_DETAILS])
    return Rows((values,))


def _batch(document: dict[str, Any], card: ModelCard) -> Rows:
    instances = document["instances"]
    if len(document) != 1:
        raise invalid("The input is not valid.", [Detail("body", "instances stands alone")])
    if type(instances) is not list or not 1 <= len(instances) <= MAX_INSTANCES:
        raise invalid("The input is not valid.", [Detail("instances", f"must be a list of 1 to {MAX_INSTANCES}")])
    rows = []
    problems: list[Detail] = []
    for index, instance in enumerate(instances):
        found: list[Detail] = []
        rows.append(_row(instance, card, found))
        problems += [Detail(f"instances[{index}].{item.field}", item.message) for item in found]
        if len(problems) >= MAX_DETAILS:
            break
    if problems:
        raise invalid("The input is not valid.", problems[:MAX_DETAILS])
    return Rows(rows, is_batch=True)


def _row(instance: Any, card: ModelCard, problems: list[Detail]) -> list[Value]:
    """The features of one instance in the card's order; problems with it are added to `problems`."""
    if type(instance) is list:
        return _listed(instance, card, problems, "features")
    if type(instance) is not dict:
        problems.append(Detail("body", _shapes(card)))
        return []
    if "features" in instance:
        if len(instance) != 1:
            problems.append(Detail("body", "features stands alone"))
            return []
        return _listed(instance["features"], card, problems, "features")
    values = []
    missing = 0
    for feature in card.features:
        if feature.name in instance:
            value = instance[feature.name]
            problem = feature.problem(value)
            if problem:
                problems.append(Detail(feature.name, problem))
            values.append(value)
        else:
            missing += 1
            problems.append(Detail(feature.name, "is missing"))
    if len(instance) > len(card.features) - missing:
        problems.append(Detail("body", "has a field that the model does not know"))
    return values


def _listed(values: Any, card: ModelCard, problems: list[Detail], name: str) -> list[Value]:
    if type(values) is not list or len(values) != len(card.features):
        kind = "numbers" if card.is_numeric else "values"
        problems.append(Detail(name, f"must be a list of {len(card.features)} {kind}: {', '.join(card.feature_names)}"))
        return []
    for index, (value, feature) in enumerate(zip(values, card.features, strict=True)):
        problem = feature.problem(value)
        if problem:
            problems.append(Detail(f"{name}[{index}]", problem))
    return values


def _shapes(card: ModelCard) -> str:
    named = ", ".join(card.feature_names)
    return f'must be an object with {named}, or {{"features": [...]}}, or {{"instances": [...]}}'


def _deeper_than(document: Any, limit: int) -> bool:
    level = [document]
    for _ in range(limit):
        level = [
            child
            for item in level
            if isinstance(item, (list, dict))
            for child in (item.values() if isinstance(item, dict) else item)
        ]
        if not level:
            return False
    return any(isinstance(item, (list, dict)) for item in level)


def _is_ambiguous(document: Any) -> bool:
    """Whether a field is given twice anywhere; `document` is not nested too deeply."""
    if isinstance(document, (list, dict)):
        children = document.values() if isinstance(document, dict) else document
        return isinstance(document, _Ambiguous) or any(map(_is_ambiguous, children))
    return False
