"""`agree`: do two endpoints give the same answers? Rows, a grid, random inputs, the boundary, and invalid inputs."""

import argparse
import json
import math
import os
import sys
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from benchmark.agreement.audit import Audit, Report, audit, to_document
from benchmark.agreement.judge import TOLERANCE
from benchmark.agreement.trials import DRAWS, GRID_POINTS, MAX_POINTS
from benchmark.agreement.words import bounds, headline, results_table
from benchmark.commands import ROOT, UsageError, write_json
from benchmark.commands.measuring import add_endpoints, allowed_hosts, parse_endpoints
from benchmark.endpoints.bodies import card_of
from benchmark.endpoints.observe import new_client
from benchmark.endpoints.rows import MAX_BYTES, RowsError, Table, decode, read_rows, training_text, within_limits
from benchmark.endpoints.sample import utc_now
from benchmark.engine.execute import ask
from benchmark.record.plan import PlanError, check_hosts
from benchmark.reports.export import rows_to_csv
from inference.card import CARD_FILE, CardError, ModelCard, parse_card

_SHOWN = 10


def configure(parser: argparse.ArgumentParser) -> None:
    """What it takes."""
    add_endpoints(parser)
    parser.add_argument(
        "--rows", type=Path, metavar="FILE.csv", help="inputs instead of the training rows; - for standard input"
    )
    parser.add_argument(
        "--grid",
        type=int,
        default=GRID_POINTS,
        metavar="N",
        help=f"about N inputs all over the feature space (default {GRID_POINTS}, 0 for none)",
    )
    parser.add_argument(
        "--random",
        type=int,
        default=DRAWS,
        metavar="N",
        help=f"N inputs drawn uniformly over the ranges, and N rows with noise (default {DRAWS}, 0 for none)",
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of the random inputs (default 0)")
    parser.add_argument(
        "--tolerance",
        type=float,
        default=TOLERANCE,
        metavar="X",
        help="what probabilities, or a regressor's predictions relative to their size, may differ by (default 1e-5)",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the result; - for standard output")
    parser.add_argument("--csv", type=Path, metavar="FILE", help="write what both answered to every row")


def run(arguments: argparse.Namespace) -> int:
    """Ask both; returns the exit status: 0 they agree, 1 they do not, 2 nothing was compared.

    They do not agree either where they say that they serve different models, where an input could not be sent or
    compared, or where they do not both refuse an invalid input in the same way.
    """
    endpoints = parse_endpoints(arguments)
    if len(endpoints) != 2:
        raise UsageError("two endpoints are compared: give --endpoint NAME=URL twice")
    for option in ("grid", "random"):
        if not 0 <= (number := getattr(arguments, option)) <= MAX_POINTS:
            raise UsageError(f"--{option} {number}: must be from 0 to {MAX_POINTS}")
    if not (math.isfinite(arguments.tolerance) and arguments.tolerance >= 0):
        raise UsageError(f"--tolerance {arguments.tolerance}: must be 0 or more")
    try:
        check_hosts(endpoints, allowed_hosts(arguments))
    except PlanError as error:
        raise UsageError(str(error)) from error
    served = ask(endpoints)
    card = card_of([one.card for one in served]) or _local_card()
    if card is None:
        raise UsageError("no endpoint gives a model card, and MODEL_DIR names no artifact")
    table = _table(arguments.rows, card)
    for bad in table.bad:
        print(f"line {bad.line}: {bad.problem}; not sent", file=sys.stderr)
    with new_client() as client, _progress() as report:
        found = audit(
            client,
            endpoints,
            served,
            card,
            table.rows,
            at_utc=utc_now(),
            grid_points=arguments.grid,
            draws=arguments.random,
            seed=arguments.seed,
            tolerance=arguments.tolerance,
            report=report,
        )
    agrees = found.agrees and not table.bad
    if arguments.json != Path("-"):
        _print(found, len(table.bad))
    if arguments.json:
        bad_rows = [[bad.line, bad.problem] for bad in table.bad]
        write_json(arguments.json, {**to_document(found), "agree": agrees, "bad_rows": bad_rows})
    if arguments.csv:
        _write_csv(arguments.csv, found, table)
    if not found.agreement.compared:
        return 2
    return 0 if agrees else 1


def _local_card() -> ModelCard | None:
    directory = Path(os.environ.get("MODEL_DIR") or ROOT / "artifacts" / "iris")
    try:
        return parse_card(json.loads((directory / CARD_FILE).read_bytes()))
    except (OSError, ValueError, CardError):
        return None


def _table(file: Path | None, card: ModelCard) -> Table:
    """The rows of `file`, or of the local artifact that the card is about; none where it is not here."""
    try:
        if file is not None:
            if str(file) == "-":
                data = sys.stdin.buffer.read(MAX_BYTES + 1)
            else:
                with file.open("rb") as opened:
                    data = opened.read(MAX_BYTES + 1)
            return within_limits(read_rows(decode(data), card.feature_names), card)
    except OSError as error:
        raise UsageError(f"--rows {file}: cannot be read ({type(error).__name__})") from error
    except RowsError as error:
        raise UsageError(f"--rows {file} {error}") from error
    named = os.environ.get("MODEL_DIR")
    for directory in [*([Path(named)] if named else ()), *sorted((ROOT / "artifacts").glob("*"))]:
        text_found = training_text(directory, card)
        if text_found is not None:
            return within_limits(read_rows(text_found, card.feature_names), card)
    print("the training rows of this model are not here: give --rows FILE.csv to ask about rows", file=sys.stderr)
    return Table(card.feature_names, ())


def _print(found: Audit, not_sent: int) -> None:
    """Which model comes first, then the result, then what it consists of."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table as Lines

    console = Console(highlight=False)
    for sentence in found.identity:
        console.print(f"[red]DIFFERENT MODELS: {escape(sentence)}[/red]", soft_wrap=True)
    agreement = found.agreement
    console.print(f"[bold]{escape(headline(found.total))}[/bold]", soft_wrap=True)
    if not_sent:
        console.print(f"[red]  {not_sent} row{'' if not_sent == 1 else 's'} could not be used.[/red]", soft_wrap=True)
    if found.sampled:
        console.print(escape(f"  {bounds(found.sampled, found.seed)}"), soft_wrap=True)
    for name, key in zip(found.names, found.keys, strict=True):
        for reason, count in found.failures[key].items():
            console.print(f"[red]  {escape(f'{name}: {count} of {len(found.trials)} {reason}')}[/red]", soft_wrap=True)
    asked = ", ".join(
        f"{source} {one.asked} ({one.compared} compared, {one.disagreements} differ)"
        for source, one in found.by_source.items()
    )
    console.print(escape(f"  Asked: {asked}. Largest difference {agreement.largest_gap:.2g}."), soft_wrap=True)
    sent = ", ".join(f"{name} {form}" for name, form in zip(found.names, found.forms, strict=True))
    console.print(escape(f"  Sent as: {sent}."), style="dim", soft_wrap=True)
    for sentence in agreement.findings:
        console.print(f"[red]  {escape(sentence)}[/red]", soft_wrap=True)
    if agreement.differences:
        kinds = ", ".join(f"{kind} {count}" for kind, count in agreement.by_kind.items())
        console.print(f"  By kind (an input may count twice): {escape(kinds)}.", soft_wrap=True)
        lines = Lines("from", f"input ({escape(', '.join(found.card.feature_names))})", "kind", "difference", box=None)
        for one in agreement.worst(_SHOWN):
            trial = found.trials[one.index]
            where = f"{trial.source} {trial.line}" if trial.line else trial.source
            values = ", ".join(f"{value:.6g}" for value in trial.values)
            lines.add_row(where, values, ", ".join(one.kinds), escape(one.detail))
        console.print(lines)
    compared = [one for one in found.invalid if one.compared]
    differ = [one for one in compared if not one.same]
    alike = f"Invalid inputs: {len(compared) - len(differ)} of {len(compared)} refused alike"
    lost = len(found.invalid) - len(compared)
    console.print(f"{alike}, {lost} not compared." if lost else f"{alike}.")
    for refused in differ:
        answers = ", ".join(
            f"{name} {answer.describe()}" for name, answer in zip(found.names, refused.refusals, strict=True)
        )
        console.print(f"[red]  {escape(refused.invalid.name)}: {escape(answers)}[/red]", soft_wrap=True)


def _write_csv(path: Path, found: Audit, table: Table) -> None:
    """A line for each row of `table`; one that stands there twice was asked once."""
    results = results_table(found.trials, found.outcomes, found.agreement, found.card, found.keys)
    answers = dict(zip((trial.values for trial in found.trials), results, strict=True))
    try:
        path.write_text(
            rows_to_csv([{**answers[row.values], "line": row.line} for row in table.rows]), encoding="utf-8"
        )
    except OSError as error:
        raise UsageError(f"--csv {path}: cannot be written ({error.strerror})") from error


def _progress() -> AbstractContextManager[Report]:
    if not sys.stderr.isatty():
        return nullcontext(lambda _, __, ___: None)
    return _Bar()


class _Bar(AbstractContextManager[Report]):
    """A bar on the terminal, for one step after the other."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import Progress

        self._bar = Progress(console=Console(stderr=True), transient=True)
        self._task = self._bar.add_task("asking", total=1)

    def __enter__(self) -> Report:
        self._bar.start()
        return lambda what, done, total: self._bar.update(self._task, description=what, completed=done, total=total)

    def __exit__(self, *_: object) -> None:
        self._bar.stop()
