"""Reading the body of an answer with a limit and a deadline: httpx's timeouts are for each read alone."""

from time import perf_counter_ns

import httpx


class TooLarge(Exception):
    """The body is longer than anything that was asked for."""


def read_body(response: httpx.Response, most_bytes: int, started_ns: int, timeout_s: float) -> bytes:
    """The body as it comes, until `timeout_s` after `started_ns` of `perf_counter_ns`.

    Raises TooLarge, TimeoutError, and what httpx raises.
    """
    body = b""
    for chunk in response.iter_raw():
        body += chunk
        if len(body) > most_bytes:
            raise TooLarge
        if perf_counter_ns() - started_ns > timeout_s * 1e9:
            raise TimeoutError
    return body
