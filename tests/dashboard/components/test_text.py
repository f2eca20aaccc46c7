"""What the page says: one sentence a failure, no more certainty than one observation gives, and nobody's markup."""

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmark.endpoints.catalog import Served
from benchmark.endpoints.endpoint import Endpoint
from benchmark.endpoints.sample import Answer, Failure, Sample
from dashboard.components import markup, sample_text
from dashboard.views.predict import text as say
from inference.card import ModelCard
from tests.benchmark.cards import TEA_ROWS, files_of, make_card, mileage_document, tea_document

API = Endpoint("api", "FastAPI", "http://127.0.0.1:8000", 2.5)
FUNCTION = Endpoint("function", "Cloud Function", "https://function.example/predict")
SIDES = (API, FUNCTION)
TEA = make_card(tea_document())
MILEAGE = make_card(mileage_document())

OOLONG = Answer(1, "oolong", 0.7, (0.2, 0.7, 0.1), TEA.version)
API_SAMPLE = Sample("api", "now", 10.0, 200, 2.5, True, "0123456789abcdef", 60_000.0, 5, answer=OOLONG)
FUNCTION_SAMPLE = replace(API_SAMPLE, endpoint="function", latency_ms=34.5)
FAILED = Sample("function", "now", 12.0, failure=Failure.REFUSED)


def said(one: Sample = API_SAMPLE, other: Sample = FUNCTION_SAMPLE, card: ModelCard = TEA) -> markup.Statement:
    return say.verdict(SIDES, (one, other), card)


def one_sentence(text: str) -> bool:
    """Whether it starts with a capital, or an address, and has its only full stop at its end."""
    return bool(re.fullmatch(r"[A-Z0-9a-z].*[^.]\.", text)) and not re.search(r"[.!?]\s", text) and "\n" not in text


# --- Failures


@pytest.mark.parametrize("failure", Failure)
@pytest.mark.parametrize("side", SIDES, ids=["api", "function"])
def test_every_failure_gives_one_sentence_with_something_to_try(failure: Failure, side: Endpoint) -> None:
    status = {Failure.CLIENT_ERROR: 400, Failure.SERVER_ERROR: 500, Failure.UNEXPECTED_STATUS: 302}.get(failure)
    detail = "prediction is not a number" if failure is Failure.WRONG_SCHEMA else None
    sample = Sample(side.key, "now", 12.0, status, failure=failure, failure_detail=detail)
    sentence = sample_text.what_to_try(sample, side, None, TEA)
    assert one_sentence(sentence), sentence
    assert ": " in sentence
    assert "None" not in sentence


