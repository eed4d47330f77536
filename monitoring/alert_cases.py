"""What makes each alert fire, and what comes near and does not: the source of rules/alerts_test.yml.

`python -m dialtrace.monitoring.make` writes that file for promtool; tests/monitoring runs it, and runs it once more for
every alert with its expression broken, which must fail. Series are in promtool's notation at one sample a minute.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

Series = Mapping[str, str]


@dataclass(frozen=True)
class Case:
    """``fires`` at the moment ``at`` with ``labels`` beside the severity; ``quiet`` does not."""

    alert: str
    fires: Series
    quiet: Series
    at: str = "30m"
    labels: Mapping[str, str] = field(default_factory=dict)


NODE = {"node": "node-1"}


def _one(name: str, labels: str, fires: str, quiet: str) -> tuple[Series, Series]:
    series = f"{name}{{{labels}}}" if labels else name
    return {series: fires}, {series: quiet}


def _decided(worker: str, fallback: str, no_plan: str = "0x60") -> Series:
    return {
        'dialtrace_calls_decided_total{node="node-1",by="worker"}': worker,
        'dialtrace_calls_decided_total{node="node-1",by="fallback"}': fallback,
        'dialtrace_calls_decided_total{node="node-1",by="no_plan"}': no_plan,
    }


def _answers(none: str) -> Series:
    return {
        'dialtrace_worker_answers_total{source="database"}': "0+1000x800",
        'dialtrace_worker_answers_total{source="none"}': none,
        'dialtrace_worker_failures_total{what="overload"}': "0x800",
    }


def _outcomes(answered: str, failed: str, outcome: str) -> Series:
    return {
        'dialtrace_calls_total{node="node-1",outcome="answered"}': answered,
        f'dialtrace_calls_total{{node="node-1",outcome="{outcome}"}}': failed,
    }


def _quantile(name: str, quick: str, slow: str, bound: str) -> Series:
    return {
        f'{name}_bucket{{le="{bound}"}}': quick,
        f'{name}_bucket{{le="+Inf"}}': slow,
    }


def _gauge(alert: str, name: str, labels: str, fires: str, quiet: str, at: str = "30m", **kept: str) -> Case:
    return Case(alert, *_one(name, labels, fires, quiet), at, kept)


CASES: tuple[Case, ...] = (
    Case("CallPathBurnsFast", _answers("0+10x800"), _answers("0+0.5x800"), "90m"),
    Case("CallPathBurnsSlowly", _answers("0+1x800"), _answers("0+0.1x800"), "8h"),
    Case("CallsRunOnFallbackPlans", _decided("5x60", "0+3x60"), _decided("0+9x60", "0+1x60"), "20m", NODE),
    Case("CallsWithoutAnyPlan", _decided("0+9x60", "0x60", "0x18 1x40"), _decided("0+9x60", "0+1x60"), "20m", NODE),
    Case(
        "AnswersComeLate",
        _quantile("dialtrace_worker_answer_seconds", "0+900x60", "0+1000x60", "0.35"),
        _quantile("dialtrace_worker_answer_seconds", "0+999x60", "0+1000x60", "0.2"),
    ),
    Case(
        "FewerCallsAnswered",
        _outcomes("0+30x300 9000x90", "0+10x300 3000+40x90", "no_answer"),
        _outcomes("0+30x300 9000+25x90", "0+10x300 3000+15x90", "no_answer"),
        "345m", NODE,
    ),
    Case(
        "NetworkFailsCalls",
        _outcomes("0+30x60", "0+10x60", "congestion"), _outcomes("0+30x60", "0+10x60", "no_answer"), "30m", NODE,
    ),
    Case(
        "SoundIsPoor",
        {
            'dialtrace_call_mos_bucket{node="node-1",le="3.6"}': "0+2x90",
            'dialtrace_call_mos_count{node="node-1"}': "0+10x90",
        },
        {
            'dialtrace_call_mos_bucket{node="node-1",le="3.6"}': "0+0.5x90",
            'dialtrace_call_mos_count{node="node-1"}': "0+10x90",
        },
        "80m", NODE,
    ),
    _gauge("NodeDown", "dialtrace_node_up", 'node="node-1"', "1x10 0x50", "1x10 -1x50", "15m", **NODE),
    _gauge("NodeUnknown", "dialtrace_node_up", 'node="node-1"', "1x10 -1x50", "1x10 0x50", "15m", **NODE),
    Case(
        "NodeNearItsLimit",
        {'dialtrace_node_sessions{node="node-1"}': "90x60", 'dialtrace_node_max_sessions{node="node-1"}': "100x60"},
        {'dialtrace_node_sessions{node="node-1"}': "70x60", 'dialtrace_node_max_sessions{node="node-1"}': "100x60"},
        "30m", NODE,
    ),
    Case(
        "NodeDrainsForLong",
        {'dialtrace_node_draining{node="node-1"}': "1x90", 'dialtrace_node_drain_waits{node="node-1"}': "2x90"},
        {'dialtrace_node_draining{node="node-1"}': "1x90", 'dialtrace_node_drain_waits{node="node-1"}': "2x30 0x60"},
        "80m", NODE,
    ),
    _gauge(
        "FallbackPlansAreOld", "dialtrace_plan_synced_timestamp_seconds", 'node="node-1"', "0x60", "0+60x60", **NODE
    ),
    _gauge(
        "FallbackPlansFail", "dialtrace_plan_failures_total", 'node="node-1",what="disk"', "0+1x60", "3x60",
        **NODE, what="disk",
    ),
    Case(
        "RouteCopyIsOld",
        {'dialtrace_route_copy_synced_timestamp_seconds{kind="monitor"}': "0x60"},
        {
            'dialtrace_route_copy_synced_timestamp_seconds{kind="monitor"}': "0+60x60",
            # Every process has the gauge; only the monitor keeps the copy.
            'dialtrace_route_copy_synced_timestamp_seconds{kind="agent"}': "0x60",
        },
        labels={"kind": "monitor"},
    ),
    _gauge("JournalFails", "dialtrace_journal_failures_total", 'node="node-1"', "0+1x60", "4x60", **NODE),
    _gauge("RecordsAreLate", "dialtrace_cdr_oldest_seconds", 'node="node-1"', "0+60x60", "3x60", **NODE),
    _gauge("RecordsAreSetAside", "dialtrace_cdr_files_set_aside", 'node="node-1"', "1x60", "0x60", **NODE),
    _gauge(
        "RecordsCannotBeStored", "dialtrace_cdr_passes_failed_total", 'node="node-1",what="database"', "0+2x60",
        "0x28 1x40", **NODE, what="database",
    ),
    _gauge("RecordingsAreUnaccountedFor", "dialtrace_recordings_unaccounted", "", "1x60", "0x60"),
    _gauge("RecordingsFail", "dialtrace_recordings_failed_total", 'node="node-1"', "0+2x60", "0x25 3x40", **NODE),
    _gauge("RecordingsPileUp", "dialtrace_recordings_due", 'node="node-1"', "900x60", "400x60", **NODE),
    _gauge("RecordingsAreOrphaned", "dialtrace_recordings_orphaned", 'node="node-1"', "1x90", "0x90", "80m", **NODE),
    Case(
        "ApiFails",
        {
            'dialtrace_http_requests_total{status="200"}': "0+95x60",
            'dialtrace_http_requests_total{status="503"}': "0+5x60",
        },
        {
            'dialtrace_http_requests_total{status="200"}': "0+95x60",
            'dialtrace_http_requests_total{status="404"}': "0+5x60",
        },
    ),
    Case(
        "ApiIsSlow",
        _quantile("dialtrace_http_request_seconds", "0+900x60", "0+1000x60", "2.5"),
        _quantile("dialtrace_http_request_seconds", "0+999x60", "0+1000x60", "0.5"),
    ),
    _gauge("EventsAreNotSequenced", "dialtrace_event_sequence_failures_total", "", "0+60x60", "0x28 2x40"),
    _gauge("LiveEventsWereDropped", "dialtrace_live_events_dropped", 'node="node-1"', "4x60", "0x60", **NODE),
    _gauge("WebhooksAreLate", "dialtrace_webhook_oldest_seconds", "", "1000x60", "100x60"),
    _gauge("WebhooksAreBehind", "dialtrace_webhook_behind_events", "", "20000x60", "200x60"),
    _gauge("JobsWereGivenUp", "dialtrace_jobs_failed", 'job="exports.make"', "1x60", "0x60", job="exports.make"),
    _gauge(
        "JobsAreLate", "dialtrace_jobs_oldest_seconds", 'job="exports.make"', "2000x60", "20x60", job="exports.make"
    ),
    _gauge(
        "PersonsRequestsAreLate", "dialtrace_subject_requests_oldest_seconds", 'kind="erase"', "300000x90",
        "200000x90", "80m", kind="erase",
    ),
    _gauge("NumbersFailTheirProof", "dialtrace_number_proofs_total", 'outcome="failed"', "0x20 1x40", "0x60"),
    _gauge(
        "ProcessIsAway", "up", 'job="dialtrace",process="agent",instance="a:1"', "1x10 0x50", "1x60", "20m",
        job="dialtrace", process="agent", instance="a:1",
    ),
    _gauge(
        "ProcessKeepsDying", "dialtrace_child_restarts_total", 'process="agent"', "0+1x60", "0x25 1x40",
        process="agent",
    ),
)  # fmt: skip
