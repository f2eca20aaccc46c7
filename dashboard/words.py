"""What the page says about a measurement: pure functions from records to sentences."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from benchmark.endpoints.catalog import Served
from benchmark.endpoints.endpoint import Endpoint
from benchmark.endpoints.sample import Answer, Failure, Sample, Temperature
from inference.card import ModelCard

# Rounding by an endpoint is not a disagreement; anything above this is shown as a difference.
SAME_PROBABILITY = 1e-5
NOTHING = "\N{EN DASH}"
"""Where there is no figure to show."""
READ_ONLY = ":material/lock: This dashboard is read-only"
"""Markdown; what follows says what that means on a page."""

Color = Literal["red", "orange", "blue", "green", "gray", "violet"]


@dataclass(frozen=True, slots=True)
class Badge:
    """A word with its icon and colour; the word alone says it all."""

    text: str
    icon: str
    color: Color

    @property
    def markdown(self) -> str:
        return f":{self.color}-badge[{self.icon} {self.text}]"


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether the two agree, in a word, and the sentence that goes with it."""

    outcome: Literal["agree", "disagree", "unknown"]
    headline: str
    sentence: str

    @property
    def badge(self) -> Badge:
        return agreement_badge(self.outcome, self.headline)


_AGREEMENT: Mapping[str, tuple[str, Color]] = {
    "agree": (":material/check_circle:", "green"),
    "disagree": (":material/warning:", "red"),
    "unknown": (":material/help:", "gray"),
}


def agreement_badge(outcome: Literal["agree", "disagree", "unknown"], text: str) -> Badge:
    """What agreement looks like wherever it is said, in the words of `text`."""
    return Badge(text, *_AGREEMENT[outcome])


def plain(text: str) -> str:
    """`text` so that Streamlit's Markdown shows it as it is: it may come from an endpoint."""
    # Escapes do not stop Streamlit from making links of bare addresses and icons of `:material/...:`: it looks for
    # them in the finished text. A joiner, which has no width, breaks them up.
    text = re.sub(
        r"(?i)https?:(?=//)|www(?=\.)|@|:(?=material/|streamlit:)", "\\g<0>\N{WORD JOINER}", " ".join(text.split())
    )
    # No more than needed is escaped: the label of a widget is also its name for screen readers, backslashes and all.
    text = re.sub(r"([\\`*_{}\[\]#|<>~$:&])", r"\\\1", text)
    return re.sub(r"^(\d*)([-+=.)])", r"\1\\\2", text)


def sentence(text: str) -> str:
    """A clause of an error or a problem as a sentence: its first letter large, with a full stop."""
    return f"{capital(text)}."


def capital(text: str) -> str:
    """`text` with its first letter large, and the others as they are."""
    return text[:1].upper() + text[1:]


def duration(value_ms: float) -> str:
    """Milliseconds with three significant digits: `4.73`, `24.4`, `1 240`."""
    # Bounds are where the digits round up to the next power of ten.
    digits = 2 if value_ms < 9.995 else 1 if value_ms < 99.95 else 0
    return f"{value_ms:,.{digits}f}".replace(",", "\N{NARROW NO-BREAK SPACE}")


def count(number: float) -> str:
    """A whole number with its thousands apart: `1 681`."""
    return f"{number:,.0f}".replace(",", "\N{NARROW NO-BREAK SPACE}")


def counted(number: int, noun: str) -> str:
    """So many of them: `1 probe`, `1 681 requests`."""
    return f"{count(number)} {noun}{'' if number == 1 else 's'}"


def percent(share: float) -> str:
    """A share as the bars and metrics show it; never rounds an uncertain answer up to 100 %."""
    if 0.9995 <= share < 1:
        return "> 99.9"
    if 0 < share < 0.0005:
        return "< 0.1"
    return f"{share * 100:.1f}"


