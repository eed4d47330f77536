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
    #: Variables above the page, each with the metric whose label of that name has its values.
    variables: tuple[tuple[str, str], ...] = ()


def _rate(metric: str, by: str, more: str = "") -> str:
    return f"sum by ({by}) (rate({metric}{more}[5m]))"


def _quantiles(metric: str, more: str = "") -> dict[str, str]:
    buckets = f"sum by (le) (rate({metric}_bucket{more}[5m]))"
    return {f"p{share}": f"histogram_quantile(0.{share}, {buckets})" for share in ("50", "90", "99")}


_NODE = '{node=~"$node"}'
_TRUNK = '{trunk=~"$trunk"}'
_AGENCY = '{agency=~"$agency"}'
_BY_NODE = (("node", "dialtrace_node_up"),)

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
            "Restarts of processes", {"{{child}}": "increase(dialtrace_child_restarts_total[10m]) or vector(0)"},
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
        Panel(
            "Calls a second",
            {
                "begun {{node}}": 'node:dialtrace_calls_begun:rate1m{node=~"$node"}',
                "recorded {{node}}": 'node:dialtrace_calls:rate5m{node=~"$node"}',
            },
            unit="cps",
        ),
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
        Panel("A question over the event socket", _quantiles("dialtrace_node_round_trip_seconds", _NODE), unit="s"),
        Panel(
            "Events not handled yet",
            {"{{node}}": f"dialtrace_node_events_queued{_NODE}", "s {{node}}": f"dialtrace_node_events_lag_seconds{_NODE}"},
        ),
        Panel("Sound (MOS), callers' side", {
            "p10": f"histogram_quantile(0.1, sum by (le) (rate(dialtrace_call_mos_bucket{_NODE}[15m])))",
            "p50": f"histogram_quantile(0.5, sum by (le) (rate(dialtrace_call_mos_bucket{_NODE}[15m])))",
        }, help="By the E-model; where it was measured."),
        Panel("Disk of the spool", {
            "free {{node}}": f"dialtrace_spool_free_bytes{_NODE}", "size {{node}}": f"dialtrace_spool_size_bytes{_NODE}",
        }, unit="bytes"),
    ),
    variables=_BY_NODE,
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
        Panel(
            "Requests to the object store",
            {
                "{{what}}": "sum by (what) (rate(dialtrace_store_seconds_count[5m]))",
                "failed {{what}}": "sum by (what) (rate(dialtrace_store_failures_total[5m]))",
            },
            unit="reqps",
        ),
        Panel("One upload", _quantiles("dialtrace_store_seconds", '{what="put"}'), unit="s"),
        Panel("Bytes to the store", {"bytes/s": "sum(rate(dialtrace_store_bytes_total[5m]))"}, unit="Bps"),
    ),
    variables=_BY_NODE,
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
        Panel("Jobs due", {"{{task}}": "max by (task) (dialtrace_jobs_waiting)"}),
        Panel("Ends of jobs", {"{{task}} {{outcome}}": _rate("dialtrace_jobs_ended_total", "task, outcome")}, unit="cps"),
        Panel("Listeners of live calls", {"listeners": "sum(dialtrace_live_listeners)"}),
        Panel("Share of errors", {
            "5 min": "dialtrace:http_errors:ratio_rate5m", "1 h": "dialtrace:http_errors:ratio_rate1h",
        }, unit="percentunit", help="The objective allows 0.1 %."),
        Panel("Events without position", {"events": "max(dialtrace_events_unsequenced)"}),
        Panel("Deliveries to integrations", {
            "{{system}} {{outcome}}": _rate("dialtrace_integration_deliveries_total", "system, outcome")
            + " or vector(0)",
        }, unit="cps"),
        Panel("Integrations: due, in doubt, broken", {
            "{{system}} {{state}}": "max by (system, state) (dialtrace_integration_backlog) or vector(0)",
        }),
        Panel("Tries of webhooks", {"{{outcome}}": _rate("dialtrace_webhook_tries_total", "outcome")}, unit="cps"),
    ),
)  # fmt: skip

TRUNKS = Dashboard(
    "dialtrace-trunks",
    "Dialtrace: trunks",
    (
        Panel("Attempts by trunk", {"{{trunk}}": _rate("dialtrace_legs_total", "trunk", _TRUNK)}, unit="cps", width=12,
              help="address: the target has a SIP address and needs no trunk."),
        Panel("Attempts by outcome", {"{{outcome}}": _rate("dialtrace_legs_total", "outcome", _TRUNK)}, unit="cps", width=12),
        Panel("ASR", {"{{trunk}}": 'trunk:dialtrace_asr:ratio15m{trunk=~"$trunk"}'}, unit="percentunit"),
        Panel("NER", {"{{trunk}}": 'trunk:dialtrace_ner:ratio15m{trunk=~"$trunk"}'}, unit="percentunit"),
        Panel("Average call duration", {"{{trunk}}": 'trunk:dialtrace_acd:seconds15m{trunk=~"$trunk"}'}, unit="s"),
        Panel("Post-dial delay, p90", {
            "{{trunk}}": f"histogram_quantile(0.9, sum by (trunk, le) (rate(dialtrace_leg_pdd_seconds_bucket{_TRUNK}[15m])))"
        }, unit="s"),
        Panel("Sound (MOS), targets' side, p50", {
            "{{trunk}}": f"histogram_quantile(0.5, sum by (trunk, le) (rate(dialtrace_leg_mos_bucket{_TRUNK}[15m])))"
        }),
        Panel("Trunks with a password on the switch", {"{{node}}": "dialtrace_gateways"}),
    ),
    variables=(("trunk", "dialtrace_legs_total"),),
)  # fmt: skip

