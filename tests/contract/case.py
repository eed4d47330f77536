"""The suite's list of cases: what each proves, how it is played, what must be seen. The bodies are in cases_*.py."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .worker import Door

if TYPE_CHECKING:
    from .stage import Stage

Play = Callable[["Stage"], dict[str, Any]]


@dataclass(frozen=True)
class Within:
    """A number between two others."""

    least: float
    most: float

    def __eq__(self, other: object) -> bool:
        return isinstance(other, (int, float)) and self.least <= other <= self.most

    __hash__ = None  # type: ignore[assignment]


@dataclass(frozen=True)
class EndsWith:
    """A list whose end is this: what comes before may differ (ringback)."""

    tail: list[Any]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, list) and other[-len(self.tail) :] == self.tail

    __hash__ = None  # type: ignore[assignment]


@dataclass(frozen=True)
class Case:
    """``sees`` is what the body must hand back. ``door`` is the worker's while the call comes in. ``seconds`` is how
    long the call is held: such calls are placed first and run beside everything else. ``alone`` is played when nothing
    else is being placed: it changes the whole switch."""

    name: str
    group: str
    proves: str
    play: Play
    sees: dict[str, Any]
    door: Door = "open"
    seconds: float = 0.0
    alone: bool = False
    number: str = field(default="")


def only_times_differ(seen: Any, sees: Any) -> bool:
    """Whether all is as it should be but for numbers that are bounded, as on a machine that is too busy."""
    if seen == sees or (isinstance(sees, Within) and isinstance(seen, (int, float))):
        return True
    if isinstance(sees, dict):
        return (
            isinstance(seen, dict)
            and seen.keys() == sees.keys()
            and all(only_times_differ(seen[name], sees[name]) for name in sees)
        )
    return False


CASES: dict[str, Case] = {}


def case(
    group: str,
    proves: str,
    sees: dict[str, Any],
    *,
    name: str = "",
    door: Door = "open",
    seconds: float = 0.0,
    alone: bool = False,
) -> Callable[[Play], Play]:
    """Puts a body into the list under its own name, or under ``name``."""

    def enter(play: Play) -> Play:
        called = name or play.__name__.replace("_", "-")
        assert called not in CASES, called
        number = f"749555{len(CASES) + 10_000:05d}"
        CASES[called] = Case(called, group, proves, play, sees, door, seconds, alone, number=number)
        return play

    return enter
