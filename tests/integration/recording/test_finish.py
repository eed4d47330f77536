"""Recordings from a node's folder to the object store, and out of it again."""

import hashlib
import io
import struct
import wave
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import Engine, text

from dialtrace.db.engine import Database
from dialtrace.ids import new_id
from dialtrace.objectstore.errors import RangeNotSatisfiable, StoreUnavailable
from dialtrace.objectstore.folder import FolderStore
from dialtrace.objectstore.model import Receipt, Source
from dialtrace.recording.errors import (
    RecordingAbsent,
    RecordingDiffers,
    RecordingPending,
    RecordingUnknown,
    UploadFailed,
)
from dialtrace.recording.model import Due
from dialtrace.recording.service import RecordingService

AGENCY, CLIENT = new_id(), new_id()
STARTED = datetime(2026, 11, 22, 23, 59, 59, 999_999, tzinfo=UTC)


class Stopped(BaseException):
    """The process is gone."""


class Store(FolderStore):
    """A folder store that can be told to fail, or to be the last thing that this process does."""

    fails = False
    then: Callable[[], None] = staticmethod(lambda: None)

    def put(self, name: str, source: Source, *, sha256: bytes | None = None) -> Receipt:
        if self.fails:
            raise StoreUnavailable("the store is away")
        receipt = super().put(name, source, sha256=sha256)
        self.then()
        return receipt


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "objects")


@pytest.fixture
def service(database: Database, store: Store) -> RecordingService:
    return RecordingService(database, store)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "recordings"


def wav(seconds: float = 0.25) -> bytes:
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(bytes(range(250)) * int(8000 * seconds * 4 / 250))
    return out.getvalue()


def due_for(*, answered: bool = True, node_lost: bool = False, segment: int = 1, call: UUID | None = None) -> Due:
    return Due(
        agency_id=AGENCY,
        client_id=CLIENT,
        call_id=call or new_id(),
        started_at=STARTED,
        segment=segment,
        answered=answered,
        node_lost=node_lost,
    )


def put(folder: Path, due: Due, body: bytes, *, day: str = "20261122") -> Path:
    path = folder / day / f"{due.call_id}-{due.segment}.wav"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(body)
    return path


def on_node(engine: Engine, due: Due) -> None:
    with engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO recordings (agency_id, id, client_id, call_id, call_started_at, segment, state, node,"
                " node_path, created_at) VALUES (:agency, :id, :client, :call, :started, :segment, 'on_node', 'node-1',"
                " 'x', now() - interval '1 hour')"
            ),
            {
                "agency": due.agency_id, "id": new_id(), "client": due.client_id, "call": due.call_id,
                "started": due.started_at, "segment": due.segment,
            },
        )  # fmt: skip


def ledger(engine: Engine) -> list[tuple]:
    with engine.begin() as connection:
        return [
            tuple(row)
            for row in connection.execute(
                text("SELECT state, absence_reason, attempts, last_error IS NOT NULL FROM recordings ORDER BY segment")
            )
        ]


def count_events(engine: Engine) -> int:
    with engine.begin() as connection:
        return connection.execute(text("SELECT count(*) FROM events WHERE type = 'recording.ready'")).scalar_one()


@pytest.mark.parametrize("linked", ["file", "folder"])
def test_given_a_link_in_place_of_a_recording_when_finished_then_what_it_leads_to_is_not_taken(
    service, folder, owner_engine, tmp_path, linked
):
    due = due_for()
    on_node(owner_engine, due)
    elsewhere = put(tmp_path / "elsewhere", due, wav())
    folder.mkdir()
    if linked == "folder":
        (folder / "20261122").symlink_to(elsewhere.parent)
    else:
        (folder / "20261122").mkdir()
        (folder / "20261122" / elsewhere.name).symlink_to(elsewhere)

    row = service.finish_recording(due, folder=folder, node="node-1")

    assert (row.state, row.absence_reason) == ("absent", "missing")
    assert elsewhere.exists()


