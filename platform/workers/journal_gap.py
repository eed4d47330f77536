"""Makes up in the journal for what was missed while there was no link to the switch: what its own list says, and what
it does not. Only what the switch itself says ends a call."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress

import structlog

from ..esl.errors import CommandRefused
from ..journal.store import Started
from .journal_writer import JournalWriter
from .live_asker import Switch
from .switch_facts import Live, stamp_us

log = structlog.get_logger("monitor")


def now_us() -> int:
    """Microseconds since 1970, UTC."""
    return time.time_ns() // 1_000


class JournalGap:
    """Closes gaps of one node's journal. Raises JournalError, and the errors of the link."""

    def __init__(self, *, node: str, journal: JournalWriter, switch: Switch) -> None:
        self._node = node
        self._journal = journal
        self._switch = switch

    def add_standing(self, live: Sequence[Live], core_uuid: str, hung_up: Callable[[], Collection[str]]) -> None:
        """Calls that began while nobody listened. ``hung_up`` tells whose hang-up was heard meanwhile."""
        known = self._journal.call("known", [call.call_id for call in live])
        for call in live:
            if call.call_id in known:
                continue
            started_us = self._variable_us(call.call_id, "dialtrace_started") or call.started_us
            if call.call_id in hung_up():
                continue  # it was hung up while we asked, and its record may be stored already
            self._journal.began(
                Started(
                    call_id=call.call_id,
                    core_uuid=core_uuid,
                    started_us=started_us,
                    dialled=call.dialled,
                    caller=call.caller,
                    caller_name=call.caller_name,
                    recorded_at_us=now_us(),
                )
            )

    def close_gone(self, before: Sequence[Started], live: Sequence[Live], core_uuid: str) -> None:
        """Calls of this run that ended while nobody listened. A CDR file tells the rest; without one they are lost."""
        standing = {call.call_id for call in live}
        missing = [row for row in before if row.core_uuid == core_uuid and row.call_id not in standing]
        # The list comes out of the switch's database, which lags behind its calls; the call itself is asked as well.
        gone = [row.call_id for row in missing if row.ended_event is None and not self._stands(row.call_id)]
        if gone:
            self._journal.call("gone", gone)
            log.info("calls ended unheard", node=self._node, calls=len(gone))

    def _variable_us(self, call_id: str, name: str) -> int | None:
        with suppress(CommandRefused):  # the call has ended meanwhile
            return stamp_us(self._switch.api("uuid_getvar", call_id, name))
        return None

    def _stands(self, call_id: str) -> bool:
        return self._switch.api("uuid_exists", call_id).strip() != "false"
