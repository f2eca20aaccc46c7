"""What the contract accepts and refuses, for any body, in the core alone."""

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.card import ModelCard
from inference.contract import (
    MAX_BODY_BYTES,
    MAX_DEPTH,
    MAX_DETAILS,
    MAX_INSTANCES,
    ContractError,
    Detail,
    Rows,
    answer,
    check_media_type,
    internal_error,
    parse_rows,
    request_timeout,
    too_large,
)
from inference.model import Model
from inference.service import Reply
from tests.conftest import make_service
from tests.contract.cases import MARKER, NAMES, SETOSA, listed, named, nested
from tests.contract.targets import strict_json

NOT_A_NUMBER: st.SearchStrategy[Any] = (
    st.none() | st.booleans() | st.text(max_size=5) | st.just([]) | st.just({}) | st.just("5.1")
)
INSIDE = st.floats(0, 30, exclude_min=True) | st.integers(1, 30)
OUTSIDE = (
    st.floats(max_value=0, allow_infinity=False)
    | st.floats(min_value=30, exclude_min=True, allow_infinity=False)
    | st.integers(max_value=0)
    | st.integers(min_value=31)
    | st.just(10**400)
)
VALUE = st.one_of(INSIDE, INSIDE, INSIDE, INSIDE, OUTSIDE, NOT_A_NUMBER)
LIST = st.lists(INSIDE, min_size=4, max_size=4) | st.lists(VALUE, min_size=3, max_size=5)
NAMED = (
    st.fixed_dictionaries(dict.fromkeys(NAMES, INSIDE))
    | st.fixed_dictionaries(dict.fromkeys(NAMES, VALUE))
    | st.dictionaries(st.sampled_from([*NAMES, "features", "unknown"]), VALUE, max_size=6)
)
FEATURES = st.fixed_dictionaries({"features": LIST})
INSTANCE = LIST | NAMED | FEATURES
DOCUMENT = NAMED | FEATURES | st.fixed_dictionaries({"instances": st.lists(INSTANCE, max_size=4)}) | INSTANCE

MARKED = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=6)
    | st.sampled_from([MARKER, "features", "instances", "\ud800", 10**400, *SETOSA]),
    lambda children: (
        st.lists(children, max_size=5)
        | st.dictionaries(
            st.sampled_from([MARKER, f"{MARKER}'\"<>\\", "features", "instances", *NAMES]), children, max_size=5
        )
    ),
    max_leaves=20,
)


def parse(card: ModelCard, document: object) -> Rows:
    return parse_rows(json.dumps(document).encode(), card)


def refusal(card: ModelCard, body: bytes) -> ContractError:
    with pytest.raises(ContractError) as refused:
        parse_rows(body, card)
    return refused.value


def is_row(instance: Any) -> bool:
    """The rule for one instance, said once more and otherwise than the product says it."""
    if isinstance(instance, dict):
        if set(instance) == {"features"}:
            return isinstance(instance["features"], list) and is_row(instance["features"])
        return set(instance) == set(NAMES) and is_row(list(instance.values()))
    return (
        isinstance(instance, list)
        and len(instance) == 4
        and all(type(value) in (int, float) and 0 < value <= 30 for value in instance)
    )


def is_accepted(document: Any) -> bool:
    """The rule for a whole body."""
    if not isinstance(document, dict):
        return False
    if set(document) == {"instances"}:
        instances = document["instances"]
        return isinstance(instances, list) and 1 <= len(instances) <= 1000 and all(map(is_row, instances))
    return is_row(document)


def test_all_three_shapes_are_the_same_rows(iris_card: ModelCard) -> None:
    row = list(SETOSA)
    assert parse(iris_card, named()) == Rows((row,))
    assert parse(iris_card, {"features": SETOSA}) == Rows((row,))
    for instance in (SETOSA, named(), {"features": SETOSA}):
        assert parse(iris_card, {"instances": [instance]}) == Rows([row], is_batch=True)


def test_names_may_come_in_any_order(iris_card: ModelCard) -> None:
    assert parse(iris_card, dict(reversed(named().items()))) == parse(iris_card, named())


