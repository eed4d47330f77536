"""The ledger from a call's first moment on: whoever writes, in whatever order, a row only moves forward."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Engine, text

from dialtrace.calls.live import Batch, LiveCall, Owner
from dialtrace.calls.live_rows import LiveRows
from dialtrace.cdr.model import CallFacts
from dialtrace.cdr.service import CdrService
from dialtrace.clock import FixedClock, to_microseconds
from dialtrace.db.engine import Database
from dialtrace.ids import new_id
from dialtrace.objectstore.errors import SealedObjectBroken, StoreUnavailable
from dialtrace.objectstore.folder import FolderStore
from dialtrace.objectstore.model import Receipt
from dialtrace.recording.errors import KeyDestroyed, RecordingAbsent, RecordingPending, UploadFailed
from dialtrace.recording.model import Due
from dialtrace.recording.service import RecordingService
from dialtrace.secrets_box.model import SecretsBox

from .test_finish import put, wav

AGENCY, CLIENT = new_id(), new_id()
STARTED = datetime(2026, 11, 22, 12, 0, 0, 123_456, tzinfo=UTC)
ENDED = STARTED + timedelta(seconds=20)


@pytest.fixture
def call_id() -> UUID:
    return uuid4()


def stands(database: Database, call_id: UUID, *, answered: bool = False, segments: tuple[int, ...] = (1,)) -> None:
    """The call as its monitor writes it."""
    call = LiveCall(str(call_id), started_us=to_microseconds(STARTED), dialled="+442079460123", caller=None)
    call.owner = Owner(AGENCY, CLIENT)
    call.answered_us = to_microseconds(STARTED) + 1_000_000 if answered else None
    call.segments = segments
    LiveRows(database).put("node-1", Batch([call], [], []))


def is_recorded(
    database: Database, call_id: UUID, *, segments: tuple[int, ...] = (1,), answered: bool = True, **facts: str
) -> None:
    """The call's record is stored."""
    [stored] = CdrService(database).store_batch(
        [
            CallFacts(
                id=call_id, started_at=STARTED, node="node-1", number="+442079460123", agency_id=AGENCY,
                client_id=CLIENT, outcome="answered" if answered else "caller_cancelled",
                answered_at=STARTED + timedelta(seconds=1) if answered else None, ended_at=ENDED, should_record=True,
                segments=segments, facts=facts,
            )
        ]
    )  # fmt: skip
    assert stored.refused is None


def rows(engine: Engine) -> list[tuple]:
    with engine.begin() as connection:
        found = connection.execute(text("SELECT segment, state, absence_reason FROM recordings ORDER BY segment"))
        return [tuple(row) for row in found]


def due(call_id: UUID, **more: object) -> Due:
    values = {"segment": 1, "answered": True, **more}
    return Due(agency_id=AGENCY, client_id=CLIENT, call_id=call_id, started_at=STARTED, **values)  # type: ignore[arg-type]


def test_given_a_call_when_it_goes_its_way_then_the_ledger_says_at_every_moment_where_its_recording_is(
    database, owner_engine, tmp_path, call_id
):
    service = RecordingService(database, FolderStore(tmp_path / "objects"))
    stands(database, call_id)
    assert rows(owner_engine) == [(1, "expected", None)]
    stands(database, call_id, answered=True)
    assert rows(owner_engine) == [(1, "writing", None)]
    with pytest.raises(RecordingPending):
        service.open_recording(AGENCY, CLIENT, call_id)
    is_recorded(database, call_id)
    assert rows(owner_engine) == [(1, "on_node", None)]
    # A monitor that comes late changes nothing.
    stands(database, call_id, answered=True)
    assert rows(owner_engine) == [(1, "on_node", None)]
    put(tmp_path / "recordings", due(call_id), wav())
    service.finish_recording(due(call_id), folder=tmp_path / "recordings", node="node-1")
    assert rows(owner_engine) == [(1, "verified", None)]
    is_recorded(database, call_id)
    stands(database, call_id)
    assert rows(owner_engine) == [(1, "verified", None)]


@pytest.mark.parametrize(
    ("facts", "reason"), [({"consent": "refused"}, "consent_refused"), ({"recording_rule": "no"}, "rule_off")]
)
def test_given_a_recording_that_was_expected_and_then_forbidden_when_the_record_comes_then_its_reason_is_known(
    database, owner_engine, call_id, facts, reason
):
    stands(database, call_id)
    is_recorded(database, call_id, segments=(), **facts)
    assert rows(owner_engine) == [(1, "absent", reason)]


