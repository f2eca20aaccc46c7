"""Requests that do not end: silent, unfinished, dripping; and connections that are closed or reset on the way."""

from tests.hostile.case import NAMED, Case, Step, chunked_request, drip, request

_GOOD = request(body=NAMED)
_HEAD = _GOOD[: -len(NAMED)]


def cases() -> list[Case]:
    timeouts: dict[str, tuple[Step, ...]] = {
        "half a method": (b"PO",),
        "half a request line": (b"POST /pre",),
        "a request line without its end": (b"POST /predict HTTP/1.1",),
        "half the headers": (_HEAD[:60],),
        "headers without the empty line": (_HEAD[:-2],),
        "no body": (_HEAD,),
        "half a body": (_GOOD[:-20],),
        "a body without its last byte": (_GOOD[:-1],),
        "half a chunk": (chunked_request(b"4b\r\n" + NAMED[:30]),),
        "chunks without the last": (chunked_request(b"4b\r\n" + NAMED + b"\r\n"),),
        "half a chunk size": (chunked_request(b"4"),),
        "chunks without the last empty line": (chunked_request(b"4b\r\n" + NAMED + b"\r\n0\r\n"),),
        "an expectation and no body": (request(headers=("Expect: 100-continue", "Content-Length: 75"), length=False),),
        "a dripping request line": drip(b"GET /" + b"a" * 40),
        "dripping headers": (b"GET /health HTTP/1.1\r\nHost: a\r\n", *drip(b"X: a\r\n" * 8)),
        "a header every second": (
            b"GET /health HTTP/1.1\r\n",
            *(step for n in range(12) for step in (1.0, b"X-%d: 1\r\n" % n)),
        ),
        "a dripping body": (_HEAD, *drip(NAMED[:40])),
        "a dripping body that would end in time for no one": (_HEAD, *drip(NAMED, pause_s=0.1)),
        "dripping chunks": (chunked_request(b""), *(step for _ in range(40) for step in (0.25, b"1\r\n \r\n"))),
        "a dripping chunk size": (chunked_request(b""), *drip(b"0" * 40)),
        "a dripping chunk extension": (chunked_request(b"4b;"), *drip(b"a" * 40)),
        "a dripping trailer": (chunked_request(b"4b\r\n" + NAMED + b"\r\n0\r\nX: "), *drip(b"a" * 40)),
        "a slow body after slow headers": (_HEAD[:40], 2.5, _HEAD[40:], 2.5, NAMED),
        "headers in a burst at the last moment": (_HEAD[:40], 4.6, _GOOD[40:]),
    }
    cut = {
        "nothing": b"",
        "half a request line": b"POST /pre",
        "half the headers": _HEAD[:60],
        "half a body": _GOOD[:-20],
    }
    return [
        *(Case(f"slow: {name}", steps, (408,), until_closed=True) for name, steps in timeouts.items()),
        Case("slow: silent", (), until_closed=True),
        Case("slow: one empty line", (b"\r\n",), until_closed=True),
        Case("slow: dripping empty lines", drip(b"\r\n" * 20), until_closed=True),
        Case("slow: in time", (_GOOD[:30], 1.0, _GOOD[30:100], 1.0, _GOOD[100:]), (200,)),
        Case("slow: byte by byte, in time", (_HEAD, *drip(NAMED, pause_s=0.002)), (200,)),
        Case(
            "slow: an expectation, then the body",
            (request(headers=("Expect: 100-continue", "Content-Length: 75"), length=False), 0.5, NAMED),
            (200,),
        ),
        Case(
            "slow: an unfinished body that is too large",
            (request(headers=("Content-Length: 100000",), length=False) + b" " * 70000,),
            (413,),
            until_closed=True,
        ),
        Case(
            "slow: dripping on after a refusal",
            (request(headers=("Content-Length: 100000",), length=False), *drip(b" " * 40)),
            (413,),
            until_closed=True,
        ),
        Case(
            "slow: an unfinished body for an unknown path",
            (request(target="/nothing", headers=("Content-Length: 75",), length=False),),
            (404,),
            until_closed=True,
        ),
        *(
            Case(f"closed: after {name}", (data,) if data else (), (), until_closed=True, half_close=True)
            for name, data in cut.items()
        ),
        *(Case(f"reset: after {name}", (data,) if data else (), (), reset=True) for name, data in cut.items()),
        Case("reset: after a request", (_GOOD,), reset=True),
        Case("reset: after 100 requests", (_GOOD * 100,), reset=True),
        Case(
            "reset: in the middle of 20 MB",
            (request(headers=("Content-Length: 20000000",), length=False) + b" " * 200_000,),
            reset=True,
        ),
    ]
