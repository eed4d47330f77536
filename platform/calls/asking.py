"""Asks a client's web hook for a call that has come to such a step, by leaving the question in the database.

Who asks the web hook and who wakes the call stand elsewhere (docs/architecture.md, "A web hook decides"); a worker only
says that there is a question, before it hands over the plan that waits. Must not know sockets.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ..db.engine import Database
from .compiled import CompiledWebhook, read_compiled
from .model import Facts, Route
from .program import BEGIN

_ASK = (
    "SELECT dialtrace_decision_ask(%s::uuid, %s::uuid, %s::uuid, %s::text, %s::text, %s::text, %s::text[], %s::jsonb,"
    " %s::integer)"
)


def web_hook_at(route: Route | None, point: str) -> tuple[str, CompiledWebhook] | None:
    """The step, and its name, that begins at this point; None: it is no web hook's. Raises RouteUnreadable."""
    name, _, result = point.partition("=")
    if result != BEGIN or route is None or route.compiled is None or route.status != "active":
        return None
    step = read_compiled(route.compiled).steps.get(name)
    return (name, step) if isinstance(step, CompiledWebhook) else None


def told_of(route: Route, facts: Facts, *, number: str) -> Mapping[str, Any]:
    """What a web hook is told of a call; None where it is not known, the caller too where it is withheld."""
    return {
        "number": number,
        "number_id": str(route.number_id),
        "caller": facts.caller,
        "flow_id": None if route.flow_id is None else str(route.flow_id),
        "flow_version": route.flow_version,
        "variables": dict(facts.variables),
        "tags": list(facts.tags),
        "consent": facts.consent,
        "repeat": facts.repeat,
        "spam_score": facts.spam_score,
        "source": facts.source,
        "campaign": facts.campaign,
    }


class WebHookQuestions:
    """Questions for `dialtrace work hooks`. Raises the errors of `db.errors`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def ask(
        self,
        route: Route,
        name: str,
        step: CompiledWebhook,
        *,
        call_id: str,
        node: str,
        told: Mapping[str, Any],
    ) -> None:
        """The call waits at this step from now on. Said twice, it is one question."""
        values = (
            str(route.agency_id), str(route.client_id), call_id, node, name, step.url, list(step.choices),
            json.dumps(told), step.timeout_s,
        )  # fmt: skip
        self._database.ask(_ASK, values)
