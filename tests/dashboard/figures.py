"""Charts as Plotly's own figures: Plotly validates here what the pages send without a look."""

import inspect
import json
from functools import wraps
from types import ModuleType, SimpleNamespace
from typing import Any

import plotly.graph_objects as go

from dashboard.components.figure import Figure


def validated(figure: Figure) -> go.Figure:
    """The same figure of Plotly, which raises ValueError for a setting that it does not know or a wrong value."""
    layout = {**figure["layout"], "template": "none"}  # else Plotly adds its own colours
    found = go.Figure(data=figure["data"], layout=layout)
    document = json.loads(found.to_json())
    del document["layout"]["template"]
    sent = json.loads(json.dumps(figure, allow_nan=False))
    sent["layout"] = {name: value for name, value in sent["layout"].items() if value != []}  # no shapes, no notes
    assert document == sent, "Plotly reads it in another way than it is sent"
    return found


def with_validation(charts: ModuleType) -> Any:
    """A module of charts as it is, except that each figure that its functions return is validated."""
    return SimpleNamespace(**{name: _validating(value) for name, value in vars(charts).items()})


def _validating(value: Any) -> Any:
    if not inspect.isfunction(value) or inspect.get_annotations(value).get("return") is not Figure:
        return value

    @wraps(value)
    def drawn(*arguments: Any, **named: Any) -> go.Figure:
        return validated(value(*arguments, **named))

    return drawn
