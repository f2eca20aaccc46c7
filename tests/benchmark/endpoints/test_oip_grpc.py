"""The Open Inference Protocol over gRPC, against a server of `grpc` that answers as the specification says."""

import json
import struct
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest

from benchmark.__main__ import main
from benchmark.endpoints.catalog import fetch
from benchmark.endpoints.endpoint import Endpoint, EndpointError
from benchmark.endpoints.inference_messages import NotAMessage, infer_json, infer_request, new, parsed
from benchmark.endpoints.protocols import NotEncodable
from benchmark.endpoints.sample import Failure
from benchmark.observation.observe import observe
from benchmark.observation.sender import Sender
from inference.model import Model
from inference.service import Service
from tests.benchmark.conftest import Serve
from tests.benchmark.little_server import serving

Calls = list[tuple[str, dict[str, str]]]
Start = Callable[..., str]


class Infer(grpc.GenericRpcHandler):  # type: ignore[type-arg]
    """`answer` gives the outputs for rows, or aborts; every call is kept with its metadata."""

    def __init__(self, answer: Callable[[Any, Sequence[Sequence[float]]], bytes]) -> None:
        self.calls: Calls = []
        self._answer = answer

    def service(self, details: Any) -> Any:
        name = details.method.rpartition("/")[2]
        self.calls.append((name, dict(details.invocation_metadata)))
        return grpc.unary_unary_rpc_method_handler({"ModelMetadata": self._metadata, "ModelInfer": self._infer}[name])

    def _metadata(self, data: bytes, context: Any) -> bytes:
        if parsed("ModelMetadataRequest", data).name != "iris":
            context.abort(grpc.StatusCode.NOT_FOUND, "no such model")
        message = new("ModelMetadataResponse")
        message.name = "iris"
        tensor = message.inputs.add()
        tensor.name, tensor.datatype = "X", "FP64"
        tensor.shape.extend([-1, 4])
        return bytes(message.SerializeToString())

    def _infer(self, data: bytes, context: Any) -> bytes:
        message = parsed("ModelInferRequest", data)
        (tensor,) = message.inputs
        values = list(tensor.contents.fp64_contents)
        if message.model_name != "iris" or tensor.name != "X" or list(tensor.shape) != [len(values) // 4, 4]:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, "not the model's input")
        return self._answer(context, [values[start : start + 4] for start in range(0, len(values), 4)])


def outputs(model: Model, rows: Sequence[Sequence[float]], *, raw: bool = False) -> bytes:
    """The classes and the probabilities, as values or as raw contents."""
    shares = [list(one) for one in model.predict(rows)]
    classes = [one.index(max(one)) for one in shares]
    message = new("ModelInferResponse")
    message.model_name = "iris"
    labels, sums = message.outputs.add(), message.outputs.add()
    labels.name, labels.datatype, sums.name, sums.datatype = "predict", "INT64", "predict_proba", "FP64"
    labels.shape.extend([len(rows), 1])
    sums.shape.extend([len(rows), 3])
    flat = [share for one in shares for share in one]
    if raw:
        message.raw_output_contents.append(struct.pack(f"<{len(classes)}q", *classes))
        message.raw_output_contents.append(struct.pack(f"<{len(flat)}d", *flat))
    else:
        labels.contents.int64_contents.extend(classes)
        sums.contents.fp64_contents.extend(flat)
    return bytes(message.SerializeToString())


@contextmanager
def serving_grpc(handler: Infer) -> Iterator[str]:
    server = grpc.server(ThreadPoolExecutor(4))
    server.add_generic_rpc_handlers((handler,))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"127.0.0.1:{port}/iris"
    finally:
        server.stop(None).wait()


@pytest.fixture
def start() -> Iterator[Callable[[Infer], str]]:
    with ExitStack() as servers:
        yield lambda handler: servers.enter_context(serving_grpc(handler))


def endpoint(address: str, **options: Any) -> Endpoint:
    return Endpoint("theirs", "Theirs", address, protocol="oip-grpc", **options)


@pytest.mark.parametrize("raw", [False, True])
def test_an_answer_is_read_from_values_and_from_raw_contents(
    sender: Sender, client: httpx.Client, start: Start, iris_model: Model, raw: bool
) -> None:
    handler = Infer(lambda _, rows: outputs(iris_model, rows, raw=raw))
    theirs = endpoint(start(handler))
    assert fetch(client, theirs).example == {f"X_{at}": 0.0 for at in range(4)}
    first, second = (next(iter(observe(sender, [theirs], iris_model.card, (6.3, 2.5, 5.0, 1.9)))) for _ in range(2))
    assert first.answer and first.failure is None
    assert first.answer.label == "virginica"
    assert first.answer.probabilities == pytest.approx(next(iter(iris_model.predict([(6.3, 2.5, 5.0, 1.9)]))))
    assert second.connection_reused
    assert [name for name, _ in handler.calls] == ["ModelMetadata", "ModelInfer", "ModelInfer"]


def test_it_is_measured_and_agrees_beside_ours(
    serve: Serve, start: Start, iris_model: Model, service: Service, tmp_path: Path
) -> None:
    handler = Infer(lambda _, rows: outputs(iris_model, rows))
    ours, out = serve(serving(service)), tmp_path / "out.json"
    given = ["--endpoint", f"a={start(handler)}", "--protocol", "a=oip-grpc", "--endpoint", f"b={ours.url}"]
    kept = ["--results", str(tmp_path), "--progress", "none", "--json", str(out)]
    assert main(["compare", *given, *kept, "--pairs", "6", "--warmup", "1", "--connection", "new"]) == 0
    figures = json.loads(out.read_text())
    assert figures["endpoints"]["a"]["errors"] == {}
    phases = figures["endpoints"]["a"]["phases_ms"]
    assert phases["connect"] > 0
    assert phases["wait"] > 0
    assert phases["dns"] is None
    assert figures["manifest"]["endpoints"][0]["protocol"] == "oip-grpc"
    assert {metadata.get("x-traffic") for _, metadata in handler.calls} == {"test"}
    assert main(["load", *given, *kept, "--concurrency", "4", "--requests", "12", "--warmup", "1"]) == 0
    assert json.loads(out.read_text())["endpoints"]["a"]["errors"] == {}
    assert main(["agree", *given, "--grid", "4", "--random", "4", "--json", str(out)]) == 0
    assert json.loads(out.read_text())["disagreements"] == 0
    assert main(["probe", *given]) == 0
    idle = ["--idle", "10ms", "--repeats", "1", "--warm", "1", "--json", str(out), "--results", str(tmp_path)]
    assert main(["coldstart", *given, *idle]) == 0
    assert json.loads(out.read_text())["endpoints"]["a"]["failed"] == 0


@pytest.mark.parametrize(
    ("code", "failure"),
    [
        (grpc.StatusCode.INVALID_ARGUMENT, "4xx"),
        (grpc.StatusCode.NOT_FOUND, "4xx"),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, "4xx"),
        (grpc.StatusCode.INTERNAL, "5xx"),
        (grpc.StatusCode.UNAVAILABLE, "reset"),
        (grpc.StatusCode.DEADLINE_EXCEEDED, "timeout"),
        (None, "too_large"),
    ],
)
def test_a_failure_has_its_kind_with_and_without_asyncio(
    sender: Sender,
    client: httpx.Client,
    serve: Serve,
    start: Start,
    iris_model: Model,
    service: Service,
    tmp_path: Path,
    code: Any,
    failure: str,
) -> None:
    def answer(context: Any, rows: Any) -> bytes:
        if code is not None:
            context.abort(code, "as told")
        message = new("ModelInferResponse")
        message.model_name = "x" * 300_000
        return bytes(message.SerializeToString())

    address = start(Infer(answer))
    theirs = endpoint(address)
    assert fetch(client, theirs).example
    (sample,) = observe(sender, [theirs], iris_model.card, iris_model.card.defaults)
    assert sample.failure == failure
    out = tmp_path / "out.json"
    given = ["--endpoint", f"a={address}", "--protocol", "a=oip-grpc", "--endpoint", f"b={serve(serving(service)).url}"]
    kept = ["--results", str(tmp_path), "--progress", "none", "--json", str(out)]
    assert main(["compare", *given, *kept, "--pairs", "3", "--warmup", "0"]) == 0
    assert json.loads(out.read_text())["endpoints"]["a"]["errors"] == {failure: 3}


