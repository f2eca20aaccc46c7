"""Reading a CSV file: what each column is, and one line for each thing that can be wrong with the file."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from inference.card import Limits
from tests.training.tables import houses
from training import __main__ as command
from training.__main__ import main
from training.columns import ColumnOptions, TableOptions, read_columns
from training.datasets import CategoryInfo, FeatureInfo
from training.errors import TableError
from training.table import read_table

ROWS = range(30)


def table(path: Path, header: str, line: Callable[[int], str], rows: range = ROWS) -> Path:
    path.write_text("\n".join([header, *map(line, rows)]) + "\n", encoding="utf-8")
    return path


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "table.csv"


def test_columns_are_what_their_values_are(file: Path) -> None:
    dataset = read_table(houses(file), "price")
    assert dataset.task == "regression"
    assert dataset.name == "table"
    kinds = {one.name: one.type if isinstance(one, CategoryInfo) else one.step for one in dataset.features}
    assert kinds == {"Area m2": 0.1, "rooms": 1.0, "city": "text", "sea_view": "boolean", "heating": 1.0}
    first = dataset.rows(np.array([0, 3, 5]))
    assert first[0][1:3] == (dataset.inputs["rooms"][0], dataset.inputs["city"][0])
    assert first[0][3] in ("true", "false")
    assert first[1][0] is None
    assert first[2][2] is None


@pytest.mark.parametrize(
    ("values", "task", "classes"),
    [
        (["1", "2", "3"], "classification", ("1", "2", "3")),
        (["10", "9", "2"], "classification", ("2", "9", "10")),
        (["yes", "no"], "classification", ("no", "yes")),
        (["True", "False"], "classification", ("false", "true")),
        (["1.5", "2.5"], "regression", ()),
        ([str(number) for number in range(30)], "regression", ()),
    ],
    ids=["whole", "sorted as numbers", "text", "boolean", "fractions", "many"],
)
def test_the_task_follows_from_the_target(values: list[str], task: str, classes: tuple[str, ...], file: Path) -> None:
    dataset = read_table(table(file, "a,y", lambda row: f"{row},{values[row % len(values)]}"), "y")
    assert (dataset.task, dataset.classes) == (task, classes)


def test_rows_without_a_target_are_left_out_and_said(file: Path) -> None:
    dataset = read_table(table(file, "a,y", lambda row: f"{row},{'' if row % 10 == 0 else row / 4}"), "y")
    assert len(dataset.targets) == 27
    assert dataset.notes == ("Left out 3 rows without y",)


def test_a_column_of_texts_that_hardly_repeat_is_said(file: Path) -> None:
    dataset = read_table(table(file, "id,half,y", lambda row: f"K{row},c{row // 2},{row / 4}"), "y")
    assert dataset.notes == ("'id' has 30 texts in 30 rows: leave out an id or a date with --drop id",)


def test_a_name_that_a_request_cannot_use_is_replaced_and_said(file: Path) -> None:
    dataset = read_table(
        table(file, "features,<b>,a:b,target,y", lambda row: f"{row},{row},{row},{row},{row / 4}"), "y"
    )
    assert [one.name for one in dataset.features] == ["features_", "b", "a_b", "target_"]
    assert all("\n" not in note and "<" not in note.split(" ")[-1] for note in dataset.notes)


@pytest.mark.parametrize(
    "text",
    [
        "a;b;y\n" + "".join(f"{row},5;x{row % 2};{row},25\n" for row in ROWS),
        "a\tb\ty\n" + "".join(f"{row}.5\tx{row % 2}\t{row}.25\n" for row in ROWS),
        "\ufeffa, b, y\r\n" + "".join(f"{row}.5, x{row % 2}, {row}.25\r\n" for row in ROWS),
    ],
    ids=["semicolons and decimal commas", "tabs", "mark, blanks and CRLF"],
)
def test_files_of_other_programs_are_read(text: str, file: Path) -> None:
    file.write_bytes(text.encode())
    dataset = read_table(file, "y")
    assert dataset.rows(np.array([2])) == [(2.5, "x0")]
    assert dataset.targets[2] == 2.25


def test_columns_that_are_dropped_are_no_features(file: Path) -> None:
    dataset = read_table(table(file, "id,a,y", lambda row: f"x{row},{row},{row / 2}"), "y", drop=["id"])
    assert [one.name for one in dataset.features] == ["a"]


BAD: dict[str, tuple[str, str]] = {
    "no such target": ("a,b\n" + "1,2\n" * 20, "table.csv has no column 'y', the target; it has 'a', 'b'"),
    "constant target": ("a,y\n" + "".join(f"{row},7\n" for row in ROWS), "has only one value in 'y'"),
    "class of one row": (
        "a,y\n1,z\n" + "".join(f"{row},{'uv'[row % 2]}\n" for row in ROWS),
        "one row of the class 'z'",
    ),
    "all missing": (
        "a,b,y\n" + "".join(f"{row},,{row}\n" for row in ROWS),
        "has no value in 'b': leave it out with --drop b",
    ),
    "target all missing": ("a,y\n" + "".join(f"{row},\n" for row in ROWS), "has no value in 'y', the target"),
    "column twice": ("a,a,y\n" + "1,2,3\n" * 20, "has the column 'a' twice"),
    "10 000 categories": (
        "a,b,y\n" + "".join(f"{row},id{row},{row}\n" for row in range(10_000)),
        "10000 categories in 'b'; at most 256 work: group the rare ones, or leave the column out with --drop b",
    ),
    "mixed types": (
        "a,b,y\n" + "".join(f"{row},{'oops' if row == 17 else row},{row}\n" for row in ROWS),
        "table.csv, line 19: 'b' is 'oops', but a number in most lines",
    ),
    "empty": ("", "table.csv is empty"),
    "no rows": ("a,y\n", "has 0 rows; at least 10 are needed"),
    "few rows": ("a,y\n1,2\n3,4\n", "has 2 rows"),
    "no header": ("1,2,3\n" * 20, "has numbers in its first line"),
    "name missing": ("a,,y\n" + "1,2,3\n" * 20, "has no name for column 2"),
    "long line": ("a,y\n" + "1,2\n" * 12 + "1,2,3\n" + "1,2\n" * 9, "table.csv, line 14 has more cells"),
    "not finite": ("a,y\n" + "1,2\n2,3\n" * 6 + "1e999,2\n", "table.csv, line 14: 'a' is '1e999', not a finite number"),
    "control character": (
        "a,b,y\n" + "".join(f"{row},{chr(27) + '[31m' if row == 5 else 'uv'[row % 2]},{row}\n" for row in ROWS),
        "table.csv, line 7: 'b' is not a text of at most 200 printable characters",
    ),
    "too many columns": (
        "y," + ",".join(f"c{place}" for place in range(257)) + "\n" + "".join(f"{row}{',1' * 257}\n" for row in ROWS),
        "has 257 columns beside the target; at most 256",
    ),
    "only the target": ("y\n" + "".join(f"{row}\n" for row in ROWS), "has no column but the target"),
    "workbook": ("PK\x03\x04...", "is a workbook"),
    "zeros": ("a,y\n\0,1\n", "is not a text file"),
    "open quote": ("a,b,y\n" + '1,"x,2\n' * 11, "EOF inside string"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_file_ends_the_command_with_one_line(
    case: str, file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text, reason = BAD[case]
    file.write_bytes(text.encode())
    assert main(["--csv", str(file), "--target", "y", "--output", str(tmp_path / "made")]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("not trained: table.csv")
    assert reason in line
    assert line.isprintable()
    assert not (tmp_path / "made").exists()


def test_bytes_that_are_not_utf_8_are_said(file: Path) -> None:
    file.write_bytes("a,y\nå,1\n".encode("latin-1") * 20)
    with pytest.raises(TableError, match="is not UTF-8: save it as UTF-8"):
        read_table(file, "y")


def test_a_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(TableError, match="cannot be read: No such file"):
        read_table(tmp_path / "none.csv", "y")


def test_a_task_that_does_not_fit_the_target_is_refused(file: Path) -> None:
    table(file, "a,text,part,many", lambda row: f"{row},{'uv'[row % 2]},{row / 4},{row * 7}", range(200))
    for target, task, reason in (
        ("text", "regression", "has texts in 'text', the target"),
        ("part", "classification", "at most 100 work; for a number, say --task regression"),
        ("many", "classification", "has 200 classes in 'many'"),
    ):
        with pytest.raises(TableError, match=reason):
            read_table(file, target, task=task)  # type: ignore[arg-type]


def test_columns_toml_gives_titles_units_limits_and_types(file: Path, tmp_path: Path) -> None:
    described = tmp_path / "columns.toml"
    described.write_text(
        'title = "Houses"\n[columns."Area m2"]\ntitle = "Living area"\nunit = "m²"\nexclusive_minimum = 0\n'
        'maximum = 2000\n[columns.heating]\ntype = "category"\n[columns.city]\nunknown = "ignore"\n'
        '[columns.price]\ntitle = "Price"\nunit = "kEUR"\n'
    )
    dataset = read_table(houses(file), "price", options=read_columns(described))
    area, rooms, city, _, heating = dataset.features
    assert (dataset.title, dataset.target_label, dataset.target_unit) == ("Houses", "Price", "kEUR")
    assert isinstance(area, FeatureInfo) and isinstance(rooms, FeatureInfo)
    assert (area.label, area.unit, area.limits) == ("Living area", "m²", Limits(0.0, 2000.0, True))
    assert rooms.limits.contain(-1e6) and rooms.limits.contain(1e6)
    assert isinstance(heating, CategoryInfo) and heating.type == "integer"
    assert isinstance(city, CategoryInfo) and city.accepts_unknown
    assert dataset.rows(np.array([0]))[0][4] in ("1", "2", "3")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("colums = 1", "'colums' is not known"),
        ("title = 1", "title is not a text"),
        ("x = ", "is not TOML"),
        ("columns = 1", "columns are written as"),
        ("[columns.a]\nunits = 'm'", "'units' is not known"),
        ("[columns.a]\nminimum = 'm'", "minimum is not a finite number"),
        ("[columns.a]\nminimum = nan", "minimum is not a finite number"),
        ("[columns.a]\nminimum = 3\nmaximum = 3", "the minimum is not below the maximum"),
        ("[columns.a]\nminimum = 3\nexclusive_minimum = 3", "cannot be combined"),
        ("[columns.a]\ntype = 'date'", "type must be number or category"),
        ('[columns.a]\ntitle = "\\u001b[31m"', "title is not a text"),
    ],
)
def test_a_mistake_in_columns_toml_is_one_line(text: str, reason: str, tmp_path: Path) -> None:
    path = tmp_path / "columns.toml"
    path.write_text(text)
    with pytest.raises(TableError, match=reason) as raised:
        read_columns(path)
    assert str(raised.value).isprintable()


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"nope": ColumnOptions()}, "has no column 'nope', which columns.toml names"),
        ({"rooms": ColumnOptions(maximum=3.0)}, "has 1 to 7 in 'rooms', but columns.toml says"),
        ({"city": ColumnOptions(type="number")}, "has texts in 'city', which columns.toml calls a number"),
        ({"city": ColumnOptions(minimum=1.0)}, "has categories in 'city', for which columns.toml states limits"),
        ({"Area m2": ColumnOptions(type="category")}, "has fractions in 'Area m2'"),
        ({"sea_view": ColumnOptions(accepts_unknown=True)}, "has no texts in 'sea_view'"),
    ],
)
def test_columns_toml_that_contradicts_the_file_is_refused(
    options: dict[str, ColumnOptions], reason: str, file: Path
) -> None:
    with pytest.raises(TableError, match=reason):
        read_table(houses(file), "price", options=TableOptions(columns=options))


def test_options_of_a_file_need_a_file() -> None:
    for arguments in (["--target", "y"], ["--csv", "a.csv"], ["--drop", "a"], ["--name", "x", "--dataset", "iris"]):
        with pytest.raises(SystemExit):
            main(arguments)


@pytest.mark.slow
def test_a_table_does_not_replace_the_model_that_is_served_by_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command, "DEFAULT_ROOT", tmp_path / "artifacts")
    table = tmp_path / "Iris.csv"
    table.write_text("x,y\n" + "".join(f"{row},{row % 7}.5\n" for row in range(60)))
    given = ["--csv", str(table), "--target", "y"]
    assert main(given) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line == (
        "not trained: Iris.csv would replace the model that is served by default, artifacts/iris: "
        "say --name NAME, or --name iris to replace it"
    )
    assert not (tmp_path / "artifacts").exists()
    assert main([*given, "--name", "flowers"]) == 0
    assert main([*given, "--name", "iris"]) == 0
    assert sorted(path.name for path in (tmp_path / "artifacts").iterdir()) == ["flowers", "iris"]
