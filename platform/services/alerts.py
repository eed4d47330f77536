"""Which alerts stand, asked of Prometheus: for people who look at one page instead of two."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Callable
from typing import Any

from ..watching.errors import PrometheusAway

#: The page waits for it.
TIMEOUT_S = 2.0
MOST_BYTES = 2_000_000
MOST_ALERTS = 200

Alerts = list[dict[str, Any]]


def build_alerts(prometheus_url: str) -> Callable[[], Alerts] | None:
    """None: no Prometheus is known."""
    if not prometheus_url:
        return None
    address = f"{prometheus_url.rstrip('/')}/api/v1/alerts"

    def read() -> Alerts:
        try:
            with urllib.request.urlopen(address, timeout=TIMEOUT_S) as answer:  # noqa: S310 (the operator's own setting)
                document = json.loads(answer.read(MOST_BYTES))
            return [shown(one) for one in document["data"]["alerts"] if one["state"] == "firing"][:MOST_ALERTS]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise PrometheusAway(f"Prometheus at {prometheus_url} does not say which alerts stand: {error}") from error

    return read


def shown(alert: dict[str, Any]) -> dict[str, Any]:
    """What people want of one."""
    labels, words = alert["labels"], alert.get("annotations", {})
    return {
        "name": str(labels["alertname"]),
        "severity": str(labels.get("severity", "")),
        "summary": str(words.get("summary", "")),
        "runbook": str(words.get("runbook", "")),
        "since": str(alert.get("activeAt", "")),
    }
