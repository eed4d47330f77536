"""Use cases of recordings: bring one home from its node, give it to who may hear it, and erase it.

A local file is removed only after the object store, asked again, has confirmed its SHA-256 and the ledger says so.
Every step may be repeated after a crash at any point. Must not know CDR files or which process calls it.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import structlog

from ..clock import Clock, SystemClock
from ..db.engine import Database
from ..db.errors import DatabaseError
from ..ids import new_id
from ..objectstore.errors import NotConfirmed, ObjectStoreError
from ..objectstore.sealing import SealedSource, open_sealed
from ..objectstore.service import ObjectStore, ObjectStream, Receipt, Source
from ..outgoing.model import Rules
from ..secrets_box.errors import SecretsBoxError
from ..secrets_box.model import SecretsBox
from . import store
from .conversion import RecordingConverter
from .errors import (
    KeyDestroyed,
    RecordingAbsent,
    RecordingDiffers,
    RecordingPending,
    RecordingUnknown,
    UploadFailed,
)
from .files import Survey, find_file, mend_header, put_by_for_conversion, survey_file
from .guard import EndpointGuard
from .keys import RecordingKeys
from .ledger import LedgerWriter
from .life import GONE
from .model import EMPTY_WAV_BYTES, AbsenceReason, Due, Recording, node_path, object_name
from .places import ObjectKey, Place, Places, open_bucket
from .stores import RecordingStores

log = structlog.get_logger("recording")


@dataclass(frozen=True)
class Audio:
    """A stored recording that may be read, as often and in whatever spans the reader likes."""

    recording: Recording
    _store: ObjectStore
    _key: bytes | None = field(default=None, repr=False)

    @property
    def size_bytes(self) -> int:
        return self.recording.size_bytes or 0

    def stream(self, *, first: int = 0, last: int | None = None) -> ObjectStream:
        """Bytes ``first`` to ``last``, inclusive. Raises the errors of `objectstore.errors`."""
        name = self.recording.object_name
        assert name is not None
        if self._key is None:
            return self._store.open(name, first=first, last=last)
        return open_sealed(self._store, name, key=self._key, plain_bytes=self.size_bytes, first=first, last=last)

    def signed_link(self, *, valid_s: int, file_name: str) -> str | None:
        """An address at the store itself; None where the store has none or could only give what nobody can read."""
        name = self.recording.object_name
        if self._key is not None or name is None:
            return None
        media_type = MEDIA_TYPES[self.recording.format]
        return self._store.signed_link(name, valid_s=valid_s, media_type=media_type, file_name=file_name)


#: What each form is called on the wire.
MEDIA_TYPES = {"wav": "audio/wav", "opus": "audio/ogg", "mp3": "audio/mpeg"}


@dataclass(frozen=True)
class Shape:
    """A recording's outline for a player: least and greatest sample of each channel, a signed byte each."""

    recording: Recording
    frames_per_peak: int | None
    data: bytes = field(repr=False)


