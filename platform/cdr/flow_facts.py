"""What a call's own path through its flow left in the variables: steps that ran, consent, tags, own variables, limits,
spam. Pure; believes none of it: every list is bounded, every word has a shape, everything else is dropped.

The words are those of docs/architecture.md ("Channel variables"); what they mean to a reader: explain.py.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

from .fields import Fields, as_list, as_mapping, as_stamp
from .moments import first_of, milliseconds
from .text import clean_text

MAX_STEPS = 200
MAX_TAGS = 50
MAX_VARIABLES = 50
MAX_RULES = 30
MAX_VARIABLE_CHARACTERS = 128

#: `name@epoch` or `name=result@epoch`; a step of a flow that was gone to has that flow's mark before its name.
_STEP = re.compile(
    r"((?:f[0-9]{1,3}\.)?[a-z][a-z0-9-]{0,31})(?:=([A-Za-z0-9_:.*#+-]{0,64}))?@([0-9]{9,10})(?:\.[0-9]{1,6})?"
)
#: A wait's result until it has another.
_ASSUMED = frozenset(("timeout", "wait"))
_RESULT = re.compile(r"[A-Za-z0-9_:.*#+-]{1,64}")
#: The applications by which a plan adds to the trail; the name under which it says that a step is a queue.
_SAYING = frozenset(("push", "multiset"))
_QUEUE = "dialtrace_q_"
_WORD = re.compile(r"[\w.:-]{1,64}")
_FLOWS_OWN = "dialtrace_v_"
_VARIABLE = re.compile(r"dialtrace_v_([a-z][a-z0-9_]{0,31})")
_RULE = re.compile(r"([a-z][a-z0-9_]{0,31})[:=](-?[0-9]{1,4})")


def read_flow_facts(fields: Fields) -> dict[str, Any]:
    """Everything that the variables say, under the names of a call's ``facts``; what is not there has no entry."""
    found: dict[str, Any] = {
        "trail": _trail(fields),
        "consent": _consent(fields),
        "tags": _tags(fields),
        "variables": _variables(fields),
        "segments_started": fields.integer("dialtrace_segments"),
        "over_limit": fields.word("dialtrace_over"),
        "blocked_by": fields.word("dialtrace_blocked"),
        "spam_rules": _rules(fields),
    }
    return {name: value for name, value in found.items() if value not in (None, [], {})}


def is_test(fields: Fields) -> bool:
    """Whether the dialplan knew the installation's own mark on this call (docs/howto/prove-numbers.md)."""
    return fields.word("dialtrace_test") == "true"


def _trail(fields: Fields) -> list[dict[str, str]]:
    """Each plan adds to what was said before. What it says is when the plan was made; where the switch's own log of
    what it ran has the moment at which that was said, that is when the call came there."""
    steps = []
    said = _said(fields)
    added = as_list(fields.variables.get("dialtrace_trail"))
    entries = [(part, said.get(one)) for one in added for part in one.split(",")]
    for entry, heard in entries[:MAX_STEPS]:
        found = _STEP.fullmatch(entry.strip())
        moment = (heard or as_stamp(int(found[3]) * 1_000_000)) if found else None
        if found and moment:
            step = {"step": found[1], "at": moment.isoformat()}
            steps.append(step if found[2] is None else step | {"result": found[2]})
    return _with_last_result(steps, fields)


def _said(fields: Fields) -> dict[str, datetime]:
    """What was added to the trail → when: by `push`, or with the other variables that open a plan."""
    ran = as_mapping(fields.cdr.get("app_log")).get("applications")
    found = {}
    for entry in ran if isinstance(ran, list) else []:
        if not isinstance(entry, dict) or entry.get("app_name") not in _SAYING:
            continue
        data = entry.get("app_data")
        if not isinstance(data, str) or "dialtrace_trail=" not in data:
            continue
        moment = as_stamp(entry.get("app_stamp"))
        if moment is None:
            continue
        for part in data.removeprefix("^^;").split(";"):
            name, _, value = part.partition("=")
            if name == "dialtrace_trail":
                found[value] = moment
    return found


def queue_ms(
    fields: Fields, trail: list[dict[str, str]], *, connected: datetime | None, ended: datetime | None
) -> int | None:
    """Milliseconds in queues, the ringing of targets that were kept for the caller among them; None: in none.

    A plan that holds a caller in a queue says so (`dialtrace_q_<step>`). The wait ends when the call goes on to another
    step, is connected, or ends, whichever is first.
    """
    queues = {name.removeprefix(_QUEUE) for name in fields.named(_QUEUE)}
    waits: list[tuple[datetime, datetime | None]] = []
    begun: datetime | None = None
    for step in trail:
        moment = datetime.fromisoformat(step["at"])
        if step["step"] in queues:
            begun = begun or moment
        elif begun is not None:
            waits.append((begun, moment))
            begun = None
    if begun is not None:
        waits.append((begun, ended))
    if not waits:
        return None
    lengths = [milliseconds(start, first_of(_after(connected, start), end)) for start, end in waits]
    return sum(length or 0 for length in lengths)


def _after(moment: datetime | None, start: datetime) -> datetime | None:
    """None for what was before: a caller may be connected first and queue after."""
    return moment if moment is not None and moment >= start else None


def _with_last_result(steps: list[dict[str, str]], fields: Fields) -> list[dict[str, str]]:
    """The last question's answer stands in variables of its own; earlier ones are in the trail, if anywhere."""
    asked, result = fields.text("dialtrace_step", limit=64), fields.text("dialtrace_result", limit=64)
    if result and _RESULT.fullmatch(result) and result not in _ASSUMED:
        last = max((index for index, step in enumerate(steps) if step["step"] == asked), default=None)
        if last is not None:
            steps[last].setdefault("result", result)
    return steps


def _consent(fields: Fields) -> str | None:
    consent = fields.word("dialtrace_consent")
    return consent if consent in {"given", "refused"} else None


def _tags(fields: Fields) -> list[str]:
    words = [word.strip() for word in (fields.text("dialtrace_tags", limit=4096) or "").split(",")]
    return list(dict.fromkeys(word for word in words if _WORD.fullmatch(word)))[:MAX_TAGS]


def _variables(fields: Fields) -> dict[str, str]:
    named = sorted(
        (match[1], value)
        for name in fields.named(_FLOWS_OWN)
        if (match := _VARIABLE.fullmatch(name)) and isinstance(value := fields.variables[name], str) and value
    )
    return {name: clean_text(value, limit=MAX_VARIABLE_CHARACTERS) for name, value in named[:MAX_VARIABLES]}


def _rules(fields: Fields) -> list[dict[str, Any]]:
    """`name:weight` with `,` between: why the spam score is what it is."""
    listed = (fields.text("dialtrace_spam_rules", limit=2048) or "").split(",")[:MAX_RULES]
    found = [_RULE.fullmatch(entry.strip()) for entry in listed]
    return [{"rule": rule[1], "weight": int(rule[2])} for rule in found if rule]