@pytest.mark.parametrize(("answered", "reason"), [(False, "not_answered"), (True, "missing")])
def test_given_a_recording_that_no_record_speaks_of_when_swept_then_it_gets_its_reason(
    database, owner_engine, tmp_path, call_id, answered, reason
):
    service = RecordingService(database, FolderStore(tmp_path))
    stands(database, call_id, answered=answered)
    assert service.settle_unspoken(["node-1"]) == 0
    is_recorded(database, call_id, segments=(), answered=answered)
    assert service.settle_unspoken(["node-1"]) == 0, "a record that is just being revised may yet speak of it"
    with owner_engine.begin() as connection:
        for table in ("recordings", "calls"):
            connection.exec_driver_sql(f"UPDATE {table} SET updated_at = now() - interval '2 minutes'")
    assert service.settle_unspoken(["node-2"]) == 0
    assert service.settle_unspoken(["node-1"]) == 1
    assert rows(owner_engine) == [(1, "absent", reason)]


def test_given_calls_when_counted_then_only_those_that_do_not_stand_and_are_old_are_unaccounted(
    database, owner_engine, tmp_path, call_id
):
    service = RecordingService(database, FolderStore(tmp_path))

    def unaccounted() -> int:
        later = datetime.now(UTC) + timedelta(hours=1)
        return service.count_unaccounted(["node-1"], now=later, older_than=timedelta(minutes=10))

    stands(database, call_id, answered=True)
    assert unaccounted() == 0, "a long call is no lost recording"
    with owner_engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM live_calls")
    assert unaccounted() == 1
    assert service.settle_lost("node-1") == 1
    assert (unaccounted(), rows(owner_engine)) == (0, [(1, "absent", "node_lost")])


def test_given_a_disk_that_was_full_when_the_file_is_not_there_then_that_is_the_reason(
    database, owner_engine, tmp_path, call_id
):
    service = RecordingService(database, FolderStore(tmp_path / "objects"))
    service.finish_recording(due(call_id, write_failed=True), folder=tmp_path / "recordings", node="node-1")
    assert rows(owner_engine) == [(1, "absent", "disk_full")]


class Forgetful(FolderStore):
    """Takes everything and, asked again, does not answer."""

    silent = True
    puts = 0

    def put(self, name, source, *, sha256=None) -> Receipt:
        self.puts += 1
        return super().put(name, source, sha256=sha256)

    def confirm(self, name, receipt) -> None:
        if self.silent:
            raise StoreUnavailable("away")
        super().confirm(name, receipt)


@pytest.mark.parametrize("kept", [True, False])
def test_given_a_store_that_took_it_and_went_away_when_it_is_back_then_it_is_asked_and_sent_again_only_if_lost(
    database, owner_engine, tmp_path, call_id, kept
):
    store = Forgetful(tmp_path / "objects")
    service = RecordingService(database, store)
    put(tmp_path / "recordings", due(call_id), wav())
    with pytest.raises(UploadFailed):
        service.finish_recording(due(call_id), folder=tmp_path / "recordings", node="node-1")
    assert rows(owner_engine) == [(1, "stored", None)]
    store.silent = False
    if not kept:
        [path] = store.root.rglob("*.wav")
        path.write_bytes(b"something else")
    row = service.finish_recording(due(call_id), folder=tmp_path / "recordings", node="node-1")
    assert (row.state, store.puts) == ("verified", 1 if kept else 2)
    with service.open_recording(AGENCY, CLIENT, call_id).stream() as stream:
        assert stream.read() == wav()


def test_given_a_recording_when_erased_then_nobody_hears_it_and_a_late_file_is_not_stored(
    database, owner_engine, tmp_path, call_id
):
    store = FolderStore(tmp_path / "objects")
    service = RecordingService(database, store)
    put(tmp_path / "recordings", due(call_id), wav())
    row = service.finish_recording(due(call_id), folder=tmp_path / "recordings", node="node-1")
    for _ in range(2):
        service.erase_recording(AGENCY, row.id)
    assert rows(owner_engine) == [(1, "absent", "erased")]
    assert list(store.root.rglob("*.wav")) == []
    with pytest.raises(RecordingAbsent):
        service.open_recording(AGENCY, CLIENT, call_id)
    late = put(tmp_path / "recordings", due(call_id), wav())
    assert service.finish_recording(due(call_id), folder=tmp_path / "recordings", node="node-1") is None
    assert not late.exists()
    assert (rows(owner_engine), list(store.root.rglob("*.wav"))) == ([(1, "absent", "erased")], [])