class RecordingService:
    """Recordings of one database. ``objects``: the platform's store; ``box`` opens the secrets of agencies that have
    stores or keys of their own."""

    def __init__(
        self,
        database: Database,
        objects: ObjectStore,
        *,
        box: SecretsBox | None = None,
        clock: Clock | None = None,
        guard: EndpointGuard | None = None,
    ) -> None:
        self._database = database
        guard, clock = guard or EndpointGuard(Rules()), clock or SystemClock()
        self.places = Places(
            database,
            objects,
            box=box,
            clock=clock,
            open_own=lambda row, secret: open_bucket(row, secret, guard),
        )
        self._ledger = LedgerWriter(database)
        self.keys = RecordingKeys(database, self.places)
        self.converter = RecordingConverter(database, self.places, clock)
        self.stores = RecordingStores(database, self.places, check_endpoint=guard.check_setting)

    # --- Bringing home. ---

    def finish_recording(self, due: Due, *, folder: Path, node: str) -> Recording | None:
        """Settles one segment: the file under ``folder`` is stored and removed, or the ledger says why there is none.

        None if it was settled before. Raises UploadFailed when it must be tried again, RecordingDiffers, and the errors
        of `db.errors` when the database is away; the file is still there then.
        """
        path = find_file(folder, due)
        if path is None:
            return self._settle_absent(due, node, _reason_for_no_file(due))
        if path.stat().st_size <= EMPTY_WAV_BYTES:
            heard = due.answered and not due.node_lost and not due.write_failed
            row = self._settle_absent(due, node, "no_audio" if heard else _reason_for_no_file(due))
            path.unlink(missing_ok=True)
            return row
        survey = survey_file(path, mend_header(path))
        try:
            place = self.places.of(due.agency_id, due.client_id)
            row = self._bring(due, node, survey, place)
        except (ObjectStoreError, SecretsBoxError) as error:
            self._note_failure(due, str(error))
            raise UploadFailed(f"{path.name}: {error}") from error
        if row is not None and place.form != "wav" and survey.shape is not None:
            put_by_for_conversion(path, row)
        else:
            path.unlink(missing_ok=True)
        return row

    def _bring(self, due: Due, node: str, survey: Survey, place: Place) -> Recording | None:
        """Sends the file and asks the store for it; None: there was nothing to send."""
        name = object_name(due.agency_id, due.started_at, due.call_id, due.segment)
        key = self.places.new_object_key(place, name)
        row = self._begin(due, node, survey, place, name, key)
        if row is None:
            return self._bring_again(due, node, survey, place)
        return self._send(row, survey, place, key)

    def _begin(
        self,
        due: Due,
        node: str,
        survey: Survey,
        place: Place,
        name: str,
        key: ObjectKey | None,
        *,
        also_stored: bool = False,
    ) -> Recording | None:
        facts = {
            **survey.as_columns(),
            "store_id": place.store_id,
            "object_name": name,
            "key_id": place.key_id if key else None,
            "data_key": key.wrapped if key else None,
        }
        if not also_stored:
            return self._ledger.begin(due, node, facts)
        with self._database.tenant(due.agency_id) as connection:
            return store.begin_upload(connection, new_id(), due, node, facts, also_stored=True)

    def _send(self, row: Recording, survey: Survey, place: Place, key: ObjectKey | None) -> Recording | None:
        assert row.object_name is not None
        source: Source = SealedSource(survey.source, key.key) if key else survey.source
        receipt = place.store.put(row.object_name, source, sha256=None if key else survey.sha256)
        try:
            place.store.confirm(row.object_name, receipt)
        except ObjectStoreError as error:
            if error.retry_helps and not isinstance(error, NotConfirmed):
                # It need not be sent again, only asked for.
                with self._database.tenant(row.agency_id) as connection:
                    store.note_taken(connection, row.agency_id, row.id, receipt.size_bytes, receipt.checksum)
            raise
        return self._verified(row, survey, receipt, place)

    def _bring_again(self, due: Due, node: str, survey: Survey, place: Place) -> Recording | None:
        """The ledger says that nothing is to be sent: it was stored, or verified, or erased."""
        with self._database.tenant(due.agency_id) as connection:
            standing = store.find_standing(connection, due)
        assert standing is not None, "a segment that cannot begin stands somewhere else"
        row, objects = standing
        if row.absence_reason in GONE:
            return None
        if survey.sha256 not in {row.sha256, objects.original_sha256}:
            raise RecordingDiffers(f"{_name_of(due)} is not what is stored as {row.object_name}")
        if row.state == "verified":
            return None
        assert row.object_name is not None
        if objects.object_bytes is not None and objects.object_checksum is not None:
            receipt = Receipt(objects.object_bytes, objects.object_checksum)
            kept_in = self.places.store_of(due.agency_id, row.store_id)
            try:
                kept_in.confirm(row.object_name, receipt)
            except NotConfirmed as error:
                log.warning("what the store had taken is sent again", file=_name_of(due), why=str(error))
            else:
                return self._verified(row, survey, receipt, place)
        name = object_name(due.agency_id, due.started_at, due.call_id, due.segment)
        key = self.places.new_object_key(place, name)
        begun = self._begin(due, node, survey, place, name, key, also_stored=True)
        return self._send(begun, survey, place, key) if begun else None

    def _verified(self, row: Recording, survey: Survey, receipt: Receipt, place: Place) -> Recording | None:
        wanted = place.form if place.form != "wav" and survey.shape is not None else None
        values = {
            "bytes": receipt.size_bytes,
            "checksum": receipt.checksum,
            "peaks": survey.peaks.data if survey.peaks else None,
            "peak_frames": survey.peaks.frames_per_peak if survey.peaks else None,
            "convert_to": wanted,
        }
        done = self._ledger.verify(row, values)
        if done is not None:
            return done
        with self._database.tenant(row.agency_id) as connection:
            standing = store.find_recording(connection, row.agency_id, row.id)
        if standing is not None and standing.absence_reason in GONE and row.object_name is not None:
            # It was erased while it went up: nobody would find the object any more.
            place.store.delete(row.object_name)
        return None

    def _settle_absent(self, due: Due, node: str, reason: AbsenceReason) -> Recording | None:
        with self._database.tenant(due.agency_id) as connection:
            return store.settle_absent(connection, new_id(), due, node, reason)

    def _note_failure(self, due: Due, reason: str) -> None:
        try:
            with self._database.tenant(due.agency_id) as connection:
                store.note_failure(connection, due, reason)
        except DatabaseError as error:
            # The upload's own failure matters more, and is logged by who tries again.
            log.warning("a failed upload could not be noted", reason=str(error))

    # --- Reading. ---

    def open_recording(
        self, agency_id: uuid.UUID, client_id: uuid.UUID | None, call_id: uuid.UUID, segment: int | None = None
    ) -> Audio:
        """A call's recording; ``segment`` None takes the first that is stored.

        Raises RecordingPending, RecordingAbsent, KeyDestroyed, or RecordingUnknown (also for a call that is somebody
        else's).
        """
        rows = self._segments(agency_id, client_id, call_id, segment)
        there = [row for row in rows if row.is_there]
        if there:
            return self._audio_of(there[0])
        if any(row.state != "absent" for row in rows):
            raise RecordingPending(f"the recording of call {call_id} is on its way from its node")
        if rows:
            reason = rows[0].absence_reason or "missing"
            raise RecordingAbsent(f"call {call_id} has no recording: {reason}", reason)
        raise RecordingUnknown(f"there is no recording of call {call_id}")

    def _segments(
        self, agency_id: uuid.UUID, client_id: uuid.UUID | None, call_id: uuid.UUID, segment: int | None
    ) -> list[Recording]:
        with self._database.tenant(agency_id, client_id) as connection:
            rows = store.find_recordings(connection, agency_id, call_id)
        return [row for row in rows if segment is None or row.segment == segment]

    def _audio_of(self, row: Recording) -> Audio:
        kept_in = self.places.store_of(row.agency_id, row.store_id)
        if row.key_id is None:
            return Audio(row, kept_in)
        with self._database.tenant(row.agency_id) as connection:
            objects = store.find_objects(connection, row.agency_id, row.id)
        if objects.data_key is None:
            raise KeyDestroyed(f"the key of the recording of call {row.call_id} was destroyed")
        assert row.object_name is not None
        key = self.places.object_key(row.agency_id, row.key_id, objects.data_key, row.object_name)
        return Audio(row, kept_in, key)

    def shapes_of(self, agency_id: uuid.UUID, client_id: uuid.UUID | None, call_id: uuid.UUID) -> Sequence[Shape]:
        """Every segment of a call that can be heard, with its outline. Raises as :meth:`open_recording`."""
        there = [row for row in self._segments(agency_id, client_id, call_id, None) if row.is_there]
        if not there:
            self.open_recording(agency_id, client_id, call_id)
        with self._database.tenant(agency_id, client_id) as connection:
            found = [(row, store.find_objects(connection, agency_id, row.id)) for row in there]
        return [Shape(row, objects.peak_frames, objects.peaks or b"") for row, objects in found]

    def list_older(
        self,
        agency_id: uuid.UUID,
        client_id: uuid.UUID,
        *,
        before: datetime,
        limit: int = 200,
        after: tuple[datetime, uuid.UUID] | None = None,
    ) -> Sequence[Recording]:
        """A client's recordings that are there, of calls that began before a moment, the oldest first; ``after``: start
        and id of the last one seen. For retention."""
        with self._database.tenant(agency_id) as connection:
            return store.find_older(connection, agency_id, client_id, before=before, limit=limit, after=after)

    # --- Erasing. ---

    def erase_recording(self, agency_id: uuid.UUID, recording_id: uuid.UUID) -> None:
        """Nobody hears it any more: keys, outline and checksums go first, then the objects in the store.

        Harmless when repeated, and to be repeated after an error of `objectstore.errors`: the objects' names are kept
        until the store has removed them. A file that comes later is not stored. Raises RecordingUnknown.
        """
        with self._database.tenant(agency_id) as connection:
            row = store.find_recording(connection, agency_id, recording_id)
            if row is None:
                raise RecordingUnknown(f"there is no recording {recording_id}")
            objects = store.find_objects(connection, agency_id, recording_id)
            store.erase(connection, agency_id, recording_id)
        kept_in = self.places.store_of(agency_id, row.store_id)
        for name in (objects.object_name, objects.original_name):
            if name is not None:
                kept_in.delete(name)
        with self._database.tenant(agency_id) as connection:
            store.change(connection, agency_id, recording_id, {"object_name": None, "original_name": None})

    # --- The ledger. ---

    def settle_unspoken(self, nodes: Sequence[str]) -> int:
        """Recordings that were expected of calls whose record is stored and does not speak of them get their reason;
        returns how many."""
        with self._database.directory() as connection:
            return store.settle_unspoken(connection, nodes)

    def settle_lost(self, node: str) -> int:
        """A node is gone for good with its disk: what was still on it is lost; returns how many recordings."""
        with self._database.directory() as connection:
            return store.settle_lost(connection, node)

    def count_unaccounted(self, nodes: list[str], *, now: datetime, older_than: timedelta) -> int:
        """Recordings of these nodes that have been on the way home for longer than that."""
        with self._database.system() as connection:
            return store.count_on_nodes(connection, nodes, now - older_than)


def _name_of(due: Due) -> str:
    return node_path(due.started_at, due.call_id, due.segment).name


def _reason_for_no_file(due: Due) -> AbsenceReason:
    if due.node_lost:
        return "node_lost"
    if due.write_failed:
        return "disk_full"
    return "missing" if due.answered else "not_answered"