def test_nobody_there_is_refused(sender: Sender, client: httpx.Client, nobody: str, iris_model: Model) -> None:
    theirs = endpoint(nobody.removeprefix("http://") + "/iris")
    assert fetch(client, theirs).problem == "did not answer"
    (sample,) = observe(sender, [theirs], iris_model.card, iris_model.card.defaults)
    assert sample.failure is Failure.REFUSED


def test_an_address_is_checked() -> None:
    assert endpoint("127.0.0.1:1/iris").predict_url == "grpc://127.0.0.1:1/iris"
    assert endpoint("127.0.0.1:1/iris").is_local
    token = {"token": "t"}
    assert endpoint("grpcs://models.example:443/iris", **token).headers == {"authorization": "Bearer t"}
    with pytest.raises(EndpointError, match="is not a grpc or grpcs address"):
        endpoint("http://127.0.0.1:1/iris")
    with pytest.raises(EndpointError, match="would send its token unencrypted"):
        endpoint("models.example:80/iris", **token)
    with pytest.raises(EndpointError, match="is not an http or https address"):
        Endpoint("a", "A", "grpc://127.0.0.1:1/iris")


def test_without_grpcio_a_line_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmark.endpoints.protocols.oip_grpc.find_spec", lambda name: None)
    with pytest.raises(EndpointError, match="speaks oip-grpc, which needs grpcio and protobuf: run make extras"):
        endpoint("127.0.0.1:2/without")


