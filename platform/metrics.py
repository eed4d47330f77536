"""All metrics of Dialtrace, in one place (STYLE 14).

Names: ``dialtrace_<thing>_<unit>[_total]``. No number, visitor, call or tenant ever becomes a label: labels are bounded
sets only. Each process serves its own registry (``DIALTRACE_METRICS_LISTEN``; the API at ``/metrics``).
"""

from prometheus_client import Counter, Gauge, Histogram, start_http_server

from .errors import DialtraceError

__all__ = ["Counter", "Gauge", "Histogram", "serve_metrics"]


class MetricsNotServed(DialtraceError):
    """The address for Prometheus cannot be listened on."""


def serve_metrics(host: str, port: int) -> None:
    """Serve this process's metrics for Prometheus from a thread of its own. Raises MetricsNotServed."""
    try:
        start_http_server(port, addr=host)
    except OSError as error:
        raise MetricsNotServed(
            f"metrics cannot be served at {host}:{port}: {error.strerror or error}; "
            "name another address (--metrics, or DIALTRACE_METRICS_LISTEN)"
        ) from error


# --- every process ---
HUB_LAG_SECONDS = Histogram(
    "dialtrace_hub_lag_seconds",
    "How late a process's loop came back to a greenlet that had slept: everything in the process waits as long.",
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10),
)
DB_STATEMENT_SECONDS = Histogram(
    "dialtrace_db_statement_seconds",
    "One statement, from its sending until its answer is here, by its first word.",
    ["verb"],
    buckets=(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10),
)
DB_CONNECTION_WAIT_SECONDS = Histogram(
    "dialtrace_db_connection_wait_seconds",
    "Until a connection of the process's pool was free, or made.",
    buckets=(0.001, 0.005, 0.025, 0.1, 0.5, 1, 2.5, 5),
)
DB_CONNECTIONS_USED = Gauge(
    "dialtrace_db_connections_used", "Connections of the process that are at work.", multiprocess_mode="livesum"
)
DB_CONNECTIONS_MOST = Gauge(
    "dialtrace_db_connections_most", "Connections that the process may have.", multiprocess_mode="livesum"
)
DB_FAILURES = Counter(
    "dialtrace_db_failures_total",
    "Transactions and questions that came to nothing, by why: `db.errors` has the words; "
    "`GivenUp`: whoever asked waits no more.",
    ["why"],
)

# --- supervisor ---
#: Not ``process``: Prometheus puts who was asked under that name (watching.model.Target), and would hide ours.
CHILD_RESTARTS = Counter("dialtrace_child_restarts_total", "Processes started again after they had died.", ["child"])

# --- call worker ---
_WITHIN_THE_BUDGET_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.35, 0.5, 0.7, 1.0, 2.0)
WORKER_ANSWERS = Counter(
    "dialtrace_worker_answers_total",
    "Questions of a switch that were answered: from the database, from the last-known copy in memory or on disk, or "
    "with no plan at all, so that the node's fallback took the call.",
    ["source"],
)
WORKER_REFUSALS = Counter("dialtrace_worker_refusals_total", "Calls that were refused on purpose.", ["reason"])
WORKER_FAILURES = Counter("dialtrace_worker_failures_total", "Questions that went wrong, by what failed.", ["what"])
WORKER_ANSWER_SECONDS = Histogram(
    "dialtrace_worker_answer_seconds",
    "From a question's arrival in the handler until the plan was handed over.",
    buckets=_WITHIN_THE_BUDGET_S,
)
WORKER_COPY_AGE_SECONDS = Histogram(
    "dialtrace_worker_copy_age_seconds",
    "Age of the last-known copies that were used.",
    buckets=(1, 10, 60, 300, 1800, 7200, 43_200, 86_400),
)

