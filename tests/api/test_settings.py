"""Where the API listens."""

import pytest

from api.settings import ListenSettings
from inference.settings import SettingsError


@pytest.mark.parametrize("variables", [{}, {"HOST": "", "PORT": ""}])
def test_an_unset_or_empty_variable_is_its_default(variables: dict[str, str]) -> None:
    assert ListenSettings.from_env(variables) == ListenSettings("0.0.0.0", 8080)  # noqa: S104


@pytest.mark.parametrize("port", ["1", "80", "65535"])
def test_host_and_port_are_read(port: str) -> None:
    assert ListenSettings.from_env({"HOST": "127.0.0.1", "PORT": port}) == ListenSettings("127.0.0.1", int(port))


@pytest.mark.parametrize("port", ["0", "65536", "-1", "80.5", "http", " 80", "80 ", "0x50", "²", "9" * 5000])
def test_what_is_no_port_is_refused_by_the_name_of_the_variable(port: str) -> None:
    with pytest.raises(SettingsError, match=r"^PORT must be a number from 1 to 65535$"):
        ListenSettings.from_env({"PORT": port})
