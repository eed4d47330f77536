"""Routes as the call plane reads them: one of a number, and those that have changed.

Both are narrow functions of the database, outside any tenant: who calls a number is not known before the number is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..db.engine import Database
from .model import Route
from .rules import Rules

_COLUMNS = "agency_id, client_id, number_id, status, flow_id, flow_version, compiled"


@dataclass(frozen=True, slots=True)
class RouteChanges:
    """Routes by E.164 number, and the mark to ask with next time."""

    mark: str
    routes: Mapping[str, Route]


@dataclass(frozen=True, slots=True)
class Decided:
    """A number's route (None: nobody has it), and what the database knows of this call: names as `dialtrace_decide`
    has them, only what is known and needed."""

    route: Route | None
    facts: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class RuleChanges:
    """Block lists and limits that have changed, and the mark to ask with next time."""

    mark: str
    rules: Sequence[Rules]


class RouteStore:
    """Reads routes, and the rules that hold before one is followed. Raises the errors of `db.errors`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def find_route(self, e164: str) -> Route | None:
        """The route of a number (with its ``+``); None: nobody has it. One indexed read."""
        rows = self._database.ask(f"SELECT {_COLUMNS} FROM dialtrace_route(%s)", (e164,))  # noqa: S608
        return Route(*rows[0]) if rows else None

    def decide(self, e164: str, *, caller: str | None, call_id: str, step: str | None) -> Decided:
        """The route of a number (with its ``+``) and the facts of this call at this step, in one exchange. ``caller``
        is E.164; None: withheld. ``step`` None: the call enters, and counts against the limits from now on."""
        rows = self._database.ask(
            f"SELECT {_COLUMNS}, facts FROM dialtrace_decide(%s, %s, %s::uuid, %s)",  # noqa: S608
            (e164, caller, call_id, step),
        )
        return Decided(Route(*rows[0][:-1]), rows[0][-1]) if rows else Decided(None, {})

    def routes_changed(self, since: str | None) -> RouteChanges:
        """Routes that changed since a mark (None: all there are). One may come again unchanged; none is left out."""
        with self._database.directory() as connection:
            found = connection.exec_driver_sql(
                f"SELECT mark, e164, {_COLUMNS} FROM dialtrace_routes_changed(%s::xid8)",  # noqa: S608
                (since,),
            )
            rows: list[Any] = list(found)
        return RouteChanges(str(rows[0][0]), {row[1]: Route(*row[2:]) for row in rows if row[1] is not None})

    def rules_changed(self, since: str | None) -> RuleChanges:
        """Block lists and limits that changed since a mark (None: all there are), as :meth:`routes_changed`."""
        with self._database.directory() as connection:
            found = connection.exec_driver_sql(
                "SELECT mark, scope_id, max_calls, max_calls_per_s, entries FROM dialtrace_rules_changed(%s::xid8)",
                (since,),
            )
            rows: list[Any] = list(found)
        return RuleChanges(str(rows[0][0]), [Rules(*row[1:]) for row in rows if row[1] is not None])
