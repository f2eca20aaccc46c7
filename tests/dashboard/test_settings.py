"""The dashboard's environment: local twins by default, and a variable without a meaning is named."""

import re
from pathlib import Path

import pytest

from benchmark.endpoints.configured import ConfigurationError
from dashboard.settings import ROOT, Settings


def test_an_empty_environment_means_the_local_twins() -> None:
    settings = Settings.from_env({})
    assert [(side.key, side.name, side.url, side.timeout_s, side.token) for side in settings.endpoints] == [
        ("api", "FastAPI", "http://127.0.0.1:8000", 10.0, None),
        ("function", "Cloud Function", "http://127.0.0.1:8080", 10.0, None),
    ]
    assert (settings.results.directory, settings.model_dir) == (ROOT / "results", ROOT / "artifacts" / "iris")
    assert (settings.host, settings.port) == ("127.0.0.1", 8501)


def test_every_variable_is_read() -> None:
    settings = Settings.from_env(
        {
            "API_URL": "https://api.example",
            "API_NAME": "Cloud Run",
            "API_TOKEN": "one",
            "API_TIMEOUT_S": "2.5",
            "FUNCTION_URL": " https://function.example/predict ",
            "FUNCTION_NAME": "Functions",
            "FUNCTION_TOKEN": "two",
            "FUNCTION_TIMEOUT_S": "30",
            "RESULTS_DIR": "/somewhere/results",
            "MODEL_DIR": "relative/model",
            "HOST": "0.0.0.0",  # noqa: S104
            "PORT": "9000",
            "UNRELATED": "x",
        }
    )
    assert [(side.key, side.name, side.url, side.timeout_s, side.token) for side in settings.endpoints] == [
        ("api", "Cloud Run", "https://api.example", 2.5, "one"),
        ("function", "Functions", "https://function.example/predict", 30.0, "two"),
    ]
    assert (settings.results.directory, settings.model_dir) == (Path("/somewhere/results"), Path("relative/model"))
    assert (settings.host, settings.port) == ("0.0.0.0", 9000)  # noqa: S104


def test_a_dashboard_is_read_only_where_that_is_said_and_never_by_a_guess() -> None:
    assert [Settings.from_env({"READ_ONLY": value}).read_only for value in ("", "0", "1")] == [False, False, True]
    for value in ("true", "yes", "2", " 1"):
        with pytest.raises(ConfigurationError, match="READ_ONLY must be 1 or 0"):
            Settings.from_env({"READ_ONLY": value})


def test_an_empty_variable_is_one_that_is_not_set() -> None:
    names = [f"{side}_{what}" for side in ("API", "FUNCTION") for what in ("URL", "NAME", "TOKEN", "TIMEOUT_S")]
    names += ["RESULTS_DIR", "MODEL_DIR", "HOST", "PORT"]
    assert Settings.from_env(dict.fromkeys(names, "")) == Settings.from_env({})


@pytest.mark.parametrize("prefix", ["API", "FUNCTION"])
@pytest.mark.parametrize(
    "url",
    [
        "127.0.0.1:8000",
        "ftp://127.0.0.1",
        "http://",
        "http://user:pass@host",
        "https://host?key=1",
        "http://[::1",
        "http://host:port",
    ],
)
def test_a_url_that_cannot_be_used_is_named(prefix: str, url: str) -> None:
    with pytest.raises(ConfigurationError, match=f"^{prefix}_URL "):
        Settings.from_env({f"{prefix}_URL": url})


@pytest.mark.parametrize("prefix", ["API", "FUNCTION"])
@pytest.mark.parametrize("timeout", ["soon", "0", "-1", "nan", "inf", "601", "1e400", "0x10"])
def test_a_timeout_that_is_no_time_is_named(prefix: str, timeout: str) -> None:
    with pytest.raises(ConfigurationError, match=f"^{prefix}_TIMEOUT_S "):
        Settings.from_env({f"{prefix}_TIMEOUT_S": timeout})


@pytest.mark.parametrize("port", ["0", "65536", "-1", "8501.0", "http", "٣ ", "1e3"])
def test_a_port_that_is_none_is_named(port: str) -> None:
    with pytest.raises(ConfigurationError, match=r"^PORT "):
        Settings.from_env({"PORT": port})


def test_a_token_is_not_sent_unencrypted_to_another_machine() -> None:
    with pytest.raises(ConfigurationError, match=re.escape("API_URL would send its token unencrypted")):
        Settings.from_env({"API_URL": "http://api.example", "API_TOKEN": "secret"})


def test_no_message_and_no_print_shows_a_token() -> None:
    with pytest.raises(ConfigurationError) as caught:
        Settings.from_env({"API_URL": "http://api.example", "API_TOKEN": "tell-nobody"})
    assert "tell-nobody" not in str(caught.value)
    assert "tell-nobody" not in repr(Settings.from_env({"API_TOKEN": "tell-nobody"}))
