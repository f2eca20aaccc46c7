"""`python -m training`: train one data set into an artifact that both endpoints serve."""

import argparse
import json
import sys
from pathlib import Path

import numpy as np

from inference.card import CARD_FILE, DATA_FILE, JOBLIB_FILE, LINEAR_FILE, ONNX_FILE, parse_card
from inference.linear import load_linear
from inference.model import ArtifactError, load_model, load_onnx, load_sklearn, runtimes_of
from training.artifact import write_artifact
from training.card import data_csv, describe
from training.datasets import DATASETS, Dataset
from training.export import joblib_bytes, linear_bytes, onnx_bytes
from training.parity import ParityError, check_parity, grid
from training.selection import select

DEFAULT_ROOT = Path(__file__).resolve().parents[1] / "artifacts"


def train(dataset: Dataset, directory: Path) -> str:
    """Choose, fit, export, compare and write; returns a report of a few lines.

    Raises ParityError, ArtifactError or OSError; `directory` is then unchanged.
    """
    selection = select(dataset)
    files = {
        JOBLIB_FILE: joblib_bytes(selection.fitted),
        ONNX_FILE: onnx_bytes(
            selection.fitted, len(dataset.features), selection.chosen.onnx_precision, f"faceoff-{dataset.name}"
        ),
        DATA_FILE: data_csv(dataset),
    }
    if linear := linear_bytes(selection.fitted):
        files[LINEAR_FILE] = linear
    document = describe(dataset, selection, files)
    card = parse_card(document)
    rows = np.vstack([dataset.inputs, grid(dataset.inputs)])
    reference = load_sklearn(files[JOBLIB_FILE], card)
    largest = {"ONNX": check_parity(card, rows, reference, load_onnx(files[ONNX_FILE], card))}
    if linear:
        largest["Plain coefficients"] = check_parity(card, rows, reference, load_linear(linear, card))
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
    lines.append(f"Served by the {runtimes_of(card)[0]} runtime unless MODEL_RUNTIME says otherwise")
    return "\n".join(lines)


def _accepted(directory: Path) -> None:
    """What an endpoint does before it opens its port, with every runtime; raises ArtifactError."""
    for runtime in runtimes_of(load_model(directory).card):
        load_model(directory, runtime)


def main(arguments: list[str] | None = None) -> int:
    """The command line; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m training", description=__doc__)
    parser.add_argument("--dataset", choices=sorted(DATASETS), default="iris")
    parser.add_argument("--output", type=Path, help="directory to write (default: artifacts/DATASET)")
    options = parser.parse_args(arguments)
    directory = options.output or DEFAULT_ROOT / options.dataset
    try:
        print(train(DATASETS[options.dataset](), directory))
    except (ParityError, ArtifactError, OSError) as error:
        print(f"not trained, {directory} is unchanged: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
