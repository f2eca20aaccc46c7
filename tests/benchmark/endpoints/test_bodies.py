"""Bodies are what every service of this kind accepts; a file of which none can be made says why, and where."""

import json

import pytest

from benchmark.endpoints.bodies import BodyError, card_of, from_card, from_csv
from benchmark.endpoints.rows import MAX_ROWS
from inference.card import ModelCard
from tests.benchmark.cards import flat_document, make_card

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


def test_without_a_card_a_column_without_any_number_is_text() -> None:
    text = "size;colour\n1,5;red\n2;blue\n"
    assert [json.loads(body) for body in from_csv(text, "rows.csv", None).bodies] == [
        {"size": 1.5, "colour": "red"},
        {"size": 2.0, "colour": "blue"},
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


def test_categories_are_sent_as_text_and_what_is_missing_as_null() -> None:
    flat = make_card(flat_document())
    (body,) = from_csv("sea_view,area,city,heating,rooms\nTrue,,Bergen,NA,4\n", "rows.csv", flat).bodies
    sent = {"area": None, "rooms": 4.0, "city": "Bergen", "heating": None, "sea_view": "true"}
    assert json.loads(body) == sent
    assert [json.loads(body) for body in from_card(flat).bodies][2] == {
        "area": None,
        "rooms": 3.0,
        "city": None,
        "heating": None,
        "sea_view": "true",
    }
    with pytest.raises(BodyError, match=r"^rows\.csv, line 2: heating must be one of 2, 1, 3, or null$"):
        from_csv("sea_view,area,city,heating,rooms\ntrue,1,Oslo,gas,4\n", "rows.csv", flat)
