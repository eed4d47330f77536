"""`dialtrace recordings`: what the ledger says, what is not accounted for, and whether stores hold what they confirmed.

For the operator: it reads the database and the stores themselves.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import click

from .config import Settings, load_settings

if TYPE_CHECKING:
    from .recording.inspection import RecordingInspector

#: Nothing of these is shown: they open something, or say it twice.
_HIDDEN = frozenset({"data_key", "key_id", "object_bytes", "object_checksum", "store_id"})
_STATES = ("expected", "writing", "on_node", "uploading", "stored", "verified", "absent")

agency_option = click.option("--agency", type=click.UUID, required=True, help="Whose recordings.")
client_option = click.option("--client", type=click.UUID, help="Only with this client.")
call_option = click.option("--call", type=click.UUID, help="Only of this call.")
since_option = click.option("--from", "since", type=click.DateTime(), help="Calls that began from then on, UTC.")


def recordings_group(
    begin: Callable[..., Settings],
    any_database: Callable[[Settings], AbstractContextManager[str]],
    with_master_keys: Callable[[Settings], Settings],
) -> click.Group:
    """The commands."""

    @contextmanager
    def opened() -> Iterator[RecordingInspector]:
        from .services.recordings import build_inspector

        with any_database(begin("recordings")) as url:
            os.environ["DIALTRACE_DATABASE_URL"] = url
            yield build_inspector(with_master_keys(load_settings()))

    @click.group("recordings")
    def group() -> None:
        """Recordings: where each one is, or why there is none (docs/howto/recordings.md)."""

    _add_list(group, opened)
    _add_verify(group, opened)
    return group


def _add_list(group: click.Group, opened: Callable[[], AbstractContextManager[RecordingInspector]]) -> None:
    @group.command("list")
    @agency_option
    @client_option
    @call_option
    @since_option
    @click.option("--state", type=click.Choice(_STATES), help="Only in this state.")
    def list_recordings(agency: Any, client: Any, call: Any, since: datetime | None, state: str | None) -> None:
        """The ledger, by the start of the call, one line of JSON each."""
        from .recording.inspection import Wanted

        wanted = Wanted(agency_id=agency, client_id=client, call_id=call, state=state, since=_utc(since))
        with opened() as inspector:
            for row in inspector.list_recordings(wanted):
                click.echo(_line(row))

    @group.command("unaccounted")
    @click.option("--older-than", type=click.FloatRange(0), default=600.0, show_default=True, help="Seconds.")
    def unaccounted(older_than: float) -> None:
        """Recordings of all agencies that have been on their way for longer; exit status 1 when there are some."""
        with opened() as inspector:
            rows = inspector.list_unaccounted(datetime.now(UTC) - timedelta(seconds=older_than))
        for row in rows:
            click.echo(_line(row))
        if rows:
            raise SystemExit(1)


def _add_verify(group: click.Group, opened: Callable[[], AbstractContextManager[RecordingInspector]]) -> None:
    @group.command("verify")
    @agency_option
    @client_option
    @call_option
    @since_option
    @click.option("--read", is_flag=True, help="Fetch each object and hash it, instead of asking the store alone.")
    def verify(agency: Any, client: Any, call: Any, since: datetime | None, read: bool) -> None:
        """Ask the stores for every recording that is there. What is not as it was confirmed is printed, and the exit
        status is 1."""
        from .recording.inspection import Wanted

        right = wrong = 0
        wanted = Wanted(agency_id=agency, client_id=client, call_id=call, since=_utc(since))
        with opened() as inspector:
            for verdict in inspector.verify(wanted, read=read):
                if verdict.fault is None:
                    right += 1
                    continue
                wrong += 1
                click.echo(_line(verdict.row | {"fault": verdict.fault}))
        click.echo(f"{right} are as they were confirmed, {wrong} are not", err=True)
        if wrong:
            raise SystemExit(1)


def _utc(moment: datetime | None) -> datetime | None:
    return moment.replace(tzinfo=UTC) if moment else None


def _line(row: dict[str, Any]) -> str:
    shown = {name: _plain(value) for name, value in row.items() if name not in _HIDDEN and value is not None}
    return json.dumps(shown, ensure_ascii=False)


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, bytes | memoryview):
        return bytes(value).hex()
    return value if isinstance(value, int | str) else str(value)
