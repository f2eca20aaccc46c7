"""Streamlit's bundles travel compressed; everything else passes through as if nobody stood in between."""

import asyncio
import gzip
from collections.abc import Awaitable, Mapping
from pathlib import Path

import httpx
import pytest
import streamlit
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dashboard.frontend import CHARTS_COOKIE, SERVER, FrontEnd
from dashboard.visitor import VISITOR_COOKIE, is_secret, new_secret

SCRIPT = b"const answer = 42;\n" * 500
PAGE = b"<!doctype html><head><title>Faceoff</title></head>" + b" " * 2000
TOLD = PAGE.replace(b"<head>", b"<head>" + SERVER)
"""The document with the address of its server."""
FILES = {
    "js/index.AbC123.js": SCRIPT,
    "js/PlotlyChart.XyZ789.js": SCRIPT[::-1],
    "css/index.AbC123.css": b"body { color: teal; }\n" * 100,
    "media/font.woff2": bytes(range(256)) * 20,
    "empty.js": b"",
}


class Counting:
    """What stands behind the middleware, counting how often it is asked for each path."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self.asked: list[str] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.asked.append(scope["path"])
        await self._app(scope, receive, send)


class Site:
    """Streamlit's place taken by real files, behind the middleware; asked without a network."""

    def __init__(self, directory: Path) -> None:
        for name, content in FILES.items():
            (directory / name).parent.mkdir(parents=True, exist_ok=True)
            (directory / name).write_bytes(content)

        async def page(_: Request) -> Response:
            return Response(PAGE, media_type="text/html")

        async def health(_: Request) -> Response:
            return PlainTextResponse("ok" * 1000)

        async def compressed_already(_: Request) -> Response:
            return Response(
                gzip.compress(SCRIPT, mtime=0), headers={"content-encoding": "gzip", "vary": "Accept-Encoding"}
            )

        async def broken(_: Request) -> Response:
            return PlainTextResponse("no" * 1000, status_code=503)

        self.behind = Counting(
            Starlette(
                routes=[
                    Route("/", page, methods=["GET", "POST", "HEAD"]),
                    Route("/cold_start", page),
                    Route("/_stcore/health", health),
                    Route("/static/ready.js", compressed_already),
                    Route("/static/broken.js", broken),
                    Mount("/static", StaticFiles(directory=directory)),
                ]
            )
        )
        self.app: ASGIApp = FrontEnd(self.behind)

    def ask(self, path: str, method: str = "GET", **headers: str) -> httpx.Response:
        """The answer as the browser gets it; header names are written with underscores."""
        (answer,) = self.ask_all((path, method, headers))
        return answer

    def ask_all(self, *requests: tuple[str, str, Mapping[str, str]]) -> list[httpx.Response]:
        """The answers to requests that are made at the same time."""

        async def ask(client: httpx.AsyncClient, path: str, method: str, headers: Mapping[str, str]) -> httpx.Response:
            request = client.build_request(method, path)
            request.headers = httpx.Headers({name.replace("_", "-"): value for name, value in headers.items()})
            response = await client.send(request, stream=True)
            response.extensions["raw"] = b"".join([chunk async for chunk in response.aiter_raw()])
            return response

        async def run() -> list[httpx.Response]:
            transport = httpx.ASGITransport(self.app)
            async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
                waiting: list[Awaitable[httpx.Response]] = [ask(client, *request) for request in requests]
                return list(await asyncio.gather(*waiting))

        return asyncio.run(run())


def raw(response: httpx.Response) -> bytes:
    """The body as it travelled."""
    body: bytes = response.extensions["raw"]
    return body


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


@pytest.mark.parametrize(
    ("path", "content"),
    [
        ("/", TOLD),
        ("/cold_start", TOLD),
        ("/static/js/index.AbC123.js", SCRIPT),
        ("/static/css/index.AbC123.css", FILES["css/index.AbC123.css"]),
    ],
)
def test_the_first_page_and_the_bundles_travel_compressed(site: Site, path: str, content: bytes) -> None:
    answer = site.ask(path, accept_encoding="gzip, deflate, br")
    assert answer.status_code == 200
    assert answer.headers["content-encoding"] == "gzip"
    assert gzip.decompress(raw(answer)) == content
    assert len(raw(answer)) < len(content) / 2
    assert answer.headers["content-length"] == str(len(raw(answer)))
    assert "accept-encoding" in answer.headers["vary"].lower()


@pytest.mark.parametrize(
    "headers",
    [{}, {"accept_encoding": "br"}, {"if_none_match": '"1"'}, {"range": "bytes=0-9"}],
    ids=["plain", "brotli", "conditional", "partial"],
)
def test_the_document_says_where_its_server_is_however_it_is_asked_for(site: Site, headers: dict[str, str]) -> None:
    answer = site.ask("/cold_start", **headers)
    assert (answer.status_code, raw(answer)) == (200, TOLD)
    assert answer.headers["content-length"] == str(len(TOLD))
    assert not {"etag", "last-modified", "content-encoding"} & set(answer.headers)


