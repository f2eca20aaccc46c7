"""Loads: requests that arrive at a rate (open loop), or callers that wait for their answers (closed loop)."""

from benchmark.runs.kind import Shows
from benchmark.runs.requests import request_kind

KIND = request_kind("load", "load", Shows.LOAD)
