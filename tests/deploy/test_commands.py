"""The commands of a deployment: rendered from one file of variables, and understood by gcloud where it is installed.

Nothing here contacts the cloud: gcloud gets a configuration of its own without any account, and stops at that.
"""

import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from deploy.__main__ import main
from deploy.commands import STEPS, Argv, render_service, service_file
from deploy.variables import DEFAULTS, VariableError, Variables, read
from inference.settings import ServingSettings

ROOT = Path(__file__).resolve().parents[2]
GCLOUD = shutil.which("gcloud")
SAID = {"PROJECT": "my-project", "API_URL": "https://api.example", "FUNCTION_URL": "https://function.example"}


def variables(**more: str) -> Variables:
    return Variables.from_files((), SAID | more)


def commands(step: str, v: Variables | None = None) -> list[Argv]:
    return STEPS[step].commands(v or variables())


def flags(command: Argv) -> dict[str, str]:
    return dict(part.removeprefix("--").split("=", 1) for part in command if part.startswith("--") and "=" in part)


def environment(command: Argv) -> dict[str, str]:
    return dict(pair.split("=", 1) for pair in flags(command)["set-env-vars"].split(","))


def yaml_values(text: str) -> dict[str, str]:
    """The first value of every key of the service, and of every environment variable."""
    plain = re.sub(r"  #.*", "", text)
    pairs = re.findall(r"^\s*(?:- )?([\w./-]+): (\S+)$", plain, re.M)
    found = {key: value.strip('"') for key, value in reversed(pairs)}
    return found | {name: value.strip('"') for name, value in re.findall(r"name: ([A-Z_]+)\n\s*value: (\S+)", plain)}


@pytest.mark.parametrize("step", STEPS)
def test_every_command_names_its_project_and_asks_no_question(step: str) -> None:
    for command in commands(step):
        assert command[0] == "gcloud"
        assert "--project=my-project" in command
        assert "--quiet" in command
        assert all(part and part.isprintable() for part in command)


def test_both_endpoints_get_the_same_sizes() -> None:
    api = yaml_values(service_file(variables()))
    for step in ("function", "function-gen2"):
        (command,) = commands(step)
        said = flags(command)
        assert said["cpu"] == api["cpu"]
        assert said["memory"] == api["memory"]
        assert said["concurrency"] == api["containerConcurrency"]
        assert said["max-instances"] == api["autoscaling.knative.dev/maxScale"]
        assert said["timeout"] == api["timeoutSeconds"] + "s"
        assert (said.get("min") or said.get("min-instances")) == api["run.googleapis.com/minScale"]
        assert environment(command) == {name: api[name] for name in api if name.isupper()}


def test_the_two_new_forms_also_start_alike() -> None:
    api = service_file(variables())
    (command,) = commands("function")
    assert "--cpu-boost" in command and 'startup-cpu-boost: "true"' in api
    generation = yaml_values(api)["run.googleapis.com/execution-environment"]
    assert f"--execution-environment={generation}" in command
    for probe, delay in (("startup-probe", "periodSeconds=1"), ("liveness-probe", "periodSeconds=30")):
        assert "httpGet.path=/health" in flags(command)[probe]
        assert delay in flags(command)[probe]
        assert delay.replace("=", ": ") in api


def test_the_service_is_private_and_so_is_everything_else() -> None:
    for step in ("function", "function-gen2", "dashboard"):
        (command,) = commands(step)
        assert "--no-allow-unauthenticated" in command
    # `services replace` grants nobody anything
    assert "allUsers" not in str([commands(step) for step in STEPS])


def test_what_a_process_cannot_see_is_told_to_it() -> None:
    for command in (*commands("function"), *commands("function-gen2")):
        assert environment(command) == {
            "MODEL_RUNTIME": "auto",
            "LOG_LEVEL": "INFO",
            "CORS_ORIGINS": "",
            "DEPLOY_CPU": "1",
            "DEPLOY_MEMORY": "512Mi",
            "DEPLOY_CONCURRENCY": "80",
            "DEPLOY_MIN_INSTANCES": "0",
            "DEPLOY_REGION": "us-central1",
            "GOOGLE_CLOUD_PROJECT": "my-project",
        }


