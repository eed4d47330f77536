"""`/healthz`, `/readyz`, `/metrics`: for those who run the platform.

They need no key, hold no tenant's data, and belong to the operator's network: a proxy in front must not pass them on.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
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


@dataclass
class Readiness:
    """Whether this process can do its work: the database answers and has this release's shape."""

    database: Database
    _head: str | None = field(default=None, init=False)

    def check(self) -> dict[str, str]:
        """Name of each check → `ok`, or what is wrong."""
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


@public(blueprint, "/metrics", summary="Metrics for Prometheus", answers={200: "Text format."}, media_type="text/plain")
def metrics() -> Response:
    return Response(generate_latest(_registry()), content_type=CONTENT_TYPE_LATEST)


def _registry() -> CollectorRegistry:
    """This process's, or that of all processes of this API where PROMETHEUS_MULTIPROC_DIR joins them."""
    if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
        return REGISTRY
    joined = CollectorRegistry()
    MultiProcessCollector(joined)  # type: ignore[no-untyped-call]
    return joined