def markdown_table(header: Sequence[str], rows: Sequence[Sequence[str]], numbers: int = 0) -> str:
    """A table whose last `numbers` columns are aligned to the right; the cells are Markdown.

    Streamlit's own tables import pandas.
    """
    rule = ["---"] * (len(header) - numbers) + ["---:"] * numbers
    return "\n".join("| " + " | ".join(cells) + " |" for cells in (header, rule, *rows))


def verdict(endpoints: Sequence[Endpoint], samples: Sequence[Sample], card: ModelCard) -> Verdict:
    """Compare one pair of samples, in words that a single observation deserves."""
    failed = [sample for sample in samples if sample.failure]
    if len(failed) == len(samples):
        return Verdict("unknown", "No answer", "Neither endpoint gave an answer, so there is nothing to compare.")
    if failed:
        ok = next(sample for sample in samples if not sample.failure)
        names = {endpoint.key: endpoint.name for endpoint in endpoints}
        return Verdict(
            "unknown",
            "One answer",
            f"Only {names[ok.endpoint]} answered, in {duration(ok.latency_ms)} ms. "
            f"{names[failed[0].endpoint]}: see its card.",
        )
    one, other = (sample.answer for sample in samples)
    assert one and other  # a sample without a failure has an answer  # noqa: S101
    agree, difference = _agreement(one, other, card)
    return Verdict(
        "agree" if agree else "disagree",
        "Both agree" if agree else "They disagree",
        f"{difference} {_speed(endpoints, samples)}",
    )


def _agreement(one: Answer, other: Answer, card: ModelCard) -> tuple[bool, str]:
    if not card.is_classifier:
        gap = abs(one.prediction - other.prediction)
        agree = gap <= SAME_PROBABILITY * max(abs(one.prediction), abs(other.prediction))
        return agree, f"The predictions differ by {gap:.3g}." if gap else "The predictions are identical."
    agree = one.prediction == other.prediction
    if one.probabilities is None or other.probabilities is None:
        return agree, "At least one of them gives no probabilities to compare."
    largest = max(abs(a - b) for a, b in zip(one.probabilities, other.probabilities, strict=True))
    if largest > SAME_PROBABILITY:
        return False, f"Largest probability difference {largest:.2g}."
    return agree, f"Largest probability difference {largest:.1g}." if largest else "Largest probability difference 0."


def _speed(endpoints: Sequence[Endpoint], samples: Sequence[Sample]) -> str:
    faster, slower = sorted(samples, key=lambda sample: sample.latency_ms)
    name = next(endpoint.name for endpoint in endpoints if endpoint.key == faster.endpoint)
    gap = duration(slower.latency_ms - faster.latency_ms)
    sentence = f"{name} was faster by {gap} ms in this single observation"
    if {faster.temperature, slower.temperature} & {Temperature.COLD, Temperature.QUEUED}:
        return sentence + ", a cold start included."
    if faster.connection_reused != slower.connection_reused:
        return sentence + ", in which only one had to open a connection."
    return sentence + "."


def latency_split(sample: Sample) -> str:
    """Where the time went, as far as the server says."""
    if sample.server_ms is None:
        return "the server does not say how much of it was its own"
    assert sample.rest_ms is not None  # noqa: S101
    return f"server {duration(sample.server_ms)} ms + network and HTTP {duration(sample.rest_ms)} ms"


def conditions(sample: Sample) -> str:
    """Instance, temperature and connection of one sample."""
    parts = [
        {
            Temperature.COLD: "cold start",
            Temperature.WARM: "warm",
            Temperature.FIRST_ON_WARM: "warm, first request",
            Temperature.UNKNOWN: "cold or warm unknown",
            Temperature.QUEUED: "queued for a cold start",
        }[sample.temperature]
    ]
    parts.append(f"instance {sample.instance_id[:8]}" if sample.instance_id else "instance unknown")
    if sample.request_count and sample.temperature is not Temperature.FIRST_ON_WARM:
        parts.append(f"request {sample.request_count}")
    parts.append("connection reused" if sample.connection_reused else "new connection")
    return " · ".join(parts)


