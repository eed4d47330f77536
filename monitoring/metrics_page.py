"""Writes docs/metrics.md: every metric of the code with its labels and what it means."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

from .. import metrics
from ..metrics import Counter, Gauge, Histogram
from ..watching.agency import FIGURES

HEAD = """# Metrics

Made from the code by `make docs`; do not edit. Each process serves its own at `DIALTRACE_METRICS_LISTEN`, the API at
`/metrics`. No number, caller, call or tenant is ever a label; a trunk is, for the first fifty of a process. Histograms
of calls name a call now and then as an exemplar (`call_id`), which leads from a picture to `dialtrace call explain`.
The rules in [monitoring/](../monitoring/README.md) make ASR, NER and ACD of them, for nodes and trunks.

| metric | kind | labels | meaning |
|---|---|---|---|
"""


AGENCY = """
## An agency's own

`GET /v1/agency-metrics` answers these of the agency whose key asks. An agency's Prometheus scrapes it, or the
operator's for all of them (`monitoring/prometheus.yml`).

| metric | kind | labels | meaning |
|---|---|---|---|
"""


def own_metrics() -> Iterator[Any]:
    """Every metric that `dialtrace.metrics` declares, in its order."""
    for value in vars(metrics).values():
        if isinstance(value, Counter | Gauge | Histogram):
            yield value


def exposed_name(metric: Any) -> str:
    """Its name as Prometheus stores it, without a histogram's endings."""
    name: str = metric._name
    return name + "_total" if isinstance(metric, Counter) else name


def page() -> str:
    rows = []
    for metric in own_metrics():
        labels = ", ".join(f"`{name}`" for name in metric._labelnames)
        text = metric._documentation
        rows.append(f"| `{exposed_name(metric)}` | {metric._type} | {labels} | {text} |")
    agency = [f"| `{one.name}` | gauge | `{one.label}` | {one.help} |" for one in FIGURES]
    return HEAD + "\n".join(rows) + "\n" + AGENCY + "\n".join(agency) + "\n"


if __name__ == "__main__":
    sys.stdout.write(page())
