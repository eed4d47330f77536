"""What bench_records.py measures on: a spool, files of a real switch, a database, an agent, and an S3 server.

All of it lives in one temporary folder and ends with the program.
"""

from __future__ import annotations

import io
import json
import os
import re
import signal
import socket
import struct
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import boto3.session
import psutil
from sqlalchemy import Engine, create_engine, text

from dialtrace.db.embedded import start_embedded
from dialtrace.db.engine import Database, driver_url
from dialtrace.db.migrate import upgrade
from dialtrace.errors import DialtraceError
from dialtrace.ids import new_id
from dialtrace.nodesfile import NodeSettings, write_nodes
from dialtrace.objectstore.service import open_store
from dialtrace.recording.model import Due, node_path
from dialtrace.recording.service import RecordingService

#: One answered call as FreeSWITCH 1.10.12 writes it, 20 and 9 kB.
CAPTURES = Path(__file__).resolve().parent.parent / "tests" / "data" / "contract" / "captures" / "answered"
AGENCY, CLIENT = (uuid.UUID(f"01990000-0000-7000-8000-0000000000{end}") for end in ("a1", "c7"))
NUMBER = uuid.UUID("01990000-0000-7000-8000-0000000000d1")
#: Visits an hour apart or less; each number has a site of its own, under the same id.
_SHOW = (
    "INSERT INTO visits (agency_id, id, started_at, client_id, site_id, visitor_id, landing_page, channel, source,"
    " campaign, classified_by, device, region, consent, last_seen_at)"
    " SELECT :agency, md5(k || 'visit' || n)::uuid, to_timestamp(:started) - n * interval '47 minutes', :client,"
    " k::uuid, md5(k || 'visitor' || n)::uuid, 'https://example.com/', 'paid_search', 'google', 'campaign ' || n,"
    " 'utm', 'mobile', 'RU-MOW', 'given', to_timestamp(:started) - n * interval '47 minutes'"
    " FROM unnest(CAST(:numbers AS text[])) k CROSS JOIN generate_series(1, :visits) n",
    "INSERT INTO exposures (agency_id, id, client_id, site_id, number_id, visit_id, visit_started_at, visitor_id,"
    " rung, shown_at, seen_until, held_until, tail_s) SELECT v.agency_id, gen_random_uuid(), v.client_id, v.site_id,"
    " v.site_id, v.id, v.started_at, v.visitor_id::text, 'exclusive', v.started_at,"
    " v.started_at + interval '5 minutes', v.started_at + interval '10 minutes', 300 FROM visits v",
)
#: Recordings are another measurement's subject.
_UNRECORDED = (('"dialtrace_record":"yes"', '"dialtrace_record":"no"'), ('"dialtrace_recordings"', '"unrecorded"'))
#: Every table that a call without a visit leaves rows in.
COPIED = ("calls", "legs", "recordings", "events", "caller_patterns")
UPLOADS_AT_A_TIME = 8
BUCKET = "bench"
START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 30.0


class StageFailed(DialtraceError):
    """Something that the measurement needs does not work."""


@dataclass(frozen=True)
class Template:
    """A captured call's two files, cut at what is to be another's in each copy."""

    call_parts: Sequence[str]
    leg_parts: Sequence[str]
    call_id: str
    leg_id: str
    started_us: int
    caller: str

    def copy(self, number: int, called: uuid.UUID | None = None) -> dict[str, str]:
        """File name → contents of the ``number``-th call, legs first as the switch does; ``called``: another number's
        id."""
        call, leg = str(new_id()), str(uuid.uuid4())
        instead = {
            self.call_id: call,
            self.leg_id: leg,
            str(self.started_us): str(self.started_us + number * 1_000),
            self.caller: f"+7495{number:07d}",
            str(NUMBER): str(called or NUMBER),
        }
        return {
            f"{leg}.cdr.json": "".join(instead.get(part, part) for part in self.leg_parts),
            f"a_{call}.cdr.json": "".join(instead.get(part, part) for part in self.call_parts),
        }


def read_template() -> Template:
    """The capture without its recording: that is another measurement's subject. Raises StageFailed."""
    bodies = {path.name.startswith("a_"): path.read_text("utf-8") for path in CAPTURES.glob("*.cdr.json")}
    if set(bodies) != {True, False}:
        raise StageFailed(f"the captured files are missing: {CAPTURES}; run it from a checkout")
    call_text = bodies[True]
    for told, instead in _UNRECORDED:
        call_text = call_text.replace(told, instead)
    call, leg = (json.loads(body)["variables"] for body in (call_text, bodies[False]))
    call_id, leg_id, started, caller = call["uuid"], leg["uuid"], call["dialtrace_started"], call["dialtrace_caller"]
    others = re.compile("(" + "|".join(map(re.escape, (call_id, leg_id, started, caller, str(NUMBER)))) + ")")
    return Template(others.split(call_text), others.split(bodies[False]), call_id, leg_id, int(started), caller)


