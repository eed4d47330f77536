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


NODE, NODE_LABEL = {"node": "node-1"}, 'node="node-1"'
PROCESS, PROCESS_LABEL = {"process": "agent"}, 'process="agent"'


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


def _quantile(name: str, quick: str, slow: str, bound: str, labels: str = "") -> Series:
    more = f",{labels}" if labels else ""
    return {
        f'{name}_bucket{{le="{bound}"{more}}}': quick,
        f'{name}_bucket{{le="+Inf"{more}}}': slow,
    }


def _disk(free: str, full: str) -> Series:
    return {
        'dialtrace_spool_free_bytes{node="node-1"}': f"{free}x60",
        'dialtrace_spool_size_bytes{node="node-1"}': "100x60",
        'dialtrace_spool_full{node="node-1"}': f"{full}x60",
    }


def _statuses(well: str, failed: str) -> Series:
    return {
        'dialtrace_http_requests_total{status="200"}': well,
        'dialtrace_http_requests_total{status="503"}': failed,
    }


def _db_failures(why: str, values: str) -> Series:
    return {f'dialtrace_db_failures_total{{why="{why}"}}': values}


def _gauge(alert: str, name: str, labels: str, fires: str, quiet: str, at: str = "30m", **kept: str) -> Case:
    return Case(alert, *_one(name, labels, fires, quiet), at, kept)