@pytest.mark.parametrize(
    "status", [201, 204, 301, 302, 400, 401, 403, 404, 405, 413, 415, 422, 429, 500, 502, 503, 504]
)
def test_every_status_is_named_in_one_sentence(status: int) -> None:
    failure = {4: Failure.CLIENT_ERROR, 5: Failure.SERVER_ERROR}.get(status // 100, Failure.UNEXPECTED_STATUS)
    sentence = sample_text.what_to_try(Sample("api", "now", 12.0, status, failure=failure), API, None, TEA)
    assert one_sentence(sentence), sentence
    assert f"HTTP {status}" in sentence


def test_every_kind_of_failure_has_words_of_its_own() -> None:
    sentences = {
        sample_text.what_to_try(Sample("api", "now", 1.0, failure=failure), API, None, TEA) for failure in Failure
    }
    assert len(sentences) == len(Failure)


@pytest.mark.parametrize(
    ("failure", "status", "hint"),
    [
        (Failure.REFUSED, None, "API_URL"),
        (Failure.UNREACHABLE, None, "API_URL"),
        (Failure.TIMEOUT, None, "API_TIMEOUT_S"),
        (Failure.CLIENT_ERROR, 401, "API_TOKEN"),
        (Failure.CLIENT_ERROR, 403, "API_TOKEN"),
        (Failure.CLIENT_ERROR, 404, "API_URL"),
        (Failure.BAD_JSON, 200, "API_URL"),
        (Failure.TOO_LARGE, 200, "API_URL"),
        (Failure.UNEXPECTED_STATUS, 302, "API_URL"),
    ],
)
def test_the_variable_to_look_at_is_named(failure: Failure, status: int | None, hint: str) -> None:
    sample = Sample("api", "now", 1.0, status, failure=failure)
    assert hint in sample_text.what_to_try(sample, API, None, TEA)
    assert hint.replace("API", "FUNCTION") in sample_text.what_to_try(sample, FUNCTION, None, TEA)


def test_a_timeout_says_how_long_was_waited() -> None:
    sample = Sample("api", "now", 2500.0, failure=Failure.TIMEOUT)
    assert sample_text.what_to_try(sample, API, None, TEA).startswith("No answer within 2.5 s: ")


def test_a_wrong_schema_says_what_is_wrong() -> None:
    sample = Sample("api", "now", 1.0, 200, failure=Failure.WRONG_SCHEMA, failure_detail="prediction is not a number")
    assert "(prediction is not a number)" in sample_text.what_to_try(sample, API, None, TEA)


@pytest.mark.parametrize(("failure", "status"), [(Failure.CLIENT_ERROR, 422), (Failure.WRONG_SCHEMA, 200)])
def test_an_endpoint_that_serves_another_model_is_told_so(failure: Failure, status: int) -> None:
    sample = Sample("api", "now", 1.0, status, failure=failure)
    sentence = sample_text.what_to_try(sample, API, Served(card=MILEAGE), TEA)
    assert one_sentence(sentence)
    assert f"a different model (Fuel of cars, version {MILEAGE.version})" in sentence


def test_an_endpoint_that_is_away_is_not_blamed_for_the_model_that_it_served_before() -> None:
    assert "another model" not in sample_text.what_to_try(FAILED, FUNCTION, Served(card=MILEAGE), TEA)


# --- Verdicts


def test_agreement_says_how_near_and_who_was_faster_by_how_much() -> None:
    assert said() == markup.Statement(
        "agree",
        "Both agree",
        "Largest probability difference 0. FastAPI was faster by 24.5 ms in this single observation.",
    )


def test_the_faster_one_is_named_whichever_side_it_is_on() -> None:
    assert "Cloud Function was faster by 5.50 ms" in said(other=replace(FUNCTION_SAMPLE, latency_ms=4.5)).sentence


def test_another_class_is_a_disagreement() -> None:
    green = replace(OOLONG, prediction=0, label="green", probabilities=(0.7, 0.2, 0.1))
    verdict = said(other=replace(FUNCTION_SAMPLE, answer=green))
    assert (verdict.outcome, verdict.headline) == ("disagree", "They disagree")
    assert "Largest probability difference 0.5." in verdict.sentence


def test_another_class_is_a_disagreement_also_without_probabilities() -> None:
    verdict = said(other=replace(FUNCTION_SAMPLE, answer=Answer(0, "green")))
    assert verdict.outcome == "disagree"
    assert "no probabilities" in verdict.sentence


def test_the_same_class_without_probabilities_agrees_and_says_what_was_not_compared() -> None:
    verdict = said(other=replace(FUNCTION_SAMPLE, answer=Answer(1, "oolong")))
    assert verdict.outcome == "agree"
    assert "no probabilities" in verdict.sentence


@pytest.mark.parametrize(
    ("shift", "outcome"), [(0.0, "agree"), (9e-6, "agree"), (2e-5, "disagree"), (5e-3, "disagree")]
)
def test_probabilities_that_differ_by_more_than_a_float_disagree(shift: float, outcome: str) -> None:
    shifted = replace(OOLONG, probabilities=(0.2 + shift, 0.7 - shift, 0.1))
    verdict = said(other=replace(FUNCTION_SAMPLE, answer=shifted))
    assert verdict.outcome == outcome


def test_rounding_to_two_digits_is_a_disagreement() -> None:
    exact = replace(OOLONG, probabilities=(0.2013, 0.6941, 0.1046))
    rounded = replace(OOLONG, probabilities=(0.20, 0.69, 0.10))
    verdict = said(replace(API_SAMPLE, answer=exact), replace(FUNCTION_SAMPLE, answer=rounded))
    assert verdict.outcome == "disagree"
    assert "Largest probability difference 0.0046." in verdict.sentence


def test_one_failure_says_who_answered_and_where_to_look() -> None:
    assert said(other=FAILED) == markup.Statement(
        "unknown", "One answer", "Only FastAPI answered, in 10.0 ms. Cloud Function: see its card."
    )


def test_one_failure_on_the_first_side_names_the_other_one() -> None:
    verdict = said(replace(FAILED, endpoint="api"), FUNCTION_SAMPLE)
    assert verdict.sentence == "Only Cloud Function answered, in 34.5 ms. FastAPI: see its card."


def test_two_failures_are_no_verdict() -> None:
    verdict = said(replace(FAILED, endpoint="api"), FAILED)
    assert (verdict.outcome, verdict.headline) == ("unknown", "No answer")
    assert "faster" not in verdict.sentence


@pytest.mark.parametrize(
    ("one", "other", "outcome", "difference"),
    [
        (6.5, 6.5, "agree", "The predictions are identical."),
        (6.5, 6.5 + 1e-6, "agree", "The predictions differ by 1e-06."),
        (6.5, 6.6, "disagree", "The predictions differ by 0.1."),
        (-6.5, 6.5, "disagree", "The predictions differ by 13."),
        (0.0, 0.0, "agree", "The predictions are identical."),
        (1e9, 1e9 + 1, "agree", "The predictions differ by 1."),
    ],
)
def test_values_are_compared_relative_to_their_size(one: float, other: float, outcome: str, difference: str) -> None:
    verdict = said(replace(API_SAMPLE, answer=Answer(one)), replace(FUNCTION_SAMPLE, answer=Answer(other)), MILEAGE)
    assert verdict.outcome == outcome
    assert verdict.sentence.startswith(difference)


def test_a_cold_start_is_said_beside_the_speed() -> None:
    cold = replace(FUNCTION_SAMPLE, request_count=1, instance_age_ms=30.0)
    assert said(other=cold).sentence.endswith("in this single observation, a cold start included.")


def test_what_queued_behind_the_first_request_of_an_instance_waited_for_its_start_too() -> None:
    queued = replace(FUNCTION_SAMPLE, request_count=2, instance_age_ms=0.5)
    assert said(other=queued).sentence.endswith("in this single observation, a cold start included.")


def test_a_cold_start_matters_on_either_side() -> None:
    cold = replace(API_SAMPLE, request_count=1, instance_age_ms=9.0)
    assert said(cold).sentence.endswith("a cold start included.")


def test_a_first_request_on_a_warm_instance_is_no_cold_start() -> None:
    first = replace(FUNCTION_SAMPLE, request_count=1, instance_age_ms=60_000.0)
    assert "cold" not in said(other=first).sentence


def test_a_new_connection_on_one_side_is_said_beside_the_speed() -> None:
    assert said(other=replace(FUNCTION_SAMPLE, connection_reused=False)).sentence.endswith(
        "in this single observation, in which only one had to open a connection."
    )


def test_two_new_connections_are_a_fair_comparison() -> None:
    both = (replace(API_SAMPLE, connection_reused=False), replace(FUNCTION_SAMPLE, connection_reused=False))
    assert said(*both).sentence.endswith("in this single observation.")


def many(*samples: Sample, card: ModelCard = TEA) -> markup.Statement:
    """What is said of so many endpoints, called A, B and so on."""
    keys = "abcdef"[: len(samples)]
    endpoints = [Endpoint(key, key.upper(), "http://127.0.0.1") for key in keys]
    return say.verdict(endpoints, [replace(one, endpoint=key) for key, one in zip(keys, samples, strict=True)], card)


GREEN = replace(API_SAMPLE, answer=replace(OOLONG, prediction=0, label="green", probabilities=(0.7, 0.2, 0.1)))


def test_of_one_endpoint_nothing_is_compared() -> None:
    assert many(API_SAMPLE) == markup.Statement("unknown", "One endpoint", "A answered in 10.0 ms.")
    assert many(FAILED) == markup.Statement("unknown", "No answer", "The endpoint did not answer: see its card.")


@pytest.mark.parametrize(("count", "headline"), [(3, "All three agree"), (4, "All four agree"), (6, "All six agree")])
def test_all_of_many_agree(count: int, headline: str) -> None:
    samples = [replace(API_SAMPLE, latency_ms=10.0 + index) for index in range(count)]
    assert many(*samples) == markup.Statement(
        "agree",
        headline,
        "Largest probability difference 0. A was fastest, 1.00 ms ahead of B, in this single observation.",
    )


@pytest.mark.parametrize(
    ("url", "gap_ms", "base_ms", "said"),
    [
        ("http://127.0.0.1", 0.19, 1.0, "Neither was faster by 0.20 ms or more in this single observation."),
        ("http://127.0.0.1", 0.21, 1.0, "A was faster by 0.21 ms in this single observation."),
        ("http://127.0.0.1", 0.49, 10.0, "Neither was faster by 0.50 ms or more in this single observation."),
        ("https://a.example", 4.9, 10.0, "Neither was faster by 5.00 ms or more in this single observation."),
        ("https://a.example", 5.1, 10.0, "A was faster by 5.10 ms in this single observation."),
    ],
)
def test_below_the_margin_of_a_verdict_nobody_is_called_faster(
    url: str, gap_ms: float, base_ms: float, said: str
) -> None:
    endpoints = [Endpoint(key, key.upper(), url) for key in "ab"]
    samples = [
        replace(API_SAMPLE, endpoint=key, latency_ms=base_ms + late) for key, late in (("a", 0.0), ("b", gap_ms))
    ]
    assert say.verdict(endpoints, samples, TEA).sentence.endswith(said)
    three = [*endpoints, Endpoint("c", "C", url)]
    slow = replace(API_SAMPLE, endpoint="c", latency_ms=base_ms + 100)
    assert ("None was" in say.verdict(three, [*samples, slow], TEA).sentence) == ("Neither" in said)


def test_the_one_that_differs_from_the_others_is_named() -> None:
    verdict = many(API_SAMPLE, GREEN, API_SAMPLE, API_SAMPLE)
    assert (verdict.outcome, verdict.headline) == ("disagree", "They disagree")
    assert verdict.sentence.startswith("B differs: green instead of oolong. Largest probability difference 0.5.")


def test_probabilities_alone_may_differ_too() -> None:
    shifted = replace(API_SAMPLE, answer=replace(OOLONG, probabilities=(0.25, 0.65, 0.1)))
    said = many(API_SAMPLE, API_SAMPLE, shifted).sentence
    assert said.startswith("C differs: its probabilities differ by up to 0.05. Largest")
    assert many(API_SAMPLE, shifted, API_SAMPLE, shifted).sentence.startswith("Their probabilities differ. Largest")


def test_without_a_majority_everybodys_answer_is_said() -> None:
    assert many(API_SAMPLE, GREEN, GREEN, API_SAMPLE).sentence.startswith("A and D: oolong; B and C: green. Largest")


def test_values_of_many_are_compared_from_the_least_to_the_most() -> None:
    samples = [replace(API_SAMPLE, answer=Answer(value)) for value in (6.5, 6.6, 6.5)]
    assert many(*samples, card=MILEAGE).sentence.startswith(
        "B differs: 6.6 instead of 6.5. The predictions differ by 0.1."
    )


def test_those_that_answered_are_compared_where_others_did_not() -> None:
    verdict = many(API_SAMPLE, FAILED, API_SAMPLE)
    assert (verdict.outcome, verdict.headline) == ("unknown", "2 of 3 answered")
    assert verdict.sentence.startswith("Largest probability difference 0. B: see its card. Neither was faster by")
    assert many(FAILED, FAILED, GREEN).sentence == "Only C answered, in 10.0 ms. A and B: see their cards."
    assert many(FAILED, FAILED, FAILED).sentence.startswith("None of the endpoints answered")
    assert many(API_SAMPLE, FAILED, GREEN).outcome == "disagree"


def test_a_cold_start_of_any_is_said() -> None:
    cold = replace(API_SAMPLE, request_count=1, instance_age_ms=9.0)
    assert many(API_SAMPLE, API_SAMPLE, cold).sentence.endswith("in this single observation, a cold start included.")


@pytest.mark.parametrize(("status", "hint"), [(404, "its url in the ENDPOINTS file"), (403, "its token_variable in")])
def test_what_to_try_names_the_file_where_endpoints_are_configured_by_one(status: int, hint: str) -> None:
    sample = Sample("api", "now", 1.0, status, failure=Failure.CLIENT_ERROR)
    sentence = sample_text.what_to_try(sample, API, None, TEA, in_file=True)
    assert one_sentence(sentence)
    assert hint in sentence
    assert "API_" not in sentence


def test_lists_and_numbers_of_endpoints_are_said_as_people_say_them() -> None:
    assert [markup.endpoints(number) for number in (1, 2, 3)] == [
        "the endpoint",
        "both endpoints",
        "all three endpoints",
    ]


def test_no_verdict_claims_more_than_one_observation() -> None:
    for verdict in (said(), said(other=FAILED), said(card=MILEAGE)):
        assert not re.search(r"\b(best|better|winner|wins|always|benchmark|average)\b", verdict.sentence)


# --- Conditions


def test_the_split_adds_up_to_the_latency() -> None:
    assert sample_text.latency_split(API_SAMPLE) == "server 2.50 ms + network and HTTP 7.50 ms"


def test_a_server_that_says_nothing_of_its_time_is_not_guessed_at() -> None:
    assert "does not report" in sample_text.latency_split(replace(API_SAMPLE, server_ms=None))


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({}, "warm · instance 01234567 · request 5 · connection reused"),
        (
            {"request_count": 1, "instance_age_ms": 9.0, "connection_reused": False},
            "cold start · instance 01234567 · request 1 · new connection",
        ),
        (
            {"request_count": 4, "instance_age_ms": 9.0},
            "queued for a cold start · instance 01234567 · request 4 · connection reused",
        ),
        (
            {"request_count": 1},
            "warm, first request · instance 01234567 · connection reused",
        ),
        (
            {"request_count": None, "instance_age_ms": None, "instance_id": None},
            "cold or warm: unknown · instance unknown · connection reused",
        ),
    ],
)
def test_conditions_say_what_is_known_and_what_is_not(changes: dict[str, object], text: str) -> None:
    assert sample_text.conditions(replace(API_SAMPLE, **changes)) == text  # type: ignore[arg-type]