def test_what_describes_the_stored_bytes_is_not_said_of_the_compressed_ones(site: Site) -> None:
    stored = site.ask("/static/js/index.AbC123.js")
    assert "etag" in stored.headers
    compressed = site.ask("/static/js/index.AbC123.js", accept_encoding="gzip")
    assert not {"etag", "accept-ranges"} & set(compressed.headers)
    assert compressed.headers["content-type"] == stored.headers["content-type"]


PLOTLY = "/static/js/PlotlyChart.XyZ789.js"
UNTOUCHED: dict[str, tuple[str, str, dict[str, str]]] = {
    "no accept-encoding": ("/static/js/index.AbC123.js", "GET", {}),
    "only brotli": ("/static/js/index.AbC123.js", "GET", {"accept-encoding": "br"}),
    "gzip refused": ("/static/js/index.AbC123.js", "GET", {"accept-encoding": "gzip;q=0, br"}),
    "range": ("/static/js/index.AbC123.js", "GET", {"accept-encoding": "gzip", "range": "bytes=0-99"}),
    "head": ("/static/js/index.AbC123.js", "HEAD", {"accept-encoding": "gzip"}),
    "head of the page": ("/", "HEAD", {"accept-encoding": "gzip"}),
    "post": ("/", "POST", {"accept-encoding": "gzip"}),
    "font": ("/static/media/font.woff2", "GET", {"accept-encoding": "gzip"}),
    "missing": ("/static/js/nothing.js", "GET", {"accept-encoding": "gzip"}),
    "broken": ("/static/broken.js", "GET", {"accept-encoding": "gzip"}),
    "not a file": ("/_stcore/health", "GET", {"accept-encoding": "gzip"}),
    "already compressed": ("/static/ready.js", "GET", {"accept-encoding": "gzip"}),
    "outside": ("/static/../static/js/../../secret.js", "GET", {"accept-encoding": "gzip"}),
}


@pytest.mark.parametrize(("path", "method", "headers"), UNTOUCHED.values(), ids=UNTOUCHED)
def test_everything_else_passes_untouched(site: Site, path: str, method: str, headers: dict[str, str]) -> None:
    through = site.ask(path, method, **headers)
    site.app = site.behind
    direct = site.ask(path, method, **headers)
    assert (through.status_code, raw(through)) == (direct.status_code, raw(direct))
    assert through.headers.multi_items() == direct.headers.multi_items()


def test_a_partial_answer_is_a_part_of_the_stored_bytes_also_when_the_bundle_was_kept(site: Site) -> None:
    site.ask("/static/js/index.AbC123.js", accept_encoding="gzip")
    answer = site.ask("/static/js/index.AbC123.js", accept_encoding="gzip", range="bytes=6-11")
    assert (answer.status_code, raw(answer)) == (206, SCRIPT[6:12])


def test_a_browser_that_has_the_stored_bytes_is_told_so(site: Site) -> None:
    etag = site.ask("/static/js/index.AbC123.js").headers["etag"]
    site.ask("/static/js/index.AbC123.js", accept_encoding="gzip")
    assert site.ask("/static/js/index.AbC123.js", accept_encoding="gzip", if_none_match=etag).status_code == 304


def test_a_missing_bundle_is_a_404_every_time(site: Site) -> None:
    assert [site.ask("/static/js/nothing.js", accept_encoding="gzip").status_code for _ in range(2)] == [404, 404]


def test_a_bundle_is_read_and_compressed_once(site: Site) -> None:
    first, second = (site.ask("/static/js/index.AbC123.js", accept_encoding="gzip") for _ in range(2))
    assert site.behind.asked == ["/static/js/index.AbC123.js"]
    assert raw(first) == raw(second)
    assert first.headers.multi_items() == second.headers.multi_items()


def test_each_bundle_is_kept_under_its_own_name(site: Site) -> None:
    for _ in range(2):
        assert gzip.decompress(raw(site.ask("/static/js/index.AbC123.js", accept_encoding="gzip"))) == SCRIPT
        assert gzip.decompress(raw(site.ask(PLOTLY, accept_encoding="gzip"))) == SCRIPT[::-1]


def test_the_page_itself_is_not_kept_as_it_may_change(site: Site) -> None:
    for _ in range(2):
        site.ask("/", accept_encoding="gzip")
    assert site.behind.asked == ["/", "/"]


def test_a_failure_is_not_kept(site: Site, tmp_path: Path) -> None:
    assert site.ask("/static/js/late.js", accept_encoding="gzip").status_code == 404
    (tmp_path / "js" / "late.js").write_bytes(SCRIPT)
    assert gzip.decompress(raw(site.ask("/static/js/late.js", accept_encoding="gzip"))) == SCRIPT


