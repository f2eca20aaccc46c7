"""Sizes, chunks, compression and media types."""

import gzip
import zlib

from tests.hostile.case import LISTED, MARKER, MAX_BODY_BYTES, NAMED, Case, chunked, chunked_request, padded, request

_MB = 1024 * 1024


def _sizes() -> list[Case]:
    large = padded(MAX_BODY_BYTES + 1)
    at_limit = padded(MAX_BODY_BYTES)
    declared = {"10 GB": 10**10, "64 KiB and 1": MAX_BODY_BYTES + 1, "2^31": 2**31, "2^32": 2**32, "2^63-1": 2**63 - 1}
    return [
        Case("size: 64 KiB", (request(body=at_limit),), (200,)),
        Case("size: 64 KiB and 1", (request(body=large),), (413,)),
        Case("size: 1 MB", (request(body=padded(_MB)),), (413,)),
        Case("size: 20 MB", (request(body=padded(20 * _MB)),), (413,)),
        Case("size: 20 MB of brackets", (request(body=b"[" * 20 * _MB),), (413,)),
        Case("size: 20 MB of NUL at the root", (request(target="/", body=b"\0" * 20 * _MB),), (413,)),
        Case("size: 20 MB for an unknown path", (request(target="/nothing", body=b" " * 20 * _MB),), (404,)),
        Case("size: 20 MB with a method that is not allowed", (request("PUT", body=b" " * 20 * _MB),), (405,)),
        Case("size: 1 MB with GET /health", (request("GET", "/health", b" " * _MB),), (200,)),
        *(
            Case(
                f"size: {name} declared and not sent",
                (request(headers=(f"Content-Length: {size}",), length=False),),
                (413,),
            )
            for name, size in declared.items()
        ),
        Case("chunks: one", (chunked_request(chunked(NAMED)),), (200,)),
        Case("chunks: a byte each", (chunked_request(chunked(*(bytes([byte]) for byte in NAMED))),), (200,)),
        Case(
            "chunks: one in capitals",
            (chunked_request(chunked(NAMED + b" " * 95).replace(b"aa\r\n", b"AA\r\n", 1)),),
            (200,),
        ),
        Case("chunks: a size with zeros", (chunked_request(b"000" + chunked(LISTED)),), (200,)),
        Case("chunks: an extension", (chunked_request(b"1e;a=b\r\n" + LISTED + b"\r\n0\r\n\r\n"),), (200,)),
        Case("chunks: a trailer", (chunked_request(chunked(NAMED)[:-2] + b"X-Trailer: 1\r\n\r\n"),), (200,)),
        Case("chunks: a forbidden trailer", (chunked_request(chunked(NAMED)[:-2] + b"Content-Length: 1\r\n\r\n"),)),
        Case("chunks: none", (chunked_request(chunked()),), (400,)),
        Case("chunks: 64 KiB", (chunked_request(chunked(at_limit)),), (200,)),
        Case("chunks: 64 KiB and 1", (chunked_request(chunked(large)),), (413,)),
        Case("chunks: 64 KiB and 1 in two", (chunked_request(chunked(at_limit, b" ")),), (413,)),
        Case("chunks: 20 MB in chunks of 64 KiB", (chunked_request(chunked(*[b" " * MAX_BODY_BYTES] * 320)),), (413,)),
        Case("chunks: 30 000 of a byte", (chunked_request(chunked(*[b" "] * 30_000)),), (400,)),
        Case("chunks: 10 GB declared", (chunked_request(b"2540be400\r\n" + b" " * _MB),), (413,)),
        Case("chunks: 1 MB that never ends", (chunked_request(b"100000\r\n" + b" " * _MB + b"\r\n"),), (413,)),
        *(
            Case(f"chunks: {name}", (chunked_request(body),), (400,), until_closed=True)
            for name, body in {
                "a size that is no number": b"xyz\r\n" + NAMED + b"\r\n0\r\n\r\n",
                "a negative size": b"-1\r\n" + NAMED + b"\r\n0\r\n\r\n",
                "a size with 0x": b"0x1e\r\n" + LISTED + b"\r\n0\r\n\r\n",
                "a size beyond 64 bits": b"f" * 17 + b"\r\n" + NAMED + b"\r\n0\r\n\r\n",
                "no size": b"\r\n" + NAMED + b"\r\n0\r\n\r\n",
                "a size that is too small": b"5\r\n" + NAMED + b"\r\n0\r\n\r\n",
                "a blank in the size": b"1 e\r\n" + LISTED + b"\r\n0\r\n\r\n",
            }.items()
        ),
        Case(
            "chunks: lines that end in LF",
            (chunked_request(chunked(NAMED).replace(b"\r\n", b"\n")),),
            until_closed=True,
        ),
        Case(
            "chunks: an extension of 40 KB",
            (chunked_request(b"1e;" + b"a" * 40_000 + b"\r\n" + LISTED + b"\r\n0\r\n\r\n"),),
        ),
        Case("chunks: a trailer of 20 MB", (chunked_request(b"0\r\nX: " + b"a" * 20 * _MB),), (431,)),
        Case("chunks: an extension of 20 MB", (chunked_request(b"4b;" + b"a" * 20 * _MB),), (431,)),
        Case(
            "chunks: a trailer of 40 KB",
            (chunked_request(chunked(NAMED)[:-2] + b"X: " + b"a" * 40_000 + b"\r\n\r\n"),),
        ),
    ]