@dataclass
class Stage:
    """A spool and a database that are ready."""

    folder: Path
    node: NodeSettings
    url: str
    owner: Engine
    template: Template
    put: int = 0
    #: Numbers that pages show at this moment.
    shown: Sequence[uuid.UUID] = ()

    def fill(self, calls: int, *, into: Path | None = None) -> int:
        """Puts the files of so many calls into the spool, or into another folder; returns how many calls."""
        folder = into or self.node.spool / "cdr"
        folder.mkdir(exist_ok=True)
        for _ in range(calls):
            self.put += 1
            called = self.shown[self.put % len(self.shown)] if self.shown else None
            for name, body in self.template.copy(self.put, called).items():
                fresh = self.node.spool / "fresh"
                fresh.write_text(body, encoding="utf-8")
                fresh.rename(folder / name)
        return calls

    def bring(self, folder: Path) -> None:
        """Makes a filled folder the spool's; what lies there must have been taken."""
        cdr = self.node.spool / "cdr"
        cdr.rmdir()
        folder.rename(cdr)

    def count(self) -> int:
        """Files whose records are kept."""
        with self.owner.connect() as connection:
            statement = "SELECT (SELECT count(*) FROM calls) + (SELECT count(*) FROM legs)"
            return int(connection.execute(text(statement)).scalar_one())

    def count_waiting(self) -> int:
        """Files in the spool whose records are not kept."""
        with os.scandir(self.node.spool / "cdr") as entries:
            return sum(1 for _ in entries)

    @contextmanager
    def pages(self, numbers: int, visits: int) -> Iterator[None]:
        """So many numbers, each shown to so many visits before the calls came, which are spread over them; afterwards
        the captured call's own, which no page shows."""
        self.shown = [new_id() for _ in range(numbers)]
        values = {"agency": AGENCY, "client": CLIENT, "numbers": [str(one) for one in self.shown], "visits": visits}
        values["started"] = self.template.started_us / 1e6
        with self.owner.connect() as connection:
            for statement in _SHOW:
                connection.execute(text(statement), values)
        try:
            yield
        finally:
            self.shown = ()
            with self.owner.connect() as connection:
                connection.execute(text("DELETE FROM exposures"))

    def count_attributions(self) -> int:
        with self.owner.connect() as connection:
            return int(connection.execute(text("SELECT count(*) FROM attributions")).scalar_one())

    def books(self) -> dict[str, int]:
        """What is kept, told apart."""
        statement = (
            "SELECT (SELECT count(*) FROM calls), (SELECT count(*) FROM legs),"
            " (SELECT count(*) FROM events WHERE type = 'call.ended'), (SELECT count(*) FROM calls WHERE revision > 1)"
        )
        with self.owner.connect() as connection:
            found = connection.execute(text(statement)).one()
        return dict(zip(("calls", "legs", "events", "revised"), found, strict=True))

    def must_move(self, does: bool, what: str) -> None:
        """Raises StageFailed with the agent's last words unless it does."""
        if not does:
            raise StageFailed(f"{what}; the agent says: {(self.folder / 'agent.log').read_text()[-2000:]}")

    @contextmanager
    def agent(self) -> Iterator[psutil.Process]:
        """A real agent on the spool."""
        environment = {
            **os.environ,
            "DIALTRACE_DATA_DIR": str(self.folder),
            "DIALTRACE_DATABASE_URL": self.url,
            "DIALTRACE_NODES_FILE": str(self.folder / "nodes.json"),
            "DIALTRACE_RECORDINGS_URL": str(self.folder / "objects"),
            "DIALTRACE_LOG_LEVEL": "warning",
        }
        with open(self.folder / "agent.log", "wb") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "dialtrace", "agent"], env=environment, stdout=output, stderr=output
            )
        try:
            yield psutil.Process(process.pid)
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def make_recordings(self, count: int, size_bytes: int) -> list[Path]:
        """WAV files of noise, as a switch leaves them."""
        data = size_bytes - 44
        head = b"RIFF" + struct.pack("<I", size_bytes - 8) + b"WAVEfmt "
        head += struct.pack("<IHHIIHH", 16, 1, 2, 8000, 32000, 4, 16) + b"data" + struct.pack("<I", data)
        paths = []
        for _ in range(count):
            path = self.node.spool / "recordings" / node_path(datetime.now(UTC), new_id(), 1)
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(head + os.urandom(data))
            paths.append(path)
        return paths


