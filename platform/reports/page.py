"""Prints docs/metric-dictionary.md: every metric and dimension, from the dictionary itself."""

from __future__ import annotations

import sys
from collections.abc import Iterator

from .dictionary import DIMENSIONS, METRICS

HEAD = """# The metric dictionary

Made by `make docs` from `platform/reports/dictionary.py`. Each metric has this one meaning in every report, of the API
(`GET /v1/reports/figures`) and of the command line (`dialtrace report`): [howto/reports.md](howto/reports.md).

A figure that cannot be told is null, never nought: what an operator's calls cost, or a quotient by nothing. Money is in
the report's currency; what is in another is left out and counted.
"""
UNITS = {"count": "number", "milliseconds": "ms", "share": "0 to 1", "ratio": "number", "money": "money"}


def page() -> str:
    """The whole page."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    yield HEAD
    yield "## Metrics\n"
    yield "| name | what | unit | definition |"
    yield "|---|---|---|---|"
    for name, metric in METRICS.items():
        yield f"| `{name}` | {metric.title} | {UNITS[metric.unit]} | {metric.definition} |"
    yield "\n## Dimensions\n"
    yield "By a dimension that calls, visits or spend do not have, their metrics are null and named in `unknown`.\n"
    yield "| name | what | definition | calls | visits | spend |"
    yield "|---|---|---|---|---|---|"
    for name, one in DIMENSIONS.items():
        marks = " | ".join("yes" if family in one.families else "" for family in ("calls", "visits", "spend"))
        yield f"| `{name}` | {one.title} | {one.definition} | {marks} |"


if __name__ == "__main__":
    sys.stdout.write(page())
