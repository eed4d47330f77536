"""How often one visitor's address may ask one site: a bucket that fills steadily. Kept in this process, bounded."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass


@dataclass
class _Bucket:
    left: float
    seen_s: float


class Rates:
    """``per_min`` requests a minute for each key, all of them at once if they come so; 0: any number."""

    def __init__(self, per_min: int, clock_s: Callable[[], float], *, most_keys: int = 100_000) -> None:
        self._per_min = per_min
        self._clock_s = clock_s
        self._most_keys = most_keys
        self._buckets: OrderedDict[Hashable, _Bucket] = OrderedDict()
        self._lock = threading.Lock()

    def wait_s(self, key: Hashable) -> float:
        """0: go on; else the seconds after which it may be tried again. Of keys that nobody has seen lately the oldest
        is forgotten."""
        if not self._per_min:
            return 0.0
        now_s = self._clock_s()
        with self._lock:
            bucket = self._buckets.get(key)
            if bucket is None:
                bucket = self._buckets[key] = _Bucket(float(self._per_min), now_s)
                if len(self._buckets) > self._most_keys:
                    self._buckets.popitem(last=False)
            self._buckets.move_to_end(key)
            filled = bucket.left + (now_s - bucket.seen_s) * self._per_min / 60
            bucket.left, bucket.seen_s = min(float(self._per_min), filled), now_s
            if bucket.left < 1:
                return (1 - bucket.left) * 60 / self._per_min
            bucket.left -= 1
        return 0.0
