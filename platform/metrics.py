"""All metrics of Dialtrace, in one place (STYLE 14).

Names: ``dialtrace_<thing>_<unit>[_total]``. No number, visitor, call or tenant ever becomes a label: labels are bounded
sets only. Each process serves its own registry (``DIALTRACE_METRICS_LISTEN``; the API at ``/metrics``).
"""

from prometheus_client import Counter, Gauge, Histogram, start_http_server

__all__ = ["Counter", "Gauge", "Histogram", "serve_metrics"]


def serve_metrics(host: str, port: int) -> None:
    """Serve this process's metrics for Prometheus from a thread of its own."""
    start_http_server(port, addr=host)


# --- supervisor ---
CHILD_RESTARTS = Counter("dialtrace_child_restarts_total", "Processes started again after they had died.", ["process"])

# --- call worker ---
_WITHIN_THE_BUDGET_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.35, 0.5, 0.7, 1.0, 2.0)
WORKER_ANSWERS = Counter(
    "dialtrace_worker_answers_total",
    "Questions of a switch that were answered: from the database, from the last-known copy, or with no plan at all, "
    "so that the node's fallback took the call.",
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
