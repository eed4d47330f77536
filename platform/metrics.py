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
