"""A node's spool with captured calls in it, and what the database and the store hold afterwards."""

from __future__ import annotations

import io
import json
import math
import struct
import uuid
import wave
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from dialtrace.cdr.service import CdrService
from dialtrace.clock import SystemClock
from dialtrace.db.engine import Database
from dialtrace.journal.store import Journal, Started
from dialtrace.nodesfile import NodeSettings
from dialtrace.objectstore.folder import FolderStore
from dialtrace.recording.service import RecordingService
from dialtrace.workers.homecoming import Homecoming
from dialtrace.workers.ingest import Ingest
from dialtrace.workers.spool import Spool

DATA = Path(__file__).parents[2] / "data" / "cdr"
CORE = "9cfb8e26-8f36-4441-a30d-9634d837ee25"
STARTED_US = 1795325718709881


def tone(seconds: float = 0.5, *, frequency: int = 440) -> bytes:
    """A stereo WAV as a switch leaves it."""
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(8000)
        samples = (int(9000 * math.sin(2 * math.pi * frequency * n / 8000)) for n in range(int(8000 * seconds)))
        file.writeframes(b"".join(struct.pack("<hh", sample, 0) for sample in samples))
    return out.getvalue()


def cut_off(wav: bytes) -> bytes:
    """The same file after its switch was killed: both lengths are wrong (freeswitch.md 5)."""
    return wav[:4] + struct.pack("<I", 8) + wav[8:40] + struct.pack("<I", 0) + wav[44:]


@dataclass
class Node:
    """One node's disk and what works on it."""

    settings: NodeSettings
    database: Database
    objects: FolderStore
    engine: Engine

    @property
    def spool(self) -> Path:
        return self.settings.spool

    def ingest(self, **options: object) -> Ingest:
        spool = Spool(self.spool, SystemClock())
        return Ingest(
            node="node-1",
            spool=spool,
            service=CdrService(self.database),
            journal=lambda: Journal(self.settings.journal_path),
            clock=SystemClock(),
            **options,
        )

    def homecoming(self, **options: object) -> Homecoming:
        spool = Spool(self.spool, SystemClock())
        service = RecordingService(self.database, self.objects)
        return Homecoming(node="node-1", spool=spool, service=service, clock=SystemClock(), **options)

    def put_cdr(self, name: str, *, as_call: uuid.UUID | None = None, started: datetime | None = None) -> Path:
        """Copies one captured file into the spool under the name that the switch gives; ``as_call`` makes it another
        call's that began at ``started``."""
        body = (DATA / f"{name}.json").read_text(encoding="utf-8")
        own = json.loads(body)["variables"]
        if as_call is not None:
            body = body.replace(own["dialtrace_call"], str(as_call))
            if own["uuid"] != own["dialtrace_call"]:
                body = body.replace(own["uuid"], str(uuid.uuid5(as_call, own["uuid"])))
            for leg in DATA.glob(f"{name.split('.')[0]}.b?.json"):
                leg_id = json.loads(leg.read_text(encoding="utf-8"))["variables"]["uuid"]
                body = body.replace(leg_id, str(uuid.uuid5(as_call, leg_id)))
        if started is not None:
            stamp = str(int(started.timestamp() * 1_000_000))
            body = body.replace(own["dialtrace_started"], stamp)
        found = json.loads(body)["variables"]
        prefix = "a_" if found["uuid"] == found["dialtrace_call"] else ""
        path = self.spool / "cdr" / f"{prefix}{found['uuid']}.cdr.json"
        path.write_text(body, encoding="utf-8")
        return path

    def put_recording(self, call_id: uuid.UUID | str, wav: bytes, *, segment: int = 1, day: str = "20261122") -> Path:
        folder = self.spool / "recordings" / day
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{call_id}-{segment}.wav"
        path.write_bytes(wav)
        return path

    def begin(self, call_id: str, *, core: str = CORE, started_us: int = STARTED_US, ended: str | None = None) -> None:
        """What the monitor writes when a call begins."""
        journal = Journal(self.settings.journal_path)
        journal.begin([Started(call_id, core, started_us, "74955550601", "+74955550123", "Caller", started_us, ended)])
        journal.close()

    def switch_runs_as(self, core: str) -> None:
        journal = Journal(self.settings.journal_path)
        journal.core(core, "up", seen_at_us=int(datetime.now(UTC).timestamp() * 1_000_000))
        journal.close()

    def in_journal(self) -> list[str]:
        journal = Journal(self.settings.journal_path)
        found = [row.call_id for row in journal.pending()]
        journal.close()
        return found

    def files(self, folder: str) -> list[str]:
        return sorted(path.name for path in (self.spool / folder).rglob("*") if path.is_file())

    def rows(self, statement: str) -> list[tuple]:
        with self.engine.begin() as connection:
            return [tuple(row) for row in connection.execute(text(statement))]

    def bring_all_home(self) -> None:
        homecoming = self.homecoming()
        for due in homecoming.ready(1000):
            assert homecoming.bring_home(due)


@pytest.fixture
def node(tmp_path: Path, database: Database, owner_engine: Engine) -> Node:
    spool = tmp_path / "spool"
    for name in ("cdr", "cdr-broken", "recordings", "plans", "prompts"):
        (spool / name).mkdir(parents=True)
    settings = NodeSettings("node-1", "freeswitch", "127.0.0.1:24060", "127.0.0.1:24021", "not-used-here", spool)
    return Node(settings, database, FolderStore(tmp_path / "objects"), owner_engine)
