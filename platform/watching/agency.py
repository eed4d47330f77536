"""One agency's figures for its own Prometheus: of the last quarter of an hour, and of this moment. In no process's
metrics does a tenant stand; here everything is one tenant's, asked for with its key.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily


@dataclass(frozen=True)
class Figure:
    """A gauge, and the statement that makes it: a label's value and a number in each row."""

    name: str
    label: str
    help: str
    statement: str


FIGURES: Sequence[Figure] = (
    Figure(
        "dialtrace_agency_live_calls", "state",
        "Calls that stand, by what the caller's own leg does; who waits in a queue is in the queues' figures too.",
        "SELECT state, count(*) FROM live_calls WHERE agency_id = :agency GROUP BY state",
    ),
    Figure(
        "dialtrace_agency_calls_recent", "outcome", "Calls that began within a quarter of an hour and are over.",
        "SELECT outcome, count(*) FROM calls WHERE agency_id = :agency AND NOT is_test"
        " AND started_at > now() - interval '15 minutes' GROUP BY outcome",
    ),
    Figure(
        "dialtrace_agency_talk_seconds_recent", "of", "Seconds that their callers were connected.",
        "SELECT 'all', coalesce(sum(talk_ms), 0) / 1000.0 FROM calls WHERE agency_id = :agency AND NOT is_test"
        " AND started_at > now() - interval '15 minutes'",
    ),
    Figure(
        "dialtrace_agency_visits_recent", "rung", "Visits that were shown a number within a quarter of an hour.",
        "SELECT rung, count(*) FROM exposures WHERE agency_id = :agency AND shown_at > now() - interval '15 minutes'"
        " GROUP BY rung",
    ),
    Figure(
        "dialtrace_agency_pool_numbers", "state", "Numbers in pools: free, seen by a visitor, or resting.",
        "SELECT CASE WHEN free_from <= now() THEN 'free' WHEN live_until > now() THEN 'live' ELSE 'quiet' END, count(*)"
        " FROM pool_numbers WHERE agency_id = :agency GROUP BY 1",
    ),
    Figure(
        "dialtrace_agency_queue_callers", "state", "Callers in queues.",
        "SELECT state, count(*) FROM queue_entries WHERE agency_id = :agency AND state <> 'left' GROUP BY state",
    ),
    Figure(
        "dialtrace_agency_recordings", "state", "Recordings of the last day, by where they are.",
        "SELECT state, count(*) FROM recordings WHERE agency_id = :agency"
        " AND call_started_at > now() - interval '1 day' GROUP BY state",
    ),
)  # fmt: skip


#: Figure's name → a label's value and a number, again and again.
Found = Mapping[str, Sequence[tuple[str, float]]]


def exposition(found: Found) -> bytes:
    """In Prometheus' own format."""
    registry = CollectorRegistry()
    registry.register(_Figures(found))
    return generate_latest(registry)


class _Figures:
    """A collector of what was read."""

    def __init__(self, found: Found) -> None:
        self._found = found

    def collect(self) -> Iterator[GaugeMetricFamily]:
        for figure in FIGURES:
            family = GaugeMetricFamily(figure.name, figure.help, labels=[figure.label])
            for value, number in self._found[figure.name]:
                family.add_metric([value], number)
            yield family
