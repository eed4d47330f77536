"""What a process of telephones shall do, as a JSON file: the targets it plays and the calls it places. Pure.

Whoever starts such a process builds a :class:`PhonesPlan` and writes its ``to_json()``; the process reads it with
:func:`read_plan`. Must not know SIP, nor where the calls come from.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from .errors import NodeError

#: What each kind of call must come to, as the caller hears it: the final status, or the answer to its CANCEL or BYE.
CALL_ENDINGS: dict[str, str] = {
    "answered": "200 to BYE",
    "busy": "486",
    "unanswered": "480",
    "cancelled": "487 after CANCEL",
    "unknown": "404",
}

#: What each kind of target must see at the end of a call.
TARGET_ENDINGS: dict[str, str] = {
    "answers": "BYE received",
    "busy": "486 sent",
    "unanswered": "CANCEL received",
}


class BadPhonesPlan(NodeError):
    """The plan for the telephones cannot be used."""


@dataclass(frozen=True, slots=True)
class PlannedTarget:
    """A telephone that is called. It has the calls whose Request-URI names its kind as the user."""

    kind: str
    ring_ms: int = 0


@dataclass(frozen=True, slots=True)
class PhoneCall:
    """A call to place, ``moment_ms`` after the start. ``hold_ms``: how long an answered caller talks, and how long one
    who cancels lets it ring; the other kinds do not use it."""

    kind: str
    number: str
    caller: str
    node_host: str
    node_port: int
    moment_ms: int
    hold_ms: int = 0


@dataclass(frozen=True, slots=True)
class PhonesPlan:
    """One process: its address, its tone, where it writes its counts, its targets and calls.

    With targets it runs until it is told to stop, else until its last call has ended; after ``limit_s`` in any case,
    and what stands then has failed.
    """

    host: str
    sip_port: int
    counts: str
    tone_hz: int
    limit_s: int
    targets: tuple[PlannedTarget, ...] = ()
    calls: tuple[PhoneCall, ...] = ()

    @property
    def kinds(self) -> list[str]:
        """The kinds that are counted, each once."""
        return list(dict.fromkeys([*(target.kind for target in self.targets), *(call.kind for call in self.calls)]))

    def to_json(self) -> str:
        return json.dumps(asdict(self))


def read_plan(text: str) -> PhonesPlan:
    """Raises :class:`BadPhonesPlan`, which says what is wrong and where."""
    try:
        document = json.loads(text)
    except ValueError as fault:
        raise BadPhonesPlan(f"no JSON: {fault}") from fault
    targets = tuple(_target(value, f"targets[{index}]") for index, value in enumerate(_list(document, "targets")))
    calls = tuple(_call(value, f"calls[{index}]") for index, value in enumerate(_list(document, "calls")))
    if not targets and not calls:
        raise BadPhonesPlan("it names neither targets nor calls")
    if len({target.kind for target in targets}) < len(targets):
        raise BadPhonesPlan("targets: each kind can be there once only")
    if {target.kind for target in targets} & {call.kind for call in calls}:
        raise BadPhonesPlan("a kind that is both a target and a call could not be counted apart; use two processes")
    return PhonesPlan(
        host=_text(document, "host", ""),
        sip_port=_number(document, "sip_port", "", 1, 65_535),
        counts=_text(document, "counts", ""),
        tone_hz=_number(document, "tone_hz", "", 100, 3_900),
        limit_s=_number(document, "limit_s", "", 1, 7 * 86_400),
        targets=targets,
        calls=calls,
    )


def _target(value: Any, where: str) -> PlannedTarget:
    return PlannedTarget(
        kind=_kind(value, where, TARGET_ENDINGS), ring_ms=_number(value, "ring_ms", where, 0, 3_600_000)
    )


def _call(value: Any, where: str) -> PhoneCall:
    return PhoneCall(
        kind=_kind(value, where, CALL_ENDINGS),
        number=_text(value, "number", where),
        caller=_text(value, "caller", where),
        node_host=_text(value, "node_host", where),
        node_port=_number(value, "node_port", where, 1, 65_535),
        moment_ms=_number(value, "moment_ms", where, 0, 7 * 86_400_000),
        hold_ms=_number(value, "hold_ms", where, 0, 3_600_000),
    )


def _list(document: Any, name: str) -> list[Any]:
    value = _field(document, name, "")
    if not isinstance(value, list):
        raise BadPhonesPlan(f"{name}: must be a list")
    return value


def _field(value: Any, name: str, where: str) -> Any:
    if not isinstance(value, Mapping):
        raise BadPhonesPlan(f"{where or 'the plan'}: must be an object")
    if name not in value:
        raise BadPhonesPlan(f"{_path(where, name)}: missing")
    return value[name]


def _text(value: Any, name: str, where: str) -> str:
    """Names and numbers go into SIP messages: nothing that could end a line or a URI."""
    found = _field(value, name, where)
    if not isinstance(found, str) or not found or not found.isprintable() or set(found) & set(' <>"@;'):
        raise BadPhonesPlan(f'{_path(where, name)}: {found!r:.60} must be text without spaces and none of < > " @ ;')
    return found


def _number(value: Any, name: str, where: str, least: int, most: int) -> int:
    found = _field(value, name, where)
    if not isinstance(found, int) or isinstance(found, bool) or not least <= found <= most:
        raise BadPhonesPlan(f"{_path(where, name)}: {found!r:.60} must be a whole number from {least} to {most}")
    return found


def _kind(value: Any, where: str, endings: Mapping[str, str]) -> str:
    found = _field(value, "kind", where)
    if not isinstance(found, str) or found not in endings:
        raise BadPhonesPlan(f"{_path(where, 'kind')}: {found!r:.60} must be one of {', '.join(endings)}")
    return found


def _path(where: str, name: str) -> str:
    return f"{where}.{name}" if where else name
