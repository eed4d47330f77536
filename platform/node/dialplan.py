"""The dialplan: read from the XML file that drives the real switch, and hunted as mod_dialplan_xml does. Pure.

Hunting evaluates every condition first and only collects actions; their data is expanded when they run. That matters:
``${last_sched_id}`` in an action sees what an earlier action of the same extension set.
Source: ``mod_dialplan_xml.c`` (parse_exten), ``mod_dptools.c`` (inline_dialplan_hunt). Only the subset that
``freeswitch/`` uses is read; anything else is refused when the file is loaded, never skipped.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from .errors import BadDialplan
from .model import Action, Extension, Profile
from .syntax import expand, separate

_GLOBAL = re.compile(r"\$\$\{([A-Za-z0-9_-]+)\}")
MAX_INLINE_ACTIONS = 128


@dataclass(frozen=True, slots=True)
class Condition:
    field: str
    expression: re.Pattern[str] | None
    actions: tuple[Action, ...]
    stop_on_fail: bool


@dataclass(frozen=True, slots=True)
class Template:
    """An extension as written: conditions that must hold, one after the other."""

    name: str
    conditions: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Dialplan:
    contexts: Mapping[str, tuple[Template, ...]]

    def hunt(self, profile: Profile, lookup: Callable[[str], str | None]) -> tuple[Extension | None, list[str]]:
        """The extension for a profile (None: no route) and the last captures (``DP_MATCH``)."""
        captures: list[str] = []
        for template in self.contexts.get(profile.context, ()):
            actions = _match(template, profile, lookup, captures)
            if actions is not None:
                return Extension(template.name, profile.destination_number, actions), captures
        return None, captures


def load(path: Path, globals_: Mapping[str, str]) -> Dialplan:
    """Read a dialplan file. ``$${name}`` is filled from ``globals_`` before parsing, as the switch does.

    Raises :class:`BadDialplan` that says where and what.
    """
    try:
        text = path.read_text(encoding="utf-8")
        root = ElementTree.fromstring(_fill(text, globals_, path))  # noqa: S314 - the operator's own file
    except (OSError, ElementTree.ParseError) as fault:
        raise BadDialplan(f"{path}: {fault}") from fault
    contexts = {}
    for context in root.iter("context"):
        contexts[context.get("name", "")] = tuple(_template(extension, path) for extension in context)
    if not contexts:
        raise BadDialplan(f"{path}: holds no <context>")
    return Dialplan(contexts)


def _fill(text: str, globals_: Mapping[str, str], path: Path) -> str:
    def value(found: re.Match[str]) -> str:
        if found[1] not in globals_:
            raise BadDialplan(f"{path}: $${{{found[1]}}} is not a variable of this node")
        return globals_[found[1]].replace("&", "&amp;").replace("<", "&lt;").replace('"', "&quot;")

    return _GLOBAL.sub(value, text)


def _template(element: ElementTree.Element, path: Path) -> Template:
    name = element.get("name", "")
    if element.tag != "extension" or element.get("continue", "false") != "false":
        raise BadDialplan(f"{path}: <{element.tag} name={name!r}> is more than this node's dialplan understands")
    return Template(name, tuple(_condition(child, name, path) for child in element))


def _condition(element: ElementTree.Element, extension: str, path: Path) -> Condition:
    known = {"field", "expression", "break"}
    stop = element.get("break", "on-false")
    if element.tag != "condition" or set(element.keys()) - known or stop not in {"on-false", "never"}:
        raise BadDialplan(f"{path}: extension {extension!r} holds a <{element.tag}> this node does not understand")
    actions = []
    for child in element:
        if child.tag != "action" or not child.get("application"):
            raise BadDialplan(f"{path}: extension {extension!r} holds a <{child.tag}> this node does not understand")
        actions.append(Action(child.get("application", ""), child.get("data")))
    field, pattern = element.get("field", ""), element.get("expression")
    try:
        expression = None if pattern is None else re.compile(pattern)
    except re.error as fault:
        raise BadDialplan(f"{path}: extension {extension!r}: {pattern!r}: {fault}") from fault
    return Condition(field, expression, tuple(actions), stop == "on-false")


def _match(
    template: Template, profile: Profile, lookup: Callable[[str], str | None], captures: list[str]
) -> list[Action] | None:
    actions: list[Action] = []
    for condition in template.conditions:
        found = _test(condition, profile, lookup)
        if found is None:
            if condition.stop_on_fail:
                return None
            continue
        if found:
            captures[:] = found
        actions += [Action(action.application, _put_captures(action.data, found)) for action in condition.actions]
    return actions


def _test(condition: Condition, profile: Profile, lookup: Callable[[str], str | None]) -> list[str] | None:
    """The captures when the condition holds (empty for one without an expression), else None."""
    if condition.expression is None:
        return []
    if "$" in condition.field:
        value = expand(condition.field, lookup)
    else:
        value = profile.field_text(condition.field) or ""
    found = condition.expression.search(value)
    return None if found is None else [found[0], *(group or "" for group in found.groups())]


def _put_captures(data: str | None, captures: list[str]) -> str | None:
    if data is None or "$" not in data or not captures:
        return data
    return re.sub(r"\$(\d)", lambda found: captures[int(found[1])] if int(found[1]) < len(captures) else "", data)


def inline(plan: str) -> Extension:
    """A program in the inline dialplan: ``app:data,app:data``, or ``m:~:app:data~…`` with another separator."""
    delimiter, text = ",", plan
    if len(plan) > 3 and plan[0] == "m" and plan[1] == ":" and plan[3] == ":":
        delimiter, text = plan[2], plan[4:]
    actions = []
    for piece in separate(text, delimiter, MAX_INLINE_ACTIONS):
        application, colon, data = piece.partition(":")
        actions.append(Action(application.lstrip(" "), data if colon else None))
    return Extension("inline", "inline", actions)
