"""Until a switch is idle again: what one step or turn leaves behind must not load the next."""

from __future__ import annotations

import re
import time

from ..esl.errors import EslError
from ..esl.inbound import InboundClient
from ..nodesfile import NodeSettings
from ..supervisor import Child

LOOK_EVERY_S = 0.2


def settle_node(node: NodeSettings, switch: Child, *, idle_s: float, hang_up_s: float, records: bool = True) -> None:
    """Until no call and, with ``records``, no record is left there. What an overload has left standing after ``idle_s``
    is hung up, and a switch that does not recover from it within ``hang_up_s`` is started anew."""
    if becomes_idle(node, idle_s, records=records):
        return
    ask_switch(node, "hupall")  # the embedded node has no such command
    if becomes_idle(node, hang_up_s, records=records):
        return
    switch.ask_to_stop()
    switch.await_end()
    switch.start()
    switch.await_ready()


def becomes_idle(node: NodeSettings, timeout_s: float, *, records: bool = True) -> bool:
    """Whether no call is left within that time, nor, with ``records``, a record that nobody has read yet."""
    until_s = time.monotonic() + timeout_s
    while time.monotonic() < until_s:
        left = records and any((node.spool / "cdr").iterdir())
        # Not `show channels`: that asks the switch's own database, which its calls are waiting for.
        if not left and re.search(r"^0 session\(s\) - peak", ask_switch(node, "status"), re.MULTILINE):
            return True
        time.sleep(LOOK_EVERY_S)
    return False


def ask_switch(node: NodeSettings, *question: str) -> str:
    """One question over the event socket; empty if the switch does not answer in time."""
    host, port = node.event_socket_address
    client = InboundClient(
        host, port, node.event_socket_password, on_event=lambda _: None, on_disconnect=lambda _: None
    )
    try:
        client.connect()
        return client.api(*question)
    except EslError:
        return ""
    finally:
        client.close()
