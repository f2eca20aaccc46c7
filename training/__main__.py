"""`python -m training`: train one data set, or one CSV file, into an artifact that both endpoints serve."""

import argparse
import json
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np

from inference.card import (
    CARD_FILE,
    DATA_FILE,
    JOBLIB_FILE,
    LINEAR_FILE,
    ONNX_FILE,
    CategoryType,
    Task,
    parse_card,
)
from inference.linear import load_linear
from inference.model import ArtifactError, load_model, load_onnx, load_sklearn, runtimes_of
from training.artifact import write_artifact
from training.card import data_csv, data_rows, describe
from training.columns import TableOptions, read_columns
from training.datasets import DATASETS, CategoryInfo, Dataset
from training.errors import TableError
from training.export import joblib_bytes, linear_bytes, onnx_bytes
from training.parity import ParityError, check_parity, grid, mixed_grid
from training.progress import progress
from training.selection import Selection, select, steps_of

DEFAULT_ROOT = Path(__file__).resolve().parents[1] / "artifacts"
COLUMNS_FILE = "columns.toml"
_SERVED_BY_DEFAULT = "iris"
_FILES = (JOBLIB_FILE, ONNX_FILE, DATA_FILE, LINEAR_FILE)
_NAME = re.compile(r"[a-z][a-z0-9_-]{0,62}")


def train(dataset: Dataset, directory: Path) -> str:
    """Choose, fit, export, compare and write; returns a report of a few lines.

    Raises ParityError, ArtifactError or OSError; `directory` is then unchanged.
    """
    with progress(steps_of(dataset)) as step:
        selection = select(dataset, step)
    return export(dataset, selection, directory)


def export(dataset: Dataset, selection: Selection, directory: Path, *, strict: bool | None = None) -> str:
    """Export the fitted estimator, compare the exports with it, and write the artifact; returns the report.

    What cannot be compiled to ONNX, or does not give the same answers, is left out, and scikit-learn serves the model;
    unless `strict`, as by default for the data sets of scikit-learn: then it is an error.
    """
    if strict is None:
        strict = not dataset.is_table
    files = {JOBLIB_FILE: joblib_bytes(selection.fitted), DATA_FILE: data_csv(dataset)}
    card = parse_card(
        describe(dataset, selection, files)
    )  # to load the exports; they do not change what it says of them
    rows = parity_rows(dataset)
    reference = load_sklearn(files[JOBLIB_FILE], card)
    exports: dict[str, bytes] = {}
    largest: dict[str, float] = {}
    without_onnx = ""
    for precision in _precisions(selection, strict):
        try:
            data = _onnx(dataset, selection, precision)
            largest["ONNX"] = check_parity(card, rows, reference, load_onnx(data, card))
            exports[ONNX_FILE] = data
            without_onnx = ""
            break
        except Exception as error:  # whatever skl2onnx and ONNX Runtime raise for what they do not support
            if strict:
                raise
            without_onnx = without_onnx or f"No ONNX model gives scikit-learn's answers: {_clause(error)}"
    try:
        if linear := _linear(dataset, selection):
            largest["Plain coefficients"] = check_parity(card, rows, reference, load_linear(linear, card))
            exports[LINEAR_FILE] = linear
    except (ParityError, ValueError):  # steps of other people's pipelines that are not known here
        if strict:
            raise
    # In the order that cards have always had.
    files = {name: (files | exports)[name] for name in _FILES if name in files | exports}
    document = describe(dataset, selection, files, without_onnx)
    card = parse_card(document)
    files[CARD_FILE] = (json.dumps(document, indent=2) + "\n").encode()
    write_artifact(directory, files, check=_accepted)
    lines = [f"{card.title}: {card.model_type}, version {card.version}, in {directory}", selection.method]
    for name, metrics in selection.scores.items():
        scores = ", ".join(f"{metric} {s.mean:.4f} ± {s.standard_deviation:.4f}" for metric, s in metrics.items())
        lines.append(f"  {'->' if name == card.model_type else '  '} {name}: {scores}")
    for name, difference in largest.items():
        lines.append(
            f"{name} against scikit-learn over {len(rows)} rows: same answers, largest difference {difference:.1e}"
        )
    lines += [*dataset.notes, *([without_onnx] if without_onnx else [])]
    lines.append(f"Served by the {runtimes_of(card)[0]} runtime unless MODEL_RUNTIME says otherwise")
    return "\n".join(lines)


def parity_rows(dataset: Dataset) -> Any:
    """The rows that the exports are compared on: the training rows, or a sample of them, and a grid."""
    if not dataset.is_table:
        return np.vstack([dataset.inputs, grid(dataset.inputs)])
    kept = data_rows(dataset)
    columns = [dataset.column(place, kept) for place in range(len(dataset.features))]
    accepts_unknown = [isinstance(one, CategoryInfo) and one.accepts_unknown for one in dataset.features]
    return [*dataset.rows(kept), *mixed_grid(columns, accepts_unknown)]


def _linear(dataset: Dataset, selection: Selection) -> bytes | None:
    if not dataset.is_table:
        return linear_bytes(selection.fitted)
    accepts = [
        (bool(dataset.inputs.iloc[:, place].isna().any()), isinstance(one, CategoryInfo) and one.accepts_unknown)
        for place, one in enumerate(dataset.features)
    ]
    return linear_bytes(selection.fitted, [str(name) for name in dataset.inputs.columns], accepts)