# --- Artifacts


def test_the_same_artifact_on_both_sides_needs_no_warning() -> None:
    assert sample_text.artifact_warning(SIDES, (Served(card=TEA), Served(card=TEA))) is None


@pytest.mark.parametrize("unknown", [None, Served(problem="did not answer")])
def test_an_unknown_artifact_is_no_different_one(unknown: Served | None) -> None:
    assert sample_text.artifact_warning(SIDES, (Served(card=TEA), unknown)) is None
    assert sample_text.artifact_warning(SIDES, (unknown, Served(card=TEA))) is None


def test_different_files_are_a_warning_that_names_both() -> None:
    files = {**files_of(TEA_ROWS), "model.onnx": {"sha256": "0" * 64}}
    other = make_card(tea_document(title="Better tea", files=files))
    warning = sample_text.artifact_warning(SIDES, (Served(card=TEA), Served(card=other)))
    assert warning is not None
    assert f"FastAPI Kinds of tea {TEA.version} and Cloud Function Better tea {other.version}" in warning


# --- Numbers


@pytest.mark.parametrize(
    ("value_ms", "text"),
    [
        (0.0, "0.00"),
        (0.123, "0.12"),
        (4.731, "4.73"),
        (9.994, "9.99"),
        (9.996, "10.0"),
        (24.44, "24.4"),
        (99.96, "100"),
        (100.4, "100"),
        (999.4, "999"),
        (999.6, "1\N{NARROW NO-BREAK SPACE}000"),
        (1240.4, "1\N{NARROW NO-BREAK SPACE}240"),
        (1234567.0, "1\N{NARROW NO-BREAK SPACE}234\N{NARROW NO-BREAK SPACE}567"),
    ],
)
def test_a_duration_has_three_significant_digits(value_ms: float, text: str) -> None:
    assert markup.duration(value_ms) == text


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (0.0, "0.0"),
        (1e-9, "< 0.1"),
        (0.00049, "< 0.1"),
        (0.0006, "0.1"),
        (0.5, "50.0"),
        (0.98765, "98.8"),
        (0.9994, "99.9"),
        (0.9996, "> 99.9"),
        (1 - 1e-12, "> 99.9"),
        (1.0, "100.0"),
    ],
)
def test_a_share_is_shown_in_percent(share: float, text: str) -> None:
    assert markup.percent(share) == text


