"""One page of a list that is read by keyset: a value, level 0. Cursors that leave the platform are the API's matter."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Page(Generic[T]):
    """Items in order, and the keyset value to ask with for the next ones; ``next`` is None on the last page."""

    items: Sequence[T]
    next: tuple[Any, ...] | None = None


def cut(found: Sequence[T], limit: int, *keyset: str) -> Page[T]:
    """The page of ``limit`` items out of what was ``found``, where one more was looked for than asked: it says whether
    others follow. ``keyset``: the fields that the list is ordered by."""
    items = found[:limit]
    return Page(items, tuple(getattr(items[-1], name) for name in keyset) if len(found) > limit else None)
