"""A client with a node's disk, everything that works on persons' requests, and a search that looks everywhere."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Engine, text

from dialtrace.admission.erasure import HabitHolder
from dialtrace.cdr.erasure import CallHolder
from dialtrace.clock import FixedClock, SystemClock
from dialtrace.db.engine import Database
from dialtrace.objectstore.folder import FolderStore
from dialtrace.privacy.copies import CopyHolder
from dialtrace.privacy.requests import RequestRunner
from dialtrace.privacy.retention import RetentionRunner
from dialtrace.privacy.service import PrivacyService
from dialtrace.privacy.signing import Signer
from dialtrace.recording.erasure import RecordingHolder
from dialtrace.recording.service import RecordingService
from dialtrace.secrets_box.model import SecretsBox
from dialtrace.workers.spool import Spool
from dialtrace.workers.sweep import ErasureList, Sweep

from ..agent.conftest import Journal, Node, node

__all__ = ["node"]

AGENCY = UUID("01990000-0000-7000-8000-0000000000a1")
CLIENT = UUID("01990000-0000-7000-8000-0000000000c7")
CALL = UUID("8adbf110-dccb-4047-b40c-ecda6bb8a575")
CALLER = "+74955550123"
SPELLINGS = ("74955550123", "84955550123", "4955550123", "%2B74955550123", "495 555-01-23", "(495) 555-01-23")


@dataclass
class Place:
    """One installation, as far as persons are concerned."""

    node: Node
    database: Database
    engine: Engine
    objects: FolderStore
    clock: FixedClock
    service: PrivacyService
    steps: list[str]
    stop_at: str | None = None

    @property
    def signer(self) -> Signer:
        return Signer(self.database, SecretsBox([b"k" * 32]))

    @property
    def holders(self) -> dict[str, Any]:
        return {
            "recordings": RecordingHolder(self.database, RecordingService(self.database, self.objects)),
            "copies": CopyHolder(self.database, self.objects),
            "habits": HabitHolder(self.database),
            "calls": CallHolder(self.database),
        }

    def runner(self) -> RequestRunner:
        return RequestRunner(
            self.database, self.clock, self.signer, self.objects, holders=self.holders, step=self._step
        )

    def retention(self) -> RetentionRunner:
        return RetentionRunner(
            self.database,
            self.clock,
            self.signer,
            callers=CallHolder(self.database),
            recordings=RecordingHolder(self.database, RecordingService(self.database, self.objects)),
            copies=CopyHolder(self.database, self.objects),
        )

    def sweep(self) -> int:
        return Sweep(
            node="node-1",
            spool=Spool(self.node.spool, SystemClock()),
            journal=lambda: Journal(self.node.settings.journal_path),
            erasures=ErasureList(self.database),
        ).run()

    def erase(self, phone: str = CALLER, client_id: UUID | None = None) -> Any:
        request, _ = self.service.ask(AGENCY, client_id, "erase", phone, by="test")
        return self.go_on(request.id)

    def go_on(self, request_id: UUID) -> Any:
        self.do("UPDATE subject_requests SET claimed_until = NULL")
        return self.runner().run(AGENCY, request_id)

    def do(self, statement: str, **values: Any) -> None:
        with self.engine.begin() as connection:
            connection.execute(text(statement), values)

    def rows(self, statement: str) -> list[tuple[Any, ...]]:
        return self.node.rows(statement)

    def _step(self, name: str) -> None:
        self.steps.append(name)
        if name == self.stop_at:
            raise KilledError


class KilledError(BaseException):
    """The process ends here, whatever it was about to do."""


@pytest.fixture
def place(node: Node, database: Database, owner_engine: Engine) -> Place:
    with owner_engine.begin() as connection:
        connection.execute(text("INSERT INTO agencies (agency_id, name) VALUES (:a, 'Agency')"), {"a": AGENCY})
        row = {"a": AGENCY, "c": CLIENT}
        connection.execute(text("INSERT INTO clients (agency_id, id, name) VALUES (:a, :c, 'Client')"), row)
        connection.execute(text("DELETE FROM nodes"))
    clock = FixedClock(SystemClock().now())
    return Place(
        node, database, owner_engine, node.objects, clock, PrivacyService(database, clock, node.objects), steps=[]
    )


CATALOGUE = """
SELECT n.nspname, c.relname, a.attname, a.atttypid = 'bytea'::regtype FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
WHERE c.relkind IN ('r', 'm') AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
"""


def found_in_database(engine: Engine, spellings: tuple[str, ...] = SPELLINGS) -> list[str]:
    """Every column of every table and partition of the catalogue in which one of the spellings stands."""
    found = []
    with engine.connect() as connection:
        for schema, table, column, is_bytes in connection.execute(text(CATALOGUE)).all():
            told = f"encode(\"{column}\", 'escape')" if is_bytes else f'"{column}"::text'
            condition = " OR ".join(f"position(:s{n} IN {told}) > 0" for n in range(len(spellings)))
            query = f'SELECT count(*) FROM "{schema}"."{table}" WHERE {condition}'
            values = {f"s{n}": spelling for n, spelling in enumerate(spellings)}
            if connection.execute(text(query), values).scalar_one():
                found.append(f"{table}.{column}")
    return found


def found_in_files(folder: Path, spellings: tuple[str, ...] = SPELLINGS) -> list[str]:
    """Every file below the folder in which one of the spellings stands; archives are opened."""
    return sorted(
        {
            str(path.relative_to(folder))
            for path in folder.rglob("*")
            if path.is_file()
            for body in _bodies(path)
            for spelling in spellings
            if spelling.encode() in body or spelling in path.name
        }
    )


def _bodies(path: Path) -> Iterator[bytes]:
    body = path.read_bytes()
    yield body
    if zipfile.is_zipfile(io.BytesIO(body)):
        with zipfile.ZipFile(io.BytesIO(body)) as archive:
            yield from (archive.read(name) for name in archive.namelist())
