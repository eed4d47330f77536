"""A leg's CDR as mod_json_cdr writes it, and its file. The form was compared with real files of FreeSWITCH 1.10.12.

``prefix-a-leg`` and ``log-b-leg`` are on, ``encode-values`` off. The file is written under a hidden name in the same
folder and renamed, so that a reader never sees half of one (the real switch writes in place).
"""

from __future__ import annotations

import json
import logging
import os
from pathlib import Path
from typing import Any

from .channel import Channel
from .facts import STATES, media_stats, media_variables, time_variables
from .model import Extension, Profile, Times

log = logging.getLogger(__name__)


def complete_variables(channel: Channel) -> None:
    """The variables that only the end of a call knows."""
    profile = channel.profile
    channel.set("digits_dialed", channel.digits_dialed or "none")
    if channel.app_log:
        channel.set("last_app", channel.app_log[-1][0])
        channel.set("last_arg", channel.app_log[-1][1])
    for name, value in time_variables(channel).items():
        channel.set(name, value)
    channel.set("caller_id", f'"{profile.caller_id_name}" <{profile.caller_id_number}>')
    if channel.media_shown:
        rtp = channel.leg.rtp
        for name, value in media_variables(rtp.received, rtp.sent).items():
            channel.set(name, value)


def compose(channel: Channel) -> dict[str, Any]:
    """The whole record as the switch orders it."""
    rtp = channel.leg.rtp
    record: dict[str, Any] = {
        "core-uuid": channel.core.core_uuid,
        "switchname": channel.core.config.name,
        "channel_data": {
            "state": "CS_REPORTING",
            "direction": channel.direction,
            "state_number": str(STATES["CS_REPORTING"]),
            "flags": "0=1;1=1;3=1;39=1;40=1",
            "caps": "1=1;2=1;3=1;4=1;5=1;6=1;8=1;9=1;10=1",
        },
        "callStats": {"audio": media_stats(rtp.received, rtp.sent)} if channel.media_shown else {},
        "variables": dict(channel.variables),
    }
    if channel.app_log:
        record["app_log"] = {"applications": [_logged(*entry) for entry in channel.app_log]}
    record["callflow"] = [_flow(profile) for profile in channel.profiles]
    return record


def _logged(application: str, data: str, stamp_us: int) -> dict[str, str]:
    found = {"app_name": application}
    if data:
        found["app_data"] = data
    return found | {"app_stamp": str(stamp_us)}


def _flow(profile: Profile) -> dict[str, Any]:
    flow: dict[str, Any] = {"dialplan": profile.dialplan, "profile_index": str(profile.index)}
    if profile.extension is not None:
        flow["extension"] = _extension(profile.extension)
        inner = [_extension(child) | {"dialplan": name} for name, child in profile.extension.children]
        if inner:
            flow["extension"]["sub_extensions"] = inner
    flow["caller_profile"] = _profile(profile)
    if profile.originatees:
        found = [_profile(other) for other in profile.originatees]
        flow["caller_profile"]["originatee"] = {"originatee_caller_profiles": found}
    if profile.originator is not None:
        flow["caller_profile"]["originator"] = {"originator_caller_profiles": [_profile(profile.originator)]}
    flow["times"] = _times(profile.times)
    return flow


def _extension(extension: Extension) -> dict[str, Any]:
    actions = []
    for index, action in enumerate(extension.actions):
        entry = {"last_executed": "true"} if index == extension.current else {}
        entry["app_name"] = action.application
        if action.data is not None:
            entry["app_data"] = action.data
        actions.append(entry)
    told: dict[str, Any] = {"name": extension.name, "number": extension.number, "applications": actions}
    if extension.actions and extension.current >= 0:
        told["current_app"] = extension.actions[extension.current].application
    return told


def _profile(profile: Profile) -> dict[str, Any]:
    return {
        "username": profile.username,
        "dialplan": profile.dialplan,
        "caller_id_name": profile.caller_id_name,
        "ani": profile.ani,
        "aniii": "",
        "caller_id_number": profile.caller_id_number,
        "network_addr": profile.network_addr,
        "rdnis": profile.rdnis,
        "destination_number": profile.destination_number,
        "uuid": profile.uuid,
        "source": profile.source,
        "context": profile.context,
        "chan_name": profile.chan_name,
    }


def _times(times: Times) -> dict[str, str]:
    return {
        "created_time": str(times.created),
        "profile_created_time": str(times.profile_created),
        "progress_time": str(times.progress),
        "progress_media_time": str(times.progress_media),
        "answered_time": str(times.answered),
        "bridged_time": str(times.bridged),
        "last_hold_time": str(times.last_hold),
        "hold_accum_time": str(times.held),
        "hangup_time": str(times.hungup),
        "resurrect_time": "0",
        "transfer_time": str(times.transferred),
    }


def save(channel: Channel, folder: Path) -> None:
    """Write the leg's file. A failure is logged with the whole record, as mod_json_cdr does, and not repeated."""
    name = f"{'a_' if channel.profile.originator is None else ''}{channel.uuid}.cdr.json"
    text = json.dumps(compose(channel), ensure_ascii=False)
    hidden = folder / f".{name}.part"
    try:
        hidden.write_text(text, encoding="utf-8", errors="replace")
        os.replace(hidden, folder / name)
    except OSError as fault:
        hidden.unlink(missing_ok=True)
        log.critical("cannot write the CDR %s: %s; it is: %s", name, fault, text)