# --- Keys of agencies. ---


@pytest.fixture
def sealing(database: Database, owner_engine: Engine, tmp_path: Path) -> RecordingService:
    """An agency with a key of its own."""
    box = SecretsBox([bytes(32)])
    service = RecordingService(database, FolderStore(tmp_path / "objects"), box=box, clock=FixedClock(STARTED))
    with owner_engine.begin() as connection:
        connection.execute(text("INSERT INTO agencies (agency_id, name) VALUES (:a, 'x')"), {"a": AGENCY})
    return service


def heard(service: RecordingService, call_id: UUID, **span: int) -> bytes:
    with service.open_recording(AGENCY, CLIENT, call_id).stream(**span) as stream:
        return stream.read()


def finished(service: RecordingService, tmp_path: Path) -> UUID:
    call_id = uuid4()
    put(tmp_path / "recordings", due(call_id), wav(3))
    row = service.finish_recording(due(call_id), folder=tmp_path / "recordings", node="node-1")
    assert row is not None
    assert row.state == "verified"
    return call_id


def test_given_an_agency_with_a_key_when_recorded_then_the_store_never_sees_the_sound(
    sealing: RecordingService, tmp_path: Path
) -> None:
    first = finished(sealing, tmp_path)
    sealing.keys.rotate(AGENCY)
    second = finished(sealing, tmp_path)
    [plain, sealed] = sorted((tmp_path / "objects").rglob("*.wav"), key=lambda path: path.stat().st_size)
    assert plain.read_bytes() == wav(3)
    assert b"RIFF" not in sealed.read_bytes()
    assert heard(sealing, first) == heard(sealing, second) == wav(3)
    assert heard(sealing, second, first=70_000, last=70_099) == wav(3)[70_000:70_100]


def test_given_a_key_that_rotates_when_all_is_wrapped_anew_then_the_old_one_may_go_and_nothing_is_lost(
    sealing: RecordingService, tmp_path: Path
) -> None:
    old = sealing.keys.rotate(AGENCY)
    first = finished(sealing, tmp_path)
    before = {path: path.read_bytes() for path in (tmp_path / "objects").rglob("*.wav")}
    new = sealing.keys.rotate(AGENCY)
    assert heard(sealing, first) == wav(3)
    assert sealing.keys.rewrap_some(AGENCY, limit=10) == 1
    assert sealing.keys.rewrap_some(AGENCY, limit=10) == 0
    sealing.keys.destroy(AGENCY, old)
    assert heard(sealing, first) == wav(3)
    assert {path: path.read_bytes() for path in (tmp_path / "objects").rglob("*.wav")} == before
    assert [(key.id, key.is_current, key.recordings) for key in sealing.keys.list(AGENCY)] == [
        (new, True, 1), (old, False, 0),
    ]  # fmt: skip


def test_given_a_destroyed_key_when_its_recordings_are_asked_for_then_nobody_can_read_them(
    sealing: RecordingService, tmp_path: Path
) -> None:
    key = sealing.keys.rotate(AGENCY)
    call_id = finished(sealing, tmp_path)
    sealing.keys.destroy(AGENCY, key, with_recordings=True)
    with pytest.raises(KeyDestroyed):
        sealing.open_recording(AGENCY, CLIENT, call_id)


def test_given_an_erased_recording_under_a_key_then_its_own_key_is_gone_with_it(
    sealing: RecordingService, tmp_path: Path, owner_engine: Engine
) -> None:
    sealing.keys.rotate(AGENCY)
    call_id = finished(sealing, tmp_path)
    row = sealing.open_recording(AGENCY, CLIENT, call_id).recording
    sealing.erase_recording(AGENCY, row.id)
    with owner_engine.begin() as connection:
        left = connection.execute(text("SELECT data_key, peaks, sha256 FROM recordings")).one()
    assert tuple(left) == (None, None, None)


def test_given_an_object_that_somebody_changed_in_the_store_when_read_then_nothing_wrong_is_given(
    sealing: RecordingService, tmp_path: Path
) -> None:
    sealing.keys.rotate(AGENCY)
    call_id = finished(sealing, tmp_path)
    [path] = (tmp_path / "objects").rglob("*.wav")
    body = bytearray(path.read_bytes())
    body[500] ^= 1
    path.write_bytes(body)
    with pytest.raises(SealedObjectBroken):
        heard(sealing, call_id)
