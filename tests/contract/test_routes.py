"""Every path and method but a prediction: the same on every way of serving."""

from collections.abc import Iterator

import pytest

from inference.contract import MAX_BODY_BYTES
from inference.startup import PHASES
from tests.contract.cases import ACCEPTED, MARKER
from tests.contract.targets import JSON, Target

TOO_LARGE = b'{"features":[5.1,3.5,1.4,0.2]}' + b" " * MAX_BODY_BYTES


def test_health_says_ok(target: Target) -> None:
    answer = target.ask("GET", "/health")
    assert answer.status == 200
    assert answer.json()["status"] == "ok"


def test_the_root_says_what_this_is(target: Target) -> None:
    answer = target.ask("GET", "/")
    assert answer.status == 200
    document = answer.json()
    assert document["status"] == "healthy"
    assert document["model_loaded"] is True
    assert isinstance(document["service"], str)


def test_every_link_of_the_root_leads_somewhere(target: Target) -> None:
    links = target.ask("GET", "/").json()["links"]
    assert {"predict", "health", "model_info"} <= set(links)
    for name, path in links.items():
        assert target.ask("GET", path).status == (405 if name == "predict" else 200), path


def test_model_info_has_the_types_that_clients_read(target: Target) -> None:
    answer = target.ask("GET", "/model-info")
    assert answer.status == 200
    info = answer.json()
    assert info["model_type"] == "LogisticRegression"
    assert isinstance(info["model_version"], str)
    assert (info["input_features"], info["output_classes"]) == (4, 3)
    assert info["class_names"] == ["setosa", "versicolor", "virginica"]
    assert info["feature_names"] == ["sepal_length", "sepal_width", "petal_length", "petal_width"]


def test_model_info_gives_the_whole_card(target: Target, core: Target) -> None:
    card = target.ask("GET", "/model-info").json()["card"]
    assert card == core.ask("GET", "/model-info").json()["card"]
    assert set(card["files"]) == {"model.joblib", "model.linear.json", "model.onnx", "data.csv"}


def test_model_info_tells_how_it_is_served(endpoint: Target) -> None:
    serving = endpoint.ask("GET", "/model-info").json()["serving"]
    framework = "fastapi" if endpoint.name.startswith("api") else "functions-framework"
    assert serving["runtime"] == "linear"
    assert {"starlette", "uvicorn", framework} <= set(serving["libraries"])
    assert not {"numpy", "onnxruntime", "scikit-learn", "joblib"} & set(serving["libraries"])
    assert set(serving["platform"]) == {"service", "revision", "function_target"}
    assert set(serving["deployment"]) == {"cpu", "memory", "concurrency", "min_instances", "region"}
    assert not any(serving["deployment"].values())
    assert list(serving["startup_ms"]) == list(PHASES)
    assert all(phase_ms is None or phase_ms >= 0 for phase_ms in serving["startup_ms"].values())
    assert serving["instance_id"] == endpoint.ask("GET", "/health").headers["x-instance-id"]


@pytest.mark.parametrize("path", ["/", "/health", "/model-info"])
def test_head_has_the_headers_of_get_and_no_body(path: str, endpoint: Target) -> None:
    got, headed = endpoint.ask("GET", path), endpoint.ask("HEAD", path)
    assert (headed.status, headed.body) == (200, b"")
    assert set(headed.headers) == set(got.headers)
    assert headed.headers["content-type"] == got.headers["content-type"]
    if path != "/model-info":  # which tells the instance's age
        assert headed.headers["content-length"] == str(len(got.body))


@pytest.mark.parametrize(
    ("path", "allowed"),
    [("/predict", "POST"), ("/", "GET, HEAD, POST"), ("/health", "GET, HEAD"), ("/model-info", "GET, HEAD")],
)
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"])
def test_another_method_is_a_405_that_says_which_are_allowed(
    method: str, path: str, allowed: str, target: Target, core: Target
) -> None:
    answer = target.ask(method, path, ACCEPTED[0].body if method == "POST" else b"", JSON)
    if method in allowed.split(", "):
        assert answer.status == 200
        return
    assert answer.status == 405
    assert answer.headers["allow"] == allowed
    assert answer.body == core.ask(method, path).body
    if method != "HEAD":
        assert answer.json()["error"]["code"] == "method_not_allowed"


@pytest.mark.parametrize(
    "path",
    ["/healthz", "/predict/", "/health/", "//predict", "/Predict", "/model_info", "/predict%0A", "/a/b", f"/{MARKER}"],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_another_path_is_a_404(method: str, path: str, target: Target, core: Target) -> None:
    answer = target.ask(method, path, b"{}" if method == "POST" else b"", JSON)
    assert answer.status == 404
    assert answer.json()["error"]["code"] == "not_found"
    assert answer.body == core.ask(method, path).body
    assert MARKER.encode() not in answer.body


def test_a_query_changes_nothing(endpoint: Target) -> None:
    plain = endpoint.ask("POST", "/predict", ACCEPTED[0].body, JSON)
    assert endpoint.ask("POST", f"/predict?{MARKER}=1", ACCEPTED[0].body, JSON).body == plain.body


@pytest.mark.parametrize("path", ["/predict", "/"])
def test_a_body_over_the_limit_is_a_413(path: str, endpoint: Target) -> None:
    answer = endpoint.ask("POST", path, TOO_LARGE, JSON)
    assert answer.status == 413
    assert answer.json()["error"]["code"] == "too_large"


def test_a_chunked_body_over_the_limit_is_a_413(endpoint: Target) -> None:
    answer = endpoint.ask("POST", "/predict", _chunks(TOO_LARGE, 1000), JSON)
    assert answer.status == 413
    assert answer.json()["error"]["code"] == "too_large"


def test_a_body_of_exactly_the_limit_is_read(endpoint: Target) -> None:
    body = TOO_LARGE[:MAX_BODY_BYTES]
    assert endpoint.ask("POST", "/predict", body, JSON).status == 200
    assert endpoint.ask("POST", "/predict", _chunks(body, 1000), JSON).status == 200
    assert endpoint.ask("POST", "/predict", body + b" ", JSON).status == 413
    assert endpoint.ask("POST", "/predict", _chunks(body + b" ", 1000), JSON).status == 413


def test_a_chunked_body_gets_the_answer_of_a_whole_one(endpoint: Target) -> None:
    for case in ACCEPTED[:7]:
        whole = endpoint.ask("POST", "/predict", case.body, JSON)
        assert endpoint.ask("POST", "/predict", _chunks(case.body, 5), JSON).body == whole.body


def test_the_connection_stays_usable_after_a_refusal(endpoint: Target) -> None:
    for _ in range(3):
        assert endpoint.ask("POST", "/predict", TOO_LARGE, JSON).status == 413
        assert endpoint.ask("POST", "/predict", _chunks(TOO_LARGE, 1000), JSON).status == 413
        assert endpoint.ask("POST", "/health", TOO_LARGE, JSON).status == 405
        assert endpoint.ask("POST", "/predict", ACCEPTED[0].body, JSON).status == 200


def _chunks(body: bytes, size: int) -> Iterator[bytes]:
    for start in range(0, len(body), size):
        yield body[start : start + size]
