"""The last comparisons of one model, kept in memory: of the record, only what is new is read."""

import threading
from collections import deque

from benchmark.endpoints.sample import Comparison
from benchmark.record.store import START, Store


class History:
    """The last `limit` comparisons of `model` by `owner`, or by everyone. Safe to share between threads."""

    def __init__(self, model: str, owner: str | None, limit: int) -> None:
        self._model = model
        self._owner = owner
        self._place = START
        self._last: deque[Comparison] = deque(maxlen=limit)
        self._total = 0
        self._lock = threading.Lock()

    def read(self, store: Store) -> tuple[list[Comparison], int]:
        """The last comparisons, oldest first, and how many there are in total. Raises StoreError."""
        with self._lock:
            news = store.news(self._model, self._owner, self._place, self._last.maxlen)
            if news.restarted:
                self._last.clear()
                self._total = 0
            self._last.extend(news.comparisons)
            self._total += news.count
            self._place = news.place
            return list(self._last), self._total
