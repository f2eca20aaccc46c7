"""The command line in this process: one command after the other on what a hostile file or endpoint has left."""

import io
import re
import shutil
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic

from benchmark.__main__ import main
from benchmark.record.recording import add_finished_run
from benchmark.record.store import Store
from tests.benchmark.runs import make_run, pairs
from tests.hostile.front.figures import Problem, Problems
from tests.hostile.front.hostile_texts import NOWHERE
from tests.hostile.front.imports import Import
from tests.hostile.front.watch import watching

LIMIT_S = 30.0
"""The longest that a command on one file may take; most take a few milliseconds."""
CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")
OURS = "0123abcd"
"""The run that was measured here, beside which the imported one lies."""


@dataclass
class Terminal:
    """Somebody who types commands; what they do that they may not is in `problems`."""

    directory: Path
    problems: list[Problem] = field(default_factory=list)
    output: str = ""
    may_run: Sequence[Sequence[str]] = ()
    """what the program itself has to start"""

    @property
    def results(self) -> Path:
        return self.directory / "results"

    @property
    def store(self) -> Store:
        return Store(self.results)

    def prepare(self) -> None:
        """A record with a run that was measured here, and a place for what commands write."""
        (self.directory / "out").mkdir(parents=True, exist_ok=True)
        add_finished_run(self.store, make_run(), pairs([10.0, 11.0] * 20, [20.0, 21.0] * 20))
        (self.directory / "streamlit").mkdir(exist_ok=True)

    def type(self, *arguments: str, may_be: Sequence[int] = (0, 1, 2), limit_s: float = LIMIT_S) -> int:
        """Run one command; gives its exit status."""
        out, said = io.StringIO(), io.StringIO()
        began_s = monotonic()
        status = -1
        with self.watched(), redirect_stdout(out), redirect_stderr(said):
            try:
                status = main(arguments)
            except SystemExit as error:
                status = int(error.code or 0)
            except BaseException as error:
                self._tell("exceptions shown", f"{_short(arguments)}: {type(error).__name__}: {error}"[:400])
                if isinstance(error, KeyboardInterrupt):
                    raise
                return status
        if (took_s := monotonic() - began_s) > limit_s:
            self._tell("unbounded", f"{_short(arguments)}: {took_s:.0f} s")
        self.output = out.getvalue()
        shown = self.output + said.getvalue()
        if "Traceback" in said.getvalue() or (status == 2 and len(said.getvalue().strip().splitlines()) > 40):
            self._tell("exceptions shown", f"{_short(arguments)}: {said.getvalue()[-300:]}")
        if found := CONTROL.search(shown):
            at = max(0, found.start() - 60)
            self._tell("control characters printed", f"{_short(arguments)}: {shown[at : at + 100]!r}")
        if status not in may_be:
            self._tell("wrong outcome", f"{_short(arguments)}: exit status {status}: {said.getvalue()[-300:]}")
        return status

    @contextmanager
    def watched(self) -> Iterator[None]:
        """What happens inside is told; a warning is an exception, as it would be printed."""
        with watching(self.problems.append, [self.directory], self.may_run), warnings.catch_warnings():
            warnings.simplefilter("error")
            warnings.simplefilter("ignore", ResourceWarning)
            yield

    def taken_problems(self) -> list[Problem]:
        """The problems so far, which are then forgotten."""
        if Path(NOWHERE).exists():
            self._tell("files written outside", NOWHERE)
            shutil.rmtree(NOWHERE) if Path(NOWHERE).is_dir() else Path(NOWHERE).unlink()
        found, self.problems = self.problems, []
        return found

    def _tell(self, kind: str, text: str) -> None:
        self.problems.append(Problem(kind, text))  # type: ignore[arg-type]


def _short(arguments: Sequence[str]) -> str:
    return " ".join(arguments)[:120]


def try_import(terminal: Terminal, case: Import) -> str | None:
    """Import the file of `case`; gives the id of the run, where there is one now."""
    file = terminal.directory / "run.json"
    file.write_bytes(case.make())
    status = terminal.type("import", str(file), "--results", str(terminal.results), may_be=(0, 2))
    return terminal.output.strip() if status == 0 else None


def read(terminal: Terminal, run_id: str, *, thorough: bool) -> None:
    """Everything that the command line does with an imported run; a few things where it is not `thorough`."""
    results = ("--results", str(terminal.results))
    out = terminal.directory / "out"
    type_ = terminal.type
    type_("show", run_id, *results, may_be=(0,))
    type_("export", run_id, "--output", str(out / "a.csv"), *results, may_be=(0,))
    if not thorough:
        return
    type_("runs", *results, may_be=(0,))
    type_("runs", "--json", *results, may_be=(0,))
    type_("show", run_id, "--json", "-", *results, may_be=(0,))
    type_("diff", run_id, OURS, *results, may_be=(0, 2))
    type_("diff", OURS, run_id, *results, may_be=(0, 2))
    type_("gate", run_id, "--slo", "api.p95_ms<200", "--slo", "api.error_rate<0.1", *results)
    type_("gate", run_id, "--non-inferior", "function:api:10%", *results)
    type_("decide", run_id, *results)
    type_("decide", run_id, OURS, "--json", "-", *results)
    for form in ("html", "md"):
        type_("report", run_id, OURS, "--decide", "--out", str(out / f"r.{form}"), *results, may_be=(0, 2))
        type_("report", run_id, "--out", str(out / f"r.{form}"), *results, may_be=(0, 2))
    type_("export", run_id, "--format", "hgrm", "--output", str(out / "a.hgrm"), *results, may_be=(0,))
    type_("coldstart", "--resume", run_id, *results, may_be=(2,))
    type_("coldstart", "--resume", run_id, "--command", "api=true", *results, may_be=(2,))
    type_("decide", *results, may_be=(0,))
    if run_id in terminal.output:
        terminal.problems.append(Problem("wrong outcome", f"an unnamed imported run {run_id} decides"))
    exported = out / "again.json"
    type_("export", run_id, "--format", "json", "--output", str(exported), *results, may_be=(0,))
    terminal.store.delete_run(run_id)
    type_("import", str(exported), *results, may_be=(0,))


def run_imports(terminal: Terminal, cases: Iterator[Import]) -> Problems:
    """The problems of each file by the name of its case."""
    problems = {}
    for case in cases:
        if run_id := try_import(terminal, case):
            read(terminal, run_id, thorough=case.thorough)
            terminal.store.delete_run(run_id)
        problems[case.name] = terminal.taken_problems()
    return problems