POOLS = Dashboard(
    "dialtrace-pools",
    "Dialtrace: pools and leases",
    (
        Panel("Leases by rung", {"{{rung}}": _rate("dialtrace_pool_leases_total", "rung")}, unit="cps", width=12,
              help="exclusive: a number of the visit's own; the others are what is left when the pool is short."),
        Panel("Visits lost", {"{{of}}": "max by (of) (dialtrace_pool_loss_ratio)"}, unit="percentunit", width=12,
              help="Of the last quarter of an hour: of all pools, and of the worst."),
        Panel("Pools that are short", {"pools": "max(dialtrace_pools_short)"}, kind="stat"),
        Panel("Numbers in pools", {"{{state}}": "max by (state) (dialtrace_pool_numbers)"}),
        Panel("Numbers for the week ahead", {"{{what}}": "max by (what) (dialtrace_pool_forecast_numbers)"},
              help="There, needed in the busiest hour, missing for it."),
        Panel("Signs of life", {"renewals": "sum(rate(dialtrace_pool_renewals_total[5m]))"}, unit="cps"),
        Panel("Pages that asked", {"{{visit}}": _rate("dialtrace_visit_pages_total", "visit")}, unit="cps"),
        Panel("Who looks after the pools", {"{{instance}}": "dialtrace_pool_manager_turn"}),
    ),
)  # fmt: skip

PROCESSES = Dashboard(
    "dialtrace-processes",
    "Dialtrace: processes and database",
    (
        Panel("Loop comes back late, p99", {
            "{{process}}": "histogram_quantile(0.99, sum by (process, le) (rate(dialtrace_hub_lag_seconds_bucket[5m])))"
        }, unit="s", help="Of every gevent process."),
        Panel("Processor", {"{{process}}": "sum by (process) (rate(process_cpu_seconds_total[5m]))"}, unit="percentunit"),
        Panel("Memory", {"{{process}}": "sum by (process) (process_resident_memory_bytes)"}, unit="bytes"),
        Panel("Open files", {"{{process}}": "sum by (process) (process_open_fds)"}),
        Panel("Statements", {"{{verb}}": _rate("dialtrace_db_statement_seconds_count", "verb")}, unit="ops"),
        Panel("One statement", _quantiles("dialtrace_db_statement_seconds"), unit="s"),
        Panel("Connections at work", {
            "{{process}}": "sum by (process) (dialtrace_db_connections_used)",
            "may have {{process}}": "sum by (process) (dialtrace_db_connections_most)",
        }),
        Panel("Wait for a connection, p99", {
            "{{process}}": "histogram_quantile(0.99, sum by (process, le) (rate(dialtrace_db_connection_wait_seconds_bucket[5m])))"
        }, unit="s"),
        Panel("Failures of the database", {
            "{{why}}": "sum by (why) (increase(dialtrace_db_failures_total[5m])) or label_replace(vector(0), \"why\", \"none\", \"\", \"\")"
        }),
    ),
)  # fmt: skip

AGENCY = Dashboard(
    "dialtrace-agency",
    "Dialtrace: an agency",
    (
        Panel("Calls that stand", {"{{state}}": f"sum by (state) (dialtrace_agency_live_calls{_AGENCY}) or vector(0)"}),
        Panel("Calls of a quarter of an hour", {"{{outcome}}": f"sum by (outcome) (dialtrace_agency_calls_recent{_AGENCY})"}),
        Panel("Answered", {
            "ASR": f'sum(dialtrace_agency_calls_recent{{outcome=~"answered|voicemail",agency=~"$agency"}})'
                   f" / sum(dialtrace_agency_calls_recent{_AGENCY})"
        }, unit="percentunit"),
        Panel("Average call duration", {
            "ACD": f"sum(dialtrace_agency_talk_seconds_recent{_AGENCY})"
                   f' / sum(dialtrace_agency_calls_recent{{outcome="answered",agency=~"$agency"}})'
        }, unit="s"),
        Panel("Visits that were shown a number", {"{{rung}}": f"sum by (rung) (dialtrace_agency_visits_recent{_AGENCY})"}),
        Panel("Numbers in pools", {"{{state}}": f"sum by (state) (dialtrace_agency_pool_numbers{_AGENCY})"}),
        Panel("Callers in queues", {"{{state}}": f"sum by (state) (dialtrace_agency_queue_callers{_AGENCY}) or vector(0)"}),
        Panel("Recordings of a day", {"{{state}}": f"sum by (state) (dialtrace_agency_recordings{_AGENCY})"}),
    ),
    variables=(("agency", "dialtrace_agency_calls_recent"),),
)  # fmt: skip

DASHBOARDS = (NOC, NODES, TRUNKS, POOLS, RECORDS, BUSINESS, PROCESSES, AGENCY)


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
        "templating": {"list": [_source(), *(_variable(*one) for one in page.variables)]},
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


def _variable(label: str, metric: str) -> dict[str, Any]:
    return {
        "name": label,
        "label": label.capitalize(),
        "type": "query",
        "datasource": {"type": "prometheus", "uid": "${source}"},
        "query": f"label_values({metric}, {label})",
        "includeAll": True,
        "multi": True,
        "current": {"text": "All", "value": "$__all"},
    }
