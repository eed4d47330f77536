"""Opus and MP3 of recordings, by the real programs: the original stays until the other form is verified."""

import io
import subprocess
import wave
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID, uuid4

import numpy as np
import pytest
from sqlalchemy import text

from dialtrace.clock import FixedClock
from dialtrace.ids import new_id
from dialtrace.objectstore.errors import StoreUnavailable
from dialtrace.objectstore.folder import FolderStore
from dialtrace.recording import conversion
from dialtrace.recording.errors import NotConverted
from dialtrace.recording.model import Due
from dialtrace.recording.service import RecordingService
from dialtrace.secrets_box.model import SecretsBox

from .test_finish import put

AGENCY, CLIENT = new_id(), new_id()
STARTED = datetime(2026, 11, 22, 12, 0, 0, tzinfo=UTC)
SECONDS = 3


def voices() -> bytes:
    """A voice on the left only for the first half, on the right only for the second."""
    moments = np.arange(8000 * SECONDS) / 8000
    half = len(moments) // 2
    left, right = np.sin(2 * np.pi * 440 * moments), np.sin(2 * np.pi * 700 * moments)
    left[half:] = 0
    right[:half] = 0
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setparams((2, 2, 8000, 0, "NONE", ""))
        file.writeframes((np.stack([left, right], axis=1) * 12_000).astype("<i2").tobytes())
    return out.getvalue()


class Store(FolderStore):
    fails = False

    def put(self, name, source, *, sha256=None):
        if self.fails and not name.endswith(".wav"):
            raise StoreUnavailable("away")
        return super().put(name, source, sha256=sha256)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "objects")


@pytest.fixture
def service(database, owner_engine, store) -> RecordingService:
    with owner_engine.begin() as connection:
        connection.execute(text("INSERT INTO agencies (agency_id, name) VALUES (:a, 'x')"), {"a": AGENCY})
        connection.execute(
            text("INSERT INTO clients (agency_id, id, name) VALUES (:a, :c, 'x')"), {"a": AGENCY, "c": CLIENT}
        )
    return RecordingService(database, store, box=SecretsBox([bytes(32)]), clock=FixedClock(STARTED))


def record(service: RecordingService, spool: Path) -> UUID:
    due = Due(agency_id=AGENCY, client_id=CLIENT, call_id=uuid4(), started_at=STARTED, segment=1, answered=True)
    put(spool / "recordings", due, voices())
    row = service.finish_recording(due, folder=spool / "recordings", node="node-1")
    assert row is not None
    return due.call_id


def heard(service: RecordingService, call_id: UUID) -> bytes:
    with service.open_recording(AGENCY, CLIENT, call_id).stream() as stream:
        return stream.read()


def decoded(body: bytes, form: str, folder: Path) -> np.ndarray:
    source, target = folder / f"heard.{form}", folder / "heard.wav"
    source.write_bytes(body)
    words = {"opus": ["opusdec", "--quiet", "--rate", "8000"], "mp3": ["lame", "--quiet", "--decode"]}[form]
    subprocess.run([*words, str(source), str(target)], check=True, timeout=60)
    with wave.open(str(target)) as file:
        assert file.getnchannels() == 2
        return np.frombuffer(file.readframes(file.getnframes()), "<i2").reshape(-1, 2).astype(float)


@pytest.mark.parametrize("form", ["opus", "mp3"])
@pytest.mark.parametrize("sealed", [False, True])
def test_given_another_form_when_converted_then_it_takes_the_originals_place_and_the_sides_stay_apart(
    service, store, tmp_path, form, sealed
):
    if sealed:
        service.keys.rotate(AGENCY)
    service.stores.set_wish(AGENCY, CLIENT, form=form, keep_original=False)
    call_id = record(service, tmp_path)
    assert heard(service, call_id) == voices(), "it can be heard before it is converted"

    assert service.converter.convert_one(tmp_path) is True
    assert service.converter.convert_one(tmp_path) is False

    body = heard(service, call_id)
    assert body[:4] == b"OggS" if form == "opus" else body[:1] == b"\xff" or body[:3] == b"ID3"
    assert len(body) < len(voices()) / 2
    sound = decoded(body, form, tmp_path)
    half, quiet = len(sound) // 2, 2_000
    for first, last, loud in ((quiet, half - quiet, 0), (half + quiet, len(sound) - quiet, 1)):
        power = np.sqrt((sound[first:last] ** 2).mean(axis=0))
        assert power[loud] > 30 * power[1 - loud], power
    assert [path.suffix for path in store.root.rglob("*.*") if path.is_file()] == [f".{form}"]
    assert list((tmp_path / "conversions").iterdir()) == []


