"""Every command of a deployment, as argument lists: pure, variables in, commands out.

`deploy/__main__.py` prints the commands, and runs them with --run.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from deploy.variables import Size, VariableError, Variables

SERVICE_FILE = "build/deploy/service.yaml"
FUNCTION_SOURCE = "build/function"

Argv = tuple[str, ...]

_MARKED = re.compile(r"^(?P<before>\s*(?:- )?[\w./-]+: )(?P<value>\S+)  # (?P<name>[A-Z_]+)$", re.MULTILINE)

_SERVICES = ("run", "cloudfunctions", "cloudbuild", "artifactregistry", "iam")


@dataclass(frozen=True, slots=True)
class Step:
    """One named step of a deployment."""

    title: str
    commands: Callable[[Variables], list[Argv]]
    goes_on: bool = False
    """past a command that fails: what it makes may be there already, or what it deletes gone"""


def _enable(v: Variables) -> list[Argv]:
    return [_gcloud(v, "services", "enable", *(f"{name}.googleapis.com" for name in _SERVICES))]


def _prepare(v: Variables) -> list[Argv]:
    create = ("iam", "service-accounts", "create")
    return [
        _gcloud(v, "artifacts", "repositories", "create", v.repository, "--repository-format=docker", _location(v)),
        # Neither has any role in the project: an endpoint needs none, the dashboard only those of `grant`.
        _gcloud(v, *create, v.endpoint_account, "--display-name=Faceoff endpoints"),
        _gcloud(v, *create, v.dashboard_account, "--display-name=Faceoff dashboard"),
    ]


def _build(name: str) -> Callable[[Variables], list[Argv]]:
    def commands(v: Variables) -> list[Argv]:
        substitutions = (
            f"--substitutions=_DOCKERFILE=Dockerfile.{name},_DATASET={v.dataset},_RUNTIME={v.serving.runtime},"
            f"_IMAGE={v.image(name)}"
        )
        return [
            _gcloud(
                v, "builds", "submit", ".", "--config=deploy/build.yaml", "--ignore-file=.dockerignore", substitutions
            )
        ]

    return commands


def _api(v: Variables) -> list[Argv]:
    return [_gcloud(v, "run", "services", "replace", SERVICE_FILE, _region(v))]


def _function(v: Variables) -> list[Argv]:
    """The form that Google recommends; it supports everything that service.yaml sets for the API."""
    return [
        _gcloud(
            v,
            "run",
            "deploy",
            v.function_service,
            f"--source={FUNCTION_SOURCE}",
            "--function=predict",
            "--base-image=python311",
            *_served(v, v.function, minimum="--min", account="--service-account"),
            "--cpu-boost",
            "--cpu-throttling",
            f"--execution-environment={v.function.execution_environment}",
            "--ingress=all",
            f"--startup-probe={_probe('/health', period_s=1, timeout_s=1, failures=30)}",
            f"--liveness-probe={_probe('/health', period_s=30, timeout_s=5, failures=3)}",
        )
    ]


def _function_gen2(v: Variables) -> list[Argv]:
    """The older form. It has no flags for probes and CPU boost: those stay as the platform sets them."""
    return [
        _gcloud(
            v,
            "functions",
            "deploy",
            v.function_service,
            "--gen2",
            "--runtime=python311",
            f"--source={FUNCTION_SOURCE}",
            "--entry-point=predict",
            "--trigger-http",
            *_served(v, v.function, minimum="--min-instances", account="--run-service-account"),
        )
    ]


def _grant(v: Variables) -> list[Argv]:
    return [
        _gcloud(
            v,
            "run",
            "services",
            "add-iam-policy-binding",
            service,
            f"--member=serviceAccount:{v.dashboard_email}",
            "--role=roles/run.invoker",
            _region(v),
        )
        for service in (v.api_service, v.function_service)
    ]


def _urls(v: Variables) -> list[Argv]:
    return [
        _gcloud(v, "run", "services", "describe", service, "--format=value(status.url)", _region(v))
        for service in (v.api_service, v.function_service)
    ]


def _dashboard(v: Variables) -> list[Argv]:
    for name, url in (("API_URL", v.api_url), ("FUNCTION_URL", v.function_url)):
        if not url:
            raise VariableError(f"{name} is empty: `python -m deploy urls --run` tells it")
    environment = f"API_URL={v.api_url},FUNCTION_URL={v.function_url},GOOGLE_ID_TOKENS=1,READ_ONLY={int(v.read_only)}"
    return [
        _gcloud(
            v,
            "run",
            "deploy",
            v.dashboard_service,
            f"--image={v.image('dashboard')}",
            _region(v),
            "--port=8080",
            f"--cpu={v.dashboard_cpu}",
            f"--memory={v.dashboard_memory_mib}Mi",
            # A session lives in one process: one instance, and a browser that comes back finds it.
            "--session-affinity",
            "--min=0",
            "--max-instances=1",
            "--concurrency=80",
            # The page's websocket is cut at the timeout, which is 60 minutes at most; the page then connects again.
            "--timeout=3600s",
            # Measurements run on while no request is open.
            "--no-cpu-throttling",
            "--cpu-boost",
            "--execution-environment=gen2",
            f"--startup-probe={_probe('/_stcore/health', period_s=1, timeout_s=1, failures=60)}",
            f"--service-account={v.dashboard_email}",
            "--no-allow-unauthenticated",
            f"--set-env-vars={environment}",
        )
    ]


def _open(v: Variables) -> list[Argv]:
    return [_gcloud(v, "run", "services", "proxy", v.dashboard_service, "--port=8501", _region(v))]


def _clean_up(v: Variables) -> list[Argv]:
    services = (v.dashboard_service, v.function_service, v.api_service)
    accounts = (v.dashboard_email, v.endpoint_email)
    return [
        *(_gcloud(v, "run", "services", "delete", service, _region(v)) for service in services),
        _gcloud(v, "artifacts", "repositories", "delete", v.repository, _location(v)),
        *(_gcloud(v, "iam", "service-accounts", "delete", account) for account in accounts),
    ]


def _clean_up_gen2(v: Variables) -> list[Argv]:
    return [_gcloud(v, "functions", "delete", v.function_service, "--gen2", _region(v))]


def _clean_up_shared(v: Variables) -> list[Argv]:
    """What source deployments and builds leave behind, under names that the whole project shares."""
    buckets = (f"gs://{v.project}_cloudbuild", f"gs://run-sources-{v.project}-{v.region}")
    return [
        _gcloud(v, "artifacts", "repositories", "delete", "cloud-run-source-deploy", _location(v)),
        *(_gcloud(v, "storage", "rm", "--recursive", bucket) for bucket in buckets),
    ]


def _clean_up_shared_gen2(v: Variables) -> list[Argv]:
    return [_gcloud(v, "artifacts", "repositories", "delete", "gcf-artifacts", _location(v))]


STEPS: Mapping[str, Step] = {
    "enable": Step("switch on the services that are used", _enable),
    "prepare": Step("a registry for the images, and an account for each program", _prepare, goes_on=True),
    "build-api": Step("build the API's image", _build("api")),
    "build-dashboard": Step("build the dashboard's image", _build("dashboard")),
    "api": Step("deploy the API", _api),
    "function": Step("deploy the function", _function),
    "function-gen2": Step("deploy the function, in the older form", _function_gen2),
    "grant": Step("let the dashboard call both endpoints", _grant),
    "urls": Step("ask for the endpoints' addresses", _urls),
    "dashboard": Step("deploy the dashboard", _dashboard),
    "open": Step("open the private dashboard at http://127.0.0.1:8501", _open),
    "clean-up": Step("delete what the steps above have made", _clean_up, goes_on=True),
    "clean-up-gen2": Step("delete the function that `function-gen2` has made", _clean_up_gen2, goes_on=True),
    "clean-up-shared": Step(
        "delete what builds leave behind; only in a dedicated project", _clean_up_shared, goes_on=True
    ),
    "clean-up-shared-gen2": Step("the same for `function-gen2`", _clean_up_shared_gen2, goes_on=True),
}
"""In the order in which they are taken."""


def render_service(template: str, v: Variables) -> str:
    """`template` with every value that has a variable's name behind it replaced by that variable's.

    The template's quotes stay: "1" is a string, not a number, to the platform. Raises VariableError for an unknown
    name.
    """
    values = _service_values(v)

    def replaced(match: re.Match[str]) -> str:
        if match["name"] not in values:
            raise VariableError(f"{match['name']} in service.yaml is not a variable")
        quote = '"' if match["value"].startswith('"') else ""
        return f"{match['before']}{quote}{values[match['name']]}{quote}"

    return _MARKED.sub(replaced, template)


def service_file(v: Variables) -> str:
    """The API's service as it is deployed."""
    return render_service(Path(__file__).with_name("service.yaml").read_text(encoding="utf-8"), v)


