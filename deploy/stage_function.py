"""`python -m deploy.stage_function`: fill build/function/ with exactly what is deployed.

gcloud uploads one directory and does not follow links out of it, so everything is copied: the entry point, the
shared core, one artifact and the pinned requirements.
"""

import argparse
import shutil
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from deploy.options import chosen, variable_options
from deploy.variables import VariableError, merged, serving_settings
from inference.card import CARD_FILE
from inference.model import ArtifactError, load_model
from inference.settings import Runtime, ServingSettings

ROOT = Path(__file__).resolve().parents[1]
ARTIFACT = "artifact"
_MARK = "# Staged from requirements/ by `make stage-function`.\n"
_STAGED = frozenset({"main.py", ".gcloudignore", "requirements.txt", "inference", ARTIFACT, "__pycache__"})


def stage(target: Path, settings: ServingSettings) -> None:
    """Replace `target` by a fresh staging of the function with the artifact and runtime of `settings`.

    The artifact is loaded first, so that one that would fail at a cold start is not staged. Everything is copied beside
    `target` and moved there when complete. Raises ArtifactError, OSError.
    """
    model = load_model(settings.model_dir, settings.runtime)
    if target.exists() and not _is_staged(target):
        raise FileExistsError(f"{target} is not a staged function; it would be lost")
    target.parent.mkdir(parents=True, exist_ok=True)
    fresh = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    try:
        fresh.chmod(0o755)
        (fresh / ARTIFACT).mkdir()
        for name in ("main.py", ".gcloudignore"):
            shutil.copy2(ROOT / "cloud_function" / name, fresh / name)
        shutil.copytree(ROOT / "inference", fresh / "inference", ignore=shutil.ignore_patterns("__pycache__"))
        for name in (CARD_FILE, *model.card.sha256):
            shutil.copy2(settings.model_dir / name, fresh / ARTIFACT / name)
        (fresh / "requirements.txt").write_text(_requirements(model.runtime))
        shutil.rmtree(target, ignore_errors=True)
        fresh.rename(target)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def _is_staged(target: Path) -> bool:
    """Whether the directory is empty, or was filled by `stage`, which leaves its mark in the requirements."""
    names = {entry.name for entry in target.iterdir()}
    requirements = target / "requirements.txt"
    return not names or (names <= _STAGED and requirements.is_file() and requirements.read_text().startswith(_MARK))


def _requirements(runtime: Runtime) -> str:
    """The pins of the function and of its runtime, each pin once."""
    pins: dict[str, str] = {}
    for group in ("function",) if runtime == "linear" else ("function", runtime):
        text = (ROOT / "requirements" / f"{group}.txt").read_text()
        for pin in ("\n" + text.split("\n", 2)[2]).replace("\n    ", " ").strip().splitlines():
            pins.setdefault(pin.split(" \\")[0], pin.replace(" --hash", "\n    --hash").replace(" \\\n", " \\\n"))
    return _MARK + "\n".join(pins.values()) + "\n"


def main(arguments: list[str] | None = None) -> int:
    """The command line; DATASET and MODEL_RUNTIME of the deployment choose what is staged. Returns the exit status.

    The environment's MODEL_DIR and MODEL_RUNTIME are ignored, because the API's image does not know them either.
    """
    parser = argparse.ArgumentParser(
        prog="python -m deploy.stage_function", description=__doc__, parents=[variable_options()]
    )
    parser.add_argument("--artifact", type=Path, help="its directory (default: artifacts/DATASET)")
    parser.add_argument("--output", type=Path, default=ROOT / "build" / "function")
    options = parser.parse_args(arguments)
    try:
        settings = serving_settings(merged(*chosen(options)))
        stage(options.output, replace(settings, model_dir=options.artifact or settings.model_dir))
    except (ArtifactError, VariableError, OSError) as error:
        print(f"not staged: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
