"""Servers that are not ours: each speaks one protocol as its specification says, and refuses the others."""

import json
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from inference.model import Model
from tests.benchmark.little_server import Conversation, LittleServer, Request, answering, json_reply

Answer = Callable[[Request], tuple[Any, int]]
"""A reply's document and status to one request."""


class Refused(Exception):
    """The request is not one of the protocol; the message is what the server says."""


@dataclass(frozen=True, slots=True)
class Foreign:
    """A server's name of its protocol, the path of its model, and how it answers."""

    protocol: str
    path: str
    answer: Callable[[Model], Answer]
    tells_probabilities: bool = False

    def conversation(self, model: Model) -> Conversation:
        answer = self.answer(model)
        one_at_a_time = threading.Lock()

        def reply(request: Request) -> bytes:
            try:
                with one_at_a_time:
                    return json_reply(*answer(request))
            except (Refused, ValueError, KeyError, TypeError, UnicodeDecodeError) as error:
                return json_reply({"error": str(error)}, 400)

        return answering(reply)


def _rows(value: Any, width: int = 4) -> list[list[float]]:
    if not isinstance(value, list) or not value:
        raise Refused("no rows")
    for row in value:
        if not isinstance(row, list) or len(row) != width or not all(type(one) in (int, float) for one in row):
            raise Refused(f"a row is not {width} numbers")
    return value


def _body(request: Request, keys: set[str]) -> dict[str, Any]:
    document = json.loads(request.body)
    if not isinstance(document, dict) or not set(document) <= keys:
        raise Refused(f"takes only {sorted(keys)}")
    return document


def _classes(model: Model, rows: Sequence[Sequence[float]]) -> list[int]:
    return [shares.index(max(shares)) for shares in map(list, model.predict(rows))]


def _bare(takes: str, has_openapi: bool = True) -> Callable[[Model], Answer]:
    def make(model: Model) -> Answer:
        names = model.card.feature_names
        properties = {"features": {"type": "array"}} if takes == "features" else {name: {} for name in names}

        def answer(request: Request) -> tuple[Any, int]:
            if request.method == "GET" and request.path == "/openapi.json" and has_openapi:
                return {"openapi": "3.1.0", "components": {"schemas": {"Input": {"properties": properties}}}}, 200
            if (request.method, request.path) != ("POST", "/predict"):
                return {"detail": "Not Found"}, 404
            try:
                document = _body(request, set(properties))
                row = document["features"] if takes == "features" else [document[name] for name in names]
                return {"prediction": _classes(model, _rows([row]))[0], "model_version": "v1.0"}, 200
            except (Refused, ValueError, KeyError):
                return {"detail": [{"msg": "Field required"}]}, 422

        return answer

    return make


def _v1(path: str, predictions: Callable[[list[list[float]]], list[Any]], **extra: Any) -> Answer:
    def answer(request: Request) -> tuple[Any, int]:
        if request.path != path + ":predict" or request.method != "POST":
            return {"error": f"no {request.path}"}, 404
        return {
            "predictions": predictions(_rows(_body(request, {"instances", "parameters"})["instances"])),
            **extra,
        }, 200

    return answer


def _kserve(model: Model) -> Answer:
    predict = _v1("/v1/models/iris", lambda rows: _classes(model, rows))

    def answer(request: Request) -> tuple[Any, int]:
        if (request.method, request.path) == ("GET", "/v1/models/iris"):
            return {"name": "iris", "ready": True}, 200
        return predict(request)

    return answer


def _vertex(model: Model) -> Answer:
    names = model.card.classes

    def scored(rows: list[list[float]]) -> list[Any]:
        # The order of AutoML's classes is its own.
        return [
            {"classes": list(reversed(names)), "scores": list(reversed(list(shares)))} for shares in model.predict(rows)
        ]

    extra = {"deployedModelId": "123", "model": "projects/p/locations/l/models/m", "modelVersionId": "1"}
    return _v1(VERTEX_PATH, scored, **extra)


def _tf_serving(model: Model) -> Answer:
    predict = _v1("/v1/models/iris", lambda rows: [list(shares) for shares in model.predict(rows)])
    shape = {"dim": [{"size": "-1", "name": ""}, {"size": "4", "name": ""}], "unknown_rank": False}
    inputs = {"features": {"dtype": "DT_DOUBLE", "tensor_shape": shape, "name": "serving_default_features:0"}}
    signatures = {"serving_default": {"inputs": inputs, "outputs": {}, "method_name": "tensorflow/serving/predict"}}

    def answer(request: Request) -> tuple[Any, int]:
        if (request.method, request.path) == ("GET", "/v1/models/iris/metadata"):
            spec = {"name": "iris", "signature_name": "", "version": "1"}
            return {"model_spec": spec, "metadata": {"signature_def": {"signature_def": signatures}}}, 200
        return predict(request)

    return answer


