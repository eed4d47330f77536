"""The switch's own counters: how many calls hold a resource, and how often it was asked for. Pure but for its book.

As `mod_hash.c` (limit_incr_hash, limit_release_hash) keeps them: a channel holds a resource once, however often it
asks; a rate counts every question within a window of whole seconds and knows no channel.
"""

from __future__ import annotations

from dataclasses import dataclass, field

#: Names of resources come from the dialplan, so there are few; this is where a mistake in it ends.
MOST_RESOURCES = 10_000


@dataclass
class Resource:
    """One counter: who holds it, and the questions of the present window."""

    holders: set[str] = field(default_factory=set)
    asked: int = 0
    window_began_s: int = 0


class Limits:
    """The counters of one node."""

    def __init__(self) -> None:
        self._resources: dict[str, Resource] = {}

    def take(self, holder: str, key: str, *, most: int | None, window_s: int, now_s: int) -> tuple[int, int] | None:
        """Takes the resource for a channel; returns how many hold it and how often it was asked for in this window.
        None: that would be more than ``most`` (None: as many as come) at a time or, with ``window_s``, in a window."""
        resource = self._resources.setdefault(key, Resource())
        if window_s:
            if resource.window_began_s <= now_s - window_s:
                resource.asked, resource.window_began_s = 1, now_s
            else:
                resource.asked += 1
                if most is not None and resource.asked > most:
                    return None
        elif most is not None and len(resource.holders | {holder}) > most:
            self._forget_idle(key)
            return None
        if len(self._resources) <= MOST_RESOURCES:
            resource.holders.add(holder)
        return len(resource.holders), resource.asked

    def release(self, holder: str, key: str | None = None) -> None:
        """The channel gives the resource back; without a key everything that it holds."""
        for name in [key] if key is not None else list(self._resources):
            if name in self._resources:
                self._resources[name].holders.discard(holder)
                self._forget_idle(name)

    def usage(self, key: str) -> int:
        """How many hold it now."""
        resource = self._resources.get(key)
        return len(resource.holders) if resource else 0

    def _forget_idle(self, key: str) -> None:
        """A counter of a rate keeps its window."""
        resource = self._resources[key]
        if not resource.holders and not resource.asked:
            del self._resources[key]
