"""A disk that is full, a clock that jumps, a database that is away for long: nothing is lost, and nothing grows but the
spool."""

import errno
import json
import subprocess
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil
import pytest

from dialtrace.cdr.service import CdrService
from dialtrace.clock import FixedClock, SystemClock
from dialtrace.db.engine import Database
from dialtrace.db.errors import DatabaseUnavailable
from dialtrace.ids import new_id
from dialtrace.journal.store import Journal
from dialtrace.workers.ingest import Ingest
from dialtrace.workers.reserve import Reserve
from dialtrace.workers.spool import Spool

from .conftest import Node
from .test_process import environment, put_call, running, wait_until

__all__ = ["environment"]

DISK_BYTES = 4 * 1024 * 1024


@pytest.fixture
def small(node, tmp_path):
    """The node with a spool on a disk of its own of 4 MB."""
    root = tmp_path / "small"
    root.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", str(root)]
    try:
        subprocess.run(mount, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("a disk of one's own needs the right to mount")
    try:
        for name in ("cdr", "cdr-broken", "recordings", "recordings-due"):
            (root / name).mkdir()
        yield Node(replace(node.settings, spool=root), node.database, node.objects, node.engine)
    finally:
        subprocess.run(["umount", "--lazy", str(root)], check=True)


def write_until_full(file, block: bytes) -> None:
    try:
        while True:
            file.write(block)
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise


def fill(root: Path) -> Path:
    """Until not one byte more can be written."""
    ballast = root / "ballast"
    with open(ballast, "wb", buffering=0) as file:
        for size in (65_536, 512, 1):
            write_until_full(file, b"x" * size)
    with pytest.raises(OSError, match="No space"):
        (root / "cdr" / "probe").write_bytes(b"x" * 5000)
    (root / "cdr" / "probe").unlink()
    return ballast


def test_given_a_full_disk_when_calls_wait_on_it_then_all_are_kept_and_their_leaving_makes_room(small):
    for _ in range(10):
        put_call(small)
    fill(small.spool)

    stored = small.ingest().run_once()
    small.bring_all_home()

    assert stored == 20
    assert small.rows("SELECT count(*) FROM calls") == [(10,)]
    assert small.rows("SELECT state, count(*) FROM recordings GROUP BY 1") == [("verified", 10)]
    assert small.files("cdr") == small.files("cdr-broken") == small.files("recordings") == []
    (small.spool / "cdr" / "room").write_bytes(b"x" * 5000)


def test_given_a_full_disk_when_the_hang_up_was_heard_then_the_reserve_makes_room_for_the_record(small):
    reserve = Reserve(small.spool, most_bytes=256 * 1024)
    assert reserve.tend().is_full is False
    assert (small.spool / "reserve").exists()
    body = (Path(__file__).parents[2] / "data" / "cdr" / "01-answered.a.json").read_text(encoding="utf-8")
    event = {f"variable_{name}": value for name, value in json.loads(body)["variables"].items()}
    heard_us = int((time.time() - 60) * 1_000_000)
    event |= {"Event-Name": "CHANNEL_HANGUP_COMPLETE", "Event-Date-Timestamp": str(heard_us)}
    call_id = json.loads(body)["variables"]["uuid"]
    small.begin(call_id, ended=json.dumps(event))
    fill(small.spool)

    disk = reserve.tend()

    assert (disk.is_full, disk.size_bytes) == (True, DISK_BYTES)
    assert not (small.spool / "reserve").exists()
    ingest = small.ingest()
    assert ingest.rebuild_lost() == 1
    assert ingest.run_once() == 1
    assert small.rows("SELECT outcome FROM calls") == [("answered",)]


def test_given_the_disk_has_room_again_then_the_reserve_is_taken_again(small):
    reserve = Reserve(small.spool, most_bytes=128 * 1024)
    ballast = fill(small.spool)
    assert reserve.tend().is_full is True
    ballast.unlink()
    assert reserve.tend().is_full is False
    assert (small.spool / "reserve").stat().st_size == 128 * 1024


@pytest.mark.parametrize("jump", [timedelta(days=-400), timedelta(hours=-1), timedelta(hours=1), timedelta(days=400)])
def test_given_the_clock_jumps_between_two_looks_then_nothing_is_set_aside_and_every_call_is_kept(node, jump):
    clock = FixedClock(SystemClock().now())
    ingest = Ingest(
        node="node-1", spool=Spool(node.spool, clock), service=CdrService(node.database),
        journal=lambda: Journal(node.settings.journal_path), clock=clock,
    )  # fmt: skip
    put_call(node, recorded=False)
    half = node.spool / "cdr" / f"a_{new_id()}.cdr.json"
    half.write_text('{"variables": {"uu', encoding="utf-8")
    assert ingest.run_once() == 2

    clock.moment += jump
    put_call(node, recorded=False)
    clock.elapsed_s += 0.5
    assert ingest.run_once() == 2
    clock.moment -= jump
    put_call(node, recorded=False)
    clock.elapsed_s += 0.5
    assert ingest.run_once() == 2

    assert node.files("cdr-broken") == []
    assert node.files("cdr") == [half.name]
    assert node.rows("SELECT count(*) FROM calls") == [(3,)]
    # The call's own stamps count, whatever the agent's clock said.
    (row,) = node.rows("SELECT max(abs(extract(epoch FROM now() - started_at))) FROM calls")
    assert row[0] < 600


def test_given_no_database_for_long_when_calls_come_then_the_spool_grows_and_memory_does_not(
    node, environment, tmp_path
):
    away = environment | {"DIALTRACE_DATABASE_URL": "postgresql://nobody@127.0.0.1:24197/none"}

    def feed(calls: int) -> None:
        for _ in range(calls):
            put_call(node, recorded=False)

    feed(200)
    with running(away, tmp_path) as agent:
        wait_until(lambda: "they wait on disk" in (tmp_path / "agent.log").read_text(), 60, "it says so")
        process = psutil.Process(agent.pid)
        feed(300)
        early = process.memory_info().rss
        feed(2_000)
        time.sleep(2)
        late = process.memory_info().rss
        assert agent.poll() is None
    assert len(node.files("cdr")) == 5_000
    assert late - early < 24 * 1024 * 1024, f"{(late - early) / 1e6:.0f} MB more for 4,000 files that wait"


def test_given_the_database_goes_in_the_middle_then_the_batch_waits_whole(node):
    put_call(node)
    dead = Database("postgresql://nobody@127.0.0.1:24197/none", connect_timeout_s=1)
    ingest = Ingest(
        node="node-1", spool=Spool(node.spool, SystemClock()), service=CdrService(dead),
        journal=lambda: Journal(node.settings.journal_path), clock=SystemClock(),
    )  # fmt: skip
    with pytest.raises(DatabaseUnavailable):
        ingest.run_once()
    assert len(node.files("cdr")) == 2
    assert node.ingest().run_once() == 2
    assert datetime.now(UTC) > node.rows("SELECT started_at FROM calls")[0][0]
