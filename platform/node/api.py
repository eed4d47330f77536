"""``api`` commands of the event socket: the few that the platform and its operators use. Text in, text out.

Unknown commands answer as the switch does. Wrong use gets ``-USAGE`` or ``-ERR`` with what is wanted.
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable
from typing import TYPE_CHECKING

from .causes import read_cause
from .session import Transfer
from .syntax import separate

if TYPE_CHECKING:
    from .channel import Channel
    from .core import Core

NO_CHANNEL = "-ERR No such channel!\n"


def run(core: Core, text: str) -> str:
    """Carry out one command line."""
    name, _, argument = text.strip().partition(" ")
    command = _COMMANDS.get(name)
    if command is None:
        return f"-ERR {name} Command not found!\n"
    return command(core, argument.strip())


def _status(core: Core, argument: str) -> str:
    seconds = int(time.monotonic() - core.started_at)
    days, rest = divmod(seconds, 86_400)
    hours, rest = divmod(rest, 3600)
    minutes, left = divmod(rest, 60)
    state = "is ready" if not core.inbound_paused else "is paused"
    return (
        f"UP 0 years, {days} days, {hours} hours, {minutes} minutes, {left} seconds, 0 milliseconds, 0 microseconds\n"
        f"FreeSWITCH (Version {core.version}) {state}\n"
        f"{core.since_startup} session(s) since startup\n"
        f"{len(core.channels)} session(s) - peak {core.peak}, last 5min {core.peak}\n"
        f"0 session(s) per Sec out of max {core.config.max_calls}, peak 0, last 5min 0\n"
        f"{core.max_sessions} session(s) max\n"
        "min idle cpu 0.00/100.00\n"
        f"{core.faults.count} fault(s), {core.faults.bad_packets} unreadable packet(s), "
        f"{core.services.ports.free} of {core.services.ports.total} RTP ports free\n"
    )


def _show(core: Core, argument: str) -> str:
    words = argument.split()
    if words[:1] != ["channels"] and words[:1] != ["calls"]:
        return "-USAGE: show channels [as json|count]\n"
    if words[1:2] == ["count"]:
        return f"\n{len(core.channels)} total.\n"
    if words[1:] == ["as", "json"]:
        rows = [_row(channel) for channel in list(core.channels.values())]
        shown: dict[str, object] = {"row_count": len(rows)}
        if rows:
            shown["rows"] = rows
        return json.dumps(shown, ensure_ascii=False)
    lines = [f"{channel.uuid},{channel.direction},{channel.name},{channel.state}" for channel in core.channels.values()]
    return "\n".join(["uuid,direction,name,state", *lines, f"\n{len(lines)} total.\n"])


def _row(channel: Channel) -> dict[str, str]:
    profile = channel.profile
    created = profile.times.created // 1_000_000
    codec = channel.leg.rtp.codec.name if channel.media_shown else ""
    return {
        "uuid": channel.uuid,
        "direction": channel.direction,
        "created": time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(created)),
        "created_epoch": str(created),
        "name": channel.name,
        "state": channel.state,
        "cid_name": profile.caller_id_name,
        "cid_num": profile.caller_id_number,
        "ip_addr": profile.network_addr,
        "dest": profile.destination_number,
        "application": channel.variables.get("current_application", ""),
        "application_data": channel.variables.get("current_application_data", ""),
        "dialplan": profile.dialplan,
        "context": profile.context,
        "read_codec": codec,
        "read_rate": "8000" if codec else "",
        "read_bit_rate": "64000" if codec else "",
        "write_codec": codec,
        "write_rate": "8000" if codec else "",
        "write_bit_rate": "64000" if codec else "",
        "secure": "",
        "hostname": channel.core.bus.hostname,
        "presence_id": "",
        "presence_data": "",
        "accountcode": "",
        "callstate": channel.call_state,
        "callee_name": profile.callee_id_name,
        "callee_num": profile.callee_id_number,
        "callee_direction": "",
        "call_uuid": channel.variables.get("call_uuid", channel.uuid),
        "sent_callee_name": "",
        "sent_callee_num": "",
        "initial_cid_name": profile.caller_id_name,
        "initial_cid_num": profile.caller_id_number,
        "initial_ip_addr": profile.network_addr,
        "initial_dest": channel.profiles[-1].destination_number,
        "initial_dialplan": channel.profiles[-1].dialplan,
        "initial_context": channel.profiles[-1].context,
    }


def _uuid_kill(core: Core, argument: str) -> str:
    call_id, _, cause = argument.partition(" ")
    channel = core.channels.get(call_id)
    if channel is None:
        return NO_CHANNEL
    channel.hang_up(read_cause(cause) if cause.strip() else "NORMAL_CLEARING")
    return "+OK\n"


def _uuid_transfer(core: Core, argument: str) -> str:
    words = separate(argument, " ", 5)
    if len(words) > 1 and words[1] in {"-bleg", "-both"}:
        return "-ERR this node transfers the caller's leg only\n"
    if len(words) < 2:
        return "-USAGE: <uuid> [-bleg|-both] <dest-exten> [<dialplan>] [<context>]\n"
    session = core.sessions.get(words[0])
    if session is None or session.channel.down:
        return NO_CHANNEL
    plan = words[2] if len(words) > 2 else "XML"
    session.request_transfer(Transfer(words[1], plan, words[3] if len(words) > 3 else ""))
    return "+OK\n"


def _uuid_setvar(core: Core, argument: str) -> str:
    call_id, _, rest = argument.partition(" ")
    name, _, value = rest.strip().partition(" ")
    channel = core.channels.get(call_id)
    if channel is None:
        return NO_CHANNEL
    if not name:
        return "-USAGE: <uuid> <var> [value]\n"
    channel.set(name, value)
    return "+OK\n"


def _uuid_getvar(core: Core, argument: str) -> str:
    call_id, _, name = argument.partition(" ")
    channel = core.channels.get(call_id)
    if channel is None:
        return NO_CHANNEL
    return channel.get(name.strip()) or "_undef_"


def _uuid_exists(core: Core, argument: str) -> str:
    return "true" if argument in core.channels else "false"


def _uuid_break(core: Core, argument: str) -> str:
    session = core.sessions.get(argument.split()[0]) if argument else None
    if session is None:
        return NO_CHANNEL
    session.request_break()
    return "+OK\n"


def _uuid_dump(core: Core, argument: str) -> str:
    from .facts import channel_headers

    channel = core.channels.get(argument.split()[0]) if argument else None
    if channel is None:
        return NO_CHANNEL
    return "".join(f"{name}: {value}\n" for name, value in channel_headers(channel, "CHANNEL_DATA"))


def _fsctl(core: Core, argument: str) -> str:
    words = argument.split()
    action, way = (words[0] if words else ""), (words[1] if len(words) > 1 else "")
    if action in {"pause", "resume"} and way in {"", "inbound", "outbound"}:
        paused = action == "pause"
        if way in {"", "inbound"}:
            core.inbound_paused = paused
        if way in {"", "outbound"}:
            core.outbound_paused = paused
        return "+OK\n"
    if action == "pause_check":
        states = {"": core.inbound_paused and core.outbound_paused, "inbound": core.inbound_paused}
        return "true" if states.get(way, core.outbound_paused) else "false"
    if action == "ready_check":
        return "false" if core.refusal() else "true"
    if action == "shutdown_check":
        return "false"
    if action == "max_sessions":
        return f"+OK max sessions: {core.max_sessions}\n"
    return "-USAGE: [pause|resume|pause_check [inbound|outbound]|ready_check|shutdown_check|max_sessions]\n"


def _global_getvar(core: Core, argument: str) -> str:
    if argument:
        return core.globals.get(argument, "")
    return "".join(f"{name}={value}\n" for name, value in core.globals.items())


def _sofia(core: Core, argument: str) -> str:
    """Of mod_sofia.c, cmd_profile, what a monitor needs to keep gateways."""
    match argument.split():
        case ["profile", "external", "rescan"]:
            core.gateways.rescan()
            return "+OK scan complete\n"
        case ["profile", "external", "killgw", name]:
            return "+OK gateway marked for deletion.\n" if core.gateways.kill(name) else "-ERR no such gateway.\n"
    return "-USAGE: profile external [rescan|killgw <gateway name>]\n"


_COMMANDS: dict[str, Callable[[Core, str], str]] = {
    "status": _status,
    "version": lambda core, argument: f"FreeSWITCH Version {core.version} (Dialtrace node: not a FreeSWITCH)\n",
    "show": _show,
    "uuid_kill": _uuid_kill,
    "uuid_transfer": _uuid_transfer,
    "uuid_setvar": _uuid_setvar,
    "uuid_getvar": _uuid_getvar,
    "uuid_exists": _uuid_exists,
    "uuid_break": _uuid_break,
    "uuid_dump": _uuid_dump,
    "fsctl": _fsctl,
    "sofia": _sofia,
    "reloadxml": lambda core, argument: "+OK [Success]\n",
    "global_getvar": _global_getvar,
    "create_uuid": lambda core, argument: str(uuid.uuid4()),
    "hostname": lambda core, argument: core.bus.hostname,
    "switchname": lambda core, argument: core.config.name,
}