def copy_rows(stage: Stage) -> tuple[int, float]:
    """The rows that the agent has stored, by COPY into a database of the same shape on the same server; how many, and
    in how many seconds. One transaction a table."""
    target = stage.owner.url.set(database="copied")
    engine = create_engine(target)
    try:
        source, sink = stage.owner.raw_connection(), engine.raw_connection()
        rows = 0
        took_s = 0.0
        for table in COPIED:
            columns = _columns(stage.owner, table)
            data = io.BytesIO()
            with source.cursor() as reading:
                reading.copy_expert(f"COPY (SELECT {columns} FROM {table}) TO STDOUT", data)  # noqa: S608 (our own names)
            data.seek(0)
            began_s = time.monotonic()
            with sink.cursor() as writing:
                writing.copy_expert(f"COPY {table} ({columns}) FROM STDIN", data)
                rows += writing.rowcount
            sink.commit()
            took_s += time.monotonic() - began_s
        source.close()
        sink.close()
    finally:
        engine.dispose()
    return rows, took_s


def _columns(engine: Engine, table: str) -> str:
    statement = (
        "SELECT string_agg(quote_ident(column_name), ', ' ORDER BY ordinal_position) FROM information_schema.columns"
        " WHERE table_name = :name AND is_generated = 'NEVER'"
    )
    with engine.connect() as connection:
        return str(connection.execute(text(statement), {"name": table}).scalar_one())


def put_plainly(endpoint_url: str, paths: Sequence[Path], prefix: str) -> None:
    """By boto3's own ``upload_file``, as many at a time as the platform does."""
    client = boto3.session.Session().client("s3", endpoint_url=endpoint_url, region_name="us-east-1")
    with ThreadPoolExecutor(UPLOADS_AT_A_TIME) as pool:
        list(pool.map(lambda path: client.upload_file(str(path), BUCKET, f"{prefix}/{path.name}"), paths))


def put_recordings(stage: Stage, endpoint_url: str, paths: Sequence[Path]) -> None:
    """By the recording service: hashed, sent with checksums, confirmed, written into the ledger, removed."""
    database = Database(stage.url, pool_size=UPLOADS_AT_A_TIME)
    service = RecordingService(database, open_store(f"s3://{BUCKET}/ours", endpoint_url=endpoint_url))
    folder = stage.node.spool / "recordings"

    def finish(path: Path) -> None:
        due = Due(
            agency_id=AGENCY, client_id=CLIENT, call_id=uuid.UUID(path.name[:36]), started_at=datetime.now(UTC),
            segment=1, answered=True,
        )  # fmt: skip
        row = service.finish_recording(due, folder=folder, node=stage.node.name)
        if row is None or row.state != "verified":
            raise StageFailed(f"{path.name} was not stored")

    try:
        with ThreadPoolExecutor(UPLOADS_AT_A_TIME) as pool:
            list(pool.map(finish, paths))
    finally:
        database.dispose()


@contextmanager
def running_s3(folder: Path) -> Iterator[str]:
    """moto's server as a process of its own, so that it takes no time from who is measured; with an empty bucket."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    os.environ.update(dict.fromkeys(("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"), "bench"))
    os.environ["AWS_EC2_METADATA_DISABLED"] = "true"
    with open(folder / "s3.log", "wb") as output:
        server = subprocess.Popen([sys.executable, "-m", "moto.server", "-p", str(port)], stdout=output, stderr=output)
    url = f"http://127.0.0.1:{port}"
    try:
        _await_port(port, server)
        boto3.session.Session().client("s3", endpoint_url=url, region_name="us-east-1").create_bucket(Bucket=BUCKET)
        yield url
    finally:
        server.kill()
        server.wait()


def _await_port(port: int, server: subprocess.Popen[bytes]) -> None:
    deadline_s = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline_s and server.poll() is None:
        with socket.socket() as probe:
            probe.settimeout(1)
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise StageFailed("moto's S3 server does not start (make setup installs it)")


@contextmanager
def running_stage(folder: Path) -> Iterator[Stage]:
    """A migrated database and an empty spool."""
    template = read_template()
    spool = folder / "spool"
    for name in ("cdr", "cdr-broken", "recordings", "plans", "prompts"):
        (spool / name).mkdir(parents=True)
    node = NodeSettings("node-1", "freeswitch", "127.0.0.1:5060", "127.0.0.1:8021", "not-used-here", spool)
    write_nodes(folder / "nodes.json", [node])
    server = start_embedded(folder / "postgres")
    owner = create_engine(driver_url(server.url), isolation_level="AUTOCOMMIT")
    try:
        with owner.connect() as connection:
            connection.execute(text("CREATE DATABASE copied"))
        for name in (None, "copied"):
            upgrade(_named(server.url, name))
        yield Stage(folder, node, server.url, owner, template)
    finally:
        owner.dispose()
        server.stop()


def _named(url: str, name: str | None) -> str:
    return url if name is None else driver_url(url).set(database=name).render_as_string(hide_password=False)
