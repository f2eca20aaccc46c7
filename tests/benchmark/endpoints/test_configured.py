"""The endpoints that the operator configures: a file of one to six, and one clear line for each mistake in it."""

from collections.abc import Callable, Mapping
from pathlib import Path
from textwrap import dedent

import pytest

from benchmark.endpoints.configured import ConfigurationError, configured_endpoints

ROOT = Path(__file__).resolve().parents[3]
Write = Callable[[str], Path]

A = '[[endpoint]]\nname = "A"\nurl = "http://127.0.0.1:8001"\n'
B = '[[endpoint]]\nname = "B"\nurl = "http://127.0.0.1:8002"\n'
SECRET = "ya29-a-real-token"  # noqa: S105


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write(text: str) -> Path:
        path = tmp_path / "endpoints.toml"
        path.write_text(text)
        return path

    return write


def problem(path: Path, environ: Mapping[str, str] | None = None) -> str:
    """What is said of the file, without its name, which begins each message."""
    with pytest.raises(ConfigurationError) as caught:
        configured_endpoints({"ENDPOINTS": str(path), **(environ or {})})
    message = str(caught.value)
    assert message.startswith(f"ENDPOINTS={path}: ")
    assert "\n" not in message
    return message.removeprefix(f"ENDPOINTS={path}: ")


def test_every_field_is_read(write: Write) -> None:
    path = write(
        A
        + """
        [[endpoint]]
        name = "Cloud Run (EU)"
        url = "https://run.example/predict"
        key = "run"
        protocol = "faceoff"
        token_variable = "RUN_SECRET"
        timeout_s = 30
        colour = "#ABCDEF"
        """
    )
    found = configured_endpoints({"ENDPOINTS": str(path), "RUN_SECRET": SECRET, "API_URL": "https://unused.example"})
    assert [(one.key, one.name, one.url, one.timeout_s, one.token, one.colour) for one in found] == [
        ("a", "A", "http://127.0.0.1:8001", 10.0, None, None),
        ("run", "Cloud Run (EU)", "https://run.example/predict", 30.0, SECRET, "#abcdef"),
    ]


@pytest.mark.parametrize("count", [1, 2, 3, 6])
def test_one_to_six_endpoints_come_in_the_order_of_the_file(write: Write, count: int) -> None:
    names = [f"Server {number}" for number in range(count)]
    path = write("".join(f'[[endpoint]]\nname = "{name}"\nurl = "http://127.0.0.1:80"\n' for name in names))
    found = configured_endpoints({"ENDPOINTS": str(path)})
    assert [one.name for one in found] == names
    assert [one.key for one in found] == [f"server-{number}" for number in range(count)]


def test_the_guides_example_is_a_file_that_works(write: Write) -> None:
    guide = (ROOT / "docs" / "how-to" / "own-endpoints.md").read_text()
    example = guide.partition("    [[endpoint]]")[1] + guide.partition("    [[endpoint]]")[2].partition("\nThen")[0]
    found = configured_endpoints({"ENDPOINTS": str(write(dedent(example))), "CLOUD_RUN_TOKEN": SECRET})
    assert [one.key for one in found] == ["cloud-run", "cloud-function", "laptop"]


def test_without_a_file_the_local_twins_are_configured_by_their_variables() -> None:
    found = configured_endpoints({"ENDPOINTS": "", "FUNCTION_URL": "http://127.0.0.1:9000"})
    assert [(one.key, one.url) for one in found] == [
        ("api", "http://127.0.0.1:8000"),
        ("function", "http://127.0.0.1:9000"),
    ]


