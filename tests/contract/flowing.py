"""Flows of version 2 for the suite, in their compiled form: what the database would hold of them."""

from __future__ import annotations

from typing import Any

from dialtrace.calls.compiled import read_compiled
from dialtrace.calls.model import Route

from .stage import AGENCY, ANNOUNCEMENT_HZ, CLIENT, FLOW, FLOW_VERSION, NUMBER, Target

Step = dict[str, Any]
#: Every hour of the week.
ALWAYS = {day: [[0, 1440]] for day in ("mon", "tue", "wed", "thu", "fri", "sat", "sun")}


def flow(
    steps: dict[str, Step],
    *,
    record: bool = True,
    backup: Target | None = None,
    apology: Step | None = None,
    longest_s: int = 3600,
) -> Route:
    """A number's route with these steps, the first of which is where calls enter."""
    compiled = {
        "version": 2,
        "record": record,
        "language": "en",
        "time_zone": "Europe/Moscow",
        "entry": next(iter(steps)),
        "steps": steps,
        "backup": None if backup is None else rung(backup),
        "apology": apology,
        "needs": [],
        "prompts": [],
        "longest_s": longest_s,
    }
    read_compiled(compiled)
    return Route(AGENCY, CLIENT, NUMBER, "active", FLOW, FLOW_VERSION, compiled)


def rung(target: Target, *, seconds: int = 20, weight: int = 1) -> Step:
    return {"id": str(target.id), "address": f"sip:{target.address}", "ring_timeout_s": seconds, "weight": weight}


def tone(hertz: int = ANNOUNCEMENT_HZ, seconds: float = 0.5) -> Step:
    return {"kind": "tone", "frequency_hz": hertz, "duration_ms": round(seconds * 1000)}


def sound(name: str) -> Step:
    """A file that the case has put into the spool (Stage.prompt)."""
    return {"kind": "file", "name": name}


def announce(prompt: Step | None = None, *, next: str | None = None) -> Step:
    return {"type": "announce", "prompt": prompt or tone(), "next": next}


def consent(*, next: str | None = None, otherwise: str | None = None, timeout_s: int = 1) -> Step:
    return {
        "type": "consent", "prompt": tone(), "refuse_digit": "9", "timeout_s": timeout_s, "next": next,
        "otherwise": otherwise,
    }  # fmt: skip


def menu(choices: dict[str, str | None], *, otherwise: str | None = None, **rest: Any) -> Step:
    return {
        "type": "menu", "prompt": tone(), "choices": choices, "timeout_s": 3, "retries": 0, "invalid_prompt": None,
        "otherwise": otherwise, **rest,
    }  # fmt: skip


def code(*, next: str | None = None, otherwise: str | None = None, length: int = 4) -> Step:
    return {
        "type": "code", "prompt": tone(), "length": length, "variable": "promo_code", "timeout_s": 2, "retries": 1,
        "invalid_prompt": tone(1320, 0.4), "next": next, "otherwise": otherwise,
    }  # fmt: skip


def schedule(weekly: dict[str, Any], *, open: str | None, closed: str | None) -> Step:
    return {
        "type": "schedule", "time_zone": "Europe/Moscow", "weekly": weekly, "holidays": {}, "overrides": [],
        "open": open, "closed": closed,
    }  # fmt: skip


def ringing(*targets: Target | Step, otherwise: str | None = None, **rest: Any) -> Step:
    """Rings them in turn, unless ``rest`` says more."""
    return {
        "type": "ring", "targets": [one if isinstance(one, dict) else rung(one) for one in targets],
        "strategy": "in_turn", "sticky_days": None, "progress_timeout_s": None, "whisper": None, "accept_digit": None,
        "otherwise": otherwise, **rest,
    }  # fmt: skip


def queue(*targets: Target | Step, music: str, otherwise: str | None = None, **rest: Any) -> Step:
    return {
        "type": "queue", "targets": [one if isinstance(one, dict) else rung(one) for one in targets],
        "music": sound(music), "max_wait_s": 30, "max_length": 5, "announce_every_s": None, "announce_position": False,
        "announcements": [], "whisper": None, "accept_digit": None, "otherwise": otherwise, **rest,
    }  # fmt: skip


def voicemail(*, next: str | None = None, max_s: int = 2) -> Step:
    return {"type": "voicemail", "prompt": tone(), "max_s": max_s, "silence_s": 5, "next": next}


def webhook(choices: dict[str, str], *, timeout_s: int = 3, otherwise: str | None = None) -> Step:
    return {
        "type": "webhook", "url": "https://example.com/", "timeout_s": timeout_s, "choices": choices,
        "otherwise": otherwise,
    }  # fmt: skip


def condition(*tests: tuple[str, str, Any], then: str | None, otherwise: str | None) -> Step:
    when = [{"fact": fact, "test": test, "value": value} for fact, test, value in tests]
    return {"type": "condition", "when": when, "then": then, "otherwise": otherwise}


def hangup(cause: str) -> Step:
    return {"type": "hangup", "cause": cause}
