"""What version 1 published, in the form of today: rows of then are read as long as there are any. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def as_of_today(compiled: Mapping[str, Any]) -> dict[str, Any]:
    """A version-1 row, a list of steps one after another, in today's form. Raises ValueError."""
    steps = compiled.get("steps")
    if set(compiled) != {"version", "record", "steps"} or not isinstance(steps, list) or not steps:
        raise ValueError("not a flow of version 1")
    names = [f"step-{place}" for place in range(1, len(steps) + 1)]
    return {
        "version": 2,
        "record": compiled["record"],
        "language": "en",
        "time_zone": "UTC",
        "entry": names[0],
        "steps": {
            name: _step_of_today(step, after)
            for name, step, after in zip(names, steps, [*names[1:], None], strict=True)
        },
        "backup": None,
        "apology": None,
        "needs": [],
        "prompts": [],
    }


def _step_of_today(step: Any, after: str | None) -> Any:
    kind = step.get("type") if isinstance(step, dict) else None
    if kind == "announce":
        return {**step, "next": after}
    if kind == "ring":
        return {
            **step,
            "strategy": "in_turn",
            "sticky_days": None,
            "progress_timeout_s": None,
            "whisper": None,
            "accept_digit": None,
            "otherwise": after,
        }
    return step