# --- object store ---
STORE_SECONDS = Histogram(
    "dialtrace_store_seconds",
    "One request to the object store that went well, by what was asked.",
    ["what"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60),
)
STORE_FAILURES = Counter(
    "dialtrace_store_failures_total", "Requests to the object store that failed, by what was asked.", ["what"]
)
STORE_BYTES = Counter("dialtrace_store_bytes_total", "Bytes that the object store has taken.")

# --- certificates ---
CERTIFICATE_ENDS = Gauge(
    "dialtrace_certificate_ends_timestamp_seconds", "Until when a certificate of ours is good, by its host.", ["host"]
)
CERTIFICATE_UNREAD = Gauge(
    "dialtrace_certificate_unread", "1: at the last look the host showed no certificate that can be trusted.", ["host"]
)

# --- pools ---
POOL_LEASES = Counter("dialtrace_pool_leases_total", "Numbers given to visits, by the rung of the ladder.", ["rung"])
POOL_GATHERED = Counter(
    "dialtrace_pool_leases_gathered_total", "Of these, numbers that one statement gave to several visits at once."
)
POOL_RENEWALS = Counter("dialtrace_pool_renewals_total", "Signs of life that have prolonged an exposure.")

POOL_LOSS = Gauge(
    "dialtrace_pool_loss_ratio",
    "Share of visits of the last quarter of an hour that found no number of their own: of all pools, and of the worst.",
    ["of"],
)
POOL_SHORT = Gauge("dialtrace_pools_short", "Pools that lose more than their target at this moment.")
POOL_NUMBERS = Gauge("dialtrace_pool_numbers", "Numbers in pools, by what they do at this moment.", ["state"])
POOL_FORECAST = Gauge(
    "dialtrace_pool_forecast_numbers",
    "Numbers of all pools that are there, that the worst hour of the week ahead needs, and that are missing for it.",
    ["what"],
)
POOL_RESIZED = Counter("dialtrace_pool_resized_numbers_total", "Numbers that pools took or gave back.", ["direction"])
POOL_PASSES_FAILED = Counter("dialtrace_pool_passes_failed_total", "Passes of the pool manager that failed.", ["what"])
POOL_MANAGER_TURN = Gauge("dialtrace_pool_manager_turn", "1: this process looks after the pools; 0: another one does.")
NUMBERS_PLACED = Counter("dialtrace_numbers_placed_total", "Numbers that got another list of nodes.")
NUMBER_RETURNS = Counter(
    "dialtrace_number_returns_total",
    "Released numbers that were to go back to their carriers, by what came of it: `given_back`, `refused` by the "
    "carrier, `put_off` (it did not answer, or the number is still seen or talked over), `kept` (in service again).",
    ["outcome"],
)
NUMBERS_JUDGED = Counter("dialtrace_numbers_judged_total", "Numbers whose state a rule has changed.", ["to", "why"])

# --- edge ---
EDGE_NUMBERS = Gauge("dialtrace_edge_numbers", "Numbers whose nodes this machine's edge knows.")
EDGE_PASSES_FAILED = Counter("dialtrace_edge_passes_failed_total", "Refreshes of the edge that failed.", ["what"])

# --- api ---
HTTP_REQUESTS = Counter(
    "dialtrace_http_requests_total",
    "Requests that the API has answered; the route is its pattern, never an address with ids.",
    ["method", "route", "status"],
)
HTTP_DURATION = Histogram(
    "dialtrace_http_request_seconds",
    "Time from a request's head to its answer's head.",
    ["route"],
    buckets=(0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10),
)

