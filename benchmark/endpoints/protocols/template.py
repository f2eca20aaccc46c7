"""A template: any JSON body with placeholders, and JMESPath expressions that find the prediction in the answer.

The body is parsed before the placeholders are replaced, so no value can change its structure. JMESPath
(https://jmespath.org/specification.html) has no loops; the limits below keep its work in proportion to the answer.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import jmespath
from jmespath.exceptions import JMESPathError
from jmespath.parser import ParsedResult

from benchmark.endpoints.protocols import Form, NotEncodable, OptionError, WrongSchema
from benchmark.endpoints.protocols.predictions import read_outputs
from benchmark.endpoints.protocols.rest import RestProtocol, alone
from benchmark.endpoints.sample import Answer
from inference.card import ModelCard

READS = ("label", "probabilities", "value")
"""What an expression may find: a class's name, a share for each class, or a number (of a classifier: a position)."""
FIELDS = ("body", *READS)
MAX_BODY_CHARACTERS = 20_000
MAX_EXPRESSION_CHARACTERS = 500
_VALUES, _NAMED, _NAMES = "${values}", "${named}", "${names}"


class Template(RestProtocol):
    """Sends one row per request."""

    def __init__(self, template: str) -> None:
        """`template` is a JSON object with the `FIELDS`. Raises OptionError."""
        document = json.loads(template)
        for field in document:
            if field not in FIELDS:
                raise OptionError(
                    f"has a template with {field[:40]}, which is unknown: it may have {', '.join(FIELDS)}"
                )
        body = document.get("body")
        if body is None:
            raise OptionError("has a template without a body")
        self._body = _parsed(body)
        if not _has_placeholder(self._body):
            raise OptionError(f"has a template whose body has no placeholder, such as {_VALUES}")
        self._reads = {read: _compiled(read, document[read]) for read in READS if read in document}
        if not self._reads:
            raise OptionError("has a template that reads nothing: it needs label, probabilities or value")
        super().__init__("template", {"template": Form(False, self._fill, alone)}, None)

    def read_answer(self, document: Any, card: ModelCard | None) -> Answer:
        """What the expressions find. Raises WrongSchema."""
        found = {}
        for read, expression in self._reads.items():
            try:
                value = expression.search(document)
            except (JMESPathError, ValueError, TypeError, ArithmeticError, LookupError, RecursionError) as error:
                raise WrongSchema(f"the expression for {read} fails ({type(error).__name__})") from None
            if value is None:
                raise WrongSchema(f"the expression for {read} finds nothing")
            found[read] = value
        return read_outputs(found, card)

    def _fill(self, names: Sequence[str], rows: Sequence[Sequence[Any]]) -> bytes:
        return json.dumps(_filled(self._body, dict(zip(names, rows[0], strict=True)))).encode()


def _parsed(body: Any) -> Any:
    """The body as JSON; a text is JSON text. Raises OptionError."""
    try:
        text = body if isinstance(body, str) else json.dumps(body, allow_nan=False)
        if len(text) > MAX_BODY_CHARACTERS:
            raise OptionError(f"has a template whose body is longer than {MAX_BODY_CHARACTERS} characters")
        return json.loads(text)
    except OptionError:
        raise
    except (ValueError, TypeError, RecursionError):
        raise OptionError("has a template whose body is not JSON: placeholders need quotes too") from None


def _has_placeholder(node: Any) -> bool:
    if isinstance(node, dict):
        return any(map(_has_placeholder, node.values()))
    if isinstance(node, list):
        return any(map(_has_placeholder, node))
    return isinstance(node, str) and node.startswith("${") and node.endswith("}")


def _filled(node: Any, named: Mapping[str, Any]) -> Any:
    """`node` with every text that is a placeholder replaced by what it stands for. Raises NotEncodable."""
    if isinstance(node, dict):
        return {key: _filled(value, named) for key, value in node.items()}
    if isinstance(node, list):
        return [_filled(value, named) for value in node]
    if not _has_placeholder(node):
        return node
    if node == _VALUES:
        return list(named.values())
    if node == _NAMED:
        return dict(named)
    if node == _NAMES:
        return list(named)
    if node[2:-1] not in named:
        raise NotEncodable(f"has a template with {node[:60]}, but the input has no such feature")
    return named[node[2:-1]]


def _compiled(read: str, expression: Any) -> ParsedResult:
    """The expression for `read`. Raises OptionError."""
    if not isinstance(expression, str):
        raise OptionError(f"has a template whose {read} is not a text")
    if len(expression) > MAX_EXPRESSION_CHARACTERS:
        raise OptionError(f"has a template whose {read} is longer than {MAX_EXPRESSION_CHARACTERS} characters")
    try:
        compiled = jmespath.compile(expression)
        kinds = _kinds(compiled.parsed)
    except (JMESPathError, ValueError, RecursionError):
        raise OptionError(f"has a template whose {read} is not a JMESPath expression: {expression[:60]}") from None
    # Each list of expressions can repeat the whole answer, and flattening the repeated ones multiplies its size.
    if sum(kind in ("multi_select_list", "multi_select_dict") for kind in kinds) > 1:
        raise OptionError(f"has a template whose {read} has more than one list or object of expressions")
    return compiled


def _kinds(node: Any) -> list[str]:
    """The types of all nodes of a parsed expression."""
    found, left = [], [node]
    while left:
        one = left.pop()
        if isinstance(one, dict):
            found.append(one["type"])
            left += one.get("children", ())
    return found


def configured(form: str | None, template: str | None) -> Template:
    """Raises OptionError."""
    if form is not None:
        raise OptionError("speaks template, which has no forms")
    if template is None:
        raise OptionError(
            "speaks template, which needs a template: a TOML file with body, and label, probabilities or value"
        )
    return Template(template)
