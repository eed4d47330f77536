"""An object store whose requests are timed and counted (docs/metrics.md). Passes everything on, errors included."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..metrics import STORE_BYTES, STORE_FAILURES, STORE_SECONDS
from .errors import ObjectMissing, ObjectNameFaulty, ObjectStoreError, RangeNotSatisfiable
from .model import ObjectFacts, ObjectStore, ObjectStream, Receipt, Source

#: Answers, not failures: whoever asked was wrong about what there is.
_ANSWERS = (ObjectMissing, ObjectNameFaulty, RangeNotSatisfiable)
_ASKED = ("put", "confirm", "describe", "open", "delete", "check")


class WatchedStore:
    """Around any store."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store
        for what in _ASKED:
            # Prometheus sees a rise from 0 to 1 only where 0 was told.
            STORE_FAILURES.labels(what)

    def put(self, name: str, source: Source, *, sha256: bytes | None = None) -> Receipt:
        with _watched("put"):
            receipt = self._store.put(name, source, sha256=sha256)
        STORE_BYTES.inc(receipt.size_bytes)
        return receipt

    def confirm(self, name: str, receipt: Receipt) -> None:
        with _watched("confirm"):
            self._store.confirm(name, receipt)

    def put_file(self, name: str, path: Path, *, sha256: bytes) -> None:
        with _watched("put"):
            self._store.put_file(name, path, sha256=sha256)

    def describe(self, name: str) -> ObjectFacts:
        with _watched("describe"):
            return self._store.describe(name)

    def open(self, name: str, *, first: int = 0, last: int | None = None) -> ObjectStream:
        with _watched("open"):
            return self._store.open(name, first=first, last=last)

    def delete(self, name: str) -> None:
        with _watched("delete"):
            self._store.delete(name)

    def signed_link(self, name: str, *, valid_s: int, media_type: str, file_name: str) -> str | None:
        return self._store.signed_link(name, valid_s=valid_s, media_type=media_type, file_name=file_name)

    def check(self) -> None:
        with _watched("check"):
            self._store.check()


@contextmanager
def _watched(what: str) -> Iterator[None]:
    began_s = time.perf_counter()
    try:
        yield
    except _ANSWERS:
        raise
    except ObjectStoreError:
        STORE_FAILURES.labels(what).inc()
        raise
    STORE_SECONDS.labels(what).observe(time.perf_counter() - began_s)