CASES: tuple[Case, ...] = (
    Case("CallPathBurnsFast", _answers("0+10x800"), _answers("0+0.5x800"), "90m"),
    # Over: the last hour was bad, the last five minutes are not. Just begun: the other way round.
    Case("CallPathBurnsFast", _answers("0+10x800"), _answers("0+10x50 500+0.1x100"), "90m"),
    Case("CallPathBurnsFast", _answers("0+10x800"), _answers("0x85 30x100"), "90m"),
    Case("CallPathBurnsSlowly", _answers("0+1x800"), _answers("0+0.1x800"), "8h"),
    Case("CallPathBurnsSlowly", _answers("0+1x800"), _answers("0+1x400 400+0.02x400"), "8h"),
    Case("CallPathBurnsSlowly", _answers("0+1x800"), _answers("0x459 25x400"), "8h"),
    # The last worker's call was two minutes ago; or hardly anybody calls. Quiet: both make plans; one call a minute is
    # late, and a worker has made a plan not long ago.
    Case("CallsRunOnFallbackPlans", _decided("0+9x18 162x40", "0x18 0+3x40"), _decided("0+9x60", "0+3x60"), "21m", NODE),
    Case(
        "CallsRunOnFallbackPlans", _decided("5x60", "0x3 1x3 2x3 3x3 4x3 5x3"), _decided("0+9x19 171x40", "0x19 0+1x40"),
        "22m", NODE,
    ),
    Case("CallsWithoutAnyPlan", _decided("0+9x60", "0x60", "0x18 1x40"), _decided("0+9x60", "0+1x60"), "20m", NODE),
    Case(
        "AnswersComeLate",
        _quantile("dialtrace_worker_answer_seconds", "0+900x60", "0+1000x60", "0.35"),
        _quantile("dialtrace_worker_answer_seconds", "0+999x60", "0+1000x60", "0.2"),
    ),
    Case(
        "FewerCallsAnswered",
        _outcomes("0+30x300 9000+4x90", "0+10x300 3000+40x90", "no_answer"),
        _outcomes("0+30x300 9000+25x90", "0+10x300 3000+15x90", "no_answer"),
        "345m", NODE,
    ),
    # Hardly anybody calls at night.
    Case(
        "FewerCallsAnswered",
        _outcomes("0+30x300 9000+4x90", "0+10x300 3000+40x90", "no_answer"),
        _outcomes("0+1x300 300x90", "0x300 0+0.5x90", "no_answer"),
        "345m", NODE,
    ),
    Case(
        "NetworkFailsCalls",
        _outcomes("0+30x60", "0+10x60", "congestion"), _outcomes("0+30x60", "0+10x60", "no_answer"), "30m", NODE,
    ),
    Case(
        "NetworkFailsCalls",
        _outcomes("0+30x60", "0+10x60", "congestion"), _outcomes("0x60", "0+0.5x60", "congestion"), "30m", NODE,
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
    Case(
        "SoundIsPoor",
        {
            'dialtrace_call_mos_bucket{node="node-1",le="3.6"}': "0+2x90",
            'dialtrace_call_mos_count{node="node-1"}': "0+10x90",
        },
        {
            'dialtrace_call_mos_bucket{node="node-1",le="3.6"}': "0+0.2x90",
            'dialtrace_call_mos_count{node="node-1"}': "0+0.2x90",
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
    Case(
        "NodeDrainsForLong",
        {'dialtrace_node_draining{node="node-1"}': "1x90", 'dialtrace_node_drain_waits{node="node-1"}': "2x90"},
        {'dialtrace_node_draining{node="node-1"}': "0x90", 'dialtrace_node_drain_waits{node="node-1"}': "2x90"},
        "80m", NODE,
    ),
    _gauge(
        "FallbackPlansAreOld", "dialtrace_plan_synced_timestamp_seconds", 'node="node-1"', "0x60", "-300+60x60", **NODE
    ),
    _gauge(
        "FallbackPlansFail", "dialtrace_plan_failures_total", 'node="node-1",what="disk"', "0+1x60", "3x60",
        **NODE, what="disk",
    ),
    Case(
        "RouteCopyIsOld",
        {'dialtrace_route_copy_synced_timestamp_seconds{role="monitor"}': "0x60"},
        {
            'dialtrace_route_copy_synced_timestamp_seconds{role="monitor"}': "-300+60x60",
            # Every process has the gauge; only the monitor keeps the copy.
            'dialtrace_route_copy_synced_timestamp_seconds{role="agent"}': "0x60",
        },
        labels={"role": "monitor"},
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
    Case("ApiFails", _statuses("0+95x60", "0+5x60"), _statuses("0+99.5x60", "0+0.5x60")),
    Case(
        "ApiIsSlow",
        _quantile("dialtrace_http_request_seconds", "0+900x60", "0+1000x60", "2.5"),
        _quantile("dialtrace_http_request_seconds", "0+999x60", "0+1000x60", "0.5"),
    ),
    _gauge("EventsAreNotSequenced", "dialtrace_event_sequence_failures_total", "", "0+60x60", "0+0.5x60"),
    _gauge("LiveEventsWereDropped", "dialtrace_live_events_dropped", 'node="node-1"', "4x60", "0x60", **NODE),
    _gauge("WebhooksAreLate", "dialtrace_webhook_oldest_seconds", "", "1000x60", "100x60"),
    _gauge("WebhooksAreBehind", "dialtrace_webhook_behind_events", "", "20000x60", "200x60"),
    _gauge(
        "IntegrationsAreLate", "dialtrace_integration_oldest_seconds", 'system="telegram"', "3000x60", "100x60",
        system="telegram",
    ),
    _gauge(
        "IntegrationsAreBroken", "dialtrace_integration_backlog", 'system="telegram",state="broken"', "2x60", "0x60",
        system="telegram", state="broken",
    ),
    _gauge("JobsWereGivenUp", "dialtrace_jobs_failed", 'task="exports.make"', "1x60", "0x60", task="exports.make"),
    _gauge(
        "JobsAreLate", "dialtrace_jobs_oldest_seconds", 'task="exports.make"', "2000x60", "20x60", task="exports.make"
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
        "ProcessKeepsDying", "dialtrace_child_restarts_total", 'child="agent"', "0+1x60", "0x25 1x40", role="agent",
    ),
    Case(
        "TrunkFailsCalls",
        {
            'dialtrace_legs_total{node="node-1",trunk="main",outcome="answered"}': "0+6x60",
            'dialtrace_legs_total{node="node-1",trunk="main",outcome="congestion"}': "0+4x60",
        },
        {
            'dialtrace_legs_total{node="node-1",trunk="main",outcome="answered"}': "0+6x60",
            'dialtrace_legs_total{node="node-1",trunk="main",outcome="no_answer"}': "0+4x60",
            # Fails, and is hardly ever tried.
            'dialtrace_legs_total{node="node-1",trunk="spare",outcome="answered"}': "0x60",
            'dialtrace_legs_total{node="node-1",trunk="spare",outcome="congestion"}': "0+1x60",
        },
        labels={"trunk": "main"},
    ),
    Case(
        "CallsAreRefused", _outcomes("0+60x30", "0x18 20x20", "congestion"), _outcomes("0+60x30", "0x18 3x20", "congestion"),
        "19m", NODE,
    ),
    Case(
        "DecisionsFail",
        {
            'dialtrace_decisions_settled_total{outcome="answered"}': "0+1x60",
            'dialtrace_decisions_settled_total{outcome="timeout"}': "0+2x60",
        },
        {
            'dialtrace_decisions_settled_total{outcome="answered"}': "0+2x60",
            'dialtrace_decisions_settled_total{outcome="timeout"}': "0+1x60",
        },
    ),
    Case(
        "DecisionsFail",
        {
            'dialtrace_decisions_settled_total{outcome="answered"}': "0+1x60",
            'dialtrace_decisions_settled_total{outcome="timeout"}': "0+2x60",
        },
        {
            'dialtrace_decisions_settled_total{outcome="answered"}': "0x60",
            'dialtrace_decisions_settled_total{outcome="timeout"}': "0+0.2x60",
        },
    ),
    Case(
        "SwitchAnswersSlowly",
        _quantile("dialtrace_node_round_trip_seconds", "0+4x60", "0+12x60", "0.5", NODE_LABEL),
        _quantile("dialtrace_node_round_trip_seconds", "0+11x60", "0+12x60", "0.1", NODE_LABEL),
        labels=NODE,
    ),
    _gauge("GatewaysFail", "dialtrace_gateway_failures_total", 'node="node-1"', "0+1x60", "0x20 3x40", **NODE),
    _gauge("DiskIsFull", "dialtrace_spool_full", 'node="node-1"', "0x28 1x10", "0x60", **NODE),
    Case("DiskFillsUp", _disk("5", "0"), _disk("20", "0"), labels=NODE),
    # Full is another alert, and no second page.
    Case("DiskFillsUp", _disk("5", "0"), _disk("5", "1"), labels=NODE),
    _gauge("PartitionsAreMissing", "dialtrace_partitions_ahead", 'table="calls"', "0x90", "1x90", "80m", table="calls"),
    _gauge("RowsAreAstray", "dialtrace_partition_stray_rows", 'table="calls"', "2x90", "0x90", "80m", table="calls"),
    Case("ApiBurnsFast", _statuses("0+98x800", "0+2x800"), _statuses("0+99.5x800", "0+0.5x800"), "90m"),
    # A burst that is over: the last hour was bad, the last five minutes are not.
    Case("ApiBurnsFast", _statuses("0+98x800", "0+2x800"), _statuses("0+98x800", "0+10x50 500+0.1x800"), "90m"),
    Case("ApiBurnsFast", _statuses("0+98x800", "0+2x800"), _statuses("0+98x800", "0x85 30x100"), "90m"),
    Case("ApiBurnsSlowly", _statuses("0+99x800", "0+1x800"), _statuses("0+99.8x800", "0+0.2x800"), "8h"),
    Case("ApiBurnsSlowly", _statuses("0+99x800", "0+1x800"), _statuses("0+99x800", "0+2x400 800+0.02x800"), "8h"),
    Case("ApiBurnsSlowly", _statuses("0+99x800", "0+1x800"), _statuses("0+99x800", "0x459 40x400"), "8h"),
    _gauge("EventsPileUp", "dialtrace_events_unsequenced", "", "9000x60", "900x60"),
    _gauge("PoolsLoseVisits", "dialtrace_pools_short", "", "1x60", "0x60"),
    _gauge("PoolsWillBeShort", "dialtrace_pool_forecast_numbers", 'what="missing"', "3x90", "0x90", "80m", what="missing"),
    Case(
        "PoolsAreNotLookedAfter",
        {'dialtrace_pool_manager_turn{instance="a:1"}': "0x60", 'dialtrace_pool_manager_turn{instance="b:1"}': "0x60"},
        {'dialtrace_pool_manager_turn{instance="a:1"}': "0x60", 'dialtrace_pool_manager_turn{instance="b:1"}': "1x60"},
    ),
    _gauge("AttributionIsLate", "dialtrace_attribution_due_oldest_seconds", "", "2000x60", "200x60"),
    _gauge("ReportSumsAreBehind", "dialtrace_report_coverage_age_seconds", "", "20000x90", "6000x90", "80m"),
    _gauge("ReportSumsAreBehind", "dialtrace_report_changes_oldest_seconds", "", "9000x90", "600x90", "80m"),
    Case(
        "ReportSumsWereWrong",
        {"dialtrace_report_days_wrong_total": "0x50 3x40"},
        {"dialtrace_report_days_wrong_total": "3x90"},
        "60m",
    ),
    _gauge("RatingIsBehind", "dialtrace_billing_due_positions", "", "90000x90", "900x90", "80m"),
    _gauge("ProofsAreOld", "dialtrace_number_proof_oldest_seconds", "", "400000x90", "90000x90", "80m"),
    Case("DatabaseIsAway", _db_failures("DatabaseUnavailable", "0x20 0+20x40"), _db_failures("TransactionConflict", "0x20 0+20x40")),
    Case("DatabaseIsAway", _db_failures("GivenUp", "0x20 0+20x40"), _db_failures("GivenUp", "0x20 0+2x40")),
    Case(
        "StatementsAreSlow",
        _quantile("dialtrace_db_statement_seconds", "0+900x60", "0+1000x60", "2.5", 'verb="select"'),
        # Migrations and their like are no question that anybody waits for.
        _quantile("dialtrace_db_statement_seconds", "0+900x60", "0+1000x60", "2.5", 'verb="other"'),
    ),
    Case(
        "StatementsAreSlow",
        _quantile("dialtrace_db_statement_seconds", "0+900x60", "0+1000x60", "2.5", 'verb="select"'),
        _quantile("dialtrace_db_statement_seconds", "0+999x60", "0+1000x60", "0.5", 'verb="select"'),
    ),
    Case(
        "ConnectionsAreShort",
        _quantile("dialtrace_db_connection_wait_seconds", "0+900x60", "0+1000x60", "2.5", PROCESS_LABEL),
        _quantile("dialtrace_db_connection_wait_seconds", "0+999x60", "0+1000x60", "0.1", PROCESS_LABEL),
        labels=PROCESS,
    ),
    Case(
        "LoopsAreLate",
        _quantile("dialtrace_hub_lag_seconds", "0+900x60", "0+1000x60", "0.5", PROCESS_LABEL),
        _quantile("dialtrace_hub_lag_seconds", "0+999x60", "0+1000x60", "0.1", PROCESS_LABEL),
        labels=PROCESS,
    ),
    _gauge(
        "CertificateEnds", "dialtrace_certificate_ends_timestamp_seconds", 'host="api"', "604800x90", "2592000x90", "80m",
        host="api",
    ),
    _gauge("CertificateIsNotTrusted", "dialtrace_certificate_unread", 'host="api"', "1x60", "0x60", host="api"),
    _gauge(
        "CertificateIsNotTrusted", "dialtrace_certificate_ends_timestamp_seconds", 'host="api"', "86400x60", "604800x60",
        host="api",
    ),
    _gauge("ProcessWasRestarted", "dialtrace_child_restarts_total", 'child="agent"', "0x28 1x10", "0x60", role="agent"),
)  # fmt: skip