def _service_values(v: Variables) -> dict[str, str]:
    return {
        "API_SERVICE": v.api_service,
        "API_IMAGE": v.image("api"),
        "API_CPU": v.api.cpu,
        "API_MEMORY": v.api.memory,
        "API_CONCURRENCY": str(v.api.concurrency),
        "API_MIN_INSTANCES": str(v.api.min_instances),
        "API_MAX_INSTANCES": str(v.api.max_instances),
        "API_TIMEOUT_S": str(v.api.timeout_s),
        "API_EXECUTION_ENVIRONMENT": v.api.execution_environment,
        **_told(v),
        "ENDPOINT_ACCOUNT_EMAIL": v.endpoint_email,
        "REGION": v.region,
        "PROJECT": v.project,
    }


def _gcloud(v: Variables, *arguments: str) -> Argv:
    return ("gcloud", *arguments, f"--project={v.project}", "--quiet")


def _region(v: Variables) -> str:
    return f"--region={v.region}"


def _location(v: Variables) -> str:
    return f"--location={v.region}"


def _served(v: Variables, size: Size, *, minimum: str, account: str) -> Sequence[str]:
    """The flags of both forms of the function; two of them have different names."""
    return (
        _region(v),
        f"{minimum}={size.min_instances}",
        f"--cpu={size.cpu}",
        f"--memory={size.memory}",
        f"--concurrency={size.concurrency}",
        f"--max-instances={size.max_instances}",
        f"--timeout={size.timeout_s}s",
        f"{account}={v.endpoint_email}",
        "--no-allow-unauthenticated",
        f"--set-env-vars={_environment(v, size)}",
    )