def test_every_value_of_the_service_follows_its_variable() -> None:
    changed = variables(
        PROJECT="other-project",
        REGION="europe-west4",
        REPOSITORY="images",
        IMAGE_TAG="v2",
        API_SERVICE="iris",
        ENDPOINT_ACCOUNT="somebody",
        API_CPU="2",
        API_MEMORY_MIB="1024",
        API_CONCURRENCY="40",
        API_MIN_INSTANCES="3",
        API_MAX_INSTANCES="7",
        API_TIMEOUT_S="90",
        LOG_LEVEL="warning",
        CORS_ORIGINS="https://a.example",
    )
    found = yaml_values(service_file(changed))
    assert found["image"] == "europe-west4-docker.pkg.dev/other-project/images/api:v2"
    assert found["serviceAccountName"] == "somebody@other-project.iam.gserviceaccount.com"
    assert found["cloud.googleapis.com/location"] == "europe-west4"
    assert (found["cpu"], found["memory"], found["containerConcurrency"]) == ("2", "1024Mi", "40")
    assert (found["run.googleapis.com/minScale"], found["autoscaling.knative.dev/maxScale"]) == ("3", "7")
    assert found["timeoutSeconds"] == "90"
    assert {name: value for name, value in found.items() if name.isupper()} == {
        "MODEL_RUNTIME": "auto",
        "LOG_LEVEL": "WARNING",
        "CORS_ORIGINS": "https://a.example",
        "DEPLOY_CPU": "2",
        "DEPLOY_MEMORY": "1024Mi",
        "DEPLOY_CONCURRENCY": "40",
        "DEPLOY_MIN_INSTANCES": "3",
        "DEPLOY_REGION": "europe-west4",
        "GOOGLE_CLOUD_PROJECT": "other-project",
    }
    assert "\n  name: iris\n" in service_file(changed)


def test_the_template_is_what_the_variables_render() -> None:
    template = (ROOT / "deploy" / "service.yaml").read_text()
    assert service_file(variables()) == re.sub(r"  # [A-Z_]+$", "", template, flags=re.MULTILINE)


def test_a_marked_value_without_a_variable_is_an_error() -> None:
    with pytest.raises(VariableError, match="API_COLOUR"):
        render_service("a: b  # API_COLOUR\n", variables())


def test_the_platforms_own_defaults_are_a_named_alternative() -> None:
    own = Variables.from_files([ROOT / "deploy" / "platform-defaults.env"], SAID)
    (function,) = commands("function", own)
    assert {name: flags(function)[name] for name in ("cpu", "memory", "concurrency", "max-instances", "timeout")} == {
        "cpu": "0.1666",
        "memory": "256Mi",
        "concurrency": "1",
        "max-instances": "100",
        "timeout": "60s",
    }
    assert environment(function)["DEPLOY_CPU"] == "0.1666"
    assert yaml_values(service_file(own))["timeoutSeconds"] == "300"


@pytest.mark.parametrize(
    ("cpu", "memory_mib", "generation"),
    [
        ("0.1666", "256", "gen1"),
        ("0.5", "1024", "gen1"),
        ("1", "256", "gen1"),
        ("1", "512", "gen2"),
        ("2", "512", "gen2"),
    ],
)
def test_an_endpoint_gets_the_execution_environment_that_takes_its_size(
    cpu: str, memory_mib: str, generation: str
) -> None:
    sizes = {"CPU": cpu, "MEMORY_MIB": memory_mib, "CONCURRENCY": "1"}
    v = variables(**{f"{prefix}_{name}": value for prefix in ("API", "FUNCTION") for name, value in sizes.items()})
    (command,) = commands("function", v)
    assert flags(command)["execution-environment"] == generation
    assert yaml_values(service_file(v))["run.googleapis.com/execution-environment"] == generation


