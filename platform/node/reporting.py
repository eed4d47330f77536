"""The end of a leg, in FreeSWITCH's order: recordings closed, CDR written, HANGUP_COMPLETE, DESTROY.

Source: reference freeswitch 2 ("Sequence at hang-up for one leg"). Each leg is reported exactly once.
"""

from __future__ import annotations

from pathlib import Path

from . import cdr
from .apps_media import stop_all_recordings
from .channel import Channel


def report(channel: Channel, folder: Path) -> None:
    """Close a leg's books. The leg must be hung up; a second call does nothing."""
    assert channel.down, "a live leg cannot be reported"
    if channel.reported:
        return
    channel.reported = True
    core = channel.core
    core.schedule.cancel_all(channel.uuid)
    stop_all_recordings(channel)
    cdr.complete_variables(channel)
    channel.state = "CS_REPORTING"
    try:
        cdr.save(channel, folder)
    finally:
        channel.fire("CHANNEL_HANGUP_COMPLETE")
        channel.leg.close()
        core.channels.pop(channel.uuid, None)
        channel.destroyed = True
        channel.fire("CHANNEL_DESTROY")
