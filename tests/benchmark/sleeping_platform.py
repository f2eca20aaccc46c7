"""A stand-in for a platform that scales from zero: the first request starts an instance, and those that come meanwhile
queue for it. What its answers say of the instance is true, so that each request is known to have waited, or not."""

import threading
import time

from tests.benchmark.little_server import Conversation, LittleServer, Request, answering, json_reply


class SleepingPlatform:
    """An instance that takes `start_s` to start; its age counts from the moment its start begins, its requests from 1.

    The first `starting` is set by the first request, so that a test can send more while the instance starts.
    """

    def __init__(self, start_s: float, instance_id: str = "abc123", *, evidence: bool = True) -> None:
        self.starting = threading.Event()
        self._start_s = start_s
        self._instance_id = instance_id
        self._evidence = evidence
        self._lock = threading.Lock()
        self._began = 0.0
        self._count = 0

    @property
    def conversation(self) -> Conversation:
        """What happens on each of its connections."""
        return answering(self._answer)

    def serve(self) -> LittleServer:
        """A server of it; use it in a `with` block."""
        return LittleServer(self.conversation)

    def _answer(self, request: Request) -> bytes:
        if request.method != "POST":
            return json_reply({}, 404)
        with self._lock:  # one instance, which does one thing after the other
            if not self._count:
                self._began = time.monotonic()
                self.starting.set()
                time.sleep(self._start_s)
            self._count += 1
            said = [
                ("x-instance-id", self._instance_id),
                ("x-instance-age-ms", str(int((time.monotonic() - self._began) * 1000))),
                ("x-request-count", str(self._count)),
            ]
        return json_reply({"prediction": 1}, headers=said if self._evidence else ())
