"""Loads: send requests at a fixed rate (open loop), or from callers that wait for their answers (closed loop)."""

from benchmark.runs.kind import Shows
from benchmark.runs.requests import request_kind

KIND = request_kind("load", "load", Shows.LOAD)
