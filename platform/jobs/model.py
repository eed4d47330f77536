"""What a job is, how it may end, and when it is tried again. No I/O; must not know any job by name.

A handler gets a :class:`Job` and returns one of four outcomes. It runs at least once: whatever it does must be harmless
when done twice.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from .errors import JobStopped

#: A job that holds its worker for long (an export) never keeps a short one (a purge, a fan-out) waiting: each lane has
#: places of its own.
QUICK, LONG = "quick", "long"
LANES = (QUICK, LONG)

Argument = str | int
_NAME = re.compile(r"[a-z][a-z_]*\.[a-z][a-z_]*")
# Ids, dates, short words. No +, no @, no space: the queue is no place for personal values (DESIGN, Data).
_WORD = re.compile(r"[A-Za-z0-9_.:-]{0,64}")
_LIKE_A_NUMBER = re.compile(r"[0-9]{7,}")


@dataclass(frozen=True)
class Done:
    """Nothing is left to do."""


@dataclass(frozen=True)
class Retry:
    """It failed, and trying again may help. ``why`` is logged: no personal value belongs in it."""

    why: str


@dataclass(frozen=True)
class Later:
    """Nothing failed; it is only too early. Does not count as a try."""

    in_s: float


@dataclass(frozen=True)
class GiveUp:
    """It failed, and trying again cannot help. The job stays in the queue as failed, for people to look at."""

    why: str


Outcome = Done | Retry | Later | GiveUp


@dataclass(frozen=True)
class Job:
    """One run of one job. ``attempt`` counts from 1."""

    id: int
    name: str
    attempt: int
    args: Mapping[str, Argument]
    #: Whether the process was told to stop: a long handler asks between two steps.
    stopping: Callable[[], bool] = lambda: False

    def go_on(self) -> None:
        """For long handlers, between two steps. Raises JobStopped when the process is to stop: the job runs again, from
        its beginning, in another one."""
        if self.stopping():
            raise JobStopped


Handler = Callable[[Job], Outcome]


@dataclass(frozen=True, kw_only=True)
class Kind:
    """One name and what runs for it. The name is the room and the verb: ``exports.make``."""

    name: str
    handler: Handler
    #: Tries before it is given up; the pauses between them double from the first to the longest, with jitter.
    tries: int = 10
    first_pause_s: float = 5.0
    longest_pause_s: float = 3600.0
    #: A run that takes longer has gone astray: its process is ended and another one tries again.
    longest_run_s: float = 300.0

    def __post_init__(self) -> None:
        assert _NAME.fullmatch(self.name), f"a job's name is room.verb, not {self.name!r}"
        assert self.tries >= 1, self.name

    def pause_s(self, attempt: int, chance: float) -> float:
        """Seconds until the next try after try ``attempt``; ``chance`` from 0 to 1 spreads those that failed together
        over the upper half."""
        whole_s = min(self.first_pause_s * 2.0 ** min(attempt - 1, 32), self.longest_pause_s)
        return whole_s * (0.5 + chance / 2)


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """A job that comes by itself, never two of one schedule at a time. ``cron``: minute, hour, day, month, weekday;
    UTC. What was missed while no worker ran is made up for once, within a day."""

    name: str
    cron: str
    job: str
    lane: str = QUICK


@dataclass(frozen=True, kw_only=True)
class Request:
    """A job to be put into the queue. ``lock``: jobs with the same one run one after another, in order. ``once``: not
    added where one with the same word waits already. ``at``: not before then."""

    name: str
    args: Mapping[str, Argument] = field(default_factory=dict)
    lock: str | None = None
    once: str | None = None
    at: datetime | None = None
    lane: str = QUICK

    def __post_init__(self) -> None:
        assert self.lane in LANES, self.lane
        for key, value in self.args.items():
            assert isinstance(value, str | int), f"{self.name}: {key} is neither text nor a whole number"
            assert not isinstance(value, str) or (_WORD.fullmatch(value) and not _LIKE_A_NUMBER.fullmatch(value)), (
                f"{self.name}: {key} is no id; a job's arguments are ids, dates and short words only"
            )


@dataclass(frozen=True)
class Backlog:
    """What stands in the queue under one name; ``oldest_s`` is the age of the oldest that is due."""

    name: str
    waiting: int
    oldest_s: float
    running: int
    failed: int


@dataclass(frozen=True)
class Failed:
    """A job that was given up."""

    id: int
    name: str
    args: Mapping[str, Argument]
    attempts: int
    failed_at: datetime | None
