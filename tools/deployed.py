"""Both endpoints and any number of dashboards, as `make run` starts them, for a measurement, with free ports."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from inference.card import CARD_FILE, ModelCard, parse_card
from tools.processes import Program, bare_environ, free_ports
from tools.run import DEFAULT_MODEL_DIR, RunSettings, programs, stage_function


@dataclass(frozen=True, slots=True)
class Deployed:
    """The programs that serve one model, none of them started yet, and the card of that model."""

    endpoints: tuple[Program, Program]
    card: ModelCard
    _settings: RunSettings
    _environ: Mapping[str, str]

    def dashboard(self, title: str = "Dashboard", **variables: str) -> Program:
        """A dashboard over the endpoints, with a port and a record of its own, and with `variables` on top."""
        environ = {**self._environ, "RESULTS_DIR": str(self.results_dir(title)), **variables}
        settings = replace(self._settings, dashboard_port=free_ports(1)[0])
        return replace(programs(settings, environ)[0], title=title)

    def results_dir(self, title: str = "Dashboard") -> Path:
        """Where the dashboard of this title keeps its record."""
        return self._settings.build_dir / "results" / title.lower()


def deploy(scratch: Path, model_dir: Path | None = None) -> Deployed:
    """Stage the function in `scratch`, with the model in `model_dir`, by default Iris. Raises StartError."""
    environ = bare_environ()
    api_port, function_port, dashboard_port = free_ports(3)
    settings = RunSettings(api_port, function_port, dashboard_port, model_dir, build_dir=scratch)
    stage_function(settings, environ)
    card = parse_card(json.loads(((model_dir or DEFAULT_MODEL_DIR) / CARD_FILE).read_bytes()))
    _, api, function = programs(settings, environ)
    return Deployed((api, function), card, settings, environ)
