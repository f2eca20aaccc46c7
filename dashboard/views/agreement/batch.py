"""Your own rows on the Agreement page: a file or pasted text that every endpoint scores, with a table to download."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import streamlit as st

from benchmark.agreement.compare import Agreement, Tally, compare, tally
from benchmark.agreement.inputs import Input
from benchmark.agreement.score import probe, score
from benchmark.agreement.text import findings, results_table
from benchmark.endpoints.endpoint import Endpoint
from benchmark.endpoints.rows import MAX_BYTES, MAX_ROWS, BadRow, RowsError, Table, decode, read_rows, within_limits
from benchmark.reports.export import rows_to_csv
from benchmark.statistics.text import listed
from dashboard import resources
from dashboard.components import markup
from dashboard.components.background import Background, Report
from dashboard.components.progress import progress
from dashboard.views.agreement import text as say
from inference.card import ModelCard

_BAD_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Scored:
    """The result of one batch, for the model of this `version` at the endpoints called `names`."""

    version: str
    names: tuple[str, ...]
    agreement: Agreement
    different: Tally
    """without repeated rows"""
    table: list[dict[str, Any]]
    bad: tuple[BadRow, ...]


def batch(endpoints: Sequence[Endpoint], card: ModelCard) -> None:
    """The form, and the last result in this session."""
    with st.container(border=True, key="card-batch"):
        st.markdown("**Your own rows**")
        st.caption(
            f"CSV with the columns {markup.plain(', '.join(card.feature_names))} in any order, or these alone without "
            f"a header; at most {markup.count(MAX_ROWS)} rows. Rows that cannot be used are listed by line number; "
            f"the others are scored.{_missing(card)}"
        )
        left, right = st.columns(2, gap="medium")
        with left:
            file = st.file_uploader(
                "CSV file", type=["csv", "txt", "tsv"], key="rows-file", max_upload_size=MAX_BYTES // 1024 // 1024
            )
        with right:
            pasted = st.text_area(
                "Or paste rows", key="rows-text", placeholder=_example(card), height=110, disabled=file is not None
            )
        # Kept in the session state, because a click anywhere on the page ends the script.
        scoring: Background[Scored] = st.session_state.setdefault("rows-scoring", Background())
        label = {1: "Score", 2: "Score on both"}.get(len(endpoints), "Score on all")
        if st.button(label, icon=":material/play_arrow:", key="score-rows", disabled=scoring.state.running):
            table = _table(card, file.getvalue() if file is not None else pasted or "")
            if table is None:
                return  # the last result belongs to other rows
            _start(scoring, endpoints, card, table)
        progress(scoring, "score", "checking how the endpoints accept rows")
        if problem := scoring.state.problem:
            st.warning(f"Scoring {problem}.")
        scored = scoring.state.result
        if scored and scored.version == card.version:
            _show(scored)


def _example(card: ModelCard) -> str:
    lines = io.StringIO()
    csv.writer(lines, lineterminator="\n").writerows(
        [card.feature_names, *(preset.values for preset in card.presets[:2])]
    )
    return lines.getvalue().rstrip("\n")


def _missing(card: ModelCard) -> str:
    """Where cells may be empty, as a sentence."""
    names = [feature.name for feature in card.features if feature.accepts_missing]
    if not names:
        return ""
    which = "any column" if len(names) == len(card.features) else markup.plain(listed(names))
    return f" An empty cell of {which} is a missing value."


def _table(card: ModelCard, given: bytes | str) -> Table | None:
    """The rows to send, from a file or from text. Shows the reason if there are none."""
    try:
        text = decode(given) if isinstance(given, bytes) else given
        table = within_limits(read_rows(text, card.features), card)
    except RowsError as error:
        st.error(markup.plain(f"The {'file' if isinstance(given, bytes) else 'text'} {error}."))
        return None
    if not table.rows:
        _show_bad(table.bad)
        return None
    return table


def _start(scoring: Background[Scored], endpoints: Sequence[Endpoint], card: ModelCard, table: Table) -> None:
    client = resources.client()

    def work(report: Report) -> Scored:
        scorers = [probe(client, endpoint, card) for endpoint in endpoints]
        rows = [row.values for row in table.rows]
        outcomes = score(client, scorers, card, rows, lambda done, total: report("answers", done, total))
        names = tuple(endpoint.name for endpoint in endpoints)
        agreement = compare(outcomes, card)
        inputs = [Input("rows", row.values, row.line) for row in table.rows]
        return Scored(
            card.version,
            names,
            agreement,
            tally(inputs, outcomes, agreement),
            results_table(inputs, outcomes, agreement, card, names),
            table.bad,
        )

    scoring.start(work)


def _show(scored: Scored) -> None:
    verdict = say.batch_verdict(scored.names, scored.agreement, scored.different, len(scored.bad))
    st.markdown(f"{verdict.badge.markdown} {markup.plain(verdict.sentence)}")
    for finding in findings(scored.agreement, scored.names):
        st.markdown(f":material/arrow_right: {markup.plain(finding)}")
    _show_bad(scored.bad)
    st.dataframe(
        scored.table,
        hide_index=True,
        key="scored-rows",
        alt=f"The answers of {listed(scored.names)} to {len(scored.table)} rows.",
    )
    st.download_button(
        "Download results",
        lambda: rows_to_csv(scored.table),
        file_name="faceoff-rows.csv",
        mime="text/csv",
        icon=":material/download:",
        on_click="ignore",
        key="download-rows",
    )


def _show_bad(bad: Sequence[BadRow]) -> None:
    if not bad:
        return
    named = [f"line {one.line}: {one.problem}" for one in bad[:_BAD_SHOWN]]
    more = f" and {len(bad) - _BAD_SHOWN} more" if len(bad) > _BAD_SHOWN else ""
    count = f"{len(bad)} row{' was' if len(bad) == 1 else 's were'} not sent"
    st.warning(markup.plain(f"{count}: {'; '.join(named)}{more}."))
