"""Comparisons: send the same body to every endpoint in rounds of random order, with one request in flight."""

from benchmark.runs.kind import Shows
from benchmark.runs.requests import request_kind

KIND = request_kind("compare", "compare", Shows.COMPARISON)
