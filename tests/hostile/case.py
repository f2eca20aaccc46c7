"""A hostile case: which bytes are sent, how, and what the contract says of the answer; and builders for requests."""

from collections.abc import Sequence
from dataclasses import dataclass

MARKER = "Zx9Hostile"
"""Stands in inputs wherever one might be repeated; no answer may contain it."""

NAMED = b'{"sepal_length":5.1,"sepal_width":3.5,"petal_length":1.4,"petal_width":0.2}'
LISTED = b'{"features":[5.1,3.5,1.4,0.2]}'
MAX_BODY_BYTES = 64 * 1024

Step = bytes | float
"""Bytes to send, or seconds to wait before the next bytes."""


@dataclass(frozen=True, slots=True)
class Case:
    """One connection. The same steps are sent to both endpoints.

    `statuses` are those of the answers on the connection, in their order, where the contract decides them: `()` is a
    connection that is closed without an answer, None leaves it open and asks only that both endpoints agree.
    """

    name: str
    steps: tuple[Step, ...]
    statuses: tuple[int, ...] | None = None
    function_statuses: tuple[int, ...] | None = None
    """Where the function's answer is another by contract: /docs and /openapi.json are the API's alone."""
    until_closed: bool = False
    """Read until the server closes, to see every answer; otherwise until one answer is complete and it is quiet."""
    bodiless: bool = False
    """The answers are to HEAD and have no body."""
    public: bool = False
    """The answer is documentation, which names libraries and versions on purpose."""
    half_close: bool = False
    """Close the sending side after the last step."""
    reset: bool = False
    """Reset the connection after the last step, reading nothing."""


def request(
    method: str = "POST",
    target: str = "/predict",
    body: bytes = b"",
    headers: Sequence[str] = (),
    *,
    content_type: str | None = "application/json",
    length: bool = True,
) -> bytes:
    """A well-formed request, but for what the caller puts into it."""
    lines = [f"{method} {target} HTTP/1.1", "Host: 127.0.0.1"]
    if content_type is not None:
        lines.append(f"Content-Type: {content_type}")
    if length and (body or method == "POST"):
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, *headers, "", ""]).encode("latin-1") + body


def chunked(*parts: bytes) -> bytes:
    """`parts` as the chunks of a body, with the last, empty chunk."""
    return b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"


def chunked_request(body: bytes, headers: Sequence[str] = ()) -> bytes:
    """A prediction whose body is sent as it is, after the header that announces chunks."""
    return request(body=body, headers=("Transfer-Encoding: chunked", *headers), length=False)


def drip(data: bytes, *, pause_s: float = 0.25) -> tuple[Step, ...]:
    """`data` byte by byte, with a pause before each."""
    return tuple(step for index in range(len(data)) for step in (pause_s, data[index : index + 1]))


def named_with(value: str) -> bytes:
    """The named form with the text `value` where a number would be."""
    return NAMED.replace(b"1.4", value.encode("utf-8", "surrogatepass"))


def padded(size: int) -> bytes:
    """A valid body of exactly `size` bytes."""
    return NAMED + b" " * (size - len(NAMED))
