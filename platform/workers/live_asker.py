"""Asks the switch what no event has told: whose a call is, which target it talks with, whether it still stands.

Every question is bounded in time and number, so that it never keeps the switch or the events waiting. Only the switch
itself ends a call here; silence ends none.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Protocol

import gevent
import structlog

from ..calls.live import Heard, LiveCalls
from ..cdr.numbering import caller_e164
from ..esl.errors import CommandRefused, EslError
from .live_facts import (
    OWNER_VARIABLES,
    SOURCE_VARIABLES,
    TEST_VARIABLE,
    leg_of,
    moment_us,
    number_text,
    owner_of,
    target_of,
)
from .switch_facts import Live

log = structlog.get_logger("monitor")

ASK_EVERY_S = 0.3
#: The first event after the plan tells whose the call is; only where there was none for so long it is asked.
OWNER_AFTER_US = 1_500_000
ASK_AGAIN_AFTER_S = 2.0
OWNERS_AT_ONCE, LEGS_AT_ONCE, STANDING_AT_ONCE = 20, 50, 50
#: A call that was not proven for so long is asked for: its end may have been missed.
PROVE_AFTER_S = 60.0
PROVE_EVERY_S = 5.0
TIMEOUT_S = 3.0
_TALKING = frozenset({"ACTIVE", "HELD", "UNHELD"})


class Switch(Protocol):
    """What is asked of a link to a switch."""

    def api(self, name: str, *args: str, timeout_s: float | None = None) -> str: ...


class LiveAsker:
    """The questions about one node's calls."""

    def __init__(
        self,
        *,
        node: str,
        live: LiveCalls,
        switch: Switch,
        is_up: Callable[[], bool],
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._node = node
        self._live = live
        self._switch = switch
        self._is_up = is_up
        self._monotonic_s = monotonic_s
        self._not_before_s: dict[str, float] = {}
        self._proven_at_s: dict[str, float] = {}
        self._prove_at_s = 0.0

    def run(self) -> None:
        """Until the greenlet is killed."""
        while True:
            if self._is_up():
                try:
                    self.ask()
                except EslError as fault:
                    log.info("questions about calls are put off", node=self._node, fault=str(fault))
            gevent.sleep(ASK_EVERY_S)

    def ask(self) -> None:
        """One round. Raises EslError when the link is no more."""
        for call_id in self._due(self._live.unowned(time.time_ns() // 1_000 - OWNER_AFTER_US), OWNERS_AT_ONCE):
            self._ask_owner(call_id)
        for call_id, leg in self._live.unresolved()[:LEGS_AT_ONCE]:
            if self._due([leg], 1):
                self._live.connect(call_id, leg, target_of(self._variable(leg, "dialtrace_target") or ""))
        if self._monotonic_s() >= self._prove_at_s:
            self._prove_at_s = self._monotonic_s() + PROVE_EVERY_S
            self._prove()

    def resync(self, listed: Sequence[Live]) -> None:
        """After a gap: ``listed`` is the switch's own list, asked after the events were subscribed. Raises EslError."""
        standing = {call.call_id for call in listed}
        for call in listed:
            if call.call_id not in self._live:
                dialled, caller = number_text(call.dialled), caller_e164(call.caller)
                self._live.hear(Heard(call.call_id, dialled=dialled, caller=caller))
            if call.call_state in _TALKING:
                self._live.stands(call.call_id)
        # The list comes out of the switch's database, which lags behind its calls.
        for call_id in self._live.calls():
            if call_id not in standing and not self._stands(call_id):
                self._live.end(call_id)
        self._live.listed()

    def _prove(self) -> None:
        now_s, calls = self._monotonic_s(), self._live.calls()
        proven = self._proven_at_s
        self._proven_at_s = {call_id: proven.get(call_id, now_s) for call_id in calls}
        self._not_before_s = {name: until_s for name, until_s in self._not_before_s.items() if until_s > now_s}
        old = [call_id for call_id in calls if now_s - self._proven_at_s[call_id] >= PROVE_AFTER_S]
        for call_id in old[:STANDING_AT_ONCE]:
            if self._stands(call_id):
                self._proven_at_s[call_id] = now_s
            else:
                log.info("a call ended unheard", node=self._node, call=call_id)
                self._live.end(call_id)

    def _ask_owner(self, call_id: str) -> None:
        names = (*OWNER_VARIABLES, TEST_VARIABLE, *SOURCE_VARIABLES.values(), "dialtrace_started", "bridge_uuid")
        told: dict[str, str | None] = {}
        for name in names:
            told[name] = self._variable(call_id, name)
            if told[OWNER_VARIABLES[0]] is None:
                return
        owner, started_us, leg = owner_of(told), moment_us(told["dialtrace_started"]), leg_of(told["bridge_uuid"])
        if call_id in self._live and owner is not None:
            self._live.hear(Heard(call_id, started_us=started_us, owner=owner, bridged_to=leg))

    def _due(self, names: Sequence[str], most: int) -> list[str]:
        """Those that were not asked for a moment ago; from now on they were."""
        now_s = self._monotonic_s()
        due = [name for name in names if self._not_before_s.get(name, 0.0) <= now_s][:most]
        self._not_before_s |= dict.fromkeys(due, now_s + ASK_AGAIN_AFTER_S)
        return due

    def _variable(self, channel: str, name: str) -> str | None:
        """None: it is not set, or the channel is no more."""
        try:
            value = self._switch.api("uuid_getvar", channel, name, timeout_s=TIMEOUT_S).strip()
        except CommandRefused:
            return None
        return None if value in ("", "_undef_") else value

    def _stands(self, call_id: str) -> bool:
        return self._switch.api("uuid_exists", call_id, timeout_s=TIMEOUT_S).strip() != "false"
