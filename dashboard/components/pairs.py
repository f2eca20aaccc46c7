"""The table of verdicts, one row per pair of endpoints."""

from collections.abc import Sequence
from dataclasses import replace

from benchmark.statistics.contrasts import Contrast
from benchmark.statistics.text import interval
from dashboard.components.markup import markdown_table, plain
from dashboard.components.run_text import OUTCOMES

MINUS = "\N{MINUS SIGN}"


def pair_name(pair: Contrast, names: Sequence[str]) -> str:
    """The difference of a pair, by name: the first endpoint's latency minus the second's."""
    return f"{names[pair.first]} {MINUS} {names[pair.second]}"


def pairs_table(pairs: Sequence[Contrast], names: Sequence[str]) -> str:
    """A Markdown table with the result of each pair, the difference, its interval and the confidence."""
    rows = []
    for pair in pairs:
        result = OUTCOMES[pair.outcome]
        if pair.winner is not None:
            result = replace(result, text=plain(f"{names[pair.winner]} is faster"))
        confidence = f"{100 * pair.confidence:.3g}%"
        rows.append([plain(pair_name(pair, names)), result.markdown, interval(pair.effect), confidence])
    return markdown_table(["Pair", "Result", "Difference (ms)", "Confidence"], rows)