@given(document=DOCUMENT)
def test_a_document_is_accepted_exactly_where_the_rule_holds(document: Any, iris_card: ModelCard) -> None:
    try:
        rows = parse(iris_card, document)
    except ContractError as error:
        assert error.status == 422
        assert not is_accepted(document)
    else:
        assert is_accepted(document)
        assert all(math.isfinite(value) and 0 < value <= 30 for row in rows.values for value in row)


@given(body=st.binary(max_size=300))
def test_any_bytes_get_a_reply_that_is_strict_json(body: bytes, iris_model: Model) -> None:
    check_reply(make_service(iris_model).respond("POST", "/predict", body, "application/json"))


@given(document=MARKED)
def test_any_document_gets_a_reply_that_repeats_nothing_of_it(document: Any, iris_model: Model) -> None:
    service = make_service(iris_model)
    for body in (json.dumps(document), json.dumps({"features": document}), json.dumps({"instances": [document]})):
        check_reply(service.respond("POST", "/predict", body.encode(), "application/json"))


@given(body=st.text(st.sampled_from('{}[]",:0123456789.eE+-features \\uNaInty'), max_size=60))
def test_any_near_json_gets_a_reply_that_is_strict_json(body: str, iris_model: Model) -> None:
    check_reply(make_service(iris_model).respond("POST", "/predict", body.encode(), "application/json"))


@given(body=st.binary(max_size=40), method=st.text(max_size=8), path=st.text(max_size=12), media=st.text(max_size=20))
def test_any_request_at_all_gets_a_reply(body: bytes, method: str, path: str, media: str, iris_model: Model) -> None:
    reply = make_service(iris_model).respond(method, path, body, media)
    assert reply.status in (200, 400, 404, 405, 415, 422)
    strict_json(reply.body)


def check_reply(reply: Reply) -> None:
    """A prediction or a refusal, strict JSON in ASCII, with nothing of the input in it."""
    assert reply.status in (200, 400, 422)
    document = strict_json(reply.body)
    assert reply.body.isascii()
    assert ("error" in document) == (reply.status != 200)
    assert MARKER.encode() not in reply.body
    assert MARKER not in str(reply.headers)


@pytest.mark.parametrize(("digits", "status"), [(309, 422), (400, 422), (4300, 422), (4301, 400), (60_000, 400)])
@pytest.mark.parametrize("sign", ["", "-"])
def test_the_border_between_long_and_too_long_integers_is_4300_digits(
    digits: int, status: int, sign: str, iris_card: ModelCard
) -> None:
    assert refusal(iris_card, listed(sign + "1" * digits)).status == status


@pytest.mark.parametrize("text", ["1e309", "1e400", "-1e400", "1" * 400 + ".0", "1e99999999"])
def test_a_number_too_large_for_a_float_is_no_measurement(text: str, iris_card: ModelCard) -> None:
    error = refusal(iris_card, listed(text))
    assert (error.status, error.details) == (422, (Detail("features[0]", "must be a finite number"),))


@pytest.mark.parametrize("literal", ["NaN", "Infinity", "-Infinity"])
def test_a_literal_that_only_python_reads_is_not_json(literal: str, iris_card: ModelCard) -> None:
    error = refusal(iris_card, listed(literal))
    assert (error.status, error.message) == (400, "NaN and Infinity are not JSON.")
    assert refusal(iris_card, literal.encode()).status == 400


@pytest.mark.parametrize("literal", ["nan", "inf", "-NaN", "+Infinity", "Infinit", "None", "True"])
def test_a_literal_that_nobody_reads_is_not_json(literal: str, iris_card: ModelCard) -> None:
    assert refusal(iris_card, listed(literal)).status == 400


def test_the_deepest_nesting_that_is_read_is_the_limit(iris_card: ModelCard) -> None:
    assert refusal(iris_card, nested(MAX_DEPTH)).status == 422
    assert refusal(iris_card, nested(MAX_DEPTH + 1)).status == 400
    objects = b'{"a":' * MAX_DEPTH + b"1" + b"}" * MAX_DEPTH
    assert refusal(iris_card, objects).status == 422
    assert refusal(iris_card, b'{"a":' + objects + b"}").status == 400


