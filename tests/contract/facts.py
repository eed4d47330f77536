"""What two switches must agree on: the interpreter's facts of a call, field by field, without times, ids and media
statistics. Pure.

Of a time only stays that there was one; ids that a case knows are replaced by their names in the case.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from dialtrace.cdr.interpret import interpret
from dialtrace.cdr.model import as_columns

#: Statistics, and the kinds of id that only say that there is one.
_LEFT_OUT = frozenset(("media", "record_ms", "record_completion", "loss_percent", "jitter_ms", "r_factor", "mos"))
#: `at`: of a step in the trail.
_ONLY_THAT_IT_IS = frozenset(("core_uuid", "sip_call_id", "at"))


def comparable(records: Sequence[Mapping[str, Any]], *, number: str, names: Mapping[str, str]) -> list[dict[str, Any]]:
    """The facts of a call's files: the A leg's first, then its legs'. ``names`` are the case's words for ids and
    addresses; the legs are called leg-1, leg-2 … in the order of the files."""
    facts = [as_columns(interpret(record, node="node-1")) for record in records]
    # A trunk that no other case may use bears the end of the number, which depends on how many cases come before.
    known = dict(names) | {f"+{number}": "the case's number", f"narrow-{number[-4:]}": "narrow"}
    for index, one in enumerate(facts):
        known[str(one["id"])] = f"leg-{index}" if index else "the call"
    return [_plain(one, known) for one in facts]


def _plain(columns: Mapping[str, Any], known: Mapping[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in columns.items():
        if value in (None, (), {}, []) or name.endswith("_ms") or name in _LEFT_OUT:
            continue
        if name == "is_test" and not value:
            continue
        found[name] = "set" if name in _ONLY_THAT_IT_IS else _named(value, known)
    return found


def _named(value: Any, known: Mapping[str, str]) -> Any:
    if isinstance(value, datetime):
        return "set"
    if isinstance(value, Mapping):
        return _plain(value, known)
    if isinstance(value, (list, tuple)):
        return [_named(one, known) for one in value]
    if isinstance(value, UUID):
        value = str(value)
    if isinstance(value, str):
        return known.get(value) or known.get(re.sub(r"^sip:", "", value)) or value
    return value
