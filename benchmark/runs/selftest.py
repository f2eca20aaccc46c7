"""Self-tests: comparisons of one server with itself, which `python -m benchmark selftest` makes several of at once."""

from dataclasses import replace

from benchmark.record.plan import Plan, PlanError
from benchmark.record.store import Store
from benchmark.runs.kind import Order, Work
from benchmark.runs.requests import request_kind
from benchmark.synthetic.selftest import KIND as NAME


def _refuse(order: Order[Plan], store: Store) -> Work:
    raise PlanError("a self-test is several runs: start it with python -m benchmark selftest")


KIND = replace(request_kind(NAME, "selftest"), prepare=_refuse)
