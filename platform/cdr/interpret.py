"""Reads one JSON CDR of the switch: a pure function from the file's contents to a call's or a leg's facts.

Nothing here does I/O or asks the time. The rules and where they come from: reference/call-setup.md ("What the CDR files
hold") and freeswitch.md 2 ("Fields for a full CDR"); the meaning of the `dialtrace_*` variables: docs/architecture.md.
"""

from __future__ import annotations

from .call_file import read_call
from .errors import CdrUnreadable
from .fields import Fields, as_mapping
from .leg_file import read_leg
from .model import Facts
from .rebuild import EVENT, LOST, cdr_of_event, event_document, interpret_lost, lost_document

__all__ = ["event_document", "interpret", "lost_document"]


def interpret(cdr: object, *, node: str) -> Facts:
    """The facts of one CDR. ``node`` is the node in whose spool the file lay.

    Raises CdrUnreadable for JSON that no switch of ours writes: no UUID, no start.
    """
    if isinstance(cdr, dict) and LOST in cdr:
        return interpret_lost(cdr[LOST], node=node)
    if isinstance(cdr, dict) and EVENT in cdr:
        cdr = cdr_of_event(cdr[EVENT])
    if not isinstance(cdr, dict) or not isinstance(cdr.get("variables"), dict):
        raise CdrUnreadable("not a switch's CDR: there is no object `variables`")
    fields = Fields(cdr)
    own = fields.uuid("uuid") or fields.uuid("call_uuid")
    if own is None:
        raise CdrUnreadable("the CDR has no channel UUID (variables.uuid)")
    call = fields.uuid("dialtrace_call")
    direction = as_mapping(cdr.get("channel_data")).get("direction") or fields.word("direction")
    if call == own or (call is None and direction != "outbound"):
        return read_call(fields, own, node)
    return read_leg(fields, own, call)
