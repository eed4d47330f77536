"""Makes a node's recording folders ahead: `record` into a missing folder hangs a caller up (call-setup.md)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import gevent
import structlog

from ..nodesfile import NodeSettings

log = structlog.get_logger("monitor")

FOLDERS_EVERY_S = 60.0


def make_recording_folders(node: NodeSettings) -> None:
    """Today's and tomorrow's (UTC)."""
    today = datetime.now(UTC)
    for day in (today, today + timedelta(days=1)):
        (node.spool / "recordings" / day.strftime("%Y%m%d")).mkdir(parents=True, exist_ok=True)


def keep_recording_folders(node: NodeSettings) -> None:
    """Until the greenlet is killed."""
    while True:
        try:
            make_recording_folders(node)
        except OSError as fault:
            log.error("no folder for recordings", node=node.name, fault=str(fault))
        gevent.sleep(FOLDERS_EVERY_S)