def test_nesting_of_a_whole_body_is_refused_and_not_felt(iris_card: ModelCard) -> None:
    error = refusal(iris_card, nested(MAX_BODY_BYTES // 2))
    assert (error.status, error.message) == (400, "The JSON is nested too deeply.")


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("5.1", "must be a number"),
        (True, "must be a number"),
        (None, "must be a number"),
        ([], "must be a number"),
        (0, "must be above 0 and at most 30"),
        (30.5, "must be above 0 and at most 30"),
        (10**400, "must be above 0 and at most 30"),
        (-(10**400), "must be above 0 and at most 30"),
    ],
)
def test_a_wrong_value_is_named_with_what_it_must_be(value: object, message: str, iris_card: ModelCard) -> None:
    error = refusal(iris_card, json.dumps(named(petal_length=value)).encode())
    assert (error.status, error.details) == (422, (Detail("petal_length", message),))


def test_what_is_missing_and_what_is_unknown_are_both_said(iris_card: ModelCard) -> None:
    document = {"sepal_length": 5.1, "sepal_width": 3.5, "petal_length": 1.4, "petal_wdth": 0.2}
    error = refusal(iris_card, json.dumps(document).encode())
    assert error.details == (
        Detail("petal_width", "is missing"),
        Detail("body", "has a field that the model does not know"),
    )


@pytest.mark.parametrize("values", [[], [1, 2, 3], [1, 2, 3, 4, 5], "1,2,3,4", None, {}])
def test_a_list_of_the_wrong_length_is_told_what_belongs_in_it(values: object, iris_card: ModelCard) -> None:
    error = refusal(iris_card, json.dumps({"features": values}).encode())
    assert error.details == (Detail("features", f"must be a list of 4 numbers: {', '.join(NAMES)}"),)


def test_a_batch_holds_1_to_1000_instances(iris_card: ModelCard) -> None:
    assert len(parse(iris_card, {"instances": [SETOSA] * MAX_INSTANCES}).values) == MAX_INSTANCES == 1000
    for instances in ([], [SETOSA] * (MAX_INSTANCES + 1), None, named()):
        error = refusal(iris_card, json.dumps({"instances": instances}).encode())
        assert error.details == (Detail("instances", "must be a list of 1 to 1000"),)


def test_details_are_cut_off_at_the_limit_and_name_the_first(iris_card: ModelCard) -> None:
    for wrong in (1, 2, 3):
        instance = named() | dict.fromkeys(NAMES[:wrong])
        error = refusal(iris_card, json.dumps({"instances": [instance] * 100}).encode())
        assert len(error.details) == MAX_DETAILS
    error = refusal(iris_card, json.dumps({"instances": [{}] * 100}).encode())
    assert len(error.details) == MAX_DETAILS
    assert [detail.field for detail in error.details[:5]] == [
        *(f"instances[0].{name}" for name in NAMES),
        "instances[1].sepal_length",
    ]


@pytest.mark.parametrize(
    "body",
    [
        b'{"features":[5.1,3.5,1.4,0.2],"features":[5.1,3.5,1.4,0.2]}',
        b'{"sepal_length":5.1,"sepal_length":5.1,"sepal_width":3.5,"petal_length":1.4,"petal_width":0.2}',
        b'{"instances":[{"features":[5.1,3.5,1.4,0.2],"features":[5.1,3.5,1.4,0.2]}]}',
        b'{"a":1,"\\u0061":2}',
    ],
)
def test_a_field_given_twice_is_refused_wherever_it_is(body: bytes, iris_card: ModelCard) -> None:
    error = refusal(iris_card, body)
    assert (error.status, error.message) == (422, "A field is given twice.")


