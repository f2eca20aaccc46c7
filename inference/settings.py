"""The environment variables that both serving targets read once, at start."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast, get_args

Runtime = Literal["linear", "onnx", "sklearn"]
RuntimeChoice = Literal["auto", "linear", "onnx", "sklearn"]
"""`auto`: linear where the artifact has such a model and it is small, else ONNX."""

LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")

_DEPLOYMENT_FACTS = {
    "cpu": "DEPLOY_CPU",
    "memory": "DEPLOY_MEMORY",
    "concurrency": "DEPLOY_CONCURRENCY",
    "min_instances": "DEPLOY_MIN_INSTANCES",
    "region": "DEPLOY_REGION",
}
_PLATFORM_FACTS = {"service": "K_SERVICE", "revision": "K_REVISION", "function_target": "FUNCTION_TARGET"}


_ORIGIN = re.compile(r"https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?")


class SettingsError(ValueError):
    """A variable has an invalid value; the message names the variable."""


@dataclass(frozen=True, slots=True)
class ServingSettings:
    """The model, its runtime, and the facts of the deployment that the process cannot see."""

    model_dir: Path
    runtime: RuntimeChoice
    log_level: str
    cors_origins: frozenset[str]
    platform: Mapping[str, str | None]
    deployment: Mapping[str, str | None]

    @classmethod
    def from_env(cls, environ: Mapping[str, str], *, default_model_dir: Path) -> "ServingSettings":
        """Read MODEL_DIR, MODEL_RUNTIME, LOG_LEVEL, CORS_ORIGINS, the platform's K_* and the deployment's DEPLOY_*.

        Raises SettingsError if a variable is invalid.
        """
        runtime = (environ.get("MODEL_RUNTIME") or "auto").lower()
        if runtime not in get_args(RuntimeChoice):
            raise SettingsError(f"MODEL_RUNTIME must be one of {', '.join(get_args(RuntimeChoice))}")
        log_level = (environ.get("LOG_LEVEL") or "INFO").upper()
        if log_level not in LOG_LEVELS:
            raise SettingsError(f"LOG_LEVEL must be one of {', '.join(LOG_LEVELS)}")
        return cls(
            model_dir=Path(environ.get("MODEL_DIR") or default_model_dir),
            runtime=cast(RuntimeChoice, runtime),
            log_level=log_level,
            cors_origins=_origins(environ.get("CORS_ORIGINS") or ""),
            platform={fact: environ.get(name) or None for fact, name in _PLATFORM_FACTS.items()},
            deployment={fact: environ.get(name) or None for fact, name in _DEPLOYMENT_FACTS.items()},
        )


def _origins(text: str) -> frozenset[str]:
    """Exact origins, separated by commas or blanks: `https://a.example http://localhost:3000`."""
    origins = frozenset(text.replace(",", " ").split())
    if not all(_ORIGIN.fullmatch(origin) for origin in origins):
        raise SettingsError("CORS_ORIGINS must name exact origins, such as https://example.org")
    return origins


def quiet_native_libraries() -> None:
    """Keep numeric libraries from starting a thread per core, and ONNX Runtime from recording usage on disk.

    One row is too little work to share between threads. ONNX Runtime's telemetry opens a database in the home
    directory at every import, which a read-only container cannot have and a cold start should not pay for. Must run
    before numpy or onnxruntime is imported. What the operator has set is left alone.
    """
    for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "ORT_DISABLE_TELEMETRY"):
        os.environ.setdefault(name, "1")
