"""Endpoints under test that are hostile: what they answer, how much of it, how slowly, and where they send one."""

import gzip
import json
from collections.abc import Callable, Mapping
from typing import Any

from inference.card import ModelCard
from inference.service import Service
from tests.benchmark.altered import everywhere, service
from tests.benchmark.cards import feature, make_card, make_service, tea_document
from tests.benchmark.little_server import (
    Connection,
    Conversation,
    Headers,
    Request,
    answering,
    json_reply,
    reply,
)
from tests.hostile.front.hostile_texts import ELSEWHERE, TEXTS

DRIP_S = 0.2
"""Between one byte and the next: less than any timeout, so that only a deadline for the whole ends it."""
_BLOCK = b" " * 2**20
_RAWS = {
    "NaN": b'{"prediction": NaN}',
    "5000 digits": b'{"prediction": ' + b"9" * 5000 + b"}",
    "1e400": b'{"prediction": 1e400}',
    "nested deep": b"[" * 100_000,
    "half a character": b'{"prediction": "\\ud800", "model_version": "\\udfff"}',
    "no UTF-8": b'{"prediction": "\xff\xfe"}',
    "UTF-16": '{"prediction": 1}'.encode("utf-16"),
    "a list": b"[1, 2, 3]",
    "a text": b'"1"',
    "null": b"null",
    "nothing": b"",
    "HTML": b"<html><script>window.pwned=1</script></html>",
    "members twice": b'{"prediction": 0, "prediction": 2}',
    "a gzip bomb": gzip.compress(b" " * 50_000_000),
}
_WRONG: dict[str, Any] = {
    "null": None,
    "true": True,
    "a text": "1",
    "a list": [0],
    "an object": {"a": 1},
    "-1": -1,
    "0.5": 0.5,
    "1e300": 1e300,
    "2^70": 2**70,
}
_TEXT_FIELDS = ("prediction_label", "model_version")
_FIELDS = ("prediction", "prediction_label", "confidence", "probabilities", "model_version")


def servers(card: ModelCard) -> dict[str, Conversation]:
    """Each by the name of its case. Those that serve a card serve this one, unless the card is what is hostile."""
    inner = service(card)
    found: dict[str, Conversation] = {
        "answers 100 MB": _instead(inner, _huge),
        "answers 100 MB in chunks": _instead(inner, _huge_chunks),
        "answers a byte now and then": _instead(inner, _slow_body),
        "answers a header a byte now and then": _instead(inner, _slow_head),
        "answers with interim answers for ever": _instead(inner, _interim),
        "sends 100 MB of headers": _instead(inner, _huge_head),
        "never answers": _instead(inner, lambda connection, _: connection.hold()),
        "resets": _instead(inner, lambda connection, _: connection.reset()),
        "everything is 100 MB": _for_all(_huge),
        "everything is a byte now and then": _for_all(_slow_body),
        "every header is a byte now and then": _for_all(_slow_head),
        "everything is interim": _for_all(_interim),
    }
    for status in (301, 302, 303, 307, 308, 300, 201):
        location = [("location", f"http://{ELSEWHERE}/"), ("refresh", f"0; url=http://{ELSEWHERE}/")]
        there = reply(b"{}", status, [*location, ("link", f"<http://{ELSEWHERE}/>; rel=preload")])
        found[f"redirects everything with {status}"] = answering(_always(there))
    for name, body in _RAWS.items():
        encoding: Headers = [("content-encoding", "gzip")] if name == "a gzip bomb" else ()
        found[f"answers {name}"] = _predicting(inner, _always(reply(body, headers=encoding)))
        found[f"everything is {name}"] = answering(_always(reply(body, headers=encoding)))
    for status in (100, 101, 199, 204, 304, 404, 429, 500, 503, 599, 999):
        found[f"answers status {status}"] = _predicting(inner, _always(reply(b"<b>x</b>", status)))
    for field in _FIELDS:
        for name, value in {**_WRONG, **(TEXTS if field in _TEXT_FIELDS else {})}.items():
            found[f"{field} is {name}"] = _altered(inner, {field: value})
    for name, text in TEXTS.items():
        error = {"error": {"code": text, "message": text, "details": [{"field": text, "message": text}]}}
        found[f"refuses with {name}"] = _predicting(inner, _always(json_reply(error, 422)))
        found[f"its card is {name}"] = _carded(text)
        found[f"its serving is {name}"] = _serving(inner, text)
        found[f"its headers are {name}"] = _headed(inner, text)
        found[f"its metrics are {name}"] = _measured(inner, text)
    found["its card has 256 features"] = _wide()
    found["its card has 1000 classes"] = _many_classes()
    return found


def marked() -> Conversation:
    """A service that works, and says something in every text that a browser might take for markup."""
    text = "".join(TEXTS[name] for name in ("an image", "a script", "a link", "a formula", "a directive"))[:200]
    shown = make_card(_card_of(text))
    inner = make_service(shown, everywhere)
    return _serving(inner, text)


# --- How they answer


Hostile = Callable[[Connection, Request], None]


def _instead(inner: Service, hostile: Hostile) -> Conversation:
    """`hostile` to predictions, and the real service to all else."""

    def conversation(connection: Connection) -> None:
        while (request := connection.receive()) is not None:
            if request.method == "POST":
                return hostile(connection, request)
            connection.send(_real(inner, request))

    return conversation


def _for_all(hostile: Hostile) -> Conversation:
    def conversation(connection: Connection) -> None:
        if (request := connection.receive()) is not None:
            hostile(connection, request)

    return conversation