# --- agent ---
CDR_FILES_STORED = Counter("dialtrace_cdr_files_stored_total", "CDR files whose records are kept.", ["node", "kind"])
CDR_FILES_BROKEN = Counter("dialtrace_cdr_files_broken_total", "CDR files set aside, by why.", ["node", "why"])
CDR_FILES_WAITING = Gauge("dialtrace_cdr_files_waiting", "CDR files in the node's spool.", ["node"])
CDR_FILES_SET_ASIDE = Gauge("dialtrace_cdr_files_set_aside", "CDR files that somebody must look at.", ["node"])
CDR_OLDEST_SECONDS = Gauge("dialtrace_cdr_oldest_seconds", "Age of the oldest CDR file in the spool.", ["node"])
CDR_DELAY_SECONDS = Histogram(
    "dialtrace_cdr_delay_seconds",
    "From a call's end to its record being kept.",
    buckets=(0.1, 0.2, 0.3, 0.5, 0.75, 1, 1.5, 2, 3, 5, 10, 30, 60, 300),
)
#: A call's own figures are counted once, when its record is first kept; test calls are left out.
CALLS = Counter("dialtrace_calls_total", "Calls whose record is kept, by how they ended.", ["node", "outcome"])
CALLS_DECIDED = Counter(
    "dialtrace_calls_decided_total",
    "The same calls by whose plan they ran: a worker's, the one kept on the node (fallback), none although the node "
    "looked for one (no_plan), none because the dialplan refused them or they ended before (none).",
    ["node", "by"],
)
CALL_ANSWER_SECONDS = Histogram(
    "dialtrace_call_answer_seconds",
    "From the INVITE to the switch's 200, of calls that were answered.",
    ["node"],
    buckets=(0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 40, 60),
)
CALL_PDD_SECONDS = Histogram(
    "dialtrace_call_pdd_seconds",
    "Post-dial delay: from the INVITE to the first sign of life that the caller got.",
    ["node"],
    buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
CALL_TALK_SECONDS = Histogram(
    "dialtrace_call_talk_seconds",
    "How long callers were connected; sum over count is the average call duration (ACD).",
    ["node"],
    buckets=(1, 5, 10, 30, 60, 120, 300, 600, 1800, 3600),
)
CALL_MOS = Histogram(
    "dialtrace_call_mos",
    "Sound from the caller's side by the E-model, where it was measured.",
    ["node"],
    buckets=(2.0, 2.6, 3.1, 3.6, 3.8, 4.0, 4.2, 4.4, 5.0),
)
#: Trunks of one process that have a name as label; further ones are one, `other`.
MOST_TRUNKS = 50
LEGS = Counter(
    "dialtrace_legs_total",
    "Attempts to reach a target whose record is kept (seizures), by the trunk they went by (`address`: none, the "
    "target has a SIP address; `other`: beyond the first fifty) and how they ended.",
    ["node", "trunk", "outcome"],
)
LEG_PDD_SECONDS = Histogram(
    "dialtrace_leg_pdd_seconds",
    "Post-dial delay of a trunk: from our INVITE to the first ringing or answer.",
    ["trunk"],
    buckets=(0.05, 0.1, 0.25, 0.5, 1, 2, 3, 5, 10, 20),
)
LEG_TALK_SECONDS = Histogram(
    "dialtrace_leg_talk_seconds",
    "How long a target was connected by a trunk; sum over count is the trunk's ACD.",
    ["trunk"],
    buckets=(1, 5, 10, 30, 60, 120, 300, 600, 1800, 3600),
)
LEG_MOS = Histogram(
    "dialtrace_leg_mos",
    "Sound from the target's side by the E-model, where it was measured.",
    ["trunk"],
    buckets=(2.0, 2.6, 3.1, 3.6, 3.8, 4.0, 4.2, 4.4, 5.0),
)
CDR_PASSES_FAILED = Counter("dialtrace_cdr_passes_failed_total", "Passes over a spool that failed.", ["node", "what"])
CALLS_REBUILT = Counter("dialtrace_calls_rebuilt_total", "Calls without a CDR file, by what is known.", ["node", "how"])
RECORDINGS_SETTLED = Counter(
    "dialtrace_recordings_settled_total", "Recordings stored, or known not to exist.", ["node", "state"]
)
RECORDINGS_FAILED = Counter("dialtrace_recordings_failed_total", "Attempts to store that failed.", ["node"])
RECORDINGS_DUE = Gauge("dialtrace_recordings_due", "Calls whose recordings are still on the node.", ["node"])
RECORDINGS_ORPHANED = Gauge("dialtrace_recordings_orphaned", "Recordings that no call record speaks of.", ["node"])
RECORDINGS_UNACCOUNTED = Gauge(
    "dialtrace_recordings_unaccounted", "Recordings of this machine's nodes on their way for too long, or orphaned."
)

CALLER_HABITS_LOST = Counter(
    "dialtrace_caller_habits_lost_total", "Stored calls whose caller's habits were not counted for the spam score."
)

# --- node monitor ---
NODE_UP = Gauge("dialtrace_node_up", "1: the switch answers, 0: it is down, -1: its monitor cannot ask.", ["node"])
NODE_SESSIONS = Gauge("dialtrace_node_sessions", "Legs on the switch, by its last heartbeat.", ["node"])
NODE_MAX_SESSIONS = Gauge(
    "dialtrace_node_max_sessions",
    "Legs that the switch admits; it lowers this itself when threads run out.",
    ["node"],
)
NODE_LAST_SEEN = Gauge("dialtrace_node_last_seen_timestamp_seconds", "When the switch last answered.", ["node"])
NODE_CALLS_BEGUN = Counter(
    "dialtrace_node_calls_begun_total", "Calls whose INVITE the switch has told of: its calls a second.", ["node"]
)
NODE_ROUND_TRIP_SECONDS = Histogram(
    "dialtrace_node_round_trip_seconds",
    "One question over the event socket and its answer.",
    ["node"],
    buckets=(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5, 1, 3),
)
NODE_EVENTS_QUEUED = Gauge(
    "dialtrace_node_events_queued", "Events of the switch that are here and not handled yet.", ["node"]
)
NODE_EVENTS_LAG_SECONDS = Gauge(
    "dialtrace_node_events_lag_seconds", "For how long the oldest of them has been here.", ["node"]
)
NODE_RECONNECTS = Counter("dialtrace_node_reconnects_total", "Links to the switch that ended.", ["node"])
NODE_DRAINING = Gauge("dialtrace_node_draining", "1: the node is to take no new call.", ["node"])
NODE_DRAIN_WAITS = Gauge(
    "dialtrace_node_drain_waits", "What a node that drains still holds: calls, records, recordings.", ["node"]
)
NODE_REPORT_FAILURES = Counter(
    "dialtrace_node_report_failures_total", "States of the switch that the database did not take.", ["node"]
)
JOURNAL_ROWS = Counter("dialtrace_journal_rows_total", "Starts and ends of calls in the journal.", ["node", "kind"])
JOURNAL_FAILURES = Counter("dialtrace_journal_failures_total", "Commits of the journal that failed.", ["node"])
JOURNAL_COMMIT_SECONDS = Histogram(
    "dialtrace_journal_commit_seconds",
    "One commit of the journal.",
    ["node"],
    buckets=(0.001, 0.005, 0.02, 0.1, 0.5, 2),
)
PROMPTS_BROUGHT = Counter(
    "dialtrace_prompts_brought_total", "Sounds that were brought to a node, by who needed them.", ["by"]
)
PROMPTS_MISSING = Counter(
    "dialtrace_prompts_missing_total",
    "Texts whose sound could not be had, so that a chime stands in a plan.",
    ["by"],
)
LIVE_CALLS = Gauge("dialtrace_live_calls", "Calls that stand on the node, as its monitor knows it.", ["node"])
LIVE_EVENTS = Counter("dialtrace_live_events_total", "Events of calls that live, written to the log.", ["node"])
LIVE_EVENTS_DROPPED = Gauge(
    "dialtrace_live_events_dropped", "Events that found no place while the database was away.", ["node"]
)
LIVE_WRITE_FAILURES = Counter(
    "dialtrace_live_write_failures_total", "Batches of live calls that the database did not take.", ["node"]
)
CALLS_WOKEN = Counter(
    "dialtrace_calls_woken_total",
    "Waiting calls that were to be moved, by what they waited for and how it went.",
    ["node", "what", "how"],
)
WAKE_FAILURES = Counter(
    "dialtrace_wake_failures_total", "Looks for calls to wake that failed, by what they waited for.", ["node", "what"]
)
LIVE_BY_STATE = Gauge(
    "dialtrace_live_calls_by_state",
    "Calls that stand, on all nodes, by what the caller's own leg does; "
    "who waits in a queue is in the queues' figures too.",
    ["state"],
)
QUEUE_CALLERS = Gauge("dialtrace_queue_callers", "Callers in queues, of all agencies.", ["state"])
QUEUE_LONGEST_SECONDS = Gauge("dialtrace_queue_longest_wait_seconds", "For how long the first of them has waited.")
LIVE_LISTENERS = Gauge("dialtrace_live_listeners", "Connections that hear the calls that stand.")
LIVE_READS_FAILED = Counter(
    "dialtrace_live_reads_failed_total", "Readings of the calls that stand, for listeners or figures, that failed."
)
LIVE_STREAMS_REFUSED = Counter("dialtrace_live_streams_refused_total", "Requests that got no stream.", ["code"])
EVENTS_SEQUENCED = Counter("dialtrace_events_sequenced_total", "Events that were given their position.")
EVENTS_UNSEQUENCED = Gauge("dialtrace_events_unsequenced", "Events of all agencies that have no position yet.")
EVENT_SEQUENCE_FAILURES = Counter("dialtrace_event_sequence_failures_total", "Looks for events that failed.")
PLAN_FILES_CHANGED = Counter(
    "dialtrace_plan_files_changed_total", "Fallback plan files that were written or removed.", ["node", "change"]
)
PLAN_FAILURES = Counter(
    "dialtrace_plan_failures_total", "Fallback plans that could not be made or kept, by what failed.", ["node", "what"]
)
GATEWAYS = Gauge("dialtrace_gateways", "Trunks with a password that the node's switch was told of.", ["node"])
GATEWAY_FAILURES = Counter(
    "dialtrace_gateway_failures_total", "Looks at the gateways that failed: database, disk, switch or keys.", ["node"]
)
PLAN_SYNCED = Gauge(
    "dialtrace_plan_synced_timestamp_seconds", "When the fallback plans were last known to be up to date.", ["node"]
)
ROUTE_COPY_SYNCED = Gauge(
    "dialtrace_route_copy_synced_timestamp_seconds", "When this machine's copy of the routes was last known whole."
)
ROUTE_COPY_ROUTES = Gauge("dialtrace_route_copy_routes", "Numbers in this machine's copy of the routes.")
ROUTE_COPY_FAILURES = Counter(
    "dialtrace_route_copy_failures_total", "Looks after which the copy stayed as it was, by what failed.", ["what"]
)

# --- outgoing ---
OUTGOING_REQUESTS = Counter(
    "dialtrace_outgoing_requests_total",
    "Requests to other people's machines, by what for and how they ended: a class of status, or an error's word.",
    ["use", "outcome"],
)
OUTGOING_SECONDS = Histogram(
    "dialtrace_outgoing_seconds",
    "From the look-up of the name to the last byte of the answer.",
    ["use"],
    buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30),
)

