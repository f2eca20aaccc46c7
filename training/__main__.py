"""`python -m training`: train one data set into an artifact that both endpoints serve."""

import argparse
import json
import sys
from pathlib import Path

import numpy as np

from inference.card import CARD_FILE, DATA_FILE, JOBLIB_FILE, ONNX_FILE, parse_card
from inference.model import ArtifactError, load_model, load_onnx, load_sklearn
from training.artifact import write_artifact
from training.card import data_csv, describe
from training.datasets import DATASETS, Dataset
from training.export import joblib_bytes, onnx_bytes
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
    document = describe(dataset, selection, files)
    card = parse_card(document)
    rows = np.vstack([dataset.inputs, grid(dataset.inputs)])
    largest = check_parity(card, rows, load_sklearn(files[JOBLIB_FILE], card), load_onnx(files[ONNX_FILE], card))
    files[CARD_FILE] = (json.dumps(document, indent=2) + "\n").encode()
    write_artifact(directory, files, check=_accepted_by_both_runtimes)
    lines = [f"{card.title}: {card.model_type}, version {card.version}, in {directory}", selection.method]
    for name, metrics in selection.scores.items():
        scores = ", ".join(f"{metric} {s.mean:.4f} ± {s.standard_deviation:.4f}" for metric, s in metrics.items())
        lines.append(f"  {'->' if name == card.model_type else '  '} {name}: {scores}")
    lines.append(f"ONNX against scikit-learn over {len(rows)} rows: same answers, largest difference {largest:.1e}")
    return "\n".join(lines)


def _accepted_by_both_runtimes(directory: Path) -> None:
    """What an endpoint does before it opens its port; raises ArtifactError."""
    load_model(directory, "onnx")
    load_model(directory, "sklearn")


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
