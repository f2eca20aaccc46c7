"""`agree`: check that endpoints give the same answers to rows, a grid, random, boundary and invalid inputs."""

import argparse
import math
import os
import sys
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from benchmark.agreement import text
from benchmark.agreement.audit import Audit, Report, audit, to_document
from benchmark.agreement.compare import TOLERANCE, count_kinds
from benchmark.agreement.inputs import DRAWS, GRID_POINTS, MAX_POINTS
from benchmark.commands import ROOT, UsageError, write_json
from benchmark.commands.measuring import add_endpoints, allowed_hosts, parse_endpoints
from benchmark.endpoints.bodies import card_of, card_on_this_machine
from benchmark.endpoints.bounded import new_client
from benchmark.endpoints.rows import MAX_BYTES, RowsError, Table, decode, read_rows, training_text, within_limits
from benchmark.endpoints.sample import utc_now
from benchmark.endpoints.values import shown_all
from benchmark.engine.execute import ask
from benchmark.record.plan import PlanError, check_hosts
from benchmark.reports.export import rows_to_csv
from inference.card import ModelCard

if TYPE_CHECKING:
    from rich.console import Console

_SHOWN = 10


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    add_endpoints(parser)
    parser.add_argument(
        "--rows",
        type=Path,
        metavar="FILE.csv",
        help="CSV file of rows to send instead of the training rows; - for standard input",
    )
    parser.add_argument(
        "--grid",
        type=int,
        default=GRID_POINTS,
        metavar="N",
        help=f"send a grid of about N inputs over the feature space (default {GRID_POINTS}, 0 for none)",
    )
    parser.add_argument(
        "--random",
        type=int,
        default=DRAWS,
        metavar="N",
        help=f"send N inputs drawn uniformly over the ranges, and N rows with noise (default {DRAWS}, 0 for none)",
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="seed of the random inputs (default 0)")
    parser.add_argument(
        "--tolerance",
        type=float,
        default=TOLERANCE,
        metavar="X",
        help="tolerance for probabilities; a regressor's predictions are compared relative to the larger or to the "
        "standard deviation of the target if that is larger (default 1e-5)",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the result as JSON; - for standard output")
    parser.add_argument(
        "--csv", type=Path, metavar="FILE", help="write the answers of all endpoints to every row as CSV"
    )


def run(arguments: argparse.Namespace) -> int:
    """Compare the endpoints; returns the exit status: 0 they agree, 1 they disagree, 2 nothing was compared.

    Endpoints also disagree if they claim to serve different models, if an input could not be sent or compared, or if
    they do not all refuse an invalid input in the same way. A single endpoint is compared with the known answers of its
    model card.
    """
    endpoints = parse_endpoints(arguments)
    if len(endpoints) == 1 and (arguments.rows or arguments.csv):
        raise UsageError("--rows and --csv compare endpoints: give --endpoint NAME=URL at least twice")
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
    card = card_of([one.card for one in served]) or card_on_this_machine()
    if card is None:
        raise UsageError("no endpoint has a model card, and MODEL_DIR does not name an artifact")
    table = _table(arguments.rows, card) if len(endpoints) > 1 else Table(card.feature_names, ())
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


def _table(file: Path | None, card: ModelCard) -> Table:
    """The rows of `file`, or else the training rows of the local artifact that `card` describes, if present."""
    try:
        if file is not None:
            if str(file) == "-":
                data = sys.stdin.buffer.read(MAX_BYTES + 1)
            else:
                with file.open("rb") as opened:
                    data = opened.read(MAX_BYTES + 1)
            return within_limits(read_rows(decode(data), card.features), card)
    except OSError as error:
        raise UsageError(f"--rows {file}: cannot be read ({error.strerror or type(error).__name__})") from error
    except RowsError as error:
        raise UsageError(f"--rows {file} {error}") from error
    named = os.environ.get("MODEL_DIR")
    for directory in [*([Path(named)] if named else ()), *sorted((ROOT / "artifacts").glob("*"))]:
        training = training_text(directory, card)
        if training is not None:
            return within_limits(read_rows(training, card.features), card)
    print(
        "the training rows of this model are not on this machine: use --rows FILE.csv to compare rows",
        file=sys.stderr,
    )
    return Table(card.feature_names, ())


def _print(found: Audit, not_sent: int) -> None:
    """Print differences between the models, then the result, then its details."""
    from rich.console import Console
    from rich.markup import escape

    console = Console(highlight=False)
    agreement, names = found.agreement, found.names
    if not found.is_answered:
        why = ", ".join(f"{side.name} {', '.join(found.failures[side.key])}" for side in found.endpoints)
        console.print(f"[bold]Nothing was compared: {escape(why)}.[/bold]", soft_wrap=True)
        return
    for one in found.model_differences:
        sentence = text.model_difference(one, found.endpoint_names)
        console.print(f"[red]DIFFERENT MODELS: {escape(sentence)}[/red]", soft_wrap=True)
    console.print(f"[bold]{escape(text.headline(names, agreement, found.total))}[/bold]", soft_wrap=True)
    if len(found.endpoints) == 1:
        console.print("  Add another endpoint to compare answers between endpoints.")
    if not_sent:
        console.print(f"[red]  {text.counted(not_sent, 'row')} could not be used.[/red]", soft_wrap=True)
    if found.sampled:
        console.print(escape(f"  {text.bounds(found.sampled, found.seed)}"), soft_wrap=True)
    for side in found.endpoints:
        for reason, count in found.failures[side.key].items():
            lost = f"{side.name}: {count} of {len(found.inputs)} {reason}"
            console.print(f"[red]  {escape(lost)}[/red]", soft_wrap=True)
    asked = ", ".join(
        f"{source} {one.asked} ({one.compared} compared, {one.disagreements} differ)"
        for source, one in found.by_source.items()
    )
    console.print(escape(f"  Inputs: {asked}. Largest difference {agreement.largest_gap:.2g}."), soft_wrap=True)
    sent = ", ".join(f"{side.name} {side.form}" for side in found.endpoints)
    console.print(escape(f"  Request format: {sent}."), style="dim", soft_wrap=True)
    for sentence in text.findings(agreement, names):
        console.print(f"[red]  {escape(sentence)}[/red]", soft_wrap=True)
    if len(found.endpoints) > 2:
        _print_pairs(console, found)
    if agreement.differing:
        kinds = ", ".join(f"{kind} {count}" for kind, count in agreement.by_kind.items())
        console.print(f"  By kind (an input may count twice): {escape(kinds)}.", soft_wrap=True)
        _print_worst(console, found)
    _print_invalid(console, found)


def _print_pairs(console: "Console", found: Audit) -> None:
    """The pairs with the reference, and the others that differ."""
    from rich.markup import escape
    from rich.table import Table as Lines

    lines = Lines("pair", "compared", "differ", "kinds", box=None)
    for pair in found.agreement.pairs:
        if pair.first == 0 or pair.differences:
            kinds = ", ".join(f"{kind} {count}" for kind, count in count_kinds(pair.differences).items())
            title = f"{found.names[pair.first]} and {found.names[pair.second]}"
            lines.add_row(escape(title), str(pair.compared), str(len(pair.differences)), kinds)
    console.print(lines)


def _print_worst(console: "Console", found: Audit) -> None:
    from rich.markup import escape
    from rich.table import Table as Lines

    lines = Lines("from", f"input ({escape(', '.join(found.card.feature_names))})", "kind", "difference", box=None)
    for one in found.agreement.worst(_SHOWN):
        asked = found.inputs[one.index]
        where = f"{asked.source} {asked.line}" if asked.line else asked.source
        lines.add_row(
            where,
            escape(shown_all(asked.values)),
            ", ".join(one.kinds),
            escape(text.between(one, found.names) + text.detail(one)),
        )
    console.print(lines)


def _print_invalid(console: "Console", found: Audit) -> None:
    from rich.markup import escape

    compared = [one for one in found.invalid if one.compared]
    differ = [one for one in compared if not one.same]
    refused_so = "refused alike" if len(found.endpoints) > 1 else "refused"
    alike = f"Invalid inputs: {len(compared) - len(differ)} of {len(compared)} {refused_so}"
    lost = len(found.invalid) - len(compared)
    console.print(f"{alike}, {lost} not compared." if lost else f"{alike}.")
    for refused in differ:
        answers = ", ".join(
            f"{name} {text.refusal(answer)}"
            for name, answer in zip(found.endpoint_names, refused.refusals, strict=True)
        )
        console.print(f"[red]  {escape(refused.invalid.name)}: {escape(answers)}[/red]", soft_wrap=True)


def _write_csv(path: Path, found: Audit, table: Table) -> None:
    """Write a line for each row of `table`; a repeated row was asked once."""
    results = text.results_table(found.inputs, found.outcomes, found.agreement, found.card, found.keys)
    answers = dict(zip((one.values for one in found.inputs), results, strict=True))
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
    """A progress bar on the terminal for one step at a time."""

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