# --- decisions of web hooks ---
DECISIONS_SETTLED = Counter(
    "dialtrace_decisions_settled_total",
    "Decisions asked of clients' web hooks: answered, or why the flow's default applied.",
    ["outcome"],
)
DECISION_SECONDS = Histogram(
    "dialtrace_decision_seconds",
    "From a call's arrival at the step until its decision was written.",
    buckets=(0.05, 0.1, 0.2, 0.35, 0.5, 0.75, 1, 2, 3, 5, 10, 20),
)
DECISIONS_ASKING = Gauge("dialtrace_decisions_asking", "Questions that this process is asking at this moment.")
DECISION_PASSES_FAILED = Counter(
    "dialtrace_decision_passes_failed_total", "Passes over the waiting questions that failed, by what.", ["what"]
)

# --- webhooks ---
WEBHOOK_TRIES = Counter(
    "dialtrace_webhook_tries_total", "Messages that were sent to webhooks, by what became of the try.", ["outcome"]
)
WEBHOOK_DELAY_SECONDS = Histogram(
    "dialtrace_webhook_delay_seconds",
    "From what happened until its message was taken, where the first try was.",
    buckets=(0.1, 0.25, 0.5, 0.75, 1, 1.5, 2, 3, 5, 10, 60, 600),
)
WEBHOOK_BACKLOG = Gauge("dialtrace_webhook_backlog", "Messages for active webhooks that are not there yet.", ["state"])
WEBHOOK_OLDEST_SECONDS = Gauge("dialtrace_webhook_oldest_seconds", "Age of the oldest of them.")
WEBHOOK_BEHIND = Gauge("dialtrace_webhook_behind_events", "Events that no message was made of yet, over all webhooks.")
WEBHOOK_SENDING = Gauge("dialtrace_webhook_sending", "Messages that this process is sending at this moment.")
WEBHOOK_ENDPOINTS_STOPPED = Gauge("dialtrace_webhook_endpoints_stopped", "Webhooks that are sent nothing.", ["state"])
WEBHOOKS_STOPPED = Counter(
    "dialtrace_webhooks_stopped_total", "Webhooks that stopped because of what they answered, by why.", ["reason"]
)
WEBHOOK_PASSES_FAILED = Counter("dialtrace_webhook_passes_failed_total", "Looks for messages to send that failed.")

