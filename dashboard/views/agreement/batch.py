"""Your own rows on the Agreement page: a file or pasted text that both endpoints score, to look at and to keep."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import streamlit as st

from benchmark.agreement.judge import Agreement, Tally, compare, tally
from benchmark.agreement.score import probe, score
from benchmark.agreement.trials import Trial
from benchmark.agreement.words import results_table
from benchmark.endpoints.endpoint import Endpoint
from benchmark.endpoints.rows import MAX_BYTES, MAX_ROWS, BadRow, RowsError, Table, decode, read_rows, within_limits
from benchmark.reports.export import rows_to_csv
from dashboard import resources
from dashboard.components import markup
from dashboard.components.background import Background, Report
from dashboard.components.progress import progress
from dashboard.views.agreement import text as say
from inference.card import ModelCard

_BAD_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Scored:
    """What one batch gave; `version` is that of the model that it was for."""

    version: str
    agreement: Agreement
    different: Tally
    """of rows that are not the same as another"""
    table: list[dict[str, Any]]
    bad: tuple[BadRow, ...]


def batch(endpoints: Sequence[Endpoint], card: ModelCard) -> None:
    """The form, and what it gave last in this session."""
    with st.container(border=True, key="card-batch"):
        st.markdown("**Your own rows**")
        st.caption(
            f"CSV with the columns {markup.plain(', '.join(card.feature_names))} in any order, or these alone without "
            f"a header, at most {markup.count(MAX_ROWS)} rows. A row that cannot be used is named by its line; the "
            "others are scored."
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
        # Of this session, but not in its script: a click anywhere on the page would end it half-way.
        scoring: Background[Scored] = st.session_state.setdefault("rows-scoring", Background())
        if st.button("Score on both", icon=":material/play_arrow:", key="score-rows", disabled=scoring.state.running):
            table = _table(card, file.getvalue() if file is not None else pasted or "")
            if table is None:
                return  # what was found of other rows is no answer to these
            _start(scoring, endpoints, card, table)
        progress(scoring, "score", "finding out how rows are taken")
        if problem := scoring.state.problem:
            st.warning(f"Scoring {problem}.")
        scored = scoring.state.result
        if scored and scored.version == card.version:
            _show(scored)


def _example(card: ModelCard) -> str:
    rows = [card.feature_names, *(map(str, preset.values) for preset in card.presets[:2])]
    return "\n".join(",".join(row) for row in rows)


def _table(card: ModelCard, given: bytes | str) -> Table | None:
    """The rows to send, of a file or of text; says why where there are none."""
    try:
        text = decode(given) if isinstance(given, bytes) else given
        table = within_limits(read_rows(text, card.feature_names), card)
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
        one, other = score(client, scorers, card, rows, lambda done, total: report("answers", done, total))
        names = (endpoints[0].name, endpoints[1].name)
        agreement = compare(one, other, card, names)
        trials = [Trial("rows", row.values, row.line) for row in table.rows]
        return Scored(
            card.version,
            agreement,
            tally(trials, (one, other), agreement),
            results_table(trials, (one, other), agreement, card, names),
            table.bad,
        )

    scoring.start(work)


def _show(scored: Scored) -> None:
    verdict = say.batch_verdict(scored.agreement, scored.different, len(scored.bad))
    st.markdown(f"{verdict.badge.markdown} {markup.plain(verdict.sentence)}")
    for finding in scored.agreement.findings:
        st.markdown(f":material/arrow_right: {markup.plain(finding)}")
    _show_bad(scored.bad)
    st.dataframe(
        scored.table,
        hide_index=True,
        key="scored-rows",
        alt=f"What both endpoints answered to {len(scored.table)} rows.",
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
