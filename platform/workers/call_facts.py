"""What a worker is told of a call, read: the switch's variables, and what the database knows. Pure; believes neither.

Most of the variables were set by plans of ours, the caller's number by the dialplan, which lets digits through only.
What is odd counts as not known: a plan is made all the same.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from ..calls.model import Facts, QueuePlace

#: What a worker is told, in the order of the dialplan's one answer (docs/architecture.md, "Channel variables").
ASKED = (
    "dialtrace_dialled",
    "dialtrace_started",
    "dialtrace_spool",
    "dialtrace_step",
    "dialtrace_caller",
    "dialtrace_node",
    "dialtrace_result",
    "dialtrace_consent",
    "dialtrace_segments",
    "dialtrace_record",
    "dialtrace_rung",
    "dialtrace_tags",
    "dialtrace_variables",
)
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.@-]{0,63}")
_OWN = re.compile(r"([a-z][a-z_]{0,31})@([A-Za-z0-9][A-Za-z0-9_.@-]{0,63})")
_MOST_SEGMENTS = 999

Variable = Callable[[str], str | None]


def read_facts(
    variable: Variable, known: Mapping[str, Any] | None, *, call_id: str, caller: str | None, now: datetime
) -> Facts:
    """``known`` is what the database told of this call; None: it is away."""
    told = {} if known is None else known
    return Facts(
        now=now,
        seed=UUID(call_id).int,
        caller=caller,
        segments=_segments(variable("dialtrace_segments")),
        recording={"yes": True, "no": False}.get(variable("dialtrace_record") or ""),
        rung=variable("dialtrace_rung") == "yes",
        variables=_variables(variable("dialtrace_variables")),
        tags=tuple(word for word in _list(variable("dialtrace_tags")) if _WORD.fullmatch(word)),
        consent=_one_of(variable("dialtrace_consent"), ("given", "refused")),
        asks=known is not None,
        in_flow_s=_since(variable("dialtrace_started"), now),
        repeat=told["repeat"] if isinstance(told.get("repeat"), bool) else None,
        spam_score=_whole(told.get("spam")),
        spam_rules=_text(told.get("spam_rules")),
        sticky_target=_id(told.get("sticky")),
        rotation=_whole(told.get("rotation")),
        idle_order=_ids(told.get("idle")),
        source=_text(told.get("source")),
        campaign=_text(told.get("campaign")),
        visit=_id(told.get("visit")),
        over=_text(told.get("over")),
        blocked=_text(told.get("blocked")),
        queue=_queue(told.get("queue")),
    )


def _since(started_us: str | None, now: datetime) -> int | None:
    """Whole seconds since the call's stamp, which the dialplan set."""
    if not started_us or not started_us.isascii() or not started_us.isdigit():
        return None
    return max(0, int(now.timestamp()) - int(started_us) // 1_000_000)


def _segments(text: str | None) -> int:
    return int(text) if text and text.isascii() and text.isdigit() and int(text) <= _MOST_SEGMENTS else 0


def _list(text: str | None) -> list[str]:
    return text.split(",") if text else []


def _variables(text: str | None) -> dict[str, str]:
    """``name@word`` each; the last one of a name counts, and one that was cut off does not fit."""
    found = [_OWN.fullmatch(entry) for entry in _list(text)]
    return {one[1]: one[2] for one in found if one}


def _one_of(text: str | None, words: tuple[str, ...]) -> str | None:
    return text if text in words else None


def _whole(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _id(value: object) -> UUID | None:
    try:
        return UUID(value) if isinstance(value, str) else None
    except ValueError:
        return None


def _ids(value: object) -> tuple[UUID, ...] | None:
    if not isinstance(value, list):
        return None
    return tuple(one for one in map(_id, value) if one is not None)


def _queue(value: object) -> QueuePlace | None:
    if not isinstance(value, dict):
        return None
    return QueuePlace(
        position=_whole(value.get("position")),
        waited_s=_whole(value.get("waited_s")) or 0,
        target=_id(value.get("target")),
        full=value.get("full") is True,
    )
