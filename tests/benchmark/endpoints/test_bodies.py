"""Bodies are what every service of this kind accepts; a file of which none can be made says why, and where."""

import json
from dataclasses import dataclass, replace

import pytest

from benchmark.endpoints.bodies import BodyError, card_of, from_card, from_csv
from benchmark.endpoints.rows import MAX_ROWS
from inference.card import ModelCard

HEADER = "leaf_length,leaf_width,steep_time\n"


def test_a_card_gives_its_default_input_and_its_presets(tea: ModelCard) -> None:
    bodies = from_card(tea)
    assert bodies.source == "card of tea"
    assert [json.loads(body) for body in bodies.bodies] == [
        {"leaf_length": 5.0, "leaf_width": 2.0, "steep_time": 3.5},
        {"leaf_length": 3.2, "leaf_width": 1.1, "steep_time": 2.2},
        {"leaf_length": 6.8, "leaf_width": 2.9, "steep_time": 4.9},
    ]


def test_a_card_without_presets_gives_one_body(mileage: ModelCard) -> None:
    assert [json.loads(body) for body in from_card(mileage).bodies] == [{"weight": 1400.0, "power": 90.0}]


def test_a_file_is_read_by_the_names_of_its_columns(tea: ModelCard) -> None:
    text = "\ufeffnote, steep_time ,leaf_width,leaf_length\nfine,3,2,1\n\nbetter,6.5,5e0,-4\n"
    assert [json.loads(body) for body in from_csv(text, "rows.csv", tea).bodies] == [
        {"leaf_length": 1.0, "leaf_width": 2.0, "steep_time": 3.0},
        {"leaf_length": -4.0, "leaf_width": 5.0, "steep_time": 6.5},
    ]


@dataclass(frozen=True)
class Category:
    """A feature with categories, as far as a file of inputs needs to know."""

    name: str
    categories: tuple[str, ...]
    accepts_missing: bool


def test_categories_are_texts_and_missing_values_null_where_the_card_accepts_them(tea: ModelCard) -> None:
    kinds = Category("kind", ("1", "b"), True), Category("grade", ("x", "y"), False)
    card = replace(tea, features=(*tea.features[:1], *kinds))  # type: ignore[arg-type]
    text = 'grade,leaf_length,kind\nx,1.5,1\n"y, z",2,\n'
    assert [json.loads(body) for body in from_csv(text, "rows.csv", card).bodies] == [
        {"leaf_length": 1.5, "kind": "1", "grade": "x"},
        {"leaf_length": 2.0, "kind": None, "grade": "y, z"},
    ]
    for row, problem in ((",1,b", "grade is missing"), ("x,,b", "leaf_length is missing")):
        with pytest.raises(BodyError, match=f"^rows.csv, line 3: {problem}$"):
            from_csv(f"grade,leaf_length,kind\nx,1,1\n{row}\n", "rows.csv", card)


def test_without_a_card_a_column_is_what_its_first_filled_cell_is() -> None:
    text = "size;colour;note\n1,5;red;\n;2;\n3;;\n"
    assert [json.loads(body) for body in from_csv(text, "rows.csv", None).bodies] == [
        {"size": 1.5, "colour": "red", "note": None},
        {"size": None, "colour": "2", "note": None},
        {"size": 3.0, "colour": None, "note": None},
    ]
    with pytest.raises(BodyError, match=r"^rows\.csv, line 3: size is not a finite number$"):
        from_csv("size,colour\n1,red\nlarge,red\n", "rows.csv", None)


def test_without_a_card_all_columns_are_sent() -> None:
    assert from_csv("a,b\n1,2\n", "rows.csv", None).bodies == (b'{"a": 1.0, "b": 2.0}',)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "rows.csv is empty"),
        (HEADER, "rows.csv has no rows"),
        ("leaf_length,leaf_width\n1,2\n", "rows.csv has no column steep_time"),
        ("leaf_length,leaf_width,steep_time,leaf_width\n1,2,3,4\n", "rows.csv has the column leaf_width twice"),
        (HEADER + "1,2,3\n1,2\n", "rows.csv, line 3: steep_time is missing"),
        (HEADER + "1,2,three\n", "rows.csv, line 2: steep_time is not a finite number"),
        (HEADER + "1,2,\n", "rows.csv, line 2: steep_time is missing"),
        (HEADER + "1,2,nan\n", "rows.csv, line 2: steep_time is not a finite number"),
        (HEADER + "1,2,-inf\n", "rows.csv, line 2: steep_time is not a finite number"),
        (HEADER + "1,2,1e999\n", "rows.csv, line 2: steep_time is not a finite number"),
        (HEADER + '1,2,"3', "rows.csv, line 2: is not CSV"),
        (HEADER + "1,2,3\n" * (MAX_ROWS + 1), f"rows.csv has more than {MAX_ROWS} rows"),
    ],
)
def test_a_file_of_which_no_bodies_can_be_made_says_why(text: str, problem: str, tea: ModelCard) -> None:
    with pytest.raises(BodyError) as raised:
        from_csv(text, "rows.csv", tea)
    assert str(raised.value) == problem


def test_the_same_bodies_in_the_same_order_have_the_same_sum(tea: ModelCard) -> None:
    one, same, turned = (
        from_csv(HEADER + rows, name, tea)
        for rows, name in (("1,2,3\n4,5,6\n", "a"), ("1,2,3.0\n4,5,6\n", "b"), ("4,5,6\n1,2,3\n", "c"))
    )
    assert one.sha256 == same.sha256 != turned.sha256


def test_answers_are_checked_against_the_first_card_there_is(tea: ModelCard, mileage: ModelCard) -> None:
    assert card_of([None, tea, mileage]) is tea
    assert card_of([None, None]) is None