def _probe(path: str, *, period_s: int, timeout_s: int, failures: int) -> str:
    return (
        f"httpGet.path={path},httpGet.port=8080,"
        f"periodSeconds={period_s},timeoutSeconds={timeout_s},failureThreshold={failures}"
    )


def _told(v: Variables) -> dict[str, str]:
    """An endpoint's settings. Blanks separate the origins, because gcloud separates variables by commas."""
    return {
        "MODEL_RUNTIME": v.serving.runtime,
        "LOG_LEVEL": v.serving.log_level,
        "CORS_ORIGINS": " ".join(sorted(v.serving.cors_origins)),
    }


def _environment(v: Variables, size: Size) -> str:
    """An endpoint's settings, and the facts of its deployment that it cannot see, for /model-info."""
    return ",".join(
        f"{name}={value}"
        for name, value in (
            *_told(v).items(),
            ("DEPLOY_CPU", size.cpu),
            ("DEPLOY_MEMORY", size.memory),
            ("DEPLOY_CONCURRENCY", size.concurrency),
            ("DEPLOY_MIN_INSTANCES", size.min_instances),
            ("DEPLOY_REGION", v.region),
            # Not set by the platform; without it, a log line is not found under its trace.
            ("GOOGLE_CLOUD_PROJECT", v.project),
        )
    )
