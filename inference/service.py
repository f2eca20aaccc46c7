"""One request in, one finished reply out: the whole behaviour of both endpoints, without a framework.

Bytes in, bytes out, so that the two serving targets cannot differ in a message, a header or a digit, and so
that both do the same work when their speed is compared.
"""

import logging
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from time import perf_counter_ns
from typing import Any

from inference.answers import Answers
from inference.contract import (
    ContractError,
    check_media_type,
    encode,
    internal_error,
    parse_rows,
)
from inference.instance import Instance
from inference.metrics import CONTENT_TYPE, Metrics
from inference.model import Model
from inference.settings import ServingSettings

log = logging.getLogger("faceoff")

PREDICT_PATHS = frozenset({"/predict", "/"})

# distribution -> the module by which a process shows that its model runs with it
_RUNTIME_LIBRARIES = {"numpy": "numpy", "onnxruntime": "onnxruntime", "scikit-learn": "sklearn", "joblib": "joblib"}


@dataclass(slots=True)
class Reply:
    """A finished HTTP answer. `head` has all header lines but Content-Length's, each with its end of line."""

    status: int
    head: bytes
    body: bytes

    def add(self, name: str, value: str) -> None:
        """Add a header."""
        self.head += f"{name}: {value}\r\n".encode()

    @property
    def headers(self) -> list[tuple[str, str]]:
        """The head's names and values."""
        lines = (line.partition(": ") for line in self.head.decode().split("\r\n")[:-1])
        return [(name, value) for name, _, value in lines]

    @property
    def length_line(self) -> bytes:
        """The line of Content-Length, which a 204 may not have."""
        return b"" if self.status == 204 else b"content-length: %d\r\n" % len(self.body)

    @property
    def closes(self) -> bool:
        """Whether the connection ends with it, which only a refusal asks for."""
        return self.status >= 400 and b"\r\nconnection: close\r\n" in self.head


@dataclass(frozen=True, slots=True)
class Document:
    """The answer to a GET."""

    body: bytes
    content_type: str = "application/json"
    cache_control: str = "no-store"


def _head_of(content_type: str, cache_control: str) -> bytes:
    return f"content-type: {content_type}\r\ncache-control: {cache_control}\r\n".encode()


_JSON_HEAD = _head_of("application/json", "no-store")