def test_google_id_tokens_are_for_endpoints_of_the_file(write: Write) -> None:
    path = str(write(A + B))

    def identified(wanted: str) -> list[str]:
        found = configured_endpoints({"ENDPOINTS": path, "GOOGLE_ID_TOKENS": wanted})
        return [one.key for one in found if one.identity]

    assert [identified(wanted) for wanted in ("0", "b", "1")] == [[], ["b"], ["a", "b"]]
    with pytest.raises(ConfigurationError, match=r"^GOOGLE_ID_TOKENS must be 1, 0, a or b$"):
        identified("api")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "needs a table [[endpoint]] for each endpoint"),
        ('[endpoint]\nname = "A"', "needs a table [[endpoint]] for each endpoint"),
        ("endpoint = []", "has 0 endpoints; the limit is 6"),
        (A * 7, "has 7 endpoints; the limit is 6"),
        ("[[endpoint]]\nname = A", "is not valid TOML: Invalid value (at line 2, column 8)"),
        (A + "[other]\nx = 1", "other is unknown; define each endpoint as a table [[endpoint]]"),
        ('[[endpoint]]\nname = "A"', "endpoint 1 (A): url is missing"),
        ('[[endpoint]]\nurl = "http://127.0.0.1"', "endpoint 1: name is missing"),
        ('[[endpoint]]\nname = "A"\nurl = ""', "endpoint 1 (A): url must be a text"),
        (A + "retries = 3", "endpoint 1 (A): retries is unknown; the fields are name, url, key, protocol"),
        (A + 'color = "#112233"', "endpoint 1 (A): color is unknown: write colour"),
        (A + 'colour = "blue"', "endpoint 1 (A): colour must be six hexadecimal digits after #"),
        (A + 'colour = "#12345g"', "endpoint 1 (A): colour must be six hexadecimal digits after #"),
        (A + 'colour = "#123456"\n' + B + 'colour = "#123456"', "endpoint 2 (B): colour is also used by endpoint 1"),
        (A + B + 'key = "A"', "endpoint 2 (B): key A is also used by endpoint 1"),
        (A + 'key = "a-b"\n' + B + 'key = "a_b"', "endpoint 2 (B): key a_b is also used by endpoint 1"),
        (A + A + 'key = "other"', "endpoint 2 (A): name is also used by endpoint 1"),
        (A + 'key = "1st"', "endpoint 1 (A): key must begin with a letter"),
        (A.replace('"A"', '"東京"'), "endpoint 1 (東京): key must begin with a letter"),
        (A + 'protocol = "soap"', "endpoint 1 (A): protocol must be one of faceoff"),
        (A + "timeout_s = 0", "endpoint 1 (A): timeout_s must be a number of seconds above 0 and at most 600"),
        (A + "timeout_s = true", "endpoint 1 (A): timeout_s must be a number of seconds"),
        (A + "timeout_s = nan", "endpoint 1 (A): timeout_s must be a number of seconds"),
        (A.replace("http:", "ftp:"), "endpoint 1 (A): url is not an http or https address"),
        (A + 'token_variable = "MY_TOKEN"', "endpoint 1 (A): token_variable names MY_TOKEN, which is not set"),
    ],
)
def test_each_mistake_is_one_line_that_names_file_entry_and_what_is_wrong(write: Write, text: str, said: str) -> None:
    assert problem(write(text)).startswith(said)


@pytest.mark.parametrize(
    "entry",
    [
        f'token = "{SECRET}"',
        f'Password = "{SECRET}"',
        f'token_variable = "{SECRET}"',
        f'token_variable = "{"x" * 60}"',
        f'url = "https://user:{SECRET}@host"',
        f'url = "https://host?key={SECRET}"',
    ],
)
def test_a_token_in_the_file_is_refused_and_never_repeated(write: Write, entry: str) -> None:
    text = '[[endpoint]]\nname = "A"\n' + ("" if "url" in entry else 'url = "http://127.0.0.1"\n') + entry
    said = problem(write(text))
    assert said.startswith("endpoint 1 (A): ")
    assert SECRET not in said and "xxx" not in said


def test_a_token_is_not_sent_unencrypted(write: Write) -> None:
    text = '[[endpoint]]\nname = "A"\nurl = "http://elsewhere.example"\ntoken_variable = "T"'
    assert problem(write(text), {"T": SECRET}) == "endpoint 1 (A): url would send its token unencrypted: use https"


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    assert problem(tmp_path / "nowhere.toml") == "cannot be read (No such file or directory)"
    assert problem(tmp_path) == "cannot be read (Is a directory)"
    binary = tmp_path / "binary.toml"
    binary.write_bytes(b"\xff\xfe")
    assert problem(binary) == "is not UTF-8 text"