def what_to_try(sample: Sample, endpoint: Endpoint, served: Served | None, card: ModelCard | None) -> str:
    """Why this endpoint gave no usable answer, and what to do about it, in one sentence."""
    if card and served and served.card and served.card.version != card.version and sample.status is not None:
        return (
            f"It serves another model ({served.card.title}, version {served.card.version}) than this page shows: "
            "give both endpoints the same artifact."
        )
    at = endpoint.address
    status = sample.status
    if status in (401, 403):
        return _what_to_grant(status, endpoint)
    if status == 404:
        return f"There is no prediction at {at} (HTTP 404): check {endpoint.key.upper()}_URL."
    if status == 422:
        return (
            "It does not accept these measurements (HTTP 422): it probably serves another model than this page shows."
        )
    if status == 429:
        return "It is out of capacity (HTTP 429): raise its instance limit, or try again later."
    return {
        Failure.NO_IDENTITY: f"Nothing was sent: {sample.failure_detail or 'there is no ID token for it'}; or set "
        f"{endpoint.key.upper()}_TOKEN.",
        Failure.TIMEOUT: f"No answer within {endpoint.timeout_s:g} s: it may be starting, so try again, "
        f"or raise {endpoint.key.upper()}_TIMEOUT_S.",
        Failure.REFUSED: f"Nothing listens at {at}: start it, or check {endpoint.key.upper()}_URL.",
        Failure.UNREACHABLE: f"{at} cannot be reached: check {endpoint.key.upper()}_URL and the network.",
        Failure.RESET: f"{at} closed the connection without a complete answer: look at its log.",
        Failure.TLS: f"No secure connection to {at}: check its certificate, or use http for a local address.",
        Failure.CLIENT_ERROR: f"It rejected the request (HTTP {status}): check that {at} is a Faceoff endpoint.",
        Failure.SERVER_ERROR: f"It failed to answer (HTTP {status}): look at its log.",
        Failure.UNEXPECTED_STATUS: f"It answered HTTP {status} instead of 200: check {endpoint.key.upper()}_URL.",
        Failure.TOO_LARGE: f"Its answer is too large to be a prediction: check {endpoint.key.upper()}_URL.",
        Failure.BAD_JSON: f"Its answer is not JSON: check that {endpoint.key.upper()}_URL is a prediction endpoint.",
        Failure.WRONG_SCHEMA: f"Its answer does not fit this model ({sample.failure_detail}): "
        "check that both endpoints serve the same artifact.",
    }[sample.failure or Failure.UNREACHABLE]


def _what_to_grant(status: int, endpoint: Endpoint) -> str:
    """What a private service needs, by what was sent to it."""
    key = endpoint.key.upper()
    if endpoint.token:
        return (
            f"It refused {key}_TOKEN (HTTP {status}): the token may have expired, after an hour, or its account needs "
            "roles/run.invoker on this service."
        )
    if endpoint.identity:
        return (
            f"It refused this dashboard's ID token (HTTP {status}): grant roles/run.invoker on this service to the "
            f"account that the dashboard runs as, and check that {key}_URL is the service's own run.app address."
        )
    return (
        f"It is private (HTTP {status}): set {key}_TOKEN, or GOOGLE_ID_TOKENS=1 where this runs on Google Cloud, and "
        "grant roles/run.invoker on this service to that account."
    )


def artifact_warning(endpoints: Sequence[Endpoint], served: Sequence[Served | None]) -> str | None:
    """The warning that the two endpoints do not serve the same files, or None."""
    cards = [entry.card for entry in served if entry and entry.card]
    if len(cards) < 2 or dict(cards[0].sha256) == dict(cards[1].sha256):
        return None
    versions = " and ".join(
        f"{endpoint.name} {card.title} {card.version}" for endpoint, card in zip(endpoints, cards, strict=True)
    )
    return (
        f"The endpoints serve different artifacts ({versions}): differences below may come from the models, "
        "not from the platforms."
    )
