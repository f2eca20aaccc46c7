"""Where requests go and what they carry, decided once, from what the operator typed."""

import pytest

from benchmark.endpoints.endpoint import Endpoint, EndpointError, env_prefix


def of(url: str, token: str | None = None, timeout_s: float = 10.0) -> Endpoint:
    return Endpoint("api", "FastAPI", url, timeout_s, token)


@pytest.mark.parametrize(
    ("url", "predict_url"),
    [
        ("http://127.0.0.1:8000", "http://127.0.0.1:8000/predict"),
        ("http://127.0.0.1:8000/", "http://127.0.0.1:8000/predict"),
        ("https://api-abc.a.run.app", "https://api-abc.a.run.app/predict"),
        ("https://host/predict", "https://host/predict"),
        ("https://region-project.cloudfunctions.net/iris", "https://region-project.cloudfunctions.net/iris"),
        ("https://host/v1/models/iris/", "https://host/v1/models/iris/"),
        ("http://[::1]:8000", "http://[::1]:8000/predict"),
    ],
)
def test_only_a_url_without_a_path_gets_predict_added(url: str, predict_url: str) -> None:
    assert of(url).predict_url == predict_url


@pytest.mark.parametrize(
    ("url", "info_urls"),
    [
        ("http://127.0.0.1:8000", ("http://127.0.0.1:8000/model-info",)),
        ("http://127.0.0.1:8000/", ("http://127.0.0.1:8000/model-info",)),
        ("https://host/predict", ("https://host/predict/model-info", "https://host/model-info")),
        ("https://host/v1/iris/", ("https://host/v1/iris/model-info", "https://host/v1/model-info")),
    ],
)
def test_the_card_is_looked_for_below_the_address_and_beside_its_path(url: str, info_urls: tuple[str, ...]) -> None:
    assert of(url).info_urls == info_urls


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("http://127.0.0.1:8000", "127.0.0.1:8000"),
        ("https://host.example/", "host.example"),
        ("https://host/predict", "host/predict"),
    ],
)
def test_people_read_the_address_without_its_scheme(url: str, address: str) -> None:
    assert of(url).address == address


@pytest.mark.parametrize(
    "url",
    [
        "",
        "127.0.0.1:8000",
        "//host",
        "ftp://host",
        "file:///etc/passwd",
        "http://",
        "http://:8000",
        "http://user:secret@host",
        "http://user@host",
        "http://host?key=1",
        "http://host/predict#part",
        "http://[::1",
        "http://host:port",
        "http://host:99999",
        "http://127.0.0.1:1/a\x7fb",
        "http://127.0.0.1:1/" + "a" * 70_000,
        "http://a..b",
        "http://xn--a.com",
    ],
)
def test_an_unusable_address_is_refused(url: str) -> None:
    with pytest.raises(EndpointError):
        of(url)


@pytest.mark.parametrize("timeout_s", [0.0, -1.0, float("nan")])
def test_a_timeout_that_is_no_time_is_refused(timeout_s: float) -> None:
    with pytest.raises(EndpointError, match="timeout"):
        of("http://127.0.0.1:8000", timeout_s=timeout_s)


@pytest.mark.parametrize(
    "url", ["http://host", "http://10.0.0.1", "http://127.0.0.1.example", "http://localhost.example"]
)
def test_a_token_never_leaves_the_machine_unencrypted(url: str) -> None:
    with pytest.raises(EndpointError, match="use https"):
        of(url, token="secret")  # noqa: S106


@pytest.mark.parametrize("url", ["https://host", "http://127.0.0.1:8000", "http://[::1]:8000", "http://localhost:8000"])
def test_a_token_goes_out_as_a_bearer_over_https_and_over_the_loopback(url: str) -> None:
    assert of(url, token="secret").headers == {"authorization": "Bearer secret"}  # noqa: S106


@pytest.mark.parametrize("token", ["sécret", "two\nlines"])
def test_a_token_that_no_header_can_hold_is_refused(token: str) -> None:
    with pytest.raises(EndpointError):
        of("https://host", token=token)


def test_the_variables_of_an_endpoint_have_its_name_as_a_shell_takes_it() -> None:
    assert [env_prefix(key) for key in ("api", "my-API_2")] == ["API", "MY_API_2"]


def test_without_a_token_no_header_is_added() -> None:
    assert of("https://host").headers == {}


def test_the_token_is_not_shown_where_an_endpoint_is_printed() -> None:
    assert "secret" not in repr(of("https://host", token="secret"))  # noqa: S106