# --- integrations ---
INTEGRATION_DELIVERIES = Counter(
    "dialtrace_integration_deliveries_total",
    "Deliveries to integrations that were tried, by what became of them.",
    ["system", "outcome"],
)
INTEGRATION_DELAY_SECONDS = Histogram(
    "dialtrace_integration_delay_seconds",
    "From what happened until the other system had all of it, where the first try was; without back-fills.",
    ["system", "type"],
    buckets=(0.1, 0.25, 0.5, 0.75, 1, 1.5, 2, 3, 5, 10, 60, 600),
)
INTEGRATION_REQUESTS = Counter(
    "dialtrace_integration_requests_total", "Requests to other systems, by answer.", ["system", "outcome"]
)
INTEGRATION_LIMITED_SECONDS = Histogram(
    "dialtrace_integration_limited_seconds",
    "How long requests waited for their place in their account's line.",
    ["system"],
    buckets=(0.01, 0.1, 0.25, 0.5, 1, 2, 3),
)
INTEGRATION_BACKLOG = Gauge(
    "dialtrace_integration_backlog",
    "Deliveries that are due, sent (in doubt) or being made, for active integrations; those that stopped.",
    ["system", "state"],
)
INTEGRATION_OLDEST_SECONDS = Gauge(
    "dialtrace_integration_oldest_seconds", "Age of the oldest delivery to an active integration.", ["system"]
)
INTEGRATION_SENDING = Gauge("dialtrace_integration_sending", "Deliveries that this process makes at this moment.")
INTEGRATIONS_STOPPED = Counter(
    "dialtrace_integrations_stopped_total",
    "Integrations that stopped because of what the other system said, by why.",
    ["system", "reason"],
)
INTEGRATION_READINGS = Counter(
    "dialtrace_integration_readings_total", "Looks at what changed in other systems, by how they went.",
    ["system", "outcome"],
)  # fmt: skip
INTEGRATION_SALES = Counter(
    "dialtrace_integration_sales_total", "Sales of calls that deals in other systems set or took back.", ["system"]
)
INTEGRATION_PASSES_FAILED = Counter(
    "dialtrace_integration_passes_failed_total", "Looks for deliveries to make that failed."
)

