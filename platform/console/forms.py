"""Forms: from a thing of the API to fields, from fields to a body. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from .errors import Fault
from .faults import fault_text
from .texts import Speech

MOST_DIGITS = 12
Choices = Sequence[tuple[str, str]]


@dataclass(frozen=True, kw_only=True)
class Field:
    """A member of a body (``name``: dots between levels). ``kind``: text, email, url, number, decimal, choice, pick,
    check, lines, pairs, secret or moment. ``source``: the list that a pick chooses from. ``empty``: what nothing means:
    null, omit, or text. ``when``: new, change, or both."""

    name: str
    label: str
    kind: str = "text"
    help: str = ""
    required: bool = False
    choices: Choices = ()
    source: str = ""
    empty: str = "null"
    when: str = "both"
    value: str = ""


@dataclass(frozen=True, kw_only=True)
class Shown:
    """A field as it stands in a form. ``now``: what is kept, where somebody else was quicker and it is another."""

    id: str
    name: str
    label: str
    kind: str
    value: str
    help: str
    required: bool
    choices: Choices
    faults: Sequence[str]
    now: str = ""


def body_of(fields: Iterable[Field], form: Mapping[str, str], zone: str, *, changes: bool = False) -> dict[str, Any]:
    """What a form says, as the API takes it. What cannot be read goes as it is: the API says what is wrong with it.
    ``changes``: of a thing that is there, where what is left out stays: a required field that was emptied goes as an
    empty text, so that the API refuses it."""
    body: dict[str, Any] = {}
    for one in fields:
        text = form.get(one.name, "").strip()
        value = _value(one, text, zone)
        emptied = changes and one.required and one.name in form
        if value is None and not emptied and (one.empty == "omit" or one.required):
            continue
        _put(body, one.name, "" if value is None and (emptied or one.empty == "text") else value)
    return body


def _value(field: Field, text: str, zone: str) -> Any:
    if field.kind == "check":
        return text == "yes"
    if field.kind == "lines":
        return [line.strip() for line in text.splitlines() if line.strip()]
    if field.kind == "pairs":
        return _pairs(text)
    if not text:
        return None
    if field.kind == "number":
        number = whole(text)
        return text if number is None else number
    if field.kind == "decimal":
        return _decimal(text)
    return _moment(text, zone) if field.kind == "moment" else text


def _pairs(text: str) -> dict[str, int | str]:
    """One a line, with `=` between."""
    lines = [line.partition("=") for line in text.splitlines() if line.strip()]
    numbers = {key.strip(): (whole(value), value.strip()) for key, _, value in lines}
    return {key: value if number is None else number for key, (number, value) in numbers.items()}


def whole(text: str) -> int | None:
    """A whole number as people type it, of eleven digits at most; None: it is none."""
    text = text.strip()
    digits = text.removeprefix("-")
    return int(text) if digits.isascii() and digits.isdigit() and len(text) < MOST_DIGITS else None


def version_of(form: Mapping[str, str]) -> int:
    """Of what the form was made from. 0: it does not say, and no thing has that one."""
    return whole(form.get("version", "")) or 0


def _decimal(text: str) -> float | str:
    try:
        return float(text.replace(",", "."))
    except ValueError:
        return text


def _moment(text: str, zone: str) -> str:
    try:
        told = datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)
    except (ValueError, OverflowError):
        return text
    return told.isoformat().replace("+00:00", "Z")


def _put(body: dict[str, Any], name: str, value: Any) -> None:
    *above, last = name.split(".")
    for level in above:
        body = body.setdefault(level, {})
    body[last] = value


def shown_fields(
    fields: Iterable[Field],
    thing: Mapping[str, Any],
    speech: Speech,
    *,
    picks: Mapping[str, Choices],
    form: Mapping[str, str] | None = None,
    faults: Iterable[Fault] = (),
    is_late: bool = False,
) -> list[Shown]:
    """Fields with what stands in them: of the thing, or what was sent and is to be mended. ``is_late``: somebody else
    has changed the thing since the form was made."""
    told, found = list(faults), []
    for one in fields:
        kept = _text(one, thing)
        value = form.get(one.name, "") if form is not None else kept
        choices = _choices(one, picks, speech)
        if thing and one.kind in {"choice", "pick"}:
            choices, value = _with_kept(one, choices, kept, value, speech)
        found.append(Shown(
            id=f"f-{one.name.replace('.', '-')}", name=one.name, label=speech.say(one.label), kind=one.kind,
            value=value, help=speech.say(one.help), required=one.required and one.kind != "check", choices=choices,
            faults=_faults_of(one, value, told, speech),
            now=_now(one, choices, kept, speech) if is_late and differs(value, kept) else "",
        ))  # fmt: skip
    return found


def _faults_of(field: Field, value: str, told: Iterable[Fault], speech: Speech) -> list[str]:
    """What is wrong with a field; of a required one with nothing in it, that it has to be filled in."""
    found = [fault_text(fault, speech) for fault in told if _is_of(fault, field)]
    return [speech.say("Fill this in.")] if found and field.required and not value.strip() else found


def _with_kept(field: Field, choices: Choices, kept: str, value: str, speech: Speech) -> tuple[Choices, str]:
    """What is offered to choose from, and what is chosen. A browser sends the first choice where none is marked, so
    what is kept is among them even where nobody could choose it: by its own name, or as leaving it alone."""
    offered = {one for one, _ in choices}
    missing = [one for one in dict.fromkeys((kept, value)) if one not in offered]
    if missing and field.empty == "omit":
        return [("", speech.say("as it is")), *choices], "" if value in missing else value
    return [*((one, one) for one in missing), *choices], value


def differs(sent: str, kept: str) -> bool:
    """Whether two texts of a field say something else; how they are spaced says nothing."""
    return sent.split() != kept.split()


def _now(field: Field, choices: Choices, kept: str, speech: Speech) -> str:
    """What is kept, as people read it."""
    if field.kind == "check":
        return speech.say("yes") if kept else speech.say("no")
    return dict(choices).get(kept) or ", ".join(kept.splitlines()) or "–"


def _is_of(fault: Fault, field: Field) -> bool:
    return fault.place == field.name or fault.place.startswith(field.name + ".")


def unplaced(fields: Iterable[Field], faults: Iterable[Fault]) -> list[Fault]:
    """Faults that no field stands for."""
    known = list(fields)
    return [one for one in faults if not any(_is_of(one, field) for field in known)]


def _choices(field: Field, picks: Mapping[str, Choices], speech: Speech) -> Choices:
    if field.kind == "pick":
        none = [] if field.required else [("", speech.say("none"))]
        return [*none, *picks.get(field.source, ())]
    return [(value, speech.say(label)) for value, label in field.choices]


def _text(field: Field, thing: Mapping[str, Any]) -> str:
    value: Any = thing
    for level in field.name.split("."):
        value = value.get(level) if isinstance(value, Mapping) else None
    if value is None:
        return field.value if not thing else ""
    if isinstance(value, bool):
        return "yes" if value else ""
    if isinstance(value, Mapping):
        return "\n".join(f"{key} = {one}" for key, one in value.items())
    return "\n".join(map(str, value)) if isinstance(value, list) else str(value)
