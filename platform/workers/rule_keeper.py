"""Keeps a node's copy of block lists and limits, for calls that nobody can hold against the database: all of them at
the start, what has changed every second, nothing touched while the database is away.

The files tell who may not call, so only their owner can read them, the switch's own user. Files are replaced by rename
and not synced: the next full run writes again whatever differs.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import gevent
import structlog
from gevent.threadpool import ThreadPool

from ..calls.model import Facts, Route
from ..calls.routes import RuleChanges
from ..calls.rules import Rules, blocked_by, fuses_of, rules_file, rules_name
from ..db.errors import DatabaseError
from ..db.tables import OPERATOR_AGENCY
from ..metrics import PLAN_FAILURES

log = structlog.get_logger("monitor")

FOLLOW_EVERY_S = 1.0
#: As the plans beside them (plan_keeper.py).
FULL_EVERY_S = 900.0

RulesChanged = Callable[[str | None], RuleChanges]


class RuleFiles:
    """``<spool>/rules``. Blocks on the disk: called in a thread. Raises OSError."""

    def __init__(self, spool: Path) -> None:
        self._folder = spool / "rules"

    def put(self, rules: Rules) -> None:
        """Writes or removes one scope's file, whole or not at all, where it differs."""
        path, text = self._folder / rules_name(rules.scope_id), rules_file(rules)
        if text is None:
            path.unlink(missing_ok=True)
        elif not path.exists() or path.read_text(encoding="ascii") != text:
            fresh = path.with_suffix(".new")
            fresh.unlink(missing_ok=True)
            with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as file:
                file.write(text)
            fresh.replace(path)

    def keep(self, changes: RuleChanges, *, whole: bool) -> None:
        """All of these; ``whole``: and no others."""
        self._folder.mkdir(parents=True, exist_ok=True)
        self._folder.chmod(0o700)
        for rules in changes.rules:
            self.put(rules)
        if whole:
            known = {rules_name(rules.scope_id) for rules in changes.rules}
            for path in self._folder.glob("*.rules"):
                if path.name not in known:
                    path.unlink(missing_ok=True)


ReadRules = Callable[[UUID], str]


def rules_here(spool: str) -> ReadRules:
    """Reads the rules that this node has of an agency, a client or the operator; empty where it has none."""

    def read(scope_id: UUID) -> str:
        try:
            return (Path(spool) / "rules" / rules_name(scope_id)).read_text(encoding="ascii")
        except (OSError, UnicodeDecodeError):
            return ""

    return read


def held_against(read: ReadRules, route: Route, facts: Facts) -> Facts:
    """What a worker knows of a call that enters while it cannot ask the database: this node's own copy of who may call,
    and its switch's counters."""
    client, agency = (route.client_id, read(route.client_id)), (route.agency_id, read(route.agency_id))
    fuses = fuses_of({"client": client, "agency": agency})
    return replace(
        facts,
        blocked=blocked_by((client[1], agency[1], read(UUID(OPERATOR_AGENCY))), facts.caller),
        over=next((fuse.reason for fuse in fuses if fuse.is_shut), None),
        fuses=fuses,
    )


class RuleKeeper:
    """Follows block lists and limits for one node."""

    def __init__(
        self,
        *,
        node: str,
        spool: Path,
        rules_changed: RulesChanged,
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._node = node
        self._files = RuleFiles(spool)
        self._rules_changed = rules_changed
        self._monotonic_s = monotonic_s
        self._mark: str | None = None
        self._full_at_s = float("-inf")
        self._disk = ThreadPool(1)

    def run(self) -> None:
        """Until the greenlet is killed."""
        while True:
            self.follow()
            gevent.sleep(FOLLOW_EVERY_S)

    def follow(self) -> None:
        """One look. Raises nothing that a next look could mend."""
        whole = self._mark is None or self._monotonic_s() >= self._full_at_s
        try:
            changes = self._rules_changed(None if whole else self._mark)
        except DatabaseError as error:
            self._failed(error)
            return
        # A fault is returned: of one that is raised in its threads gevent prints a traceback.
        fault = self._disk.apply(self._keep, (changes, whole))
        if fault is not None:
            self._failed(fault)
            return
        self._mark = changes.mark
        if whole:
            self._full_at_s = self._monotonic_s() + FULL_EVERY_S

    def _keep(self, changes: RuleChanges, whole: bool) -> OSError | None:
        try:
            self._files.keep(changes, whole=whole)
        except OSError as fault:
            return fault
        return None

    def _failed(self, fault: Exception) -> None:
        # It may be another server, or an older copy of itself, when it is back: begin anew.
        self._mark = None
        PLAN_FAILURES.labels(self._node, "rules").inc()
        log.warning("block lists and limits are kept as they are", node=self._node, fault=str(fault))
