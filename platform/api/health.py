"""`/healthz`, `/readyz`, `/metrics`: for those who run the platform.

They need no key, hold no tenant's data, and belong to the operator's network: a proxy in front must not pass them on.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field

from apiflask import APIBlueprint
from flask import Response, current_app, jsonify
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from ..db.engine import Database
from ..db.errors import DatabaseError
from ..db.migrate import status
from .endpoint import public
from .errors import Problem
from .store import current_migration

blueprint = APIBlueprint("health", __name__, tag="Operation")


#: Whoever asks `/readyz` waits some seconds at most; no answer would tell him less than a bad one.
ANSWER_WITHIN_S = 2.0


@dataclass
class Readiness:
    """Whether this process can do its work: the database answers and has this release's shape."""

    database: Database
    _head: str | None = field(default=None, init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)
    _asking: Future[dict[str, str]] | None = field(default=None, init=False)

    def check(self, within_s: float = ANSWER_WITHIN_S) -> dict[str, str]:
        """Name of each check → `ok`, or what is wrong. At most one question is under way, however many ask."""
        with self._lock:
            if self._asking is None or self._asking.done():
                asking: Future[dict[str, str]] = Future()
                self._asking = asking
                threading.Thread(target=self._ask, args=(asking,), name="readiness", daemon=True).start()
            under_way = self._asking
        try:
            return under_way.result(within_s)
        except TimeoutError:
            return {"database": f"It has not answered within {within_s:g} s.", "migrations": "unknown"}

    def _ask(self, asking: Future[dict[str, str]]) -> None:
        try:
            asking.set_result(self._look())
        except Exception as error:  # noqa: BLE001 (top of a thread: whoever asked is told)
            asking.set_exception(error)

    def _look(self) -> dict[str, str]:
        try:
            with self.database.directory() as connection:
                current = current_migration(connection)
        except DatabaseError as error:
            return {"database": (type(error).__doc__ or "").strip(), "migrations": "unknown"}
        if current == self._known_head():
            return {"database": "ok", "migrations": "ok"}
        return {
            "database": "ok",
            "migrations": f"at {current}, this release needs {self._head}: run `dialtrace db upgrade`",
        }

    def _known_head(self) -> str:
        """The newest migration of this release; it does not change while the process lives."""
        if self._head is None:
            self._head = status(self.database.engine.url.render_as_string(hide_password=False)).head
        return self._head


READINESS = "dialtrace.readiness"


@public(blueprint, "/healthz", summary="Does the process live?", answers={200: "It lives."})
def healthz() -> Response:
    return jsonify({"status": "ok"})


@public(
    blueprint,
    "/readyz",
    summary="Can the process do its work?",
    answers={200: "It can.", 503: "Something is missing; `checks` says what."},
)
def readyz() -> Response:
    check: Callable[[], Mapping[str, str]] = current_app.extensions[READINESS]
    checks = check()
    if any(found != "ok" for found in checks.values()):
        raise Problem("not_ready", "Something that every request needs is missing.", members={"checks": checks})
    return jsonify({"status": "ok", "checks": checks})


@public(
    blueprint, "/metrics", summary="Metrics for Prometheus", answers={200: "Text format."}, media_types=("text/plain",)
)
def metrics() -> Response:
    return Response(generate_latest(_registry()), content_type=CONTENT_TYPE_LATEST)


def _registry() -> CollectorRegistry:
    """This process's, or that of all processes of this API where PROMETHEUS_MULTIPROC_DIR joins them."""
    if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
        return REGISTRY
    joined = CollectorRegistry()
    MultiProcessCollector(joined)  # type: ignore[no-untyped-call]
    return joined