# --- proofs of numbers ---
NUMBER_PROOFS = Counter("dialtrace_number_proofs_total", "Test calls to numbers, by what they showed.", ["outcome"])
NUMBER_PROOF_SECONDS = Histogram(
    "dialtrace_number_proof_seconds",
    "From a test call's INVITE to its verdict.",
    buckets=(1, 2, 5, 10, 20, 30, 60, 120),
)
NUMBER_PROOF_OLDEST_SECONDS = Gauge(
    "dialtrace_number_proof_oldest_seconds", "Age of the oldest last proof among numbers that were ever proven."
)
NUMBERS_NEVER_PROVEN = Gauge("dialtrace_numbers_never_proven", "Numbers in service that no test call has proven.")

# --- jobs ---
JOBS_ENDED = Counter(
    "dialtrace_jobs_ended_total",
    "Runs of jobs, by name and what they came to: done, to be tried again, put off, given up.",
    ["task", "outcome"],
)
JOB_SECONDS = Histogram(
    "dialtrace_job_seconds",
    "One run of a job.",
    ["task"],
    buckets=(0.01, 0.05, 0.25, 1, 5, 15, 60, 300, 1800, 7200),
)
JOBS_WAITING = Gauge("dialtrace_jobs_waiting", "Jobs in the queue that are due, as each job process sees it.", ["task"])
JOBS_OLDEST_SECONDS = Gauge("dialtrace_jobs_oldest_seconds", "Age of the oldest job that is due.", ["task"])
JOBS_RUNNING = Gauge("dialtrace_jobs_running", "Jobs that run, in whichever process.", ["task"])
JOBS_FAILED = Gauge("dialtrace_jobs_failed", "Jobs that were given up and that somebody must look at.", ["task"])
JOBS_RESCUED = Counter(
    "dialtrace_jobs_rescued_total", "Jobs whose process was killed, so that they wait again.", ["task"]
)
JOB_PASSES_FAILED = Counter(
    "dialtrace_job_passes_failed_total", "Times that the queue could not be read or looked after.", ["what"]
)