def _precisions(selection: Selection, strict: bool) -> tuple[Literal["float", "double"], ...]:
    first = selection.chosen.onnx_precision
    return (first,) if strict else (first, "float" if first == "double" else "double")


def _onnx(dataset: Dataset, selection: Selection, precision: Literal["float", "double"]) -> bytes:
    types: list[CategoryType | None] = [one.type if isinstance(one, CategoryInfo) else None for one in dataset.features]
    return onnx_bytes(selection.fitted, types, precision, f"faceoff-{dataset.name}")


def _clause(error: Exception) -> str:
    """The beginning of an error's first line, as a card may have it."""
    text = (str(error).strip().splitlines() or [""])[0]
    return "".join(letter for letter in text if letter.isprintable())[:100] or type(error).__name__


def _accepted(directory: Path) -> None:
    """What an endpoint does before it opens its port, with every runtime; raises ArtifactError."""
    for runtime in runtimes_of(load_model(directory).card):
        load_model(directory, runtime)


def _table(
    options: argparse.Namespace,
    names: Sequence[str] | None = None,
    classes: Sequence[str] | None = None,
    task: Task | None = None,
) -> Dataset:
    # pandas takes a second to import, and the data sets of scikit-learn do not need it.
    from training.table import plain_name, read_table

    columns = options.columns or options.csv.with_name(COLUMNS_FILE)
    described = read_columns(columns) if options.columns or columns.is_file() else TableOptions()
    name = options.name or plain_name(options.csv.stem)
    if name == _SERVED_BY_DEFAULT and not (options.name or options.output):
        raise TableError(
            f"{options.csv.name} would replace the model that is served by default, artifacts/{name}: "
            f"say --name NAME, or --name {name} to replace it"
        )
    return read_table(
        options.csv,
        options.target,
        task=task or options.task,
        columns=names,
        classes=classes,
        drop=[one.strip() for one in options.drop.split(",") if one.strip()],
        name=name,
        options=described,
    )


def _estimator(options: argparse.Namespace) -> tuple[Dataset, Selection]:
    """The estimator of --estimator, with the table that its examples are in."""
    from training.estimator import as_selection, load_estimator, with_estimator

    loaded = load_estimator(options.estimator, trust=options.trust)
    if options.task not in ("auto", loaded.task):
        raise TableError(f"{options.estimator.name} is for {loaded.task}, not for {options.task}")
    dataset = with_estimator(_table(options, loaded.names, loaded.classes, loaded.task), loaded)
    return dataset, as_selection(dataset, loaded)


def main(arguments: list[str] | None = None) -> int:
    """The command line; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m training", description=__doc__)
    source = parser.add_mutually_exclusive_group()
    source.add_argument("--dataset", choices=sorted(DATASETS), default=_SERVED_BY_DEFAULT)
    source.add_argument("--csv", type=Path, metavar="FILE", help="a table with a header; numbers, texts, booleans")
    parser.add_argument("--target", metavar="COLUMN", help="the column of --csv that is predicted")
    parser.add_argument("--task", choices=("auto", "classification", "regression"), default="auto")
    parser.add_argument("--drop", metavar="A,B", default="", help="columns of --csv to leave out")
    parser.add_argument(
        "--columns",
        type=Path,
        metavar="FILE",
        help=f"titles, units, limits and types of columns (default: {COLUMNS_FILE} beside the CSV file)",
    )
    parser.add_argument("--name", help="name of the model (default: the CSV file's)")
    parser.add_argument("--output", type=Path, help="directory to write (default: artifacts/NAME)")
    parser.add_argument(
        "--estimator",
        type=Path,
        metavar="FILE",
        help="a fitted estimator instead of training: .joblib, .skops or an MLflow model directory; --csv has examples",
    )
    parser.add_argument("--trust", action="store_true", help="load an --estimator that may run code")
    options = parser.parse_args(arguments)
    if (options.csv is None) != (options.target is None):
        parser.error("--csv and --target belong together")
    if options.csv is None and (
        options.estimator or options.drop or options.columns or options.name or options.task != "auto"
    ):
        parser.error("--task, --drop, --columns, --name and --estimator are for --csv")
    if options.name and not _NAME.fullmatch(options.name):
        parser.error("--name begins with a small letter and has small letters, digits, _ and -")
    directory = options.output
    try:
        if options.estimator:
            dataset, selection = _estimator(options)
            directory = directory or DEFAULT_ROOT / dataset.name
            print(export(dataset, selection, directory, strict=False))
        else:
            dataset = _table(options) if options.csv else DATASETS[options.dataset]()
            directory = directory or DEFAULT_ROOT / dataset.name
            print(train(dataset, directory))
    except TableError as error:
        print(f"not trained: {error}", file=sys.stderr)
        return 1
    except (ParityError, ArtifactError, OSError) as error:
        reason = (isinstance(error, OSError) and error.strerror) or str(error)  # OSError names a file of the moment
        print(f"not trained, {directory} is unchanged: {reason}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
