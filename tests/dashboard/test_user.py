"""Who uses a page is what the header says that the operator trusts, and nothing else."""

from types import SimpleNamespace

import pytest
import streamlit as st

from benchmark.endpoints.configured import ConfigurationError
from dashboard import resources
from dashboard.settings import Settings

IAP = "X-Goog-Authenticated-User-Email"


@pytest.mark.parametrize(
    "header, sent, user",
    [
        (IAP, {IAP: "accounts.google.com:ada@example.com"}, "ada@example.com"),
        (IAP, {}, ""),
        (None, {IAP: "accounts.google.com:mallory@example.com"}, ""),
        ("X-Forwarded-User", {"X-Forwarded-User": "ada\n" + "b" * 500, IAP: "mallory"}, "ada " + "b" * 96),
    ],
)
def test_only_the_header_that_the_operator_names_is_believed(
    header: str | None, sent: dict[str, str], user: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings.from_env({} if header is None else {"USER_HEADER": header})
    monkeypatch.setattr(resources, "settings", lambda: settings)
    monkeypatch.setattr(st, "context", SimpleNamespace(headers=sent))
    assert resources.user() == user


@pytest.mark.parametrize("header", ["X User", "a:b", "\r\nX"])
def test_what_is_no_name_of_a_header_is_refused(header: str) -> None:
    with pytest.raises(ConfigurationError, match="USER_HEADER must be the name of a header"):
        Settings.from_env({"USER_HEADER": header})
