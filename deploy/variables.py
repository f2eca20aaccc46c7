"""The variables of a deployment: read from files, checked, and frozen."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from inference.settings import ServingSettings, SettingsError

DEFAULTS = Path(__file__).with_name("variables.env")
ARTIFACTS = Path(__file__).resolve().parents[1] / "artifacts"

_LINE = re.compile(r"([A-Z][A-Z0-9_]*)=(.*)")
_PROJECT = re.compile(r"[a-z][a-z0-9-]{4,28}[a-z0-9]")
_REGION = re.compile(r"[a-z]+-[a-z]+[0-9]+")
_SERVICE = re.compile(r"[a-z]([a-z0-9-]{0,47}[a-z0-9])?")
_ACCOUNT = re.compile(r"[a-z][a-z0-9-]{4,28}[a-z0-9]")
_DATASET = re.compile(r"[a-z][a-z0-9_-]{0,62}")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_URL = re.compile(r"(https://[A-Za-z0-9.-]+/?)?")

_MEMORY_MIB = {8: (4096, 32768), 4: (2048, 16384), 2: (128, 8192), 1: (128, 4096), 0.5: (128, 1024), 0.08: (128, 512)}
"""Least and most memory from so many vCPUs on: https://cloud.google.com/run/docs/configuring/services/cpu"""


class VariableError(ValueError):
    """A variable is missing, unknown or invalid; the message names it."""


@dataclass(frozen=True, slots=True)
class Size:
    """The size of one endpoint. CPU is a number of vCPUs as text, exactly as the platform gets it."""

    cpu: str
    memory_mib: int
    concurrency: int
    min_instances: int
    max_instances: int
    timeout_s: int

    @property
    def memory(self) -> str:
        """As the platform writes it."""
        return f"{self.memory_mib}Mi"

    @property
    def execution_environment(self) -> str:
        """The platform's generation for this size: the second starts at 1 vCPU and 512 MiB."""
        return "gen1" if float(self.cpu) < 1 or self.memory_mib < 512 else "gen2"


@dataclass(frozen=True, slots=True)
class Variables:
    """All variables of a deployment."""

    project: str
    region: str
    dataset: str
    serving: ServingSettings
    repository: str
    image_tag: str
    api_service: str
    function_service: str
    dashboard_service: str
    endpoint_account: str
    dashboard_account: str
    api: Size
    function: Size
    dashboard_cpu: str
    dashboard_memory_mib: int
    read_only: bool
    api_url: str
    function_url: str

    @classmethod
    def from_files(cls, paths: Sequence[Path] = (), overrides: Mapping[str, str] | None = None) -> "Variables":
        """variables.env, then `paths` on top of it, then `overrides`. Raises VariableError, OSError."""
        return cls.from_mapping(merged(paths, overrides))

    @classmethod
    def from_mapping(cls, values: Mapping[str, str]) -> "Variables":
        """Check every value. Raises VariableError."""
        return cls(
            project=_text(values, "PROJECT", _PROJECT, "the id of a Google Cloud project"),
            region=_text(values, "REGION", _REGION, "a region, such as us-central1"),
            dataset=_dataset(values),
            serving=serving_settings(values),
            repository=_text(values, "REPOSITORY", _SERVICE, "a name in small letters"),
            image_tag=_text(values, "IMAGE_TAG", _TAG, "a tag"),
            api_service=_text(values, "API_SERVICE", _SERVICE, "a name in small letters"),
            function_service=_text(values, "FUNCTION_SERVICE", _SERVICE, "a name in small letters"),
            dashboard_service=_text(values, "DASHBOARD_SERVICE", _SERVICE, "a name in small letters"),
            endpoint_account=_text(values, "ENDPOINT_ACCOUNT", _ACCOUNT, "a name of 6 to 30 small letters"),
            dashboard_account=_text(values, "DASHBOARD_ACCOUNT", _ACCOUNT, "a name of 6 to 30 small letters"),
            api=_size(values, "API"),
            function=_size(values, "FUNCTION"),
            dashboard_cpu=_dashboard_cpu(values),
            dashboard_memory_mib=_memory_mib(values, "DASHBOARD", least=512),
            read_only=_whole(values, "READ_ONLY", 0, 1) == 1,
            api_url=_text(values, "API_URL", _URL, "an https address without a path, or empty"),
            function_url=_text(values, "FUNCTION_URL", _URL, "an https address without a path, or empty"),
        )

    @property
    def endpoint_email(self) -> str:
        return f"{self.endpoint_account}@{self.project}.iam.gserviceaccount.com"

    @property
    def dashboard_email(self) -> str:
        return f"{self.dashboard_account}@{self.project}.iam.gserviceaccount.com"

    def image(self, name: str) -> str:
        """The full name of the image `name` in the project's own registry."""
        return f"{self.region}-docker.pkg.dev/{self.project}/{self.repository}/{name}:{self.image_tag}"