@given(st.floats(0, 1, exclude_min=True, exclude_max=True))
def test_what_is_not_certain_is_never_shown_as_certain(share: float) -> None:
    assert markup.percent(share) not in ("0.0", "100.0")


@pytest.mark.parametrize(("name", "label"), [("setosa", "Setosa"), ("iPhone", "IPhone"), ("", ""), ("ärger", "Ärger")])
def test_a_class_starts_with_a_capital_and_keeps_the_rest(name: str, label: str) -> None:
    assert markup.capital(name) == label


# --- Other people's text

MARKUP = [
    ":red[x]",
    ":red-background[x]",
    ":material/warning:",
    ":smile:",
    "[a](http://b)",
    "![a](http://b/c.png)",
    "$x$",
    "$$x$$",
    "<b>x</b>",
    "<script>alert(1)</script>",
    "**bold**",
    "__bold__",
    "~~gone~~",
    "`code`",
    "# heading",
    "1. item",
    "1) item",
    "- item",
    "+ item",
    "> quote",
    "| a | b |",
    "&lt;b&gt;",
    "a\\*b",
    "http://evil.example",
    "me@evil.example",
    "a\n\n# b",
    "a\r# b",
    "a\t# b",
]


WORD_JOINER = "\N{WORD JOINER}"
"""Has no width: it may stand anywhere in a text to break up what would be a link."""


