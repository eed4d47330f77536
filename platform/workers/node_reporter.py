"""Tells the database how a node is, apart from everything that must not wait for a database: of several states that are
waiting only the newest is written, and one that the database did not take is tried again."""

from __future__ import annotations

from collections.abc import Callable

import gevent
import structlog
from gevent.event import Event as Signal

from ..calls.model import NodeReport
from ..db.errors import DatabaseError
from ..metrics import NODE_REPORT_FAILURES
from ..nodesfile import NodeSettings

log = structlog.get_logger("monitor")

#: Rows of `nodes` are read by people and by the pool manager; a second is soon enough.
REPORT_EVERY_S = 1.0


class NodeReporter:
    """The newest state of one node, on its way to the database."""

    def __init__(self, node: NodeSettings, write: Callable[[NodeReport], None]) -> None:
        self._node = node
        self._write = write
        self._latest: NodeReport | None = None
        self._fresh = Signal()

    def tell(
        self,
        state: str,
        *,
        seen: bool,
        core_uuid: str | None = None,
        switch_version: str | None = None,
        sessions: int | None = None,
        max_sessions: int | None = None,
    ) -> None:
        """The node is so. Never waits; what is None stays as it was told before."""
        last = self._latest
        self._latest = NodeReport(
            name=self._node.name,
            kind=self._node.kind,
            sip_address=self._node.sip,
            state=state,
            seen=seen,
            core_uuid=core_uuid or (last.core_uuid if last else None),
            switch_version=switch_version or (last.switch_version if last else None),
            sessions=sessions if sessions is not None or last is None else last.sessions,
            max_sessions=max_sessions if max_sessions is not None or last is None else last.max_sessions,
        )
        self._fresh.set()

    def run(self) -> None:
        """Until the greenlet is killed."""
        while True:
            self._fresh.wait()
            self._fresh.clear()
            report = self._latest
            assert report is not None, "woken without a report"
            try:
                self._write(report)
            except DatabaseError as fault:
                NODE_REPORT_FAILURES.labels(self._node.name).inc()
                log.warning("the node's state is not stored", node=self._node.name, fault=str(fault))
                self._fresh.set()
            gevent.sleep(REPORT_EVERY_S)
