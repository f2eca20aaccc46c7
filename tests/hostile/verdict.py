"""What is wrong with the answers to a hostile case: the contract of the endpoints as a judgement."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, NoReturn, get_args

from tests.hostile.case import MARKER, Case
from tests.hostile.client import Answer, Exchange

LIMIT_S = 5.0
"""The contract: nobody waits longer than this for an answer or for the end, from the connection or last answer on."""
MAX_ERROR_BYTES = 16 * 1024
MAX_DETAILS = 20

Kind = Literal["5xx", "hang", "leak", "disagreement", "wrong status", "wrong form", "unserved"]
KINDS: tuple[Kind, ...] = get_args(Kind)

_CODES = {
    400: {"malformed_json", "bad_request"},
    404: {"not_found"},
    405: {"method_not_allowed"},
    408: {"request_timeout"},
    413: {"too_large"},
    415: {"unsupported_media_type"},
    422: {"invalid_input"},
    431: {"headers_too_large"},
    500: {"internal"},
}
_LEAKS = tuple(
    text.encode()
    for text in (
        *("traceback", "/site-packages", ".py", "python", "exception", "/home/", "/root/", "/tmp/", "/usr/", "/work"),  # noqa: S108
        *("uvicorn", "uvloop", "starlette", "fastapi", "pydantic", "gunicorn", "httptools", "llhttp", "werkzeug"),
        *("flask", "functions-framework", "functions_framework", "onnx", "numpy", "sklearn", "scikit", "joblib"),
        MARKER.lower(),
    )
)


@dataclass(frozen=True, slots=True)
class Problem:
    """One breach of the contract, at one endpoint or between the two."""

    kind: Kind
    text: str


def judge(case: Case, exchanges: Mapping[str, Exchange], unserved: frozenset[str]) -> list[Problem]:
    """The breaches in the exchanges of `case`, by endpoint; `unserved` are the endpoints that answered no more."""
    problems = [Problem("unserved", f"{endpoint}: a valid request is not served afterwards") for endpoint in unserved]
    for endpoint, exchange in exchanges.items():
        problems += [Problem(kind, f"{endpoint}: {text}") for kind, text in _one(case, endpoint, exchange)]
    found = {endpoint: exchange.statuses for endpoint, exchange in exchanges.items()}
    if case.function_statuses is None and len(set(found.values())) > 1:
        problems.append(Problem("disagreement", f"{found}"))
    return problems


def _one(case: Case, endpoint: str, exchange: Exchange) -> list[tuple[Kind, str]]:
    problems: list[tuple[Kind, str]] = []
    if any(status >= 500 for status in exchange.statuses):
        problems.append(("5xx", f"{exchange.statuses}"))
    if exchange.waited_s > LIMIT_S:
        problems.append(("hang", f"{exchange.waited_s:.1f} s"))
    expected = case.statuses
    if endpoint == "Function" and case.function_statuses is not None:
        expected = case.function_statuses
    if expected is not None and exchange.statuses != expected:
        problems.append(("wrong status", f"{exchange.statuses}, not {expected}"))
    if not case.public:
        lowered = exchange.raw.lower()
        problems += [("leak", repr(text.decode())) for text in _LEAKS if text in lowered]
    if exchange.rest:
        problems.append(("wrong form", f"{exchange.rest[:80]!r} is no answer"))
    for answer in exchange.answers:
        problems += [("wrong form", text) for text in _form(answer, bodiless=case.bodiless)]
    return problems


def _form(answer: Answer, *, bodiless: bool) -> list[str]:
    problems = [
        f"{answer.status} without {name}"
        for name in ("server-timing", "x-instance-id", "x-instance-age-ms", "x-request-count", "content-length")
        if name not in answer.headers
    ]
    if answer.status < 400:
        return problems
    if answer.headers.get("content-type") != "application/json":
        problems.append(f"{answer.status} of type {answer.headers.get('content-type')}")
    if answer.status == 405 and not answer.headers.get("allow"):
        problems.append("405 without Allow")
    if len(answer.body) > MAX_ERROR_BYTES:
        problems.append(f"{answer.status} of {len(answer.body)} bytes")
    if not bodiless and not _is_error(answer):
        problems.append(f"{answer.status} with {answer.body[:80]!r}")
    return problems


def _is_error(answer: Answer) -> bool:
    try:
        document = json.loads(answer.body.decode("utf-8"), parse_constant=_refuse)
    except (ValueError, RecursionError):
        return False
    match document:
        case {"error": {"code": str(code), "message": str(message), **rest}} if len(document) == 1 and message:
            return code in _CODES.get(answer.status, set()) and (not rest or _are_details(rest))
    return False


def _are_details(rest: Mapping[Any, Any]) -> bool:
    match rest:
        case {"details": [*details]} if len(rest) == 1 and 0 < len(details) <= MAX_DETAILS:
            return all(
                isinstance(detail, dict)
                and set(detail) == {"field", "message"}
                and all(isinstance(text, str) for text in detail.values())
                for detail in details
            )
    return False


def _refuse(constant: str) -> NoReturn:
    raise ValueError(constant)
