"""The start that both serving targets have in common: settings, a verified model, or one line and a non-zero exit."""

import gc
import os
import sys
from collections.abc import Mapping
from pathlib import Path

from inference.model import ArtifactError, load_model
from inference.service import Service
from inference.settings import ServingSettings, SettingsError


def load_service(name: str, *, default_model_dir: Path, environ: Mapping[str, str] = os.environ) -> Service:
    """The service over the configured artifact.

    Called before any port is open: exits with status 1 and one line on stderr where the artifact cannot be
    trusted or a variable has no meaning, so that a platform sees a failed start and never a wrong answer.
    """
    try:
        settings = ServingSettings.from_env(environ, default_model_dir=default_model_dir)
        model = load_model(settings.model_dir, settings.runtime)
    except (ArtifactError, SettingsError) as error:
        sys.exit(f"refusing to start: {error}")
    return Service(model, settings, name)


def settle_memory() -> None:
    """Call when everything is loaded: what is alive now stays, so the collector need not look at it again."""
    gc.enable()
    gc.freeze()
