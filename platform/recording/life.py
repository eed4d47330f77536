"""Where a recording is, at every moment from the first on: one table of what may follow what. Pure.

    expected     the call has begun, its plan says that it is recorded
    writing      the switch writes it
    on_node      the call is over and its record is kept; the file is on the node
    uploading    it is being sent to the object store
    stored       the store has taken it, and is yet to be asked again
    verified     the store, asked again, has said size and SHA-256: only now the file leaves the node
    absent       there is none, and why

The monitor writes the first two, who stores the call's record the third, who brings it home the rest. None of them
knows when another comes, so each only moves a row forward: whoever comes late changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

State = Literal["expected", "writing", "on_node", "uploading", "stored", "verified", "absent"]
STATES: tuple[State, ...] = ("expected", "writing", "on_node", "uploading", "stored", "verified", "absent")

#: not_answered: nothing was said. rule_off: the flow says not to. consent_refused: the caller does. node_lost: went
#: with its node. disk_full: the switch could not write it. no_audio: it wrote a file without sound. missing: it wrote
#: none. erased: somebody had it removed. expired: it was kept as long as the rules of retention say.
AbsenceReason = Literal[
    "not_answered", "rule_off", "consent_refused", "node_lost", "disk_full", "no_audio", "missing", "erased", "expired"
]
#: Gone for good: a file that is found after all does not change it.
GONE: frozenset[str] = frozenset({"erased", "expired"})

TRANSITIONS: Mapping[State, frozenset[State]] = {
    "expected": frozenset({"writing", "on_node", "uploading", "absent"}),
    "writing": frozenset({"on_node", "uploading", "absent"}),
    "on_node": frozenset({"uploading", "absent"}),
    # Cut off in the middle it begins anew.
    "uploading": frozenset({"uploading", "stored", "verified", "absent"}),
    # What the store says when it is asked again may be something else.
    "stored": frozenset({"uploading", "verified", "absent"}),
    "verified": frozenset({"absent"}),
    # A file that was found after all.
    "absent": frozenset({"uploading"}),
}
#: Until here something is still to be done.
OPEN: tuple[State, ...] = ("expected", "writing", "on_node", "uploading", "stored")


def sources_of(state: State) -> list[State]:
    """The states from which a row may come to this one, in the order of a recording's life."""
    return [source for source in STATES if state in TRANSITIONS[source]]


#: From where the record of a call, once it is stored, moves a row: it tells that the file is on the node, or that there
#: never was one. A file's own absence is told by who has looked for it.
BY_THE_RECORD: tuple[State, ...] = ("expected", "writing")
