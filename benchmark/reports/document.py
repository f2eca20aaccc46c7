"""A document of headings, texts, tables and drawings, written as one HTML file without scripts, or as Markdown.

All texts are plain. Each form escapes them, so that text from an endpoint never becomes markup.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from benchmark.reports import palette


@dataclass(frozen=True, slots=True)
class Text:
    """A paragraph; `small` is secondary text, `mark` a bold label in front."""

    text: str
    small: bool = False
    mark: str = ""


@dataclass(frozen=True, slots=True)
class Callout:
    """The main sentence of a section."""

    text: str


@dataclass(frozen=True, slots=True)
class Items:
    texts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """The first column names the rows. With `sides`, the other column heads have the endpoints' colours, in order."""

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    caption: str = ""
    sides: bool = True


@dataclass(frozen=True, slots=True)
class Drawing:
    """A trusted SVG element, with its title and a text description."""

    title: str
    svg: str
    alt: str


@dataclass(frozen=True, slots=True)
class Code:
    text: str


@dataclass(frozen=True, slots=True)
class Link:
    text: str
    url: str


_LONGEST_WORD = 40

Block = Text | Callout | Items | Table | Drawing | Code | Link


@dataclass(frozen=True, slots=True)
class Section:
    title: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True, slots=True)
class Document:
    """A title, a line below it, and sections."""

    title: str
    subtitle: str
    sections: tuple[Section, ...]


def to_html(document: Document) -> str:
    """One self-contained file that loads nothing and runs nothing."""
    body = "\n".join(
        f'<section id="s{index}"><h2>{escape(section.title)}</h2>\n'
        + "\n".join(_html(block) for block in section.blocks)
        + "</section>"
        for index, section in enumerate(document.sections, 1)
    )
    contents = "".join(
        f'<a href="#s{index}">{escape(section.title)}</a>' for index, section in enumerate(document.sections, 1)
    )
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        # Even if markup slipped through, a browser would neither load nor run it.
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n"
        f"<title>{escape(document.title)}</title>\n<style>{_STYLE}</style></head>\n<body><main>\n"
        f"<header><h1>{escape(document.title)}</h1><p>{escape(document.subtitle)}</p></header>\n"
        f"<nav>{contents}</nav>\n{body}\n</main></body></html>\n"
    )


def to_markdown(document: Document) -> str:
    """The document as Markdown; drawings become text descriptions."""
    lines = [f"# {_plain(document.title)}", "", _plain(document.subtitle)]
    for section in document.sections:
        lines += ["", f"## {_plain(section.title)}"]
        for block in section.blocks:
            lines += ["", _markdown(block)]
    return "\n".join(lines) + "\n"


def _html(block: Block) -> str:
    match block:
        case Text(text, small, mark):
            lead = f"<strong>{escape(mark)}</strong> " if mark else ""
            kind = ' class="small"' if small else ""
            return f"<p{kind}>{lead}{escape(text)}</p>"
        case Callout(text):
            return f'<p class="callout">{escape(text)}</p>'
        case Items(texts):
            return "<ul>" + "".join(f"<li>{escape(text)}</li>" for text in texts) + "</ul>"
        case Table():
            return _html_table(block)
        case Drawing(title, svg, _):
            return f"<figure><figcaption>{escape(title)}</figcaption>{svg}</figure>"
        case Code(text):
            return f'<pre tabindex="0">{escape(text)}</pre>'
        case Link(text, url):
            return f'<p class="small"><a href="{escape(url)}">{escape(text)}</a></p>'


def _html_table(table: Table) -> str:
    coloured = range(1, 1 + len(palette.LIGHT)) if table.sides else ()
    heads = "".join(
        f'<th scope="col"{f" class=e{column - 1}" if column in coloured else ""}>{escape(text)}</th>'
        for column, text in enumerate(table.header)
    )
    rows = "".join(
        f'<tr><th scope="row">{escape(row[0])}</th>' + "".join(map(_cell, row[1:])) + "</tr>" for row in table.rows
    )
    caption = f"<caption>{escape(table.caption)}</caption>" if table.caption else ""
    return f'<div class="wide"><table>{caption}<thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table></div>'


def _cell(text: str) -> str:
    """A cell; a word too long for its column, such as a hash, is broken."""
    is_long = any(len(word) > _LONGEST_WORD for word in text.split())
    return f"<td{' class=long' if is_long else ''}>{escape(text)}</td>"


def _markdown(block: Block) -> str:
    match block:
        case Text(text, _, mark):
            return (f"**{_plain(mark)}** " if mark else "") + _plain(text)
        case Callout(text):
            return f"> **{_plain(text)}**"
        case Items(texts):
            return "\n".join(f"- {_plain(text)}" for text in texts)
        case Table(header, rows, caption):
            lines: list[Sequence[str]] = [header, ["---"] * len(header), *rows]
            grid = "\n".join("| " + " | ".join(_plain(cell) for cell in line) + " |" for line in lines)
            return f"{_plain(caption)}\n\n{grid}" if caption else grid
        case Drawing(title, _, alt):
            return f"*{_plain(title)}: {_plain(alt)}*"
        case Code(text):
            fence = "`" * max(3, 1 + max(map(len, re.findall("`+", text)), default=0))
            return f"{fence}\n{text}\n{fence}"
        case Link(text, url):
            return f"[{_plain(text)}](<{url}>)"