# --- what is kept of people ---
SUBJECT_REQUESTS_DONE = Counter("dialtrace_subject_requests_done_total", "Requests of persons carried out.", ["kind"])
SUBJECT_REQUESTS_FAILED = Counter(
    "dialtrace_subject_requests_failed_total", "Tries at a person's request that failed and are repeated.", ["kind"]
)
SUBJECT_REQUESTS_OPEN = Gauge("dialtrace_subject_requests_open", "Requests of persons that are not done.", ["kind"])
SUBJECT_REQUESTS_OLDEST_SECONDS = Gauge(
    "dialtrace_subject_requests_oldest_seconds", "Age of the oldest open request: the law gives it days.", ["kind"]
)
RETENTION_DELETED = Counter(
    "dialtrace_retention_deleted_total", "Calls of which something was deleted because its time was over.", ["class"]
)
RETENTION_FAILED = Counter("dialtrace_retention_failed_total", "Agencies whose due data could not be deleted in a run.")
ERASURES_SWEPT = Counter(
    "dialtrace_erasures_swept_total", "Erased people for whom a node's disk was looked through.", ["node"]
)
# --- visits ---
VISIT_PAGES = Counter(
    "dialtrace_visit_pages_total",
    "Pages that asked what to show: of a visit that began, of one that went on, or a robot's.",
    ["visit"],
)
VISIT_TEL_CLICKS = Counter("dialtrace_visit_tel_clicks_total", "Telephone links that visitors have pressed.")
VISIT_SIGNS = Counter("dialtrace_visit_signs_total", "Signs of life of visits, by what became of them.", ["outcome"])
VISIT_REFUSALS = Counter("dialtrace_visit_refusals_total", "Requests of pages that were refused.", ["why"])
# --- disks of nodes ---
SPOOL_FREE_BYTES = Gauge("dialtrace_spool_free_bytes", "What the disk of a node's spool has left for us.", ["node"])
SPOOL_SIZE_BYTES = Gauge("dialtrace_spool_size_bytes", "What that disk has in all.", ["node"])
SPOOL_FREE_FILES = Gauge("dialtrace_spool_free_files", "Files that can still be made on it.", ["node"])
SPOOL_FULL = Gauge(
    "dialtrace_spool_full", "1: the disk is full, its reserve is given up; what comes may not be written.", ["node"]
)

