"""Where one request ends and the next begins: smuggling, line ends, versions, other protocols, pipelining."""

import base64

from tests.hostile.case import LISTED, NAMED, Case, chunked, request

_POST = b"POST /predict HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
_GET = b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
_INNER = b"GET /model-info HTTP/1.1\r\nHost: 127.0.0.1\r\nX: "
_HELLO = bytes.fromhex("16030100c8010000c40303") + bytes(range(200))


def _smuggling() -> list[Case]:
    size = b"Content-Length: %d\r\n" % len(NAMED)
    refused = {
        "CL and TE": _POST + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked(NAMED) + _INNER,
        "TE and CL": _POST + b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n" + chunked(NAMED) + _INNER,
        "CL 0 and TE": _POST + b"Content-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked(NAMED),
        "two different CL": _POST + size + b"Content-Length: 5\r\n\r\n" + NAMED,
        "two CL, the first zero": _POST + b"Content-Length: 0\r\n" + size + b"\r\n" + NAMED,
        "a list of different CL": _POST + b"Content-Length: 75, 5\r\n\r\n" + NAMED,
    }
    for name in (
        "+75",
        "-75",
        "-1",
        "75.0",
        "7 5",
        "0x4b",
        "1e2",
        "abc",
        "75,",
        "75;",
        "\u0667\u0665",
        "9" * 30,
        "18446744073709551691",
    ):
        refused[f"the length {name[:24]}"] = _POST + f"Content-Length: {name}\r\n\r\n".encode() + NAMED
    undecided = {
        "the same CL twice": _POST + size + size + b"\r\n" + NAMED,
        "an empty CL": _POST + b"Content-Length:\r\n\r\n" + NAMED,
        "a CL with zeros in front": _POST + b"Content-Length: 000075\r\n\r\n" + NAMED,
        "CL with a tab": _POST + b"Content-Length:\t75\r\n\r\n" + NAMED,
        "TE chunked twice": _POST
        + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n"
        + chunked(NAMED),
        "TE with an underscore": _POST + size + b"Transfer_Encoding: chunked\r\n\r\n" + NAMED,
        "TE on a GET": b"GET /health HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked(_GET),
        "CL on a GET with a request as the body": b"GET /health HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n"
        % len(_GET)
        + _GET,
        "a CL that is too small": _POST + b"Content-Length: 10\r\n\r\n" + NAMED,
        "a body without a length": _POST + b"\r\n" + NAMED,
        "a request behind a refused one": _POST + b"Content-Length: 99999999\r\n\r\n" + _GET,
        "TE in HTTP/1.0": _POST.replace(b"1.1", b"1.0") + b"Transfer-Encoding: chunked\r\n\r\n" + chunked(NAMED) + _GET,
    }
    for value in (
        "xchunked",
        "chunked, identity",
        "identity",
        "chunked, gzip",
        "cow",
        "chunked;q=1",
        "\x0bchunked",
        "chunked\x00",
        "CHUNKED",
        " chunked ",
        "",
        "\tchunked",
        '"chunked"',
    ):
        undecided[f"TE {value!r}"] = _POST + f"Transfer-Encoding: {value}\r\n\r\n".encode() + chunked(NAMED) + _GET
        undecided[f"CL and TE {value!r}"] = _POST + size + f"Transfer-Encoding: {value}\r\n\r\n".encode() + NAMED + _GET
    for name, line in {
        "a blank": b"Transfer-Encoding : chunked",
        "a fold": b"Transfer-Encoding:\r\n chunked",
        "LF": b"X: 1\nTransfer-Encoding: chunked",
    }.items():
        undecided[f"TE hidden by {name}"] = _POST + size + line + b"\r\n\r\n" + chunked(NAMED)
    return [
        *(Case(f"smuggling: {name}", (data,), (400,), until_closed=True) for name, data in refused.items()),
        *(Case(f"smuggling: {name}", (data,), until_closed=True) for name, data in undecided.items()),
    ]


