"""Methods and paths."""

from tests.hostile.case import MARKER, NAMED, Case, request

_METHODS = (
    *("PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "PROPFIND", "PROPPATCH", "MKCOL", "COPY", "MOVE", "LOCK", "UNLOCK"),
    *(
        "PURGE",
        "REPORT",
        "MERGE",
        "M-SEARCH",
        "NOTIFY",
        "SUBSCRIBE",
        "SEARCH",
        "LINK",
        "UNLINK",
        "ACL",
        "BIND",
        "MKCALENDAR",
    ),
)
_NO_METHODS = ("FOO", "post", "Post", "POSTT", "G", "GET/", "P@ST", "\xe9", "POST\x00", "PRI", "DESCRIBE1", "X" * 5000)

_NOT_FOUND = {
    **{
        path: path
        for path in (
            *(
                "/predict/",
                "/PREDICT",
                "/Predict",
                "/predict/x",
                "/predict.json",
                "/predict;x",
                "/predictx",
                "/healthz",
            ),
            *(
                "/health/",
                "/robots.txt",
                "/favicon.ico",
                "/.env",
                "/.git/config",
                "/admin",
                "/redoc",
                "/static/x",
                "/a/b/c",
            ),
            *(
                "/../predict",
                "/./predict",
                "/predict/..",
                "/a/../predict",
                "/%2e%2e/predict",
                "/..%2fpredict",
                "/%2fpredict",
            ),
            *(
                "/../../../../etc/passwd",
                "/%2e%2e/%2e%2e/etc/passwd",
                "/..%252f..%252fetc%252fpasswd",
                "/..%5c..%5cwin.ini",
            ),
            *(
                "/predict%00",
                "/%00",
                "/predict%00.json",
                "/predict%20",
                "/%20predict",
                "/predict%0d%0aX:1",
                "/predict%ff",
                "/%ff%fe",
            ),
            *(
                "/%c0%af",
                "/%e2%82",
                "/%u0070redict",
                "/predict%3fx=1",
                "/predict%23",
                "/~root",
                "/main.py",
                "/artifact/model.json",
            ),
            *(
                "/inference/service.py",
                "/wp-login.php",
                "/actuator/env",
                "/server-status",
                "/cgi-bin/test",
                "/metrics/",
                "/docs/",
            ),
            *(
                "/eventlog",
                "/_ah/health",
                "/docs/oauth2-redirect",
                "/model_info",
                "/model-info/",
                f"/{MARKER}",
                "/predict=",
                "/predict&x",
            ),
        )
    },
    "8 000 characters": "/" + "x" * 8000,
    "4 000 segments": "/a" * 4000,
    "3 000 percent signs": "/" + "%25" * 3000,
    "a template": "/${jndi:ldap://x/a}",
    "markup": "/%3Cscript%3Ealert(1)%3C/script%3E",
}

_UNDECIDED = {
    "two slashes": "//predict",
    "three slashes": "///predict",
    "a fragment": "/predict#x",
    "a percent sign": "/%",
    "a broken percent encoding": "/%zz",
    "a percent at the end": "/predict%",
    "a percent-encoded letter": "/%70redict",
    "every letter percent-encoded": "/%70%72%65%64%69%63%74",
    "absolute form": "http://127.0.0.1/predict",
    "absolute form of another host": "http://example.invalid/predict",
    "absolute form of another scheme": "ftp://127.0.0.1/predict",
    "absolute form with a user": "http://user:pass@127.0.0.1/predict",
    "absolute form with a bad port": "http://127.0.0.1:99999/predict",
    "absolute form without a host": "http:///predict",
    "an authority": "127.0.0.1:80",
    "an asterisk": "*",
    "no slash": "predict",
    "a question mark": "?",
    "a backslash": "\\predict",
    "backslashes inside": "/..\\predict",
    "a quote": '/"',
    "a pipe": "/|",
    "a caret": "/^",
    "brackets": "/[x]",
    "a bad IPv6 host": "http://[::1/predict",
    "200 000 characters": "/" + "x" * 200_000,
    "a query of 200 000 characters": "/predict?" + "x" * 200_000,
}


def cases() -> list[Case]:
    gets = ("/health", "/model-info", "/metrics")
    return [
        *(
            Case(f"method: {method} /predict", (request(method, body=NAMED, headers=()),), (405,))
            for method in _METHODS
        ),
        *(
            Case(
                f"method: {method!r:.20} is none", (request(method, body=NAMED, headers=()),), (400,), until_closed=True
            )
            for method in _NO_METHODS
        ),
        Case("method: GET /predict", (request("GET"),), (405,)),
        Case("method: GET /predict with a body", (request("GET", body=NAMED),), (405,)),
        Case("method: HEAD /predict", (request("HEAD"),), (405,), bodiless=True),
        Case("method: HEAD /nothing", (request("HEAD", "/nothing"),), (404,), bodiless=True),
        *(
            Case(f"method: HEAD {path}", (request("HEAD", path),), (200,), bodiless=True, public=True)
            for path in (*gets, "/")
        ),
        *(
            Case(f"method: {method} {path}", (request(method, path),), (405,))
            for method in ("POST", "DELETE", "TRACE")
            for path in gets
        ),
        *(
            Case(f"method: {method} /", (request(method, "/"),), (405,))
            for method in ("PUT", "DELETE", "PATCH", "PROPFIND")
        ),
        *(
            Case(f"method: {method} an unknown path", (request(method, "/nothing"),), (404,))
            for method in ("PUT", "DELETE", "PURGE", "OPTIONS")
        ),
        Case(
            "method: OPTIONS as a preflight",
            (request("OPTIONS", headers=("Origin: https://x.invalid", "Access-Control-Request-Method: POST")),),
            (405,),
        ),
        Case("method: OPTIONS *", (request("OPTIONS", "*"),), until_closed=True),
        Case(
            "method: CONNECT to a host", (request("CONNECT", "example.invalid:443", length=False),), until_closed=True
        ),
        Case("method: CONNECT to a path", (request("CONNECT", "/predict", length=False),), until_closed=True),
        Case("method: an override by header", (request("GET", headers=("X-HTTP-Method-Override: POST",)),), (405,)),
        Case("method: an override by query", (request("GET", "/predict?_method=POST"),), (405,)),
        *(Case(f"path: {path}", (request("GET", path),), (200,), public=True) for path in (*gets, "/")),
        Case("path: /docs", (request("GET", "/docs"),), (200,), (404,), public=True),
        Case("path: /openapi.json", (request("GET", "/openapi.json"),), (200,), (404,), public=True),
        Case("path: a query", (request(target="/predict?x=1&x=2&%00=%ff", body=NAMED),), (200,)),
        Case("path: an empty query", (request(target="/predict?", body=NAMED),), (200,)),
        Case("path: a token in the query", (request(target=f"/predict?token={MARKER}", body=NAMED),), (200,)),
        Case("path: a query on an unknown path", (request("GET", f"/nothing?{MARKER}"),), (404,)),
        *(Case(f"path: {name}", (request("GET", path),), (404,)) for name, path in _NOT_FOUND.items()),
        Case("path: an unknown path for POST", (request(target="/nothing", body=NAMED),), (404,)),
        Case("path: an unknown path with a bad body", (request(target="/nothing", body=b"{"),), (404,)),
        *(
            Case(f"path: {name}", (request(target=path, body=NAMED),), until_closed=True)
            for name, path in _UNDECIDED.items()
        ),
        Case("path: a raw NUL", (request("GET", "/a\x00b"),), (400,), until_closed=True),
        Case("path: a raw control character", (request("GET", "/a\x01b"),), (400,), until_closed=True),
        Case("path: a raw DEL", (request("GET", "/a\x7fb"),), until_closed=True),
        Case("path: a raw tab", (request("GET", "/a\tb"),), until_closed=True),
        Case("path: a blank inside", (request("GET", "/a b"),), (400,), until_closed=True),
        Case("path: raw latin-1", (request("GET", "/\xe9"),), until_closed=True),
        Case("path: raw bytes that are no text", (request("GET", "/\xff\xfe"),), until_closed=True),
    ]