def _mlflow(takes: str) -> Callable[[Model], Answer]:
    def make(model: Model) -> Answer:
        def answer(request: Request) -> tuple[Any, int]:
            if (request.method, request.path) == ("GET", "/openapi.json"):
                return {"openapi": "3.1.0", "paths": {"/ping": {}, "/version": {}, "/invocations": {}}}, 200
            if (request.method, request.path) != ("POST", "/invocations"):
                return "Not Found", 404
            document = _body(request, {takes})
            if takes == "inputs":
                rows = document["inputs"]
            else:
                split = document["dataframe_split"]
                places = [split["columns"].index(name) for name in model.card.feature_names]
                rows = [[row[place] for place in places] for row in split["data"]]
            return {"predictions": [model.card.classes[at] for at in _classes(model, _rows(rows))]}, 200

        return answer

    return make


def _oip(one_for_each: bool) -> Callable[[Model], Answer]:
    def make(model: Model) -> Answer:
        names = model.card.feature_names
        inputs: list[dict[str, Any]] = [{"name": "X", "datatype": "FP32", "shape": [-1, 4]}]
        if one_for_each:
            inputs = [{"name": name, "datatype": "FP64", "shape": [-1, 1]} for name in reversed(names)]

        def values(given: Sequence[Mapping[str, Any]]) -> list[list[float]]:
            if [(one["name"], one["datatype"]) for one in given] != [(one["name"], one["datatype"]) for one in inputs]:
                raise Refused("other inputs than the model's")
            rows = given[0]["shape"][0]
            for one in given:
                if one["shape"] != [rows, 1 if one_for_each else 4] or len(one["data"]) != rows * one["shape"][1]:
                    raise Refused("shape and data do not fit")
            if not one_for_each:
                return [given[0]["data"][start : start + 4] for start in range(0, rows * 4, 4)]
            by_name = {one["name"]: one["data"] for one in given}
            return [[by_name[name][at] for name in names] for at in range(rows)]

        def answer(request: Request) -> tuple[Any, int]:
            if (request.method, request.path) == ("GET", "/v2/models/iris"):
                return {"name": "iris", "versions": ["1"], "platform": "sklearn", "inputs": inputs, "outputs": []}, 200
            if (request.method, request.path) == ("GET", "/openapi.json"):  # as MLServer has one
                return {"openapi": "3.1.0", "components": {"schemas": {"Tensor": {"properties": {"data": {}}}}}}, 200
            if (request.method, request.path) != ("POST", "/v2/models/iris/infer"):
                return {"error": "not found"}, 404
            rows = _rows(values(_body(request, {"inputs", "outputs", "id"})["inputs"]))
            shares = [one for row in model.predict(rows) for one in row]
            labels = {"name": "predict", "datatype": "INT64", "shape": [len(rows), 1], "data": _classes(model, rows)}
            sums = {"name": "predict_proba", "datatype": "FP64", "shape": [len(rows), 3], "data": shares}
            return {"model_name": "iris", "model_version": "1", "id": "a", "outputs": [labels, sums]}, 200

        return answer

    return make


VERTEX_PATH = "/v1/projects/p/locations/l/endpoints/1"

FOREIGN = {
    "bare-features": Foreign("bare", "", _bare("features")),
    "bare-features-unsaid": Foreign("bare:features", "", _bare("features", has_openapi=False)),
    "bare-named": Foreign("bare", "", _bare("named")),
    "kserve-v1": Foreign("kserve-v1", "/v1/models/iris", _kserve),
    "oip": Foreign("oip", "/v2/models/iris", _oip(False), True),
    "oip-features": Foreign("oip", "/v2/models/iris", _oip(True), True),
    "mlflow": Foreign("mlflow", "", _mlflow("dataframe_split")),
    "mlflow-inputs": Foreign("mlflow:inputs", "", _mlflow("inputs")),
    "vertex": Foreign("vertex", VERTEX_PATH, _vertex, True),
    "tf-serving": Foreign("tf-serving", "/v1/models/iris", _tf_serving, True),
}


def changing(first: Conversation, second: Conversation, after: int) -> Conversation:
    """`first` for `after` predictions, and from then on `second`, on the same connection."""
    inner = [first, second]
    sent = 0

    class _Once:
        """One request as a whole connection, for a conversation that answers until its client goes."""

        def __init__(self, request: Request, outer: Any) -> None:
            self._requests = [request]
            self.send = outer.send

        def receive(self) -> Request | None:
            return self._requests.pop() if self._requests else None

    def conversation(connection: Any) -> None:
        nonlocal sent
        while (request := connection.receive()) is not None:
            sent += request.method == "POST"
            inner[sent > after](_Once(request, connection))

    return conversation


def url_of(server: LittleServer, foreign: Foreign) -> str:
    """The address of the model on `server`."""
    return server.url + foreign.path