def test_given_a_recording_when_finished_then_it_is_in_the_store_the_ledger_says_so_and_the_file_is_gone(
    service, folder, owner_engine, store
):
    due = due_for()
    on_node(owner_engine, due)
    path = put(folder, due, wav())

    row = service.finish_recording(due, folder=folder, node="node-1")

    assert (row.state, row.size_bytes, row.duration_ms, row.channels) == ("verified", len(wav()), 250, 2)
    assert row.sha256 == hashlib.sha256(wav()).digest()
    assert row.object_name == f"{AGENCY}/2026/11/22/{due.call_id}-1.wav"
    assert (store.root / row.object_name).read_bytes() == wav()
    assert not path.exists()
    assert row.stored_at is not None
    assert count_events(owner_engine) == 1
    assert service.finish_recording(due, folder=folder, node="node-1") is None
    assert (ledger(owner_engine), count_events(owner_engine)) == ([("verified", None, 0, False)], 1)


def test_given_a_header_that_a_killed_switch_left_when_finished_then_the_stored_file_can_be_played(
    service, folder, store
):
    due = due_for(node_lost=True, answered=False)
    put(folder, due, wav()[:4] + struct.pack("<I", 8) + wav()[8:40] + struct.pack("<I", 0) + wav()[44:])

    row = service.finish_recording(due, folder=folder, node="node-1")

    assert row.duration_ms == 250
    with wave.open(str(store.root / row.object_name)) as file:
        assert file.getnframes() == 2000


def test_given_a_file_that_is_no_wav_when_finished_then_it_is_kept_as_it_is(service, folder, store):
    due = due_for()
    put(folder, due, b"not audio at all" * 10)

    row = service.finish_recording(due, folder=folder, node="node-1")

    assert (row.state, row.duration_ms) == ("verified", None)
    assert (store.root / row.object_name).read_bytes() == b"not audio at all" * 10


@pytest.mark.parametrize("day", ["20261121", "20261123"])
def test_given_a_call_around_midnight_when_finished_then_its_file_is_found(service, folder, day):
    due = due_for()
    put(folder, due, wav(), day=day)

    assert service.finish_recording(due, folder=folder, node="node-1").state == "verified"


@pytest.mark.parametrize(
    ("due", "body", "reason"),
    [
        (due_for(answered=False), wav()[:44], "not_answered"),
        (due_for(answered=False), None, "not_answered"),
        (due_for(), None, "missing"),
        (due_for(), wav()[:44], "no_audio"),
        (due_for(), b"", "no_audio"),
        (due_for(answered=False, node_lost=True), None, "node_lost"),
        (due_for(answered=False, node_lost=True), wav()[:44], "node_lost"),
    ],
)
def test_given_nothing_to_keep_when_finished_then_the_ledger_says_why(service, folder, owner_engine, due, body, reason):
    if body is not None:
        put(folder, due, body)

    row = service.finish_recording(due, folder=folder, node="node-1")

    assert (row.state, row.absence_reason) == ("absent", reason)
    assert list(folder.rglob("*.wav")) == []
    assert service.finish_recording(due, folder=folder, node="node-1") is None
    assert ledger(owner_engine) == [("absent", reason, 0, False)]
    assert count_events(owner_engine) == 0
    with pytest.raises(RecordingAbsent) as caught:
        service.open_recording(AGENCY, CLIENT, due.call_id)
    assert caught.value.reason == reason


def test_given_audio_of_a_call_that_was_never_answered_when_finished_then_it_is_kept(service, folder):
    due = due_for(answered=False)
    put(folder, due, wav())

    assert service.finish_recording(due, folder=folder, node="node-1").state == "verified"


def test_given_a_store_that_is_away_when_finishing_then_the_file_stays_and_the_next_try_succeeds(
    service, folder, owner_engine, store
):
    due = due_for()
    on_node(owner_engine, due)
    path = put(folder, due, wav())
    store.fails = True
    for _ in range(2):
        with pytest.raises(UploadFailed, match="away") as caught:
            service.finish_recording(due, folder=folder, node="node-1")
    assert caught.value.retry_helps
    assert path.exists()
    assert ledger(owner_engine) == [("uploading", None, 2, True)]

    store.fails = False
    service.finish_recording(due, folder=folder, node="node-1")
    assert ledger(owner_engine) == [("verified", None, 2, False)]


def test_given_a_stop_after_the_store_confirmed_when_starting_again_then_it_is_stored_once(
    service, folder, owner_engine, store
):
    due = due_for()
    on_node(owner_engine, due)
    path = put(folder, due, wav())

    def stop() -> None:
        raise Stopped

    store.then = stop
    with pytest.raises(Stopped):
        service.finish_recording(due, folder=folder, node="node-1")
    assert path.exists()
    assert ledger(owner_engine) == [("uploading", None, 0, False)]

    store.then = lambda: None
    assert service.finish_recording(due, folder=folder, node="node-1").state == "verified"
    assert (count_events(owner_engine), path.exists()) == (1, False)