@pytest.mark.parametrize("body", [b'{"a":1,"a":2}x', b'[{"a":1,"a":2},NaN]', b'[{"a":1,"a":2},' + b"1" * 5000 + b"]"])
def test_what_is_not_json_is_a_400_also_after_a_field_given_twice(body: bytes, iris_card: ModelCard) -> None:
    assert refusal(iris_card, body).status == 400


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"\xff", "The body is not UTF-8."),
        (b"\xed\xa0\x80", "The body is not UTF-8."),
        (b"\xc0\xaf", "The body is not UTF-8."),
        (b"\xef\xbb\xbf{}", "The body is not JSON."),
        (b"", "The body is not JSON."),
        (b"{", "The body is not JSON."),
    ],
)
def test_what_is_no_text_and_what_is_no_json_are_told_apart(body: bytes, message: str, iris_card: ModelCard) -> None:
    error = refusal(iris_card, body)
    assert (error.status, error.code, error.message, error.details) == (400, "malformed_json", message, ())


def test_a_value_at_an_inclusive_limit_is_accepted_and_beside_it_refused(diabetes_card: ModelCard) -> None:
    row = list(diabetes_card.defaults)
    index = diabetes_card.feature_names.index("sex")
    for value, accepted in ((1, True), (2, True), (1.5, True), (0.999999, False), (2.000001, False)):
        row[index] = value
        body = json.dumps({"features": row}).encode()
        if accepted:
            assert list(parse_rows(body, diabetes_card).values[0]) == row
        else:
            details = refusal(diabetes_card, body).details
            assert details == (Detail(f"features[{index}]", "must be at least 1 and at most 2"),)


def test_a_classifiers_answer_is_the_class_of_the_largest_probability(iris_card: ModelCard) -> None:
    assert answer(iris_card, [0.2, 0.5, 0.3]) == {
        "prediction": 1,
        "prediction_label": "versicolor",
        "confidence": 0.5,
        "probabilities": {"setosa": 0.2, "versicolor": 0.5, "virginica": 0.3},
        "model_version": iris_card.version,
    }


def test_of_equal_probabilities_the_first_class_is_the_answer(iris_card: ModelCard) -> None:
    assert answer(iris_card, [0.1, 0.45, 0.45])["prediction"] == 1  # as numpy's argmax and scikit-learn's predict


def test_a_regressors_answer_is_a_value_and_a_version(diabetes_card: ModelCard) -> None:
    assert answer(diabetes_card, [151.5]) == {"prediction": 151.5, "model_version": diabetes_card.version}


@pytest.mark.parametrize(
    ("content_type", "content_encoding"),
    [
        ("application/json", None),
        ("application/json", ""),
        ("application/json", " Identity "),
        (" APPLICATION/json ; Charset=UTF-8", None),
        ('application/json; charset="utf-8"', None),
        ("application/json;;", None),
    ],
)
def test_json_in_utf_8_is_accepted(content_type: str, content_encoding: str | None) -> None:
    check_media_type(content_type, content_encoding)


@pytest.mark.parametrize(
    ("content_type", "content_encoding"),
    [
        (None, None),
        ("", None),
        ("text/plain", None),
        ("text/json", None),
        ("application/json-patch+json", None),
        ("application/problem+json", None),
        ("application/json, text/plain", None),
        ("application/json; charset=latin-1", None),
        ("application/json; charset=utf-8; charset=utf-16", None),
        ("application/json", "gzip"),
        ("application/json", "identity, gzip"),
        ("application/json", "br"),
    ],
)
def test_another_type_or_encoding_is_a_415(content_type: str | None, content_encoding: str | None) -> None:
    with pytest.raises(ContractError) as refused:
        check_media_type(content_type, content_encoding)
    assert (refused.value.status, refused.value.code) == (415, "unsupported_media_type")


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [(too_large(), 413, "too_large"), (request_timeout(), 408, "request_timeout"), (internal_error(), 500, "internal")],
)
def test_an_error_without_details_has_none_in_its_body(error: ContractError, status: int, code: str) -> None:
    assert error.status == status
    assert json.loads(error.body()) == {"error": {"code": code, "message": error.message}}


def test_a_timed_out_connection_is_closed() -> None:
    assert request_timeout().headers == {"connection": "close"}
