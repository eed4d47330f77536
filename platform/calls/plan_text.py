r"""The text of a plan: a program in the switch's inline dialplan, ``m:~:app:data~app:data…``.

The rules that keep it from being anything else are those found on a real switch (call-setup.md, "Rules for plans") and
stand in :class:`Plan`. Knows no flow.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from .errors import PlanRefused

SEPARATOR = "~"
#: 135 actions lost their tail silently, 113 worked (call-setup.md, "Rules for plans").
MOST_ACTIONS = 100
MOST_BYTES = 14_000

_APPLICATION = re.compile(r"[a-z_]{1,40}")
_VARIABLE = re.compile(r"[a-z_][a-z0-9_.-]{0,79}", re.IGNORECASE)
_FACT = re.compile(r"[A-Za-z0-9_.,@:*#-]{1,2000}")
# Printable ASCII without quotes, dollar, backslash and the separator: nothing to expand, quote, unescape or split on.
_DATA = re.compile(r"[ !#%&(-\[\]-}]*")


class Plan:
    """Collects actions and refuses what the switch could take for anything but an argument. Raises PlanRefused."""

    def __init__(self) -> None:
        self._actions: list[str] = []

    def add(self, application: str, data: str = "") -> None:
        """One action. A space in ``data`` is written so that it survives the transfer into the plan."""
        must_match(_APPLICATION, application, "an application")
        must_match(_DATA, data, "an argument")
        if len(self._actions) == MOST_ACTIONS:
            raise PlanRefused(f"a plan may hold {MOST_ACTIONS} actions")
        encoded = data.replace(" ", r"\s")
        self._actions.append(f"{application}:{encoded}" if encoded else application)

    def add_variables(self, values: Iterable[tuple[str, str]]) -> None:
        """Sets variables in one action; ``;`` stands between them. An empty value takes the variable away."""
        pairs = list(values)
        for name, value in pairs:
            must_match(_VARIABLE, name, "a variable's name")
            if ";" in value:
                raise PlanRefused(f"the value of {name} holds a semicolon")
        if pairs:
            self.add("multiset", "^^;" + ";".join(f"{name}={value}" for name, value in pairs))

    def add_facts(self, facts: Iterable[tuple[str, str | None]], variables: Iterable[tuple[str, str]] = ()) -> None:
        """Sets ``dialtrace_…`` variables from ids, words and numbers only; a fact that is None is left out. In the same
        action, other ``variables``."""
        known = [(f"dialtrace_{name}", value) for name, value in facts if value is not None]
        for name, value in known:
            must_match(_FACT, value, f"a value of {name}")
        self.add_variables([*known, *variables])

    def __str__(self) -> str:
        text = f"m:{SEPARATOR}:" + SEPARATOR.join(self._actions)
        if not self._actions or len(text) > MOST_BYTES:
            raise PlanRefused(
                f"a plan has at least one action and at most {MOST_BYTES} bytes; this has {len(text)} bytes"
            )
        return text


def handed_over(plan: str) -> tuple[str, str]:
    r"""The application, and its argument, with which a worker gives a plan to a call: the variables that the plan opens
    with and ``dialtrace_plan``, the rest of it, in one. An application costs the switch two events with all that it
    knows of the call (switch_core_session.c, switch_core_session_exec); and what the question was, and what is done
    already, is not copied into every later event.

    The switch unescapes what ``multiset`` is given, and ``multiset`` what it cuts (switch_channel.c,
    switch_channel_expand_variables_check; switch_utils.c, cleanup_separated_string): a space of the rest, ``\s``, is
    written with four backslashes here.
    """
    start = f"m:{SEPARATOR}:"
    opening, _, rest = plan.removeprefix(start).partition(SEPARATOR)
    if not plan.startswith(start) or not opening.startswith("multiset:^^;") or not rest or ";" in rest:
        return "set", f"dialtrace_plan={plan}"
    variables = opening.removeprefix("multiset:")
    return "multiset", f"{variables};asks=;dialtrace_plan={start}{rest.replace(chr(92), chr(92) * 4)}"


def must_match(pattern: re.Pattern[str], value: str, what: str) -> None:
    """Raises PlanRefused."""
    if pattern.fullmatch(value) is None:
        raise PlanRefused(f"not {what}: {value[:60]!r}")