def test_given_a_stop_before_the_file_was_removed_when_starting_again_then_it_is_removed(
    service, folder, owner_engine, monkeypatch
):
    due = due_for()
    path = put(folder, due, wav())

    def stop(*_: object, **__: object) -> None:
        raise Stopped

    with monkeypatch.context() as patched:
        patched.setattr(Path, "unlink", stop)
        with pytest.raises(Stopped):
            service.finish_recording(due, folder=folder, node="node-1")
    assert path.exists()

    assert service.finish_recording(due, folder=folder, node="node-1") is None
    assert (count_events(owner_engine), path.exists()) == (1, False)


def test_given_another_file_under_a_stored_name_when_finishing_then_both_are_kept(service, folder, store):
    due = due_for()
    put(folder, due, wav())
    row = service.finish_recording(due, folder=folder, node="node-1")
    path = put(folder, due, wav(0.5))

    with pytest.raises(RecordingDiffers) as caught:
        service.finish_recording(due, folder=folder, node="node-1")

    assert not caught.value.retry_helps
    assert path.exists()
    assert (store.root / row.object_name).read_bytes() == wav()


def test_given_a_file_that_turns_up_after_it_was_called_missing_when_finishing_then_it_counts(
    service, folder, owner_engine
):
    due = due_for()
    service.finish_recording(due, folder=folder, node="node-1")
    put(folder, due, wav())

    assert service.finish_recording(due, folder=folder, node="node-1").state == "verified"
    assert ledger(owner_engine) == [("verified", None, 0, False)]


def test_given_several_segments_then_each_is_told_of_once_and_the_revision_counts_them(service, folder, owner_engine):
    call = new_id()
    # The second segment of the plan never came to be.
    for segment in (1, 3):
        due = due_for(call=call, segment=segment)
        put(folder, due, wav())
        service.finish_recording(due, folder=folder, node="node-1")
    with owner_engine.begin() as connection:
        found = connection.execute(text("SELECT data ->> 'segment', revision FROM events ORDER BY revision")).all()
    assert [tuple(row) for row in found] == [("1", 1), ("3", 2)]


def test_given_several_segments_when_opening_then_each_is_found_and_the_first_by_default(service, folder):
    call = new_id()
    for segment, seconds in ((2, 0.5), (1, 0.25)):
        due = due_for(call=call, segment=segment)
        put(folder, due, wav(seconds))
        service.finish_recording(due, folder=folder, node="node-1")

    assert service.open_recording(AGENCY, None, call).recording.segment == 1
    second = service.open_recording(AGENCY, CLIENT, call, 2)
    assert second.size_bytes == len(wav(0.5))
    with second.stream(first=4, last=11) as stream:
        assert stream.read() == wav(0.5)[4:12]
    with pytest.raises(RangeNotSatisfiable):
        second.stream(first=10_000_000)


def test_given_recordings_that_are_not_there_when_opening_then_it_is_said_why(service, folder, owner_engine):
    due = due_for()
    on_node(owner_engine, due)
    with pytest.raises(RecordingPending):
        service.open_recording(AGENCY, CLIENT, due.call_id)
    put(folder, due, wav())
    service.finish_recording(due, folder=folder, node="node-1")

    for agency, client, call, segment in (
        (AGENCY, CLIENT, new_id(), None),
        (AGENCY, CLIENT, due.call_id, 2),
        (AGENCY, new_id(), due.call_id, None),
        (new_id(), None, due.call_id, None),
    ):
        with pytest.raises(RecordingUnknown):
            service.open_recording(agency, client, call, segment)


def test_given_recordings_that_are_late_when_counting_then_only_these_nodes_and_old_ones_count(service, owner_engine):
    for _ in range(3):
        on_node(owner_engine, due_for())
    now = datetime.now(UTC)

    assert service.count_unaccounted(["node-1"], now=now, older_than=timedelta(minutes=10)) == 3
    assert service.count_unaccounted(["node-1"], now=now, older_than=timedelta(hours=2)) == 0
    assert service.count_unaccounted(["node-2"], now=now, older_than=timedelta(0)) == 0