def _plain(text: str) -> str:
    """`text` with Markdown escaped."""
    if set(text) == {"-"}:
        return text
    text = re.sub(r"([\\`*_{}\[\]#|<>~])", r"\\\1", " ".join(text.split()))
    return re.sub(r"^(\d*)([-+=.)])", r"\1\\\2", text)


def _variables(backgrounds: tuple[str, str], colours: tuple[str, ...]) -> str:
    page, card = backgrounds
    endpoints = "".join(f" --e{position}: {colour};" for position, colour in enumerate(colours))
    return f"--page: {page}; --card: {card};{endpoints}"


_OF_ENDPOINTS = "\n".join(
    f"th.e{at} {{ color: var(--e{at}); }} svg .e{at} {{ stroke: var(--e{at}); }} "
    f"svg .e{at}.full {{ fill: var(--e{at}); }}"
    for at, _ in enumerate(palette.LIGHT)
)
_STYLE = (
    f"""
:root {{ color-scheme: light dark; --ink: #1f2430; --muted: #5f6573; --grid: #e2e4ea;
  {_variables(palette.LIGHT_BACKGROUNDS, palette.LIGHT)} }}
@media (prefers-color-scheme: dark) {{ :root {{ --ink: #e6e8ee; --muted: #9ba1af; --grid: #2b303b;
  {_variables(palette.DARK_BACKGROUNDS, palette.DARK)} }} }}
"""
    """
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink);
  font: 16px/1.55 Inter, system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
main { max-width: 60rem; margin: 0 auto; padding: 2.5rem 1.25rem 4rem; }
h1 { font-size: 1.75rem; line-height: 1.2; letter-spacing: -.02em; margin: 0 0 .3rem; }
h2 { font-size: 1.2rem; letter-spacing: -.01em; margin: 2.6rem 0 .7rem; padding-top: .9rem;
  border-top: 1px solid var(--grid); }
header p, .small, caption { color: var(--muted); font-size: .875rem; }
header p { margin: 0; }
p { margin: .55rem 0; overflow-wrap: anywhere; }
nav { display: flex; flex-wrap: wrap; gap: .3rem 1rem; margin-top: 1rem; font-size: .875rem; }
a { color: var(--e0); text-underline-offset: 2px; }
nav a { text-decoration: none; }
.callout { background: var(--card); border-left: 4px solid var(--e0); border-radius: 0 .5rem .5rem 0;
  padding: .75rem 1rem; font-weight: 550; }
ul { padding-left: 1.2rem; } li { margin: .25rem 0; overflow-wrap: anywhere; }
.wide { overflow-x: auto; margin: .9rem 0; }
table { border-collapse: collapse; width: 100%; font-size: .875rem; font-variant-numeric: tabular-nums; }
caption { text-align: left; padding-bottom: .35rem; }
th, td { text-align: left; padding: .35rem .7rem .35rem 0; border-bottom: 1px solid var(--grid); vertical-align: top;
  overflow-wrap: break-word; }
td.long { overflow-wrap: anywhere; }
tbody th { font-weight: 450; color: var(--muted); }
figure { background: var(--card); border-radius: .6rem; margin: 1rem 0; padding: .8rem .9rem .5rem; overflow-x: auto; }
figcaption { font-weight: 600; font-size: .9rem; margin-bottom: .4rem; }
svg { display: block; width: 100%; min-width: 34rem; height: auto; }
svg text { fill: var(--muted); font-size: 12px; font-variant-numeric: tabular-nums; } svg .name { fill: var(--ink); }
svg .grid { stroke: var(--grid); fill: none; }
svg .line { fill: none; stroke-width: 2; stroke-linejoin: round; } svg .dashed { stroke-dasharray: 5 4; }
svg .dots { fill: none; stroke-linecap: round; stroke-opacity: .5; } svg .ring { fill: none; stroke-width: 1.6; }
pre { background: var(--card); border-radius: .6rem; padding: .8rem 1rem; font-size: .78rem; line-height: 1.45;
  white-space: pre-wrap; overflow-wrap: anywhere; }
""" + _OF_ENDPOINTS + f"""
@media print {{ :root {{ color-scheme: light; --ink: #000; --muted: #444; --grid: #ccc;
  {_variables(("#fff", "#f6f6f6"), palette.LIGHT)} }} }}
"""
    """
@media print {
  body { font-size: 10.5pt; } main { max-width: none; padding: 0; } nav { display: none; } svg { min-width: 0; }
  figure, table, .callout { break-inside: avoid; } h2 { break-after: avoid; } }
"""
)