# --- archive ---
PARTITIONS_AHEAD = Gauge(
    "dialtrace_partitions_ahead", "Months after this one for which a table has partitions.", ["table"]
)
PARTITION_STRAY_ROWS = Gauge(
    "dialtrace_partition_stray_rows",
    "Rows in a default partition: of months that nobody has made, or that went.",
    ["table"],
)
PARTITIONS_RETIRED = Counter(
    "dialtrace_partitions_retired_total",
    "Partitions that went to the object store, and months that could not.",
    ["outcome"],
)
# --- exports ---
EXPORT_FILES = Counter("dialtrace_export_files_total", "Files of exports that were stored.", ["content", "format"])
EXPORT_ROWS = Counter("dialtrace_export_rows_total", "Rows in them.", ["content"])
EXPORT_BYTES = Counter("dialtrace_export_bytes_total", "Bytes of them.", ["format"])

ATTRIBUTIONS_MADE = Counter(
    "dialtrace_attributions_total", "Attributions of calls that were written, by what they go by and whether anew.",
    ["method", "revision"],
)  # fmt: skip
ATTRIBUTION_SECONDS = Histogram(
    "dialtrace_attribution_seconds", "Time to match one call to visits, within its batch.",
    buckets=(0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.1, 0.5, 2.0),
)  # fmt: skip
ATTRIBUTION_POSTPONED = Counter(
    "dialtrace_attribution_postponed_total", "Calls that were stored without an attribution, which follows by job."
)
ATTRIBUTION_DUE = Gauge("dialtrace_attribution_due", "Calls for which something is still to be done.")
ATTRIBUTION_DUE_OLDEST = Gauge("dialtrace_attribution_due_oldest_seconds", "For how long the first of them waits.")
ATTRIBUTION_CORRECTIONS = Counter(
    "dialtrace_attribution_corrections_total", "Facts about calls that people have added.", ["kind"]
)
ATTRIBUTION_FITS = Counter("dialtrace_attribution_fits_total", "What was learnt: curves and channels.", ["kind"])

REPORT_COVERAGE_AGE = Gauge(
    "dialtrace_report_coverage_age_seconds", "How far the sums of days, which reports read, lie behind at most."
)
REPORT_CHANGES = Gauge("dialtrace_report_changes", "Spans that changed since they were summed up.")
REPORT_CHANGES_OLDEST = Gauge("dialtrace_report_changes_oldest_seconds", "For how long the first of them waits.")
REPORT_LETTERS = Counter(
    "dialtrace_report_letters_total",
    "Subscribed reports by what became of the letter: sent, retried, refused (never taken), not_wanted.",
    ["outcome"],
)
REPORT_DAYS_MADE = Counter("dialtrace_report_days_made_total", "Days of clients that were summed up for reports.")
REPORT_DAYS_WRONG = Counter(
    "dialtrace_report_days_wrong_total", "Days whose sums were not what the records said; they were made anew."
)

BILLING_DUE = Gauge("dialtrace_billing_due_positions", "Positions of event logs that are not rated yet.")
BILLING_CALLS = Counter("dialtrace_billing_rated_calls_total", "Calls that were given a price, or another one.")
BILLING_UNPRICED = Counter(
    "dialtrace_billing_unpriced_parts_total", "Parts of calls for which a price book has no price."
)
BILLING_OVERDUE = Gauge("dialtrace_billing_overdue_accounts", "Accounts that owe what had to be paid.")

# --- any process on gevent ---
GREENLETS = Gauge("dialtrace_greenlets", "Greenlets of the process that were started and have not ended.")
