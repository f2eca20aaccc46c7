"""The generated pages of the site: the command line from its parsers, the JSON documents from their schema, and the
documents at the top of the repository."""

import io
import json
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import redirect_stdout, suppress
from pathlib import Path
from typing import Any
from unittest.mock import patch

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

from benchmark.__main__ import COMMANDS, main

ROOT = Path(__file__).resolve().parents[1]
_PAGES = {
    "DEPLOY.md": "how-to/deploy.md",
    "ARCHITECTURE.md": "explanation/architecture.md",
    "SECURITY.md": "explanation/security.md",
    "CHANGELOG.md": "changelog.md",
}
"""Documents at the top of the repository, and their pages on the site."""
_LINK = re.compile(r"\[([^\]]+)\]\((?!https?:|#)([^)#]+)(#[^)]*)?\)")
_WIDTH = "96"


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that are made, before the site checks its links."""
    for name, uri in _PAGES.items():
        text = (ROOT / name).read_text(encoding="utf-8")
        files.append(File.generated(config, uri, content=with_site_links(text, uri)))
    schema = json.loads((ROOT / "docs/reference/documents.schema.json").read_text(encoding="utf-8"))
    for name, lines in (("command-line", command_line()), ("json", json_reference(schema))):
        files.append(File.generated(config, f"reference/{name}.md", content="\n".join(lines)))
    return files


def with_site_links(text: str, uri: str) -> str:
    """`text`, which becomes the page `uri`: links to pages of the site lead there, other files are only named."""

    def replaced(link: re.Match[str]) -> str:
        label, target, anchor = link[1], link[2], link[3] or ""
        page = _PAGES.get(target) or (target.removeprefix("docs/") if target.startswith("docs/") else None)
        return f"[{label}]({os.path.relpath(page, Path(uri).parent)}{anchor})" if page else label

    return _LINK.sub(replaced, text)


def command_line() -> Iterator[str]:
    """The reference of `python -m benchmark`, a section for each command, as its own help says it."""
    yield "# Command line\n"
    yield "Every command is `python -m benchmark COMMAND`. Run it with the Python of `.venv`, from the repository.\n"
    yield "| command | what it does |\n|---|---|"
    for name, summary in COMMANDS.items():
        yield f"| [`{name}`](#{name}) | {summary[0].upper()}{summary[1:].replace('|', chr(92) + '|')} |"
    yield ""
    for name in COMMANDS:
        yield f"## {name}\n\n```text\n{help_text(name)}```\n"


def help_text(command: str) -> str:
    """What `python -m benchmark COMMAND --help` prints."""
    printed = io.StringIO()
    with patch.dict(os.environ, {"COLUMNS": _WIDTH}), redirect_stdout(printed), suppress(SystemExit):
        main([command, "--help"])
    return printed.getvalue()


def json_reference(schema: Mapping[str, Any]) -> Iterator[str]:
    """The reference of the JSON documents, a table of members for each, from their schema."""
    yield "# JSON documents\n"
    yield (
        "`--json FILE` writes a document, `--json -` writes it to standard output. Figures are in the unit that their "
        "name says. This page is made from [the schema](documents.schema.json), which the tests validate.\n"
    )
    for name, document in schema["$defs"].items():
        yield f"## {name}\n\n{document['description']}\n"
        yield "| member | type | meaning |\n|---|---|---|"
        yield from _members(document.get("items", document), "")
        yield ""


def _members(document: Mapping[str, Any], path: str) -> Iterator[str]:
    for name, member in document.get("properties", {}).items():
        yield f"| `{path}{name}` | {_type(member)} | {member.get('description', '')} |"
        inner: Any = (
            member.get("additionalProperties") or member.get("items") or next(iter(member.get("oneOf", [])[1:]), {})
        )
        if isinstance(inner, dict) and "properties" in inner:
            keyed = "KEY." if "additionalProperties" in member else ""
            yield from _members(inner, f"{path}{name}.{keyed}")
        elif "properties" in member:
            yield from _members(member, f"{path}{name}.")


def _type(member: Mapping[str, Any]) -> str:
    if "$ref" in member:
        name = member["$ref"].rpartition("/")[2]
        return f"[{name}](#{name})"
    if "oneOf" in member:
        return " or ".join(_type(one) for one in member["oneOf"])
    if isinstance(member.get("additionalProperties"), dict):
        return f"object of {_type(member['additionalProperties'])}"
    if "items" in member:
        return f"array of {_type(member['items'])}"
    kind = member.get("type", "number")
    return kind if isinstance(kind, str) else " or ".join(kind)
