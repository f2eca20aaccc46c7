"""Request bodies for the classifier, each with the status that the contract gives it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass

SETOSA = (5.1, 3.5, 1.4, 0.2)
VERSICOLOR = (5.9, 3.0, 4.2, 1.5)
VIRGINICA = (6.3, 2.5, 5.0, 1.9)
FLOWERS = (SETOSA, VERSICOLOR, VIRGINICA)
NAMES = ("sepal_length", "sepal_width", "petal_length", "petal_width")

MARKER = "ZQXJ-marker-WVK"
"""Put into bodies; no answer may contain it."""


@dataclass(frozen=True, slots=True)
class Case:
    """A body of `POST /predict` and what becomes of it."""

    name: str
    body: bytes
    status: int


def named(values: tuple[float, ...] = SETOSA, /, **changed: object) -> dict[str, object]:
    """The object with a name for each value."""
    return {**dict(zip(NAMES, values, strict=True)), **changed}


def without(name: str) -> Mapping[str, object]:
    return {key: value for key, value in named().items() if key != name}


def listed(first: str) -> bytes:
    """A `features` body whose first value is this JSON text."""
    return f'{{"features":[{first},3.5,1.4,0.2]}}'.encode()


def nested(depth: int) -> bytes:
    """An array in an array in an array, `depth` of them."""
    return b"[" * depth + b"]" * depth


def _json(name: str, document: object, status: int) -> Case:
    return Case(name, json.dumps(document).encode(), status)


ACCEPTED = (
    *(_json(f"named-{flower}", named(flower), 200) for flower in FLOWERS),
    *(_json(f"features-{flower}", {"features": flower}, 200) for flower in FLOWERS),
    _json("instances-of-lists", {"instances": FLOWERS}, 200),
    _json("instances-named", {"instances": [named(flower) for flower in FLOWERS]}, 200),
    _json("instances-of-features", {"instances": [{"features": flower} for flower in FLOWERS]}, 200),
    _json("instances-mixed", {"instances": [SETOSA, named(VERSICOLOR), {"features": VIRGINICA}]}, 200),
    _json("instances-one", {"instances": [SETOSA]}, 200),
    _json("instances-1000", {"instances": [SETOSA] * 1000}, 200),
    _json("whole-numbers", {"features": [5, 3, 1, 1]}, 200),
    _json("upper-limit", {"features": [30, 30, 30, 30.0]}, 200),
    Case("smallest-number", listed("5e-324"), 200),
    Case("exponents", b'{"features":[51E-1,0.35e+1,1.4,2e-1]}', 200),
    Case("many-decimals", listed("5.1" + "0" * 5000), 200),
    Case("other-order", b'{"petal_width":0.2,"petal_length":1.4,"sepal_width":3.5,"sepal_length":5.1}', 200),
    Case("white-space", b' \t\r\n{ "features" :\n[ 5.1 , 3.5 , 1.4 , 0.2 ] } \n', 200),
    Case("escaped-name", b'{"\\u0066eatures":[5.1,3.5,1.4,0.2]}', 200),
)

MALFORMED = (
    Case("empty", b"", 400),
    Case("blank", b" \n", 400),
    Case("text", MARKER.encode(), 400),
    Case("cut-off", b'{"features":[5.1,3.5', 400),
    Case("trailing-comma", b'{"features":[5.1,3.5,1.4,0.2,]}', 400),
    Case("single-quotes", b"{'features':[5.1,3.5,1.4,0.2]}", 400),
    Case("comment", b'{"features":[5.1,3.5,1.4,0.2]}//' + MARKER.encode(), 400),
    Case("two-documents", b'{"features":[5.1,3.5,1.4,0.2]}{"features":[5.1,3.5,1.4,0.2]}', 400),
    Case("leading-zero", listed("05.1"), 400),
    Case("leading-plus", listed("+5.1"), 400),
    Case("bare-point", listed(".5"), 400),
    Case("hexadecimal", listed("0x5"), 400),
    Case("nan", listed("NaN"), 400),
    Case("infinity", listed("Infinity"), 400),
    Case("minus-infinity", listed("-Infinity"), 400),
    Case("nan-out-of-place", b'{"features":[5.1,3.5,1.4,0.2],"other":NaN}', 400),
    Case("integer-of-5000-digits", listed("1" * 5000), 400),
    Case("byte-order-mark", b"\xef\xbb\xbf" + listed("5.1"), 400),
    Case("utf-16", listed("5.1").decode().encode("utf-16"), 400),
    Case("bad-utf-8", b'{"features":[5.1,3.5,1.4,0.2],"\xff":1}', 400),
    Case("surrogate-as-utf-8", b'{"\xed\xa0\x80":1}', 400),
    Case("control-character", b'{"a\x01":1}', 400),
    Case("form", b"sepal_length=5.1&sepal_width=3.5&petal_length=1.4&petal_width=0.2", 400),
    Case("nested-33-deep", nested(33), 400),
    Case("nested-30000-deep", nested(30_000), 400),
    Case("nested-inside-features", b'{"features":' + nested(32) + b"}", 400),
    Case("duplicate-name-then-cut-off", b'{"features":1,"features":2}{', 400),
    Case("duplicate-name-then-nan", b'{"instances":[{"a":1,"a":2},NaN]}', 400),
    Case("nested-objects", b'{"a":' * 50 + b"1" + b"}" * 50, 400),
)

INVALID = (
    _json("null", None, 422),
    _json("number", 5.1, 422),
    _json("string", MARKER, 422),
    _json("bare-list", SETOSA, 422),
    _json("empty-object", {}, 422),
    *(_json(f"without-{name}", without(name), 422) for name in NAMES),
    _json("unknown-name", named() | {MARKER: 1}, 422),
    _json("other-case", {name.upper(): value for name, value in named().items()}, 422),
    _json("text-for-a-number", named(sepal_length=MARKER), 422),
    _json("numeric-text", named(sepal_length="5.1"), 422),
    _json("boolean", named(sepal_length=True), 422),
    _json("null-value", named(sepal_length=None), 422),
    _json("list-value", named(sepal_length=[5.1]), 422),
    _json("object-value", named(sepal_length={MARKER: MARKER}), 422),
    _json("zero", named(petal_width=0), 422),
    _json("negative", named(petal_width=-0.2), 422),
    _json("above-the-limit", named(petal_width=30.000001), 422),
    Case("negative-zero", listed("-0.0"), 422),
    Case("underflow", listed("1e-400"), 422),
    Case("overflow", listed("1e400"), 422),
    Case("negative-overflow", listed("-1e400"), 422),
    Case("integer-of-400-digits", listed("1" * 400), 422),
    Case("integer-of-4000-digits", listed("1" * 4000), 422),
    Case("negative-integer-of-4000-digits", listed("-" + "1" * 4000), 422),
    Case("lone-surrogate", listed('"\\ud800"'), 422),
    Case("lone-surrogate-as-name", b'{"\\udfff":1}', 422),
    Case("duplicate-name", b'{"features":[5.1,3.5,1.4,0.2],"features":[5.1,3.5,1.4,0.2]}', 422),
    Case("duplicate-in-a-batch", b'{"instances":[{"features":[5.1,3.5,1.4,0.2],"features":1}]}', 422),
    _json("three-features", {"features": SETOSA[:3]}, 422),
    _json("five-features", {"features": [*SETOSA, 1.0]}, 422),
    _json("one-feature-of-another-model", {"features": [1000.0]}, 422),
    _json("no-features", {"features": []}, 422),
    _json("features-as-object", {"features": named()}, 422),
    _json("features-as-text", {"features": "5.1,3.5,1.4,0.2"}, 422),
    _json("features-of-texts", {"features": ["5.1", "3.5", "1.4", MARKER]}, 422),
    _json("features-of-booleans", {"features": [True, False, True, True]}, 422),
    _json("features-nested", {"features": [SETOSA]}, 422),
    _json("features-with-names", {"features": SETOSA, **named()}, 422),
    _json("features-with-an-unknown", {"features": SETOSA, MARKER: 1}, 422),
    _json("no-instances", {"instances": []}, 422),
    _json("instances-1001", {"instances": [SETOSA] * 1001}, 422),
    _json("instances-as-object", {"instances": named()}, 422),
    _json("instances-null", {"instances": None}, 422),
    _json("instances-with-features", {"instances": [SETOSA], "features": SETOSA}, 422),
    _json("instances-with-parameters", {"instances": [SETOSA], "parameters": {}}, 422),
    _json("instances-bad-one", {"instances": [SETOSA, named(petal_length="long"), VIRGINICA]}, 422),
    _json("instances-all-bad", {"instances": [MARKER] * 1000}, 422),
    _json("instances-in-instances", {"instances": [{"instances": [SETOSA]}]}, 422),
    Case("nested-32-deep", nested(32), 422),
)

CASES = (*ACCEPTED, *MALFORMED, *INVALID)
