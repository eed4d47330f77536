"""What can go wrong when the platform is watched."""

from ..errors import DialtraceError


class WatchingError(DialtraceError):
    """Base of this room."""


class PrometheusAway(WatchingError):
    """Prometheus does not answer, so nobody knows which alerts stand."""
