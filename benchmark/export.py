"""The record in the formats of other programs: CSV, JSON, and the percentile log of HdrHistogram."""

import csv
import io
from collections.abc import Sequence
from dataclasses import fields

from benchmark.sample import Comparison, Sample


def comparisons_to_csv(
    comparisons: Sequence[Comparison], feature_names: Sequence[str], class_names: Sequence[str]
) -> str:
    """One line a sample, with the inputs and the answer in columns of their own; times in ms.

    A text that a spreadsheet would take for a formula gets a quote in front.
    """
    measured = [field.name for field in fields(Sample) if field.name != "answer"]
    answered = ["prediction", "label", "confidence", "model_version"]
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    header = ["comparison", "at_utc", "model", *feature_names, *measured, "temperature", *answered]
    writer.writerow([*header, *(f"probability_{name}" for name in class_names)])
    for comparison in comparisons:
        for sample in comparison.samples:
            answer = sample.answer
            # A former model of the same name may have had other features and classes: they belong in no column here.
            inputs = comparison.inputs if len(comparison.inputs) == len(feature_names) else [None] * len(feature_names)
            row = [comparison.id, comparison.at_utc, comparison.model, *inputs]
            row += [getattr(sample, name) for name in measured]
            row += [str(sample.temperature)]
            row += [getattr(answer, name) if answer else None for name in answered]
            shares = (answer and answer.probabilities) or ()
            row += shares if len(shares) == len(class_names) else [None] * len(class_names)
            writer.writerow([_spreadsheet_safe(value) for value in row])
    return out.getvalue()


def _spreadsheet_safe(value: object) -> object:
    return f"'{value}" if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r")) else value