def unescaped(markdown: str) -> str:
    """The text that is left when Markdown's escapes are taken out."""
    return re.sub(r"\\([!-/:-@\[-`{-~])", r"\1", markdown)


def rendered(markdown: str) -> str:
    return unescaped(markdown).replace(WORD_JOINER, "")


@pytest.mark.parametrize("text", MARKUP)
def test_markup_in_a_text_is_escaped(text: str) -> None:
    escaped = markup.plain(text)
    # Round brackets, dots and dashes mean nothing in the middle of a line once square brackets are escaped, and a
    # widget's label is read out with its backslashes.
    assert not re.search(r"(?<!\\)(?:\\\\)*[`*_{}\[\]#|<>~$:&]", escaped)
    assert not re.match(r"[-+=]|\d+[.)]", escaped)
    assert "\n" not in escaped
    assert "\r" not in escaped


@pytest.mark.parametrize(
    "text",
    [
        "see http://evil.example",
        "https://evil.example/path?query",
        "HTTP://EVIL.EXAMPLE",
        "www.evil.example",
        "me@evil.example",
        "mailto:me@evil.example",
        ":material/warning:",
        ":streamlit:",
    ],
)
def test_nothing_is_left_that_the_browser_makes_a_link_or_an_icon_of(text: str) -> None:
    # Streamlit looks for these in the text itself, after Markdown's escapes are gone.
    made = r"(?i)https?://[^\s\u2060]|www\.[^\s\u2060]|[\w.+-]@[\w-]|:material/\w|:streamlit:"
    assert re.search(made, text)
    assert not re.search(made, unescaped(markup.plain(text)))
    assert rendered(markup.plain(text)) == text


@given(st.text())
def test_escaping_loses_nothing(text: str) -> None:
    assert rendered(markup.plain(text)).split() == text.replace(WORD_JOINER, "").split()


@pytest.mark.parametrize("text", ["Kinds of tea", "Ärger über Öl 3", "version 3aae6b983132", '50 % sure, "really"'])
def test_ordinary_text_stays_as_it_is(text: str) -> None:
    assert markup.plain(text) == text


@pytest.mark.parametrize(
    ("number", "text"),
    [(0, "0"), (999, "999"), (1681, "1\N{NARROW NO-BREAK SPACE}681"), (1234.4, "1\N{NARROW NO-BREAK SPACE}234")],
)
def test_thousands_are_apart(number: float, text: str) -> None:
    assert markup.count(number) == text


def test_one_of_a_thing_is_not_many() -> None:
    assert [markup.counted(number, "probe") for number in (0, 1, 2)] == ["0 probes", "1 probe", "2 probes"]


def test_a_clause_becomes_a_sentence_and_keeps_its_names() -> None:
    assert markup.sentence("does not let this program in (HTTP 403)") == "Does not let this program in (HTTP 403)."
