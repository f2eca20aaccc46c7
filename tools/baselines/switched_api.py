"""Our API, whose log line and counting can be switched off while it runs: one process, so that only they differ.

`GET /switch/N` switches: 0 everything on, 1 without the log line, 2 without counting for `/metrics` as well.
"""

from functools import partial
from typing import Any

import api.app
from api.__main__ import main
from inference.asgi import ServiceApp
from inference.request_log import RequestLog
from inference.service import Document


def _count_nothing(*_: object) -> None:
    pass


class _SwitchedApi(api.app.Api):
    def __init__(self, service_app: ServiceApp) -> None:
        super().__init__(service_app)
        _add_switches(service_app)


def _add_switches(service_app: ServiceApp) -> None:
    metrics = service_app.service.metrics
    logs = (service_app._log, RequestLog("CRITICAL"), RequestLog("CRITICAL"))
    requests: tuple[Any, ...] = (metrics.count_request, metrics.count_request, _count_nothing)
    predictions: tuple[Any, ...] = (metrics.count_predictions, metrics.count_predictions, _count_nothing)

    def switch(number: int) -> Document:
        service_app._log = logs[number]
        metrics.count_request = requests[number]  # type: ignore[method-assign]
        metrics.count_predictions = predictions[number]  # type: ignore[method-assign]
        return Document(b"{}")

    for number in range(len(logs)):
        service_app.service.add_document(f"/switch/{number}", partial(switch, number))


api.app.Api = _SwitchedApi  # type: ignore[misc]

if __name__ == "__main__":
    main()
