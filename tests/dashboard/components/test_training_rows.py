"""Training rows are shown only where they are the ones that the model was trained on."""

from pathlib import Path

import pytest

from dashboard.components.training_rows import TrainingRows, load
from inference.card import DATA_FILE, ModelCard
from tests.benchmark.cards import (
    MILEAGE_ROWS,
    TEA_ROWS,
    files_of,
    make_card,
    mileage_document,
    tea_document,
    write_artifact,
)


@pytest.fixture
def tea_dir(tmp_path: Path) -> Path:
    return write_artifact(tmp_path / "tea", tea_document(), TEA_ROWS)


def test_the_rows_come_in_the_cards_order_with_class_numbers(tea_dir: Path) -> None:
    assert load(tea_dir, make_card(tea_document())) == TrainingRows(
        inputs=((3.0, 1.0, 2.0), (3.5, 1.2, 2.5), (5.0, 2.0, 3.5), (5.5, 2.2, 4.0), (7.0, 3.0, 5.0)),
        targets=(0.0, 0.0, 1.0, 1.0, 2.0),
    )


def test_a_regressors_targets_are_values(tmp_path: Path) -> None:
    directory = write_artifact(tmp_path, mileage_document(), MILEAGE_ROWS)
    rows = load(directory, make_card(mileage_document()))
    assert rows is not None
    assert rows.targets == (3.9, 6.4, 11.0)


def test_columns_in_another_order_are_put_into_the_cards(tmp_path: Path) -> None:
    reordered = b"target,power,weight\n3.9,40.0,900.0\n"
    document = mileage_document(files=files_of(reordered))
    assert load(write_artifact(tmp_path, document, reordered), make_card(document)) == TrainingRows(
        ((900.0, 40.0),), (3.9,)
    )


def test_a_missing_file_means_no_rows(tmp_path: Path) -> None:
    assert load(tmp_path / "nowhere", make_card(tea_document())) is None


@pytest.mark.parametrize("damage", [TEA_ROWS + b"\n", TEA_ROWS[:-1], TEA_ROWS.replace(b"3.0", b"3.1"), b""])
def test_a_file_that_is_not_the_cards_means_no_rows(tea_dir: Path, damage: bytes) -> None:
    (tea_dir / DATA_FILE).write_bytes(damage)
    assert load(tea_dir, make_card(tea_document())) is None


@pytest.mark.parametrize(
    ("card", "rows"),
    [
        (make_card(tea_document(classes=["green", "oolong", "white"])), TEA_ROWS),
        (make_card(mileage_document(files=files_of(TEA_ROWS))), TEA_ROWS),
        (make_card(tea_document(files=files_of(b"a,b\n1,2\n"))), b"a,b\n1,2\n"),
        (make_card(tea_document(files=files_of(b"\xff\xfe"))), b"\xff\xfe"),
        (make_card(tea_document(files=files_of(TEA_ROWS + b"many,1,2,green\n"))), TEA_ROWS + b"many,1,2,green\n"),
        (make_card(tea_document(files=files_of(TEA_ROWS + b"1,2\n"))), TEA_ROWS + b"1,2\n"),
    ],
    ids=["other classes", "other features", "other columns", "not text", "not a number", "a short row"],
)
def test_a_card_that_names_the_file_but_does_not_fit_it_means_no_rows(
    tea_dir: Path, card: ModelCard, rows: bytes
) -> None:
    (tea_dir / DATA_FILE).write_bytes(rows)
    assert load(tea_dir, card) is None
