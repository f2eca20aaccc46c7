"""Self-tests: comparisons of one server with itself. `python -m benchmark selftest` starts several of them."""

from dataclasses import replace

from benchmark.record.plan import Plan, PlanError
from benchmark.record.store import Store
from benchmark.runs.kind import Order, Work
from benchmark.runs.requests import request_kind
from benchmark.synthetic.selftest import KIND as NAME


def _refuse(order: Order[Plan], store: Store) -> Work:
    raise PlanError("a self-test consists of several runs: start it with python -m benchmark selftest")


KIND = replace(request_kind(NAME, "selftest"), prepare=_refuse)
