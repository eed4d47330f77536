"""What a call's own path through its flow left in the variables: steps that ran, consent, tags, own variables, limits,
spam. Pure; believes none of it: every list is bounded, every word has a shape, everything else is dropped.

The words are those of docs/architecture.md ("Channel variables"); what they mean to a reader: explain.py.
"""

from __future__ import annotations

import re
from typing import Any

from .fields import Fields, as_stamp
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
_RESULT = re.compile(r"[A-Za-z0-9_:.*#+-]{1,64}")
_WORD = re.compile(r"[\w.:-]{1,64}")
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
        "spam_score": fields.integer("dialtrace_spam"),
        "spam_rules": _rules(fields),
    }
    return {name: value for name, value in found.items() if value not in (None, [], {})}


def is_test(fields: Fields) -> bool:
    """Whether the dialplan knew the installation's own mark on this call (docs/howto/prove-numbers.md)."""
    return fields.word("dialtrace_test") == "true"


def _trail(fields: Fields) -> list[dict[str, str]]:
    steps = []
    for entry in (fields.text("dialtrace_trail", limit=16_384) or "").split(",")[:MAX_STEPS]:
        found = _STEP.fullmatch(entry.strip())
        moment = as_stamp(int(found[3]) * 1_000_000) if found else None
        if found and moment:
            step = {"step": found[1], "at": moment.isoformat()}
            steps.append(step if found[2] is None else step | {"result": found[2]})
    return _with_last_result(steps, fields)


def _with_last_result(steps: list[dict[str, str]], fields: Fields) -> list[dict[str, str]]:
    """The last question's answer stands in variables of its own; earlier ones are in the trail, if anywhere."""
    asked, result = fields.text("dialtrace_step", limit=64), fields.text("dialtrace_result", limit=64)
    if result and _RESULT.fullmatch(result):
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
        for name, value in fields.variables.items()
        if isinstance(name, str) and isinstance(value, str) and value and (match := _VARIABLE.fullmatch(name))
    )
    return {name: clean_text(value, limit=MAX_VARIABLE_CHARACTERS) for name, value in named[:MAX_VARIABLES]}


def _rules(fields: Fields) -> list[dict[str, Any]]:
    """`name:weight` with `,` between: why the spam score is what it is."""
    listed = (fields.text("dialtrace_spam_rules", limit=2048) or "").split(",")[:MAX_RULES]
    found = [_RULE.fullmatch(entry.strip()) for entry in listed]
    return [{"rule": rule[1], "weight": int(rule[2])} for rule in found if rule]
