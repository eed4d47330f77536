"""Looks now and then how long our certificates are still good, for Prometheus. A thread beside the jobs; nothing waits
for it.
"""

from __future__ import annotations

import ssl
import threading
from collections.abc import Callable, Sequence
from datetime import datetime

import structlog

from ..certificates import good_until
from ..metrics import CERTIFICATE_ENDS, CERTIFICATE_UNREAD

log = structlog.get_logger("certificates")

LOOK_EVERY_S = 3600.0


def watch_certificates(hosts: Sequence[tuple[str, int]]) -> threading.Thread | None:
    """From now on, as long as the process lives; None where there is no host to ask."""
    if not hosts:
        return None
    thread = threading.Thread(target=_keep_looking, args=(hosts,), name="certificates", daemon=True)
    thread.start()
    return thread


def _keep_looking(hosts: Sequence[tuple[str, int]]) -> None:
    pause = threading.Event()
    while True:
        look(hosts)
        pause.wait(LOOK_EVERY_S)


def look(hosts: Sequence[tuple[str, int]], ask: Callable[[str, int], datetime] = good_until) -> None:
    """Once. A host that does not answer keeps its last date: that it is away is another alert's matter."""
    for host, port in hosts:
        try:
            ends_at = ask(host, port)
        except ssl.SSLError as error:
            CERTIFICATE_UNREAD.labels(host).set(1)
            log.error("a certificate cannot be trusted", host=host, why=getattr(error, "reason", None) or str(error))
        except OSError as error:
            log.warning("a certificate could not be looked at", host=host, why=str(error))
        else:
            CERTIFICATE_UNREAD.labels(host).set(0)
            CERTIFICATE_ENDS.labels(host).set(ends_at.timestamp())