class Service:
    """Answers requests from one verified model. One per process, used from one thread."""

    def __init__(
        self,
        model: Model,
        settings: ServingSettings,
        name: str,
        startup_ms: Mapping[str, float | None] | None = None,
        frameworks: Sequence[str] = (),
    ) -> None:
        """`startup_ms` has the durations of this process's start; `/model-info` reads it at each request.

        `frameworks` are the distributions that carry the service, whose versions `/model-info` tells.
        """
        self.card = model.card
        self._startup_ms = {} if startup_ms is None else startup_ms
        self._answers = Answers(model.card)
        self._model = model
        self._settings = settings
        self._name = name
        self._frameworks = tuple(frameworks)
        self._instance = Instance()
        self.metrics = Metrics(model.card, self._instance, model.runtime)
        self._documents: dict[str, Callable[[], Document]] = {
            "/": self._root,
            "/health": self._health,
            "/model-info": self._model_info,
            "/metrics": self._metrics_text,
        }

    def add_document(self, path: str, make: Callable[[], Document]) -> None:
        """Serve what `make` returns at `GET path`; `make` is called for each request."""
        self._documents[path] = make

    def accepts_body(self, method: str, path: str) -> bool:
        """Whether the body of this request is read: only predictions have one."""
        return method == "POST" and path in PREDICT_PATHS

    def respond(
        self,
        method: str,
        path: str,
        body: bytes = b"",
        content_type: str | None = None,
        content_encoding: str | None = None,
        is_test: bool = False,
    ) -> Reply:
        """The reply to a request. Never raises: what goes wrong inside is logged and answered with a 500.

        A test request (`is_test`) gets the same answer and is counted separately.
        """
        started_ns = perf_counter_ns()
        parse_ns = model_ns = 0
        try:
            if method == "POST" and path in PREDICT_PATHS:
                self._instance.request_count += 1
                check_media_type(content_type, content_encoding)
                rows = parse_rows(body, self.card)
                parsed_ns = perf_counter_ns()
                parse_ns = parsed_ns - started_ns
                outputs = self._model.predict(rows.values)
                model_ns = perf_counter_ns() - parsed_ns
                self.metrics.count_predictions(rows.values, outputs, is_test)
                answered = self._answers.body(rows, outputs)
                return Reply(200, _JSON_HEAD + self._head(started_ns, parse_ns, model_ns), answered)
            return self._reply(200, self._route(method, path)(), started_ns)
        except ContractError as error:
            return self._refusal(error, started_ns)
        except Exception:
            log.exception("a request could not be answered")
            return self._refusal(internal_error(), started_ns)

    def route(self, path: str) -> str:
        """The path as metrics name it: itself where it is known, else `other`, so that labels stay few."""
        return path if path in PREDICT_PATHS or path in self._documents else "other"

    def refuse(self, error: ContractError, method: str = "", path: str = "") -> Reply:
        """The reply to a request that was refused before it was complete: too large, too slow, or unreadable.

        `method` and `path` as far as they are known: a prediction request counts as one, however it ends.
        """
        if self.accepts_body(method, path):
            self._instance.request_count += 1
        return self._refusal(error, perf_counter_ns())

    def no_content(self, headers: Mapping[str, str]) -> Reply:
        """A 204 with `headers` beside those of every answer."""
        reply = Reply(204, b"", b"")
        for name, value in headers.items():
            reply.add(name, value)
        reply.head += self._head(perf_counter_ns())
        return reply

    def _route(self, method: str, path: str) -> Callable[[], Document]:
        make = self._documents.get(path)
        if make is not None and method in ("GET", "HEAD"):
            return make
        allowed = ["GET", "HEAD"] if make is not None else []
        if path in PREDICT_PATHS:
            allowed.append("POST")
        if not allowed:
            raise ContractError(404, "not_found", "There is nothing at this path.")
        allow = ", ".join(allowed)
        raise ContractError(405, "method_not_allowed", f"This path answers {allow}.", headers={"allow": allow})

    def _refusal(self, error: ContractError, started_ns: int) -> Reply:
        reply = self._reply(error.status, Document(error.body()), started_ns)
        for name, value in error.headers.items():
            reply.add(name, value)
        return reply

    def _reply(self, status: int, document: Document, started_ns: int) -> Reply:
        head = _head_of(document.content_type, document.cache_control)
        return Reply(status, head + self._head(started_ns), document.body)

    def _head(self, started_ns: int, parse_ns: int = 0, model_ns: int = 0) -> bytes:
        """What every answer carries: where the time went, and which process answered."""
        instance = self._instance
        return (
            b"server-timing: parse;dur=%.3f, model;dur=%.3f, total;dur=%.3f\r\n"
            b"x-instance-id: %b\r\nx-instance-age-ms: %.0f\r\nx-request-count: %d\r\n"
        ) % (
            parse_ns / 1e6,
            model_ns / 1e6,
            (perf_counter_ns() - started_ns) / 1e6,
            instance.id.encode(),
            instance.age_ms(),
            instance.request_count,
        )

    def _root(self) -> Document:
        links = {
            path.strip("/").split(".")[0].replace("-", "_"): path for path in self._documents if path.count("/") == 1
        }
        return _json(
            {
                "service": self._name,
                "status": "healthy",
                "model_loaded": True,
                "model": self.card.title,
                "model_version": self.card.version,
                "links": {"predict": "/predict", **{name: path for name, path in links.items() if name}},
            }
        )

    def _health(self) -> Document:
        # Only a process with a verified and self-tested model in memory gets as far as answering.
        return _json({"status": "ok", "service": self._name, "model_version": self.card.version})

    def _metrics_text(self) -> Document:
        return Document(self.metrics.text(), CONTENT_TYPE)

    def _model_info(self) -> Document:
        card = self.card
        return _json(
            {
                "model_type": card.model_type,
                "model_version": card.version,
                "input_features": len(card.features),
                "output_classes": len(card.classes),
                "class_names": card.classes,
                "feature_names": card.feature_names,
                "card": card.document,
                "serving": {
                    "service": self._name,
                    "runtime": self._model.runtime,
                    "python": sys.version.split()[0],
                    "libraries": _library_versions(self._frameworks),
                    "machine": f"{os.uname().sysname} {os.uname().machine}",
                    "platform": self._settings.platform,
                    "deployment": self._settings.deployment,
                    "cgroup": _cgroup_limits(),
                    "instance_id": self._instance.id,
                    "instance_age_ms": round(self._instance.age_ms()),
                    "requests_served": self._instance.request_count,
                    "startup_ms": {
                        phase: None if duration_ms is None else round(duration_ms, 1)
                        for phase, duration_ms in self._startup_ms.items()
                    },
                },
            }
        )


def _json(document: Mapping[str, Any]) -> Document:
    return Document(encode(document).encode())


@cache
def _library_versions(frameworks: tuple[str, ...]) -> dict[str, str]:
    """Versions of what runs the model in this process (more may be installed beside it) and of what carries it."""
    from importlib.metadata import PackageNotFoundError, version  # which no prediction needs

    found = {}
    for distribution in (*(name for name, module in _RUNTIME_LIBRARIES.items() if module in sys.modules), *frameworks):
        with suppress(PackageNotFoundError):
            found[distribution] = version(distribution)
    return found


def _cgroup_limits() -> Mapping[str, float | int | None]:
    """CPU (in cores) and memory (in bytes) that cgroup v2 allows this process; None where it states no limit."""
    cpu: float | None = None
    memory: int | None = None
    with suppress(OSError, ValueError):  # not Linux, not cgroup v2, or "max" where a number would be
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        cpu = int(quota) / int(period)
    with suppress(OSError, ValueError):
        memory = int(Path("/sys/fs/cgroup/memory.max").read_text())
    return {"cpu": cpu, "memory_bytes": memory}