def test_browsers_that_come_at_once_all_get_the_bundle(site: Site) -> None:
    request = ("/static/js/index.AbC123.js", "GET", {"accept-encoding": "gzip"})
    assert [gzip.decompress(raw(answer)) for answer in site.ask_all(*[request] * 8)] == [SCRIPT] * 8


def test_a_browser_that_leaves_in_the_middle_leaves_no_part_behind() -> None:
    async def stops_when_its_client_leaves(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        leaving = asyncio.ensure_future(receive())
        await asyncio.sleep(0)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        body = b"" if leaving.done() else SCRIPT
        leaving.cancel()
        await send({"type": "http.response.body", "body": body})

    sent: list[Message] = []

    async def gone() -> Message:
        return {"type": "http.disconnect"}

    async def take(message: Message) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": "GET",
        "path": "/static/js/index.AbC123.js",
        "headers": [(b"accept-encoding", b"gzip")],
    }
    asyncio.run(FrontEnd(stops_when_its_client_leaves)(scope, gone, take))
    assert gzip.decompress(sent[-1]["body"]) == SCRIPT


def test_no_more_is_kept_than_fits(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dashboard.frontend._MAX_KEPT_BYTES", 10)
    answers = [site.ask("/static/js/index.AbC123.js", accept_encoding="gzip") for _ in range(2)]
    assert [gzip.decompress(raw(answer)) for answer in answers] == [SCRIPT] * 2
    assert len(site.behind.asked) == 2


def test_an_empty_file_stays_empty(site: Site) -> None:
    answer = site.ask("/static/empty.js", accept_encoding="gzip")
    assert gzip.decompress(raw(answer)) == b""


def test_a_cookie_says_that_the_browser_has_plotly_also_when_the_bundle_was_kept(site: Site) -> None:
    for _ in range(2):
        cookie = site.ask(PLOTLY, accept_encoding="gzip").headers["set-cookie"]
        assert cookie.startswith(f"{CHARTS_COOKIE}=1; ")
        assert {"HttpOnly", "SameSite=Lax", "Path=/"} <= set(cookie.split("; "))


def test_every_browser_gets_a_name_of_its_own_with_its_first_document(site: Site) -> None:
    names = set()
    for path in ("/", "/cold_start"):
        first, *options = site.ask(path).headers["set-cookie"].split("; ")
        name, _, value = first.partition("=")
        assert name == VISITOR_COOKIE
        assert is_secret(value)
        assert {"HttpOnly", "SameSite=Lax", "Path=/"} <= set(options)
        assert "Secure" not in options, "on plain HTTP the browser would refuse it"
        names.add(value)
    assert len(names) == 2


def test_a_browser_keeps_its_name(site: Site) -> None:
    cookie = f"other=1; {VISITOR_COOKIE}={new_secret()}"
    assert "set-cookie" not in site.ask("/", cookie=cookie).headers


@pytest.mark.parametrize(
    "cookie", [f"{VISITOR_COOKIE}=", f"{VISITOR_COOKIE}=me", '=;=,"', f"{VISITOR_COOKIE}={'a' * 23}"]
)
def test_what_is_no_name_is_replaced(site: Site, cookie: str) -> None:
    assert site.ask("/", cookie=cookie).headers["set-cookie"].startswith(f"{VISITOR_COOKIE}=")


@pytest.mark.parametrize("path", ["/static/js/index.AbC123.js", "/static/css/index.AbC123.css", "/_stcore/health"])
def test_nothing_else_sets_a_cookie(site: Site, path: str) -> None:
    assert "set-cookie" not in site.ask(path, accept_encoding="gzip").headers


@pytest.mark.parametrize("kind", ["websocket", "lifespan"])
def test_what_is_no_http_request_passes(kind: str) -> None:
    seen: list[str] = []

    async def behind(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope["type"])

    async def receive() -> Message:
        return {"type": f"{kind}.startup"}

    async def send(message: Message) -> None:
        raise AssertionError(message)

    asyncio.run(FrontEnd(behind)({"type": kind, "path": "/", "headers": []}, receive, send))
    assert seen == [kind]


def test_starlette_takes_it_as_a_middleware(tmp_path: Path) -> None:
    async def page(_: Request) -> Response:
        return Response(PAGE)

    site = Site(tmp_path)
    site.app = Starlette(routes=[Route("/", page)], middleware=[Middleware(FrontEnd)])
    assert gzip.decompress(raw(site.ask("/", accept_encoding="gzip"))) == TOLD


def test_streamlits_own_files_are_where_the_middleware_looks_for_them() -> None:
    static = Path(streamlit.__file__).parent / "static" / "static" / "js"
    assert len(list(static.glob("PlotlyChart.*.js"))) == 1
    assert list(static.glob("index.*.js"))


def test_streamlits_document_has_the_head_that_the_middleware_writes_into() -> None:
    document = (Path(streamlit.__file__).parent / "static" / "index.html").read_bytes()
    assert document.count(b"<head>") == 1
    assert b'src="./static/js/' in document
