"""Grafana's dashboards as data: panels, each a title, a unit and its queries. Plain JSON comes out, which Grafana
reads from a folder (provisioning) or by import; no library of Grafana's is needed for that.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

WIDTH, HEIGHT = 24, 8


@dataclass(frozen=True)
class Panel:
    """One picture. ``queries``: legend (Grafana's ``{{label}}``) → expression. ``kind``: timeseries or stat."""

    title: str
    queries: dict[str, str]
    unit: str = "short"
    kind: str = "timeseries"
    width: int = 8
    help: str = ""


@dataclass(frozen=True)
class Dashboard:
    """A page of panels, placed from left to right and from the top down."""

    uid: str
    title: str
    panels: tuple[Panel, ...]
    #: A variable `node` stands above the page.
    by_node: bool = False


def _rate(metric: str, by: str, more: str = "") -> str:
    return f"sum by ({by}) (rate({metric}{more}[5m]))"


def _quantiles(metric: str, more: str = "") -> dict[str, str]:
    buckets = f"sum by (le) (rate({metric}_bucket{more}[5m]))"
    return {f"p{share}": f"histogram_quantile(0.{share}, {buckets})" for share in ("50", "90", "99")}


_NODE = '{node=~"$node"}'

NOC = Dashboard(
    "dialtrace-noc",
    "Dialtrace: the whole platform",
    (
        Panel("Calls that stand", {"calls": "sum(dialtrace_live_calls)"}, kind="stat", width=4),
        Panel("Nodes up", {"up": "sum(dialtrace_node_up == bool 1)"}, kind="stat", width=4),
        Panel(
            "Calls a second", {"calls/s": "sum(node:dialtrace_calls:rate5m)"}, unit="cps", kind="stat", width=4,
            help="Calls whose record was kept; the five minutes before.",
        ),
        Panel(
            "ASR",
            {"ASR": "avg(node:dialtrace_asr:ratio15m)"},
            unit="percentunit", kind="stat", width=4, help="Answered over all calls of the last quarter of an hour.",
        ),
        Panel(
            "Recordings unaccounted for", {"recordings": "sum(dialtrace_recordings_unaccounted)"}, kind="stat", width=4,
            help="Must be 0.",
        ),
        Panel(
            "Oldest record", {"age": "max(dialtrace_cdr_oldest_seconds)"}, unit="s", kind="stat", width=4,
            help="Age of the oldest CDR file that waits on any node's disk.",
        ),
        Panel("Calls by outcome", {"{{outcome}}": _rate("dialtrace_calls_total", "outcome")}, unit="cps", width=12),
        Panel(
            "Whose plan calls ran", {"{{by}}": _rate("dialtrace_calls_decided_total", "by")}, unit="cps", width=12,
            help="fallback: no worker answered in time; no_plan: nothing was on the node either, callers were refused.",
        ),
        Panel("A worker's answer", _quantiles("dialtrace_worker_answer_seconds"), unit="s"),
        Panel(
            "Where routes came from", {"{{source}}": _rate("dialtrace_worker_answers_total", "source")}, unit="cps",
            help="database; copy: of this process; disk: the machine's copy; none: the node's own plan took the call.",
        ),
        Panel("From a call's end to its record", _quantiles("dialtrace_cdr_delay_seconds"), unit="s"),
        Panel(
            "Restarts of processes", {"{{process}}": "increase(dialtrace_child_restarts_total[10m]) or vector(0)"},
        ),
        Panel("Processes that give no metrics", {"{{process}} {{instance}}": 'up{job="dialtrace"} == bool 0'}),
        Panel(
            "Call path, share of errors",
            {"5 min": "dialtrace:call_path_errors:ratio_rate5m", "1 h": "dialtrace:call_path_errors:ratio_rate1h"},
            unit="percentunit", help="The objective allows 0.01 %.",
        ),
    ),
)  # fmt: skip

NODES = Dashboard(
    "dialtrace-nodes",
    "Dialtrace: nodes",
    (
        Panel("State", {"{{node}}": f"dialtrace_node_up{_NODE}"}, help="1 up, 0 down, -1 unknown."),
        Panel(
            "Sessions",
            {"{{node}}": f"dialtrace_node_sessions{_NODE}", "limit {{node}}": f"dialtrace_node_max_sessions{_NODE}"},
        ),
        Panel("Calls that stand", {"{{node}}": f"dialtrace_live_calls{_NODE}"}),
        Panel("Calls a second", {"{{node}}": 'node:dialtrace_calls:rate5m{node=~"$node"}'}, unit="cps"),
        Panel("ASR", {"{{node}}": 'node:dialtrace_asr:ratio15m{node=~"$node"}'}, unit="percentunit"),
        Panel("NER", {"{{node}}": 'node:dialtrace_ner:ratio15m{node=~"$node"}'}, unit="percentunit"),
        Panel("Average call duration", {"{{node}}": 'node:dialtrace_acd:seconds15m{node=~"$node"}'}, unit="s"),
        Panel("Time to answer", _quantiles("dialtrace_call_answer_seconds", _NODE), unit="s"),
        Panel("Post-dial delay", _quantiles("dialtrace_call_pdd_seconds", _NODE), unit="s"),
        Panel(
            "Age of the fallback plans",
            {"{{node}}": f"time() - dialtrace_plan_synced_timestamp_seconds{_NODE}"}, unit="s",
        ),
        Panel("Commits of the journal", _quantiles("dialtrace_journal_commit_seconds", _NODE), unit="s"),
        Panel(
            "Links to the switch that ended", {"{{node}}": f"increase(dialtrace_node_reconnects_total{_NODE}[1h])"}
        ),
    ),
    by_node=True,
)  # fmt: skip

RECORDS = Dashboard(
    "dialtrace-records",
    "Dialtrace: records and recordings",
    (
        Panel("CDR files that wait", {"{{node}}": f"dialtrace_cdr_files_waiting{_NODE}"}),
        Panel("Age of the oldest", {"{{node}}": f"dialtrace_cdr_oldest_seconds{_NODE}"}, unit="s"),
        Panel("Set aside", {"{{node}}": f"dialtrace_cdr_files_set_aside{_NODE}"}),
        Panel(
            "Stored", {"{{node}} {{kind}}": _rate("dialtrace_cdr_files_stored_total", "node, kind", _NODE)}, unit="cps"
        ),
        Panel("From a call's end to its record", _quantiles("dialtrace_cdr_delay_seconds"), unit="s"),
        Panel("Recordings due", {"{{node}}": f"dialtrace_recordings_due{_NODE}"}),
        Panel(
            "Recordings settled", {"{{state}}": _rate("dialtrace_recordings_settled_total", "state", _NODE)}, unit="cps"
        ),
        Panel("Unaccounted for", {"recordings": "sum(dialtrace_recordings_unaccounted)"}),
        Panel("Orphaned", {"{{node}}": f"dialtrace_recordings_orphaned{_NODE}"}),
    ),
    by_node=True,
)

BUSINESS = Dashboard(
    "dialtrace-business",
    "Dialtrace: API, events, webhooks, jobs",
    (
        Panel("Requests", {"{{status}}": _rate("dialtrace_http_requests_total", "status")}, unit="reqps"),
        Panel("Time to answer", _quantiles("dialtrace_http_request_seconds"), unit="s"),
        Panel("Slowest routes, p99", {
            "{{route}}": "topk(8, histogram_quantile(0.99, "
            "sum by (le, route) (rate(dialtrace_http_request_seconds_bucket[5m]))))"
        }, unit="s"),
        Panel("Events sequenced", {"events": "sum(rate(dialtrace_events_sequenced_total[5m]))"}, unit="cps"),
        Panel("Webhook backlog", {"{{state}}": "sum by (state) (dialtrace_webhook_backlog)"}),
        Panel("Oldest webhook message", {"age": "max(dialtrace_webhook_oldest_seconds)"}, unit="s"),
        Panel("Jobs due", {"{{job}}": "max by (job) (dialtrace_jobs_waiting)"}),
        Panel("Ends of jobs", {"{{job}} {{outcome}}": _rate("dialtrace_jobs_ended_total", "job, outcome")}, unit="cps"),
        Panel("Listeners of live calls", {"listeners": "sum(dialtrace_live_listeners)"}),
    ),
)  # fmt: skip

DASHBOARDS = (NOC, NODES, RECORDS, BUSINESS)


def dashboard(page: Dashboard) -> dict[str, Any]:
    """The document that Grafana reads (schema 39: Grafana 10 and later)."""
    panels, left, top = [], 0, 0
    for number, panel in enumerate(page.panels, start=1):
        if left + panel.width > WIDTH:
            left, top = 0, top + HEIGHT
        panels.append(_panel(number, panel, left, top))
        left += panel.width
    return {
        "uid": page.uid,
        "title": page.title,
        "schemaVersion": 39,
        "tags": ["dialtrace"],
        "timezone": "browser",
        "refresh": "15s",
        "time": {"from": "now-3h", "to": "now"},
        "templating": {"list": [_source(), *([_nodes()] if page.by_node else [])]},
        "panels": panels,
    }


def _panel(number: int, panel: Panel, left: int, top: int) -> dict[str, Any]:
    return {
        "id": number,
        "type": panel.kind,
        "title": panel.title,
        "description": panel.help,
        "datasource": {"type": "prometheus", "uid": "${source}"},
        "gridPos": {"x": left, "y": top, "w": panel.width, "h": HEIGHT},
        "fieldConfig": {"defaults": {"unit": panel.unit, "min": 0}, "overrides": []},
        "targets": [
            {"refId": chr(ord("A") + index), "legendFormat": legend, "expr": expression}
            for index, (legend, expression) in enumerate(panel.queries.items())
        ],
    }


def _source() -> dict[str, Any]:
    return {"name": "source", "label": "Prometheus", "type": "datasource", "query": "prometheus"}


def _nodes() -> dict[str, Any]:
    return {
        "name": "node",
        "label": "Node",
        "type": "query",
        "datasource": {"type": "prometheus", "uid": "${source}"},
        "query": "label_values(dialtrace_node_up, node)",
        "includeAll": True,
        "multi": True,
        "current": {"text": "All", "value": "$__all"},
    }