def _compression() -> list[Case]:
    bomb = gzip.compress(b" " * 30 * _MB)
    encodings = ("gzip", "x-gzip", "deflate", "br", "zstd", "compress", "gzip, gzip", "identity, gzip", "GZIP", MARKER)
    bodies = {"gzip": gzip.compress(NAMED), "x-gzip": gzip.compress(NAMED), "deflate": zlib.compress(NAMED)}
    return [
        *(
            Case(
                f"compression: {name}",
                (request(body=bodies.get(name, NAMED), headers=(f"Content-Encoding: {name}",)),),
                (415,),
            )
            for name in encodings
        ),
        Case("compression: a bomb", (request(body=bomb, headers=("Content-Encoding: gzip",)),), (415,)),
        Case(
            "compression: broken gzip",
            (request(body=b"\x1f\x8b\x08" + b"\xff" * 40, headers=("Content-Encoding: gzip",)),),
            (415,),
        ),
        Case("compression: gzip that is not declared", (request(body=gzip.compress(NAMED)),), (400,)),
        Case("compression: identity", (request(body=NAMED, headers=("Content-Encoding: identity",)),), (200,)),
        Case("compression: empty", (request(body=NAMED, headers=("Content-Encoding:",)),)),
        Case(
            "compression: gzip as transfer encoding",
            (request(body=chunked(NAMED), headers=("Transfer-Encoding: gzip, chunked",), length=False),),
        ),
        Case(
            "compression: accepted answers",
            (request(body=NAMED, headers=("Accept-Encoding: gzip, br, *;q=0",)),),
            (200,),
        ),
    ]


def _media_types() -> list[Case]:
    refused = (
        *("text/plain", "text/json", "text/html", "application/xml", "application/x-www-form-urlencoded", "*/*"),
        *(
            "multipart/form-data; boundary=x",
            "application/octet-stream",
            "application/jsonp",
            "application",
            "json",
            "/",
        ),
        *("application/json, text/plain", "application/json; charset=utf-16", "application/json; charset=latin-1"),
        *(
            "application/cloudevents+json",
            "application/vnd.api+json",
            "image/png",
            f"text/{MARKER}",
            "application/json\xe9",
        ),
        "x" * 8000,
    )
    accepted = (
        "APPLICATION/JSON",
        "application/json; charset=utf-8",
        'application/json;charset="UTF-8"',
        "  application/json  ",
    )
    undecided = (
        "application/json;",
        "application/json; charset=",
        "application/json; q=1",
        "application/json; charset=utf-8; charset=utf-16",
    )
    return [
        *(Case(f"type: {name[:60]}", (request(body=NAMED, content_type=name),), (415,)) for name in refused),
        *(
            Case(f"type: {name.strip()}, accepted", (request(body=NAMED, content_type=name),), (200,))
            for name in accepted
        ),
        *(Case(f"type: {name}", (request(body=NAMED, content_type=name),)) for name in undecided),
        Case("type: none", (request(body=NAMED, content_type=None),), (415,)),
        Case("type: empty", (request(body=NAMED, content_type=""),), (415,)),
        Case("type: twice", (request(body=NAMED, headers=("Content-Type: text/plain",)),)),
        Case("type: none for GET", (request("GET", "/health", content_type=None),), (200,)),
        Case("type: html wanted", (request(body=NAMED, headers=("Accept: text/html",)),), (200,)),
        Case(
            "type: a cloud event",
            (request(body=NAMED, headers=("ce-id: 1", "ce-type: a", "ce-source: b", "ce-specversion: 1.0")),),
            (200,),
        ),
        Case(
            "type: a multipart body",
            (
                request(
                    body=b'--x\r\nContent-Disposition: form-data; name="f"\r\n\r\n1\r\n--x--',
                    content_type="multipart/form-data; boundary=x",
                ),
            ),
            (415,),
        ),
    ]


def cases() -> list[Case]:
    return [*_sizes(), *_compression(), *_media_types()]