def _real(inner: Service, request: Request, more: Headers = ()) -> bytes:
    made = inner.respond(request.method, request.path, request.body, request.headers.get("content-type"))
    headers = [(name, value) for name, value in made.headers if name != "content-type"]
    return reply(made.body, made.status, [*headers, *more], dict(made.headers)["content-type"])


def _predicting(inner: Service, answer: Callable[[Request], bytes]) -> Conversation:
    return answering(lambda request: answer(request) if request.method == "POST" else _real(inner, request))


def _always(data: bytes) -> Callable[[Request], bytes]:
    return lambda _: data


def _altered(inner: Service, changes: Mapping[str, Any]) -> Conversation:
    def answer(request: Request) -> bytes:
        made = inner.respond(request.method, request.path, request.body, request.headers.get("content-type"))
        if made.status != 200:
            return reply(made.body, made.status)
        document = json.loads(made.body)
        for one in document.get("predictions", [document]):
            one |= changes
        return json_reply(document)

    return _predicting(inner, answer)


def _serving(inner: Service, text: str) -> Conversation:
    """Says `text` wherever it says how it is served."""

    def answer(request: Request) -> bytes:
        made = inner.respond(request.method, request.path, request.body, request.headers.get("content-type"))
        if not request.path.endswith("/model-info"):
            return _real(inner, request)
        document = json.loads(made.body)
        document["serving"] = _texts(document["serving"], text) | {text: text, "libraries": {text: text, "numpy": text}}
        return json_reply(document)

    return answering(answer)


def _texts(value: Any, text: str) -> Any:
    if isinstance(value, dict):
        return {name: _texts(entry, text) for name, entry in value.items()}
    return text if isinstance(value, str) else value


def _headed(inner: Service, text: str) -> Conversation:
    said = text.encode("utf-8", "replace").decode("latin-1").replace("\r", "").replace("\n", "").replace("\0", "")
    names = ("x-instance-id", "x-instance-age-ms", "x-request-count", "server-timing", "set-cookie", "content-location")
    return answering(lambda request: _real(inner, request, [(name, said) for name in names]))


def _measured(inner: Service, text: str) -> Conversation:
    said = text.encode("utf-8", "replace").decode().replace('"', "'").replace("\n", " ")
    body = (
        f'# HELP faceoff_info {said}\n# TYPE faceoff_info gauge\nfaceoff_info{{model="{said}",version="{said}"}} 1\n'
        f'faceoff_requests_total{{path="{said}",status="{said}"}} 1e308\n{said}\n'
    ).encode()

    def answer(request: Request) -> bytes:
        if request.path.endswith("/metrics"):
            return reply(body, content_type="text/plain; version=0.0.4")
        return _real(inner, request)

    return answering(answer)


# --- Cards


def _card_of(text: str) -> dict[str, Any]:
    features = [{**one, "label": text, "unit": text[:100]} for one in tea_document()["features"]]
    return tea_document(
        title=text or "-",
        model_type=text or "-",
        target={"label": text or "-", "unit": text},
        features=features,
        classes=[f"{number}{text}"[:200] for number in range(3)],
        presets=[{"label": text or "-", "values": [3.2, 1.1, 2.2]}],
        evaluation={text: text},
        libraries={text: text},
    )


def _carded(text: str) -> Conversation:
    document = _card_of(text)
    try:
        inner = make_service(make_card(document), everywhere)
    except ValueError:  # which it is for the reader to refuse as well
        return answering(lambda _: json_reply({"card": document, "serving": {}}))
    return answering(lambda request: _real(inner, request))


def _wide() -> Conversation:
    features = [feature(f"f{number}", "x" * 200, "u", 1.0, 2.0, 1.5) for number in range(256)]
    answers = [{"features": [1.5] * 256, "outputs": [1.0, 0.0, 0.0]}]
    card = make_card(tea_document(features=features, presets=[], known_answers=answers))
    return answering(lambda request: _real(make_service(card, lambda _: [1.0, 0.0, 0.0]), request))


def _many_classes() -> Conversation:
    classes = [f"{number} {'x' * 100}" for number in range(1000)]
    outputs = [1.0] + [0.0] * 999
    answers = [{"features": [5.0, 2.0, 3.5], "outputs": outputs}]
    card = make_card(tea_document(classes=classes, known_answers=answers))
    return answering(lambda request: _real(make_service(card, lambda _: outputs), request))


# --- Much, and slowly


def _huge(connection: Connection, _: Request) -> None:
    connection.send(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 104857600\r\n\r\n")
    for _block in range(100):
        connection.send(_BLOCK)


def _huge_chunks(connection: Connection, _: Request) -> None:
    connection.send(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
    for _block in range(100):
        connection.send(b"100000\r\n" + _BLOCK + b"\r\n")


def _huge_head(connection: Connection, _: Request) -> None:
    connection.send(b"HTTP/1.1 200 OK\r\n")
    for _block in range(100):
        connection.send(b"x-a: " + b"x" * 2**20 + b"\r\n")


def _slow_body(connection: Connection, _: Request) -> None:
    connection.send(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 104857600\r\n\r\n")
    connection.drip(b" ", DRIP_S)


def _slow_head(connection: Connection, _: Request) -> None:
    connection.send(b"HTTP/1.1 200 OK\r\nx-a: ")
    connection.drip(b"x", DRIP_S)


def _interim(connection: Connection, _: Request) -> None:
    connection.drip(b"HTTP/1.1 103 Early Hints\r\n\r\n", 0.001)