def test_given_another_form_when_converted_then_the_recording_is_told_of_again(service, owner_engine, tmp_path):
    service.stores.set_wish(AGENCY, CLIENT, form="opus", keep_original=False)
    call_id = record(service, tmp_path)
    service.converter.convert_one(tmp_path)
    with owner_engine.begin() as connection:
        query = "SELECT call_id, type, revision, data ->> 'segment' FROM events ORDER BY revision"
        found = [tuple(row) for row in connection.execute(text(query))]
    assert found == [(call_id, "recording.ready", 1, "1"), (call_id, "recording.ready", 2, "1")]


def test_given_a_client_that_keeps_originals_when_converted_then_both_are_there(service, store, tmp_path):
    service.stores.set_wish(AGENCY, None, form="opus", keep_original=True)
    call_id = record(service, tmp_path)
    service.converter.convert_one(tmp_path)
    assert sorted(path.suffix for path in store.root.rglob("*.*") if path.is_file()) == [".opus", ".wav"]
    row = service.open_recording(AGENCY, CLIENT, call_id).recording
    service.erase_recording(AGENCY, row.id)
    assert [path for path in store.root.rglob("*.*") if path.is_file()] == []


def test_given_a_store_that_is_away_when_converting_then_the_original_is_heard_and_it_is_tried_again(
    service, store, tmp_path
):
    service.stores.set_wish(AGENCY, CLIENT, form="opus", keep_original=False)
    call_id = record(service, tmp_path)
    store.fails = True
    with pytest.raises(StoreUnavailable):
        service.converter.convert_one(tmp_path)
    assert heard(service, call_id) == voices()
    store.fails = False
    assert service.converter.convert_one(tmp_path) is True
    assert heard(service, call_id)[:4] == b"OggS"


def test_given_a_program_that_fails_when_converting_then_the_original_stays(service, tmp_path, monkeypatch):
    def fail(*_: object) -> None:
        raise NotConverted("opusenc: no")

    monkeypatch.setattr(conversion, "encode", fail)
    service.stores.set_wish(AGENCY, CLIENT, form="opus", keep_original=False)
    call_id = record(service, tmp_path)
    assert service.converter.convert_one(tmp_path) is True
    assert heard(service, call_id) == voices()
    row = service.open_recording(AGENCY, CLIENT, call_id).recording
    assert (row.format, row.last_error) == ("wav", "opusenc: no")
    assert list((tmp_path / "conversions").iterdir()) == []


def test_given_a_stop_before_the_original_was_removed_when_starting_again_then_it_goes(
    service, store, tmp_path, monkeypatch
):
    class Stopped(BaseException):
        pass

    def stop(*_: object) -> None:
        raise Stopped

    service.stores.set_wish(AGENCY, CLIENT, form="opus", keep_original=False)
    call_id = record(service, tmp_path)
    with monkeypatch.context() as patched:
        patched.setattr(Store, "delete", stop)
        with pytest.raises(Stopped):
            service.converter.convert_one(tmp_path)
    assert service.converter.convert_one(tmp_path) is True
    assert heard(service, call_id)[:4] == b"OggS"
    assert [path.suffix for path in store.root.rglob("*.*") if path.is_file()] == [".opus"]


def test_given_a_recording_that_was_erased_when_its_turn_comes_then_nothing_of_it_is_stored(service, store, tmp_path):
    service.stores.set_wish(AGENCY, CLIENT, form="opus", keep_original=False)
    call_id = record(service, tmp_path)
    service.erase_recording(AGENCY, service.open_recording(AGENCY, CLIENT, call_id).recording.id)
    assert service.converter.convert_one(tmp_path) is True
    assert [path for path in store.root.rglob("*.*") if path.is_file()] == []
    assert list((tmp_path / "conversions").iterdir()) == []
