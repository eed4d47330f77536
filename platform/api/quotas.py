"""How many requests a key and its agency may send in a minute: `RateLimit`, `RateLimit-Policy` and 429.

The count stands in the database, one row for each key and each agency, so that all API processes share it. A process
takes requests from it in small blocks: most requests ask nobody, no minute ever has more than its quota, and what a
process has taken and not used is a hundredth of it. Without the database nothing is refused here.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from uuid import UUID

from flask import g

from ..clock import Clock
from ..db.engine import Database
from ..db.errors import DatabaseError
from .errors import Problem
from .store import take_requests

#: Where create_app puts them, and where a request keeps what its answer will say.
QUOTAS = "dialtrace.quotas"
HEADERS = "quota_headers"
WINDOW_S = 60
_BLOCKS = 100
_MOST_KEPT = 10_000


@dataclass(frozen=True)
class Policy:
    """A quota by its name in the headers."""

    name: str
    quota: int


@dataclass
class Standing:
    """What this process knows of one key or agency in the current minute. ``left``: taken and not used yet. ``lock``:
    whoever spends of it holds it, also while the database is asked; nobody else waits for that."""

    began_s: int
    left: int = 0
    taken: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)


@dataclass(frozen=True)
class Spent:
    """What is left of a quota after a request, and whether it was within it."""

    policy: Policy
    remaining: int
    is_within: bool


class Quotas:
    """The quotas of one API process. A quota of 0: any number, and no header tells of it."""

    def __init__(self, database: Database, clock: Clock, *, per_key: int, per_agency: int) -> None:
        self._database = database
        self._clock = clock
        self._key = Policy("key", per_key)
        self._agency = Policy("tenant", per_agency)
        # Guards the dictionary alone, and is never held over a wait.
        self._lock = threading.Lock()
        self._standing: dict[UUID, Standing] = {}

    def spend(self, agency_id: UUID, key_id: UUID) -> None:
        """One request more. Raises Problem (429) when one of the quotas is used up."""
        now_s = int(self._clock.now().timestamp())
        began_s = now_s - now_s % WINDOW_S
        try:
            spent = [
                self._spent(policy, agency_id, subject, began_s)
                for policy, subject in ((self._key, key_id), (self._agency, agency_id))
                if policy.quota
            ]
        except DatabaseError:
            return
        headers = headers_of(spent, reset_s=began_s + WINDOW_S - now_s)
        setattr(g, HEADERS, headers)
        violated = [one.policy.name for one in spent if not one.is_within]
        if violated:
            retry = {"Retry-After": str(began_s + WINDOW_S - now_s)}
            raise Problem("too_many_requests", headers=retry, members={"violated_policies": violated})

    def _spent(self, policy: Policy, agency_id: UUID, subject: UUID, began_s: int) -> Spent:
        standing = self._standing_of(subject, began_s)
        with standing.lock:
            if standing.left == 0 and standing.taken < policy.quota:
                began = datetime.fromtimestamp(began_s, UTC)
                block = max(1, policy.quota // _BLOCKS)
                standing.taken, standing.left = take_requests(
                    self._database, agency_id, subject, began, block, policy.quota
                )
            is_within = standing.left > 0
            standing.left -= is_within
            return Spent(policy, policy.quota - standing.taken + standing.left, is_within)

    def _standing_of(self, subject: UUID, began_s: int) -> Standing:
        with self._lock:
            standing = self._standing.get(subject)
            if standing is None or standing.began_s != began_s:
                self._forget(began_s)
                standing = self._standing[subject] = Standing(began_s)
            return standing

    def _forget(self, began_s: int) -> None:
        """Minutes that are over go, once there are many."""
        if len(self._standing) >= _MOST_KEPT:
            self._standing = {subject: one for subject, one in self._standing.items() if one.began_s == began_s}


def headers_of(spent: Sequence[Spent], *, reset_s: int) -> dict[str, str]:
    """As draft-ietf-httpapi-ratelimit-headers writes them."""
    if not spent:
        return {}
    policies = [f'"{one.policy.name}";q={one.policy.quota};w={WINDOW_S}' for one in spent]
    standing = [f'"{one.policy.name}";r={one.remaining};t={reset_s}' for one in spent]
    return {"RateLimit-Policy": ", ".join(policies), "RateLimit": ", ".join(standing)}
