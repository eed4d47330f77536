"""How a telephone number is dialled: by the operator's trunks, one after another while the trunk itself is at fault.

Whether the next trunk is tried is decided in the switch (the extension `trunk` of freeswitch/dialplan/inbound.xml): a
called party that is busy or rejects is busy on every trunk, only a trunk that fails (502, 503, no answer at all, none
of its places free) passes the call on. Pure.
"""

from __future__ import annotations

from .compiled import CompiledTrunk

#: A trunk that says nothing for so long is taken for dead; its own network needs some seconds to ring a telephone.
SILENT_AFTER_S = 10
#: Runs one attempt, unless what went before was the called party's own word.
_EXTENSION = "trunk XML flow"

Action = tuple[str, str]


def destination(trunk: CompiledTrunk, e164: str) -> str:
    """The rest of a dial string after its variables: profile or gateway, number and host."""
    number = trunk.dial_prefix + (e164 if trunk.number_form == "e164" and not trunk.dial_prefix else e164[1:])
    if trunk.authentication == "digest":
        return f"sofia/gateway/{trunk.name}/{number}"
    host = trunk.host if trunk.port is None else f"{trunk.host}:{trunk.port}"
    return f"sofia/external/{number}@{host}"


def attempts(legs: list[tuple[CompiledTrunk, str]]) -> list[Action]:
    """The actions that try each trunk with its dial string until one gets through to the called party."""
    if not legs:
        return [("set", "originate_disposition=NO_ROUTE_DESTINATION")]
    found: list[Action] = []
    for place, (trunk, leg) in enumerate(legs):
        most = "-" if trunk.max_calls is None else str(trunk.max_calls)
        rate = "-" if trunk.max_calls_per_s is None else f"{trunk.max_calls_per_s}/1"
        # A number before this one may have been busy: that says nothing of the first trunk.
        begins = ";originate_disposition=GATEWAY_DOWN" if place == 0 else ""
        found += [
            (
                "multiset",
                f"^^;dialtrace_trunk={trunk.name};dialtrace_trunk_max={most};dialtrace_trunk_rate={rate}{begins}",
            ),
            ("set", f"dialtrace_dial={leg}"),
            ("execute_extension", _EXTENSION),
        ]
    return found