# https://cloud.google.com/run/docs/configuring/services/cpu
@pytest.mark.parametrize(
    ("cpu", "least", "most"),
    [
        ("0.08", 128, 512),
        ("0.499", 128, 512),
        ("0.5", 128, 1024),
        ("1", 128, 4096),
        ("2", 128, 8192),
        ("4", 2048, 16384),
        ("8", 4096, 32768),
    ],
)
def test_memory_is_what_the_platform_has_for_so_many_cpus(cpu: str, least: int, most: int) -> None:
    def memory_mib(value: int) -> int:
        return variables(API_CPU=cpu, API_CONCURRENCY="1", API_MEMORY_MIB=str(value)).api.memory_mib

    assert (memory_mib(least), memory_mib(most)) == (least, most)
    for value in (least - 1, most + 1):
        with pytest.raises(VariableError, match=r"^API_MEMORY_MIB must be "):
            memory_mib(value)


def test_the_images_are_built_with_the_data_set_that_is_staged() -> None:
    v = variables(DATASET="diabetes")
    for step in ("build-api", "build-dashboard"):
        (command,) = commands(step, v)
        assert "_DATASET=diabetes" in flags(command)["substitutions"].split(",")
    assert "--build-arg=DATASET=$_DATASET" in (ROOT / "deploy" / "build.yaml").read_text()
    for image in ("api", "dashboard"):
        assert "\nARG DATASET=" in (ROOT / f"Dockerfile.{image}").read_text()
    assert v.serving.model_dir == ROOT / "artifacts" / "diabetes"


def test_every_origin_reaches_both_endpoints() -> None:
    v = variables(CORS_ORIGINS="https://b.example,https://a.example:8443")
    rendered = "https://a.example:8443 https://b.example"
    for step in ("function", "function-gen2"):
        (command,) = commands(step, v)
        assert environment(command)["CORS_ORIGINS"] == rendered
        read_back = ServingSettings.from_env(environment(command), default_model_dir=ROOT)
        assert read_back.cors_origins == v.serving.cors_origins
    assert f'value: "{rendered}"\n' in service_file(v)


def test_a_runtime_is_deployed_with_the_image_that_was_built_for_it() -> None:
    v = variables(MODEL_RUNTIME="sklearn")
    (build,) = commands("build-api", v)
    assert ",_RUNTIME=sklearn," in str(build)
    assert "--build-arg=MODEL_RUNTIME=$_RUNTIME" in (ROOT / "deploy" / "build.yaml").read_text()
    assert yaml_values(service_file(v))["MODEL_RUNTIME"] == "sklearn"
    for step in ("function", "function-gen2"):
        assert environment(commands(step, v)[0])["MODEL_RUNTIME"] == "sklearn"


def test_the_dashboard_knows_both_addresses_and_sends_tokens() -> None:
    (command,) = commands("dashboard")
    assert environment(command) == {
        "API_URL": "https://api.example",
        "FUNCTION_URL": "https://function.example",
        "GOOGLE_ID_TOKENS": "1",
        "READ_ONLY": "0",
    }
    (closed,) = commands("dashboard", variables(READ_ONLY="1"))
    assert environment(closed)["READ_ONLY"] == "1"
    assert flags(command)["service-account"] == "faceoff-dashboard@my-project.iam.gserviceaccount.com"
    assert {"--session-affinity", "--no-cpu-throttling", "--max-instances=1"} <= set(command)


def test_the_dashboards_account_may_call_both_endpoints() -> None:
    api, function = commands("grant")
    assert ("faceoff-api" in api, "faceoff-function" in function) == (True, True)
    for command in (api, function):
        assert flags(command)["role"] == "roles/run.invoker"
        assert flags(command)["member"] == "serviceAccount:faceoff-dashboard@my-project.iam.gserviceaccount.com"


