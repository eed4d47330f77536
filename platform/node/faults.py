"""Counts and logs what must never happen: an exception in a callback or at the top of a greenlet.

Sippy prints and swallows exceptions of its callbacks (reference node 5.6). Here they are counted, so that a test can
fail on the first one and the operator sees the number in ``status``.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import gevent

log = logging.getLogger(__name__)


class Faults:
    """How often something broke inside the node, and how many packets were no SIP at all."""

    def __init__(self) -> None:
        self.count = 0
        self.bad_packets = 0

    def record(self, where: str) -> None:
        """Count the exception that is being handled."""
        self.count += 1
        log.exception("fault in the embedded node: %s", where)

    def guarded(self, where: str, call: Callable[..., Any]) -> Callable[..., Any]:
        """The same callable, its exceptions counted instead of lost; it then returns None."""

        def run(*arguments: Any, **options: Any) -> Any:
            try:
                return call(*arguments, **options)
            except gevent.GreenletExit:
                raise
            except Exception:  # noqa: BLE001 - the top of a callback
                self.record(where)
                return None

        return run

    def spawn(self, where: str, call: Callable[..., Any], *arguments: Any) -> gevent.Greenlet[..., Any]:
        """A named greenlet whose death by exception is counted."""
        greenlet = gevent.spawn(self.guarded(where, call), *arguments)
        greenlet.name = where
        return greenlet
