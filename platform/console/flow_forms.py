"""A flow's document as a form, and a form as a document. Pure.

Every step has its members under `s<place>-<member>`, and in `s<place>-kept` the step as it was: what the form shows no
field for stays as it is. What cannot be read goes as it was typed: the API says what is wrong with it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from werkzeug.datastructures import MultiDict

from .flow_kinds import DAYS, STEPS, Part
from .forms import whole

LINKS = ("next", "open", "closed", "then", "otherwise")
WAYS = ("choices", "match")
MOST_STEPS = 100
Form = MultiDict[str, str]
Step = dict[str, Any]


# --- From a form. ---


def document_of(form: Form, base: Mapping[str, Any]) -> dict[str, Any]:
    """The document that a form shows; ``base``: what it was made from."""
    count = min(whole(form.get("steps", "")) or 0, MOST_STEPS)
    steps = [step_of(form, place) for place in range(count)]
    return {**base, "version": 2, "record": form.get("record") == "yes", "language": form.get("language", "en"),
            "longest_s": _number(form.get("longest_s", "")) or 3600, "steps": _renamed(form, steps)}  # fmt: skip


def step_of(form: Form, place: int) -> Step:
    kept = kept_step(form, place)
    kind = STEPS.get(str(kept.get("type")))
    for part in kind.parts if kind else ():
        value = _READ[part.kind](form, f"s{place}-{part.name}", kept.get(part.name))
        kept.pop(part.name, None)
        if value is not None:
            kept[part.name] = value
    name = form.get(f"s{place}-name", "").strip()
    kept.pop("name", None)
    return {"name": name, **kept} if name else kept


def kept_step(form: Form, place: int) -> Step:
    try:
        kept = json.loads(form.get(f"s{place}-kept", ""))
    except (ValueError, RecursionError):
        kept = None
    return kept if isinstance(kept, dict) else {"type": ""}


def _renamed(form: Form, steps: list[Step]) -> list[Step]:
    """Links follow a step that was given another name."""
    names = {}
    for place, step in enumerate(steps):
        before = kept_step(form, place).get("name") or f"step-{place + 1}"
        if step.get("name") and step["name"] != before:
            names[before] = step["name"]
    return [linked(step, names) for step in steps]


def linked(step: Step, names: Mapping[str, str]) -> Step:
    """The step with its links to these names led to others."""
    told: Step = {name: names.get(value, value) if name in LINKS and isinstance(value, str) else value
            for name, value in step.items()}  # fmt: skip
    for name in WAYS:
        ways = told.get(name)
        if isinstance(ways, dict):
            told[name] = {key: names.get(value, value) for key, value in ways.items()}
    return told


def _number(text: str) -> int | str | None:
    number = whole(text)
    return number if number is not None else text.strip() or None


def _text(form: Form, name: str, _: Any) -> Any:
    return form.get(name, "").strip() or None


def _prompt(form: Form, name: str, kept: Any) -> Any:
    kind = form.get(f"{name}-kind", "")
    same = kept if isinstance(kept, dict) and kept.get("kind") == kind else {}
    if kind == "say":
        more = {"language": form.get(f"{name}-language", "") or None}
        told = {**same, "kind": kind, "text": form.get(f"{name}-text", "").strip(), **more}
    elif kind == "file":
        told = {**same, "kind": kind, "name": form.get(f"{name}-file", "").strip()}
    elif kind == "tone":
        told = {**same, "kind": kind, "frequency_hz": _number(form.get(f"{name}-hz", "")),
                "duration_ms": _number(form.get(f"{name}-ms", ""))}  # fmt: skip
    else:
        return None
    return {member: value for member, value in told.items() if value is not None}


def _ways(form: Form, name: str, _: Any) -> Any:
    pairs = zip(form.getlist(f"{name}-key"), form.getlist(f"{name}-to"), strict=False)
    return {key.strip(): to for key, to in pairs if key.strip()}


def _targets(form: Form, name: str, _: Any) -> Any:
    """By id; with a weight where one other than 1 was said."""
    found: list[Any] = []
    for target, weight in zip(form.getlist(f"{name}-id"), form.getlist(f"{name}-weight"), strict=False):
        if target:
            number = _number(weight)
            found.append(target if number in (None, 1) else {"target": target, "weight": number})
    return found


def _tests(form: Form, name: str, _: Any) -> Any:
    found = []
    asked = zip(*(form.getlist(f"{name}-{one}") for one in ("fact", "test", "value")), strict=False)
    for fact, test, value in asked:
        if fact.strip():
            found.append({"fact": fact.strip(), test: _tested(fact.strip(), test, value)})
    return found


def _tested(fact: str, test: str, value: str) -> Any:
    if test == "in":
        return [_tested(fact, "is", one) for one in value.split(",") if one.strip()]
    if fact == "repeat":
        return {"yes": True, "true": True, "no": False, "false": False}.get(value.strip().lower(), value.strip())
    number = whole(value) if test != "is" or fact in {"spam", "hour"} else None
    return value.strip() if number is None else number


def _spans(text: str) -> list[list[str]]:
    return [[edge.strip() for edge in span.replace("–", "-").split("-", 1)] for span in text.split(",") if span.strip()]


def _hours(form: Form, name: str, _: Any) -> Any:
    found = {day: _spans(form.get(f"{name}-{day}", "")) for day in DAYS}
    return {day: spans for day, spans in found.items() if spans} or None


def _days(form: Form, name: str, _: Any) -> Any:
    lines = [line.strip().partition(" ") for line in form.get(name, "").splitlines() if line.strip()]
    return [{"date": day, "hours": _spans(hours)} for day, _, hours in lines] or None


def _overrides(form: Form, name: str, _: Any) -> Any:
    found = []
    for line in form.get(name, "").splitlines():
        if line.strip():
            begin, until, how = (*line.split(), "", "", "")[:3]
            found.append({"from": begin, "until": until, "open": {"open": True, "closed": False}.get(how, how)})
    return found or None


def _words(form: Form, name: str, _: Any) -> Any:
    return [one.strip() for one in form.get(name, "").split(",") if one.strip()]


def _pairs(form: Form, name: str, _: Any) -> Any:
    lines = [line.partition("=") for line in form.get(name, "").splitlines() if line.strip()]
    return {key.strip(): value.strip() for key, _, value in lines}


_READ: Mapping[str, Any] = {
    "prompt": _prompt, "link": _text, "ways": _ways, "text": _text, "choice": _text, "pick": _text,
    "number": lambda form, name, _: _number(form.get(name, "")), "targets": _targets, "tests": _tests,
    "check": lambda form, name, _: form.get(name) == "yes", "hours": _hours, "days": _days, "spans": _overrides,
    "words": _words, "pairs": _pairs,
}  # fmt: skip


# --- To a form. ---


def text_of(part: Part, value: Any) -> Any:
    """What stands in the field of a part that is one text, or a text for each day."""
    if part.kind == "hours":
        days = value if isinstance(value, dict) else {}
        return {day: hours_text(days.get(day, ())) for day in DAYS}
    if value is None:
        return ""
    if part.kind == "days":
        return "\n".join(" ".join(filter(None, (one.get("date", ""), hours_text(one.get("hours", ())))))
                         for one in value)  # fmt: skip
    if part.kind == "spans":
        return "\n".join(f"{one['from']} {one['until']} {_how(one['open'])}" for one in value)
    if part.kind == "words":
        return ", ".join(map(str, value))
    if part.kind == "pairs":
        return "\n".join(f"{key}={one}" for key, one in value.items())
    return str(value)


def _how(is_open: Any) -> str:
    return {True: "open", False: "closed"}.get(is_open, str(is_open)) if isinstance(is_open, bool) else str(is_open)


def hours_text(spans: Iterable[Sequence[str]]) -> str:
    return ", ".join("-".join(span) for span in spans)


def rows_of_tests(value: Any) -> list[tuple[str, str, str]]:
    """Rows of a condition: fact, test, and what it is held against."""
    found = []
    for one in value or ():
        test = next((name for name in ("is", "in", "at_least", "at_most") if name in one), "is")
        told = one.get(test, "")
        found.append((str(one.get("fact", "")), test, ", ".join(map(_said, told)) if isinstance(told, list)
                      else _said(told)))  # fmt: skip
    return found


def _said(value: Any) -> str:
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)


def rows_of_targets(value: Any) -> list[tuple[str, str]]:
    """Rows of targets: id and weight."""
    return [(str(one["target"]), str(one.get("weight", 1))) if isinstance(one, dict) else (str(one), "1")
            for one in value or ()]  # fmt: skip


def shaped(step: Mapping[str, Any]) -> Step:
    """What of a step a form can show: a document that was written as text may hold anything."""
    kind = STEPS.get(str(step.get("type")))
    kinds = {part.name: part.kind for part in kind.parts} if kind else {}
    told = {name: value for name, value in step.items() if name not in kinds or _has_form(kinds[name], value)}
    name = step.get("name")
    return {**told, "type": str(step.get("type", "")), "name": name if isinstance(name, str) else ""}


def _has_form(kind: str, value: Any) -> bool:
    if kind in {"prompt", "pairs"}:
        return isinstance(value, dict)
    if kind == "ways":
        return isinstance(value, dict) and _are(str, value.values())
    if kind == "words":
        return isinstance(value, list)
    if kind == "tests":
        return isinstance(value, list) and _are(dict, value)
    if kind == "targets":
        return isinstance(value, list) and all(isinstance(one, str) or _holds(one, "target") for one in value)
    if kind == "hours":
        return isinstance(value, dict) and all(map(_are_spans, value.values()))
    if kind == "days":
        return isinstance(value, list) and all(
            _holds(one, "date") and _are_spans(one.get("hours", [])) for one in value
        )
    if kind == "spans":
        return isinstance(value, list) and all(_holds(one, "from", "until", "open") for one in value)
    return isinstance(value, str | int)


def _are(kind: type, values: Iterable[Any]) -> bool:
    return all(isinstance(one, kind) for one in values)


def _holds(value: Any, *names: str) -> bool:
    return isinstance(value, dict) and all(isinstance(value.get(name), str | bool) for name in names)


def _are_spans(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(one, list) and _are(str, one) for one in value)


# --- What is done to a document. ---


def names_of(steps: Sequence[Step]) -> list[str]:
    """As other steps call them."""
    return [str(step.get("name") or f"step-{place}") for place, step in enumerate(steps, 1)]


def named(steps: list[Step]) -> list[Step]:
    """Steps that others lead to get names of their own: their place is about to change."""
    names, wanted = names_of(steps), {to for step in steps for _, to in links_of(step)}
    # A link to nowhere must not come to lead to whatever moves there.
    has_lost = any(one.startswith("step-") for one in wanted - set(names))
    taken, fresh = {*names, *wanted}, {}
    for name, step in zip(names, steps, strict=True):
        if (has_lost or name in wanted) and not step.get("name"):
            number = next(one for one in range(1, len(taken) + 2) if f"{step.get('type')}-{one}" not in taken)
            fresh[name] = f"{step.get('type')}-{number}"
            taken.add(fresh[name])
    return [linked({"name": fresh[name], **step} if name in fresh else step, fresh)
            for name, step in zip(names, steps, strict=True)]  # fmt: skip


def links_of(step: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What a step leads to, with the member, or the key, that says so."""
    found = [(name, step[name]) for name in LINKS if isinstance(step.get(name), str)]
    return found + [(key, to) for name in WAYS for key, to in (step.get(name) or {}).items() if to]


def moved(steps: list[Step], place: int, by: int) -> list[Step]:
    """One step further up or down; at the edge, as it was."""
    told, to = named(steps), place + by
    if 0 <= place < len(told) and 0 <= to < len(told):
        told[place], told[to] = told[to], told[place]
    return told


def removed(steps: list[Step], place: int) -> list[Step]:
    told = named(steps)
    return [step for index, step in enumerate(told) if index != place]


def added(steps: list[Step], kind: str, place: int) -> list[Step]:
    """With a new step before that place."""
    if kind not in STEPS or len(steps) >= MOST_STEPS:
        return steps
    told = named(steps)
    return [*told[:place], {"type": kind, **json.loads(json.dumps(STEPS[kind].fresh))}, *told[place:]]