def test_a_clean_up_deletes_everything_that_was_made() -> None:
    deleted = {
        part
        for step in STEPS
        if "clean-up" in step
        for command in commands(step)
        for part in command
        if not part.startswith("--")
    }
    v = variables()
    assert {v.api_service, v.function_service, v.dashboard_service, v.repository} <= deleted
    assert {v.endpoint_email, v.dashboard_email} <= deleted
    assert {"delete", "rm"} <= deleted


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PROJECT", ""),
        ("PROJECT", "my project"),
        ("PROJECT", "x --quiet"),
        ("REGION", "somewhere"),
        ("API_SERVICE", "Faceoff"),
        ("API_SERVICE", "--help"),
        ("ENDPOINT_ACCOUNT", "me"),
        ("IMAGE_TAG", "a b"),
        ("API_CPU", "3"),
        ("API_CPU", "0"),
        ("FUNCTION_CPU", "0.5"),  # needs a concurrency of 1
        ("DASHBOARD_CPU", "0.5"),  # it works between requests
        ("FUNCTION_MEMORY_MIB", "512Mi"),
        ("DASHBOARD_MEMORY_MIB", "256"),
        ("DASHBOARD_MEMORY_MIB", "8192"),
        ("DATASET", "../iris"),
        ("MODEL_RUNTIME", "tensorflow"),
        ("LOG_LEVEL", "LOUD"),
        ("CORS_ORIGINS", "*"),
        ("FUNCTION_CONCURRENCY", "1001"),
        ("API_MIN_INSTANCES", "11"),
        ("API_TIMEOUT_S", "3601"),
        ("API_URL", "http://api.example"),
        ("FUNCTION_URL", "https://function.example,GOOGLE_ID_TOKENS=0"),
        ("COLOUR", "red"),
    ],
)
def test_a_variable_that_cannot_be_is_named(name: str, value: str) -> None:
    with pytest.raises(VariableError, match="^FUNCTION_CONCURRENCY" if name == "FUNCTION_CPU" else f"^{name} "):
        variables(**{name: value})


def test_a_line_that_is_no_variable_is_named(tmp_path: Path) -> None:
    (tmp_path / "mine.env").write_text("# mine\n\nPROJECT my-project\n")
    with pytest.raises(VariableError, match=r"mine\.env, line 3"):
        Variables.from_files([tmp_path / "mine.env"], SAID)


def test_the_project_is_nobodys() -> None:
    assert read(DEFAULTS)["PROJECT"] == ""


# --- The program


class Runner:
    """Records what it is told to run, and says how it ended."""

    def __init__(self, status: int = 0) -> None:
        self.ran: list[Argv] = []
        self._status = status

    def __call__(self, command: Argv) -> int:
        self.ran.append(command)
        return self._status


def arguments(step: str, *more: str) -> list[str]:
    return [step, *(f"--set={name}={value}" for name, value in SAID.items()), *more]