def test_messages_are_those_of_the_published_service() -> None:
    body = {"inputs": [{"name": "X", "shape": [1, 2], "datatype": "FP64", "data": [1.0, 2.0]}]}
    # Field 1 is the model, 5 a tensor with its name (1), datatype (2), shape (3) and contents (5), there fp64 (7).
    values = struct.pack("<2d", 1.0, 2.0)
    contents = b"\x3a\x10" + values
    tensor = b"\x0a\x01X\x12\x04FP64\x1a\x02\x01\x02\x2a" + bytes([len(contents)]) + contents
    assert infer_request("iris", json.dumps(body).encode()) == b"\x0a\x04iris\x2a" + bytes([len(tensor)]) + tensor
    raw = b"\x0a\x01y\x12\x05INT64\x1a\x01\x01"
    answer = b"\x0a\x04iris\x2a" + bytes([len(raw)]) + raw + b"\x32\x08" + struct.pack("<q", 2)
    assert json.loads(infer_json(answer))["outputs"] == [{"name": "y", "datatype": "INT64", "shape": [1], "data": [2]}]
    text = b"\x0a\x01y\x12\x05BYTES"
    cut = b"\x2a" + bytes([len(text)]) + text + b"\x32\x07" + struct.pack("<I", 3)
    assert json.loads(infer_json(cut + b"oak"))["outputs"][0]["data"] == ["oak"]
    for wrong, problem in (
        (b"\xff", "is not a message"),
        (b"\x2a\x07\x0a\x01y\x12\x02XX", "unknown datatype"),
        (cut.replace(b"\x03\x00\x00\x00", b"\x09\x00\x00\x00") + b"oak", "cut off"),
        (b"\x2a\x0a\x0a\x01y\x12\x05INT64\x32\x01x", "another length"),
        (b"\x32\x01x", "another number of outputs"),
    ):
        with pytest.raises(NotAMessage, match=problem):
            infer_json(wrong)
    with pytest.raises(NotEncodable, match="takes inputs of other types"):
        infer_request("iris", json.dumps({"inputs": [{**body["inputs"][0], "data": ["one"]}]}).encode())