def read(path: Path) -> dict[str, str]:
    """NAME=VALUE lines; blank lines and comments are skipped. Raises VariableError with the line's number."""
    values: dict[str, str] = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        found = _LINE.fullmatch(line.strip())
        if not found:
            raise VariableError(f"{path.name}, line {number} is not NAME=VALUE")
        values[found[1]] = found[2].strip()
    return values


def merged(paths: Sequence[Path] = (), overrides: Mapping[str, str] | None = None) -> dict[str, str]:
    """variables.env, then `paths` on top of it, then `overrides`. Raises VariableError (an unknown name), OSError."""
    values = read(DEFAULTS)
    known = frozenset(values)
    for path in paths:
        values |= read(path)
    values |= overrides or {}
    if unknown := sorted(set(values) - known):
        raise VariableError(f"{unknown[0]} is not a variable of {DEFAULTS.name}")
    return values


def serving_settings(values: Mapping[str, str]) -> ServingSettings:
    """The endpoints' settings, checked as the endpoints check them. Raises VariableError."""
    try:
        return ServingSettings.from_env(values, default_model_dir=ARTIFACTS / _dataset(values))
    except SettingsError as error:
        raise VariableError(str(error)) from error


def _dataset(values: Mapping[str, str]) -> str:
    return _text(values, "DATASET", _DATASET, "the name of a data set")


def _size(values: Mapping[str, str], prefix: str) -> Size:
    size = Size(
        cpu=_cpu(values, f"{prefix}_CPU"),
        memory_mib=_memory_mib(values, prefix),
        concurrency=_whole(values, f"{prefix}_CONCURRENCY", 1, 1000),
        min_instances=_whole(values, f"{prefix}_MIN_INSTANCES", 0, 1000),
        max_instances=_whole(values, f"{prefix}_MAX_INSTANCES", 1, 1000),
        timeout_s=_whole(values, f"{prefix}_TIMEOUT_S", 1, 3600),
    )
    if float(size.cpu) < 1 and size.concurrency > 1:
        raise VariableError(f"{prefix}_CONCURRENCY must be 1 where {prefix}_CPU is below 1")
    if size.min_instances > size.max_instances:
        raise VariableError(f"{prefix}_MIN_INSTANCES must not be above {prefix}_MAX_INSTANCES")
    return size


def _text(values: Mapping[str, str], name: str, form: re.Pattern[str], meaning: str) -> str:
    value = values.get(name, "")
    if not form.fullmatch(value):
        raise VariableError(f"{name} must be {meaning}")
    return value.rstrip("/")


def _whole(values: Mapping[str, str], name: str, least: int, most: int) -> int:
    value = values.get(name, "")
    if not re.fullmatch(r"[0-9]{1,6}", value) or not least <= int(value) <= most:
        raise VariableError(f"{name} must be a whole number from {least} to {most}")
    return int(value)


def _memory_mib(values: Mapping[str, str], prefix: str, least: int = 128) -> int:
    cpu = float(_cpu(values, f"{prefix}_CPU"))
    lower, upper = next(limits for vcpu, limits in _MEMORY_MIB.items() if vcpu <= cpu)
    memory_mib = _whole(values, f"{prefix}_MEMORY_MIB", least, 32768)
    if not lower <= memory_mib <= upper:
        raise VariableError(f"{prefix}_MEMORY_MIB must be from {lower} to {upper} where {prefix}_CPU is {cpu:g}")
    return memory_mib


def _dashboard_cpu(values: Mapping[str, str]) -> str:
    cpu = _cpu(values, "DASHBOARD_CPU")
    if float(cpu) < 1:
        raise VariableError("DASHBOARD_CPU must be 1, 2, 4 or 8: a fraction is switched off between requests")
    return cpu


def _cpu(values: Mapping[str, str], name: str) -> str:
    value = values.get(name, "")
    if not re.fullmatch(r"[0-9](\.[0-9]{1,4})?", value) or not (0.08 <= float(value) < 1 or value in "1248"):
        raise VariableError(f"{name} must be 1, 2, 4 or 8, or a fraction from 0.08")
    return value