@pytest.mark.parametrize("step", STEPS)
def test_a_step_is_printed_as_a_shell_would_take_it_and_not_run(
    step: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(_: Argv) -> int:
        raise AssertionError("it was run")

    assert main(arguments(step), run, tmp_path) == 0
    printed = capsys.readouterr().out.splitlines()
    assert [tuple(shlex.split(line)) for line in printed] == commands(step)
    assert not list(tmp_path.iterdir())


def test_deploying_the_api_writes_the_service_that_it_names(tmp_path: Path) -> None:
    runner = Runner()
    assert main(arguments("api", "--run"), runner, tmp_path) == 0
    assert runner.ran == commands("api")
    assert (tmp_path / "build" / "deploy" / "service.yaml").read_text() == service_file(variables())


def test_a_function_that_is_not_staged_is_not_deployed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    runner = Runner()
    assert main(arguments("function", "--run"), runner, tmp_path) == 1
    assert not runner.ran
    assert "make stage-function" in capsys.readouterr().err


@pytest.mark.parametrize(("step", "ran"), [("grant", 1), ("prepare", 3), ("clean-up", 6)])
def test_a_failed_command_stops_a_deployment_but_not_what_can_be_there_or_gone_already(
    step: str, ran: int, tmp_path: Path
) -> None:
    runner = Runner(status=3)
    assert main(arguments(step, "--run"), runner, tmp_path) == 1
    assert runner.ran == commands(step)[:ran]
    assert len(runner.ran) == ran


@pytest.mark.parametrize("step", ["dashboard", "api"])
def test_a_missing_variable_is_one_line_and_status_1(step: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([step] if step == "api" else [step, "--set=PROJECT=my-project"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("not deployed: PROJECT" if step == "api" else "not deployed: API_URL")


# --- gcloud's own opinion


@pytest.fixture(scope="module")
def bare_gcloud(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, str]:
    """An environment in which gcloud knows nobody, looks for nobody and asks nothing."""
    home = tmp_path_factory.mktemp("gcloud")
    dropped = ("CLOUDSDK_", "GOOGLE_", "BOTO")
    return {name: value for name, value in os.environ.items() if not name.startswith(dropped)} | {
        "CLOUDSDK_CONFIG": str(home / "gcloud"),
        "CLOUDSDK_CORE_CHECK_GCE_METADATA": "false",
        "CLOUDSDK_CORE_DISABLE_PROMPTS": "1",
        "CLOUDSDK_CORE_DISABLE_USAGE_REPORTING": "1",
        "CLOUDSDK_COMPONENT_MANAGER_DISABLE_UPDATE_CHECK": "1",
        "HOME": str(home),
    }


def _said(command: Argv, environ: Mapping[str, str]) -> tuple[int, str]:
    assert GCLOUD
    done = subprocess.run(
        [GCLOUD, *command[1:]], env=environ, cwd=ROOT, capture_output=True, text=True, check=False, timeout=100
    )
    return done.returncode, done.stderr


def _forms(wanted: Sequence[Argv]) -> list[Argv]:
    """One command of each form: those that differ in names and values alone are parsed alike."""
    return list({(command[:4], *sorted(flags(command))): command for command in wanted}.values())


@pytest.mark.slow
@pytest.mark.skipif(not GCLOUD, reason="gcloud is not installed")
@pytest.mark.parametrize("step", STEPS)
def test_gcloud_parses_every_command_and_stops_at_the_missing_account(
    step: str, tmp_path: Path, bare_gcloud: Mapping[str, str]
) -> None:
    rendered = tmp_path / "service.yaml"
    rendered.write_text(service_file(variables()))
    places = {"build/deploy/service.yaml": str(rendered), "--source=build/function": f"--source={ROOT / 'api'}"}
    wanted = _forms(commands(step))
    if step.startswith("function"):
        # With the origins of two pages: what gcloud would part at a comma.
        origins = {"CORS_ORIGINS": "https://a.example https://b.example"}
        own = Variables.from_files([ROOT / "deploy" / "platform-defaults.env"], SAID | origins)
        wanted += commands(step, own)
    for command in wanted:
        if command[1] != "storage":  # which asks the network before it looks for an account
            status, errors = _said(tuple(places.get(part, part) for part in command), bare_gcloud)
            assert status == 1, f"{shlex.join(command)}\n{errors}"
            assert "do not currently have an active account" in errors, f"{shlex.join(command)}\n{errors}"


@pytest.mark.slow
@pytest.mark.skipif(not GCLOUD, reason="gcloud is not installed")
def test_gcloud_parses_every_command_for_workers_in_two_regions(bare_gcloud: Mapping[str, str]) -> None:
    text = (ROOT / "DEPLOY.md").read_text(encoding="utf-8")
    section = text.partition("\n## Load from two regions\n")[2].partition("\n## ")[0]
    lines = [line for line in section.replace("\\\n", " ").splitlines() if line.startswith("    gcloud ")]
    assert len(lines) > 10
    for line in lines:
        status, errors = _said(tuple(shlex.split(line)), bare_gcloud)
        assert status == 1 and "do not currently have an active account" in errors, f"{line}\n{errors}"


@pytest.mark.skipif(not GCLOUD, reason="gcloud is not installed")
def test_gcloud_knows_every_field_of_the_service(tmp_path: Path, bare_gcloud: Mapping[str, str]) -> None:
    def replace(path: Path) -> tuple[int, str]:
        command = ("gcloud", "run", "services", "replace", str(path), "--region=us-central1", "--project=my-project")
        return _said((*command, "--dry-run", "--quiet"), bare_gcloud)

    template = ROOT / "deploy" / "service.yaml"
    for path in (template, tmp_path / "rendered.yaml"):
        if path != template:
            path.write_text(service_file(variables()))
        status, errors = replace(path)
        assert (status, "active account" in errors) == (1, True), errors
    # and would tell a wrong one
    (tmp_path / "wrong.yaml").write_text(template.read_text().replace("failureThreshold: 30", "failureTreshold: 30"))
    status, errors = replace(tmp_path / "wrong.yaml")
    assert status == 1
    assert "active account" not in errors