def _framing() -> list[Case]:
    refused = {
        "lower-case protocol": b"GET /health http/1.1\r\nHost: a\r\n\r\n",
        "another protocol": b"GET /health FTP/1.1\r\nHost: a\r\n\r\n",
        "HTTP/3.7": b"GET /health HTTP/3.7\r\nHost: a\r\n\r\n",
        "HTTP/1.": b"GET /health HTTP/1.\r\nHost: a\r\n\r\n",
        "HTTP/1.11": b"GET /health HTTP/1.11\r\nHost: a\r\n\r\n",
        "HTTP/-1.1": b"GET /health HTTP/-1.1\r\nHost: a\r\n\r\n",
        "the HTTP/2 preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00",
        "a TLS hello": _HELLO,
        "SSH": b"SSH-2.0-OpenSSH_9.0\r\n",
        "SMTP": b"EHLO example.invalid\r\n",
        "the PROXY protocol": b"PROXY TCP4 1.1.1.1 2.2.2.2 1 2\r\n" + _GET,
        "an HTTP answer": b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
        "JSON without HTTP": NAMED + b"\r\n\r\n",
        "random bytes": base64.b64decode("q83vEjRWeJq83vASNFZ4mrze8BI0VniavN7wEjRWeJo=") * 20,
        "NUL": b"\x00" * 100,
        "a blank in front": b" GET /health HTTP/1.1\r\nHost: a\r\n\r\n",
        "no target": b"GET HTTP/1.1\r\nHost: a\r\n\r\n",
        "only a colon": b":\r\n\r\n",
        "a header before the request": b"Host: a\r\nGET /health HTTP/1.1\r\n\r\n",
    }
    undecided = {
        "RTSP": b"OPTIONS / RTSP/1.0\r\nCSeq: 1\r\n\r\n",
        "HTTP/0.9": b"GET /health\r\n",
        "HTTP/0.9 in full": b"GET /health HTTP/0.9\r\n\r\n",
        "HTTP/2.0 in words": b"GET /health HTTP/2.0\r\nHost: a\r\n\r\n",
        "HTTP/1.2": b"GET /health HTTP/1.2\r\nHost: a\r\n\r\n",
        "missing Host": b"GET /health HTTP/1.1\r\n\r\n",
        "bare LF": _GET.replace(b"\r\n", b"\n"),
        "bare LF in a POST": request(body=NAMED).replace(b"\r\n", b"\n"),
        "bare CR": _GET.replace(b"\r\n", b"\r"),
        "mixed line ends": b"GET /health HTTP/1.1\nHost: a\r\n\r\n",
        "two blanks": b"GET  /health  HTTP/1.1\r\nHost: a\r\n\r\n",
        "tabs": b"GET\t/health\tHTTP/1.1\r\nHost: a\r\n\r\n",
        "a blank behind": b"GET /health HTTP/1.1 \r\nHost: a\r\n\r\n",
        "empty lines in front": b"\r\n\r\n" + _GET,
        "1 000 empty lines in front": b"\r\n" * 1000 + _GET,
        "LF in front": b"\n\n" + _GET,
    }
    return [
        *(Case(f"framing: {name}", (data,), (400,), until_closed=True) for name, data in refused.items()),
        *(Case(f"framing: {name}", (data,), until_closed=True) for name, data in undecided.items()),
        Case("framing: HTTP/1.0", (b"GET /health HTTP/1.0\r\n\r\n",), (200,), until_closed=True),
        Case(
            "framing: HTTP/1.0 with a body",
            (request(body=NAMED).replace(b"HTTP/1.1", b"HTTP/1.0"),),
            (200,),
            until_closed=True,
        ),
        Case(
            "framing: HTTP/1.0 keep-alive",
            (b"GET /health HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",),
            (200,),
            until_closed=True,
        ),
    ]


def _pipelining() -> list[Case]:
    good = request(body=NAMED)
    bad = request(body=b"{")
    last = request(body=LISTED, headers=("Connection: close",))
    return [
        Case("pipeline: 2", (good + last,), (200, 200), until_closed=True),
        Case("pipeline: 100", (good * 99 + last,), (200,) * 100, until_closed=True),
        Case("pipeline: 1 000 GET", (_GET * 1000,), (200,) * 1000, until_closed=True),
        Case("pipeline: good, bad, good", (good + bad + last,), (200, 400, 200), until_closed=True),
        Case(
            "pipeline: unknown path between",
            (good + request("GET", "/nothing") + last,),
            (200, 404, 200),
            until_closed=True,
        ),
        Case(
            "pipeline: chunked between",
            (good + _POST + b"Transfer-Encoding: chunked\r\n\r\n" + chunked(NAMED) + last,),
            (200, 200, 200),
            until_closed=True,
        ),
        Case("pipeline: with empty lines between", (good + b"\r\n\r\n" + last,), (200, 200), until_closed=True),
        Case(
            "pipeline: one too large, then a good one",
            (request(body=b" " * 65537) + last,),
            (413, 200),
            until_closed=True,
        ),
        Case("pipeline: something behind Connection: close", (last + good,), (200,), until_closed=True),
        Case("pipeline: garbage behind a request", (good + b"\x00\x01garbage\r\n\r\n",), (200, 400), until_closed=True),
        Case(
            "pipeline: garbage behind two requests",
            (good + _GET + b"garbage garbage\r\n\r\n",),
            (200, 200, 400),
            until_closed=True,
        ),
        Case("pipeline: garbage later", (good, 0.3, b"\x00\x01garbage\r\n\r\n"), (200, 400), until_closed=True),
        Case("pipeline: the next request unfinished", (good + good[:40],), (200, 408), until_closed=True),
        Case("pipeline: the next body unfinished", (good + good[:-10],), (200, 408), until_closed=True),
        Case(
            "pipeline: split at every byte of the border",
            (good[:-1], 0.05, good[-1:] + last[:1], 0.05, last[1:]),
            (200, 200),
            until_closed=True,
        ),
        Case("pipeline: idle afterwards", (good,), (200,), until_closed=True),
        Case("pipeline: one later, on the same connection", (good, 1.5, last), (200, 200), until_closed=True),
    ]


def cases() -> list[Case]:
    return [*_smuggling(), *_framing(), *_pipelining()]
