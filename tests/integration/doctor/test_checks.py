"""The doctor's checks on real parts, each with one thing broken."""

import os
import socket
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from dialtrace.calls.nodes import NodeDirectory
from dialtrace.clock import FixedClock
from dialtrace.db.migrate import status
from dialtrace.doctor.database import clock, connections, isolation, migrations, months, roles
from dialtrace.doctor.nodes import event_socket, monitors, sip, spool, workers
from dialtrace.doctor.outside import proofs, readiness, rights
from dialtrace.launch import free_port
from dialtrace.nodesfile import NodeSettings
from dialtrace.numbers.model import InService, LastProof
from dialtrace.objectstore.folder import FolderStore


def now():
    return datetime.now(UTC)


def states(findings):
    return [finding.state for finding in findings]


# --- the database ---


def test_given_a_migrated_database_then_all_is_well(database, database_url):
    for found in (
        migrations(database_url),
        roles(database),
        isolation(database),
        months(database, now()),
        connections(database),
        clock(database, now),
    ):
        assert set(states(found)) == {"well"}


def test_given_a_migration_is_pending_then_the_command_is_named(database, database_url, owner_engine):
    head = status(database_url).head
    before = f"{int(head) - 1:04d}"
    try:
        with owner_engine.begin() as connection:
            connection.execute(text("UPDATE alembic_version SET version_num = :v"), {"v": before})
        (found,) = migrations(database_url)
    finally:
        with owner_engine.begin() as connection:
            connection.execute(text("UPDATE alembic_version SET version_num = :v"), {"v": head})
    assert (found.state, found.mend) == ("fault", "dialtrace db upgrade")
    assert head in found.found


@pytest.mark.parametrize("broken", ["NO FORCE ROW LEVEL SECURITY", "DISABLE ROW LEVEL SECURITY"])
def test_given_a_table_whose_row_security_somebody_turned_off_then_it_is_named(database, owner_engine, broken):
    try:
        with owner_engine.begin() as connection:
            connection.execute(text(f"ALTER TABLE numbers {broken}"))
        (found,) = isolation(database)
    finally:
        with owner_engine.begin() as connection:
            connection.execute(text("ALTER TABLE numbers ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY"))
    assert (found.state, found.found.split()[0]) == ("fault", "numbers")


def test_given_a_month_that_nobody_made_then_every_table_without_it_is_named(database):
    far = now() + timedelta(days=3650)
    assert states(months(database, far)) == ["fault", "fault"]
    assert f"{far:%Y-%m}" in next(iter(months(database, far))).found


@pytest.mark.parametrize(("off_s", "state"), [(0.0, "well"), (1.0, "note"), (-5.0, "fault")])
def test_given_clocks_that_disagree_then_by_how_much(database, off_s, state):
    (found,) = clock(database, lambda: now() + timedelta(seconds=off_s))
    assert found.state == state


# --- nodes ---


@pytest.fixture
def node(tmp_path):
    spool = tmp_path / "node-1"
    (spool / "cdr").mkdir(parents=True)
    port, sip_port = free_port(), free_port(socket.SOCK_DGRAM)
    return NodeSettings("node-1", "freeswitch", f"127.0.0.1:{sip_port}", f"127.0.0.1:{port}", "a-password", spool)


def test_given_nobody_there_then_event_socket_sip_and_workers_are_faults(node):
    assert states(event_socket(node)) == ["fault"]
    assert states(sip(node)) == ["fault"]
    assert states(workers(("127.0.0.1", free_port()))) == ["fault"]


def test_given_somebody_listens_then_workers_are_well():
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        assert states(workers(listener.getsockname())) == ["well"]


def test_given_no_node_was_ever_seen_then_it_says_what_to_start(database):
    (found,) = monitors(NodeDirectory(database), now())
    assert (found.state, "dialtrace work nodes" in found.mend) == ("fault", True)


@pytest.mark.parametrize(("silent_s", "state"), [(1, "well"), (20, "note"), (120, "fault")])
def test_given_a_monitor_that_fell_silent_then_for_how_long(database, owner_engine, silent_s, state):
    with owner_engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO nodes (name, kind, sip_address, state, last_seen_at)"
                " VALUES ('node-1', 'embedded', '127.0.0.1:5060', 'up', :seen)"
            ),
            {"seen": now() - timedelta(seconds=silent_s)},
        )
    (found,) = monitors(NodeDirectory(database), now())
    assert found.state == state


def test_given_records_that_nobody_fetches_then_the_oldest_counts(node):
    assert states(spool(node)) == ["well"]
    for name, age_s in (("new", 1), ("old", 1200)):
        file = node.spool / "cdr" / f"{name}.cdr.json"
        file.write_text("{}")
        stamp = now().timestamp() - age_s
        os.utime(file, (stamp, stamp))
    (found,) = spool(node)
    assert (found.state, found.found.split()[0]) == ("fault", "2")


# --- beside it ---


def test_given_a_store_that_works_then_it_is_well_and_nothing_stays_there(tmp_path):
    store = FolderStore(tmp_path / "store")
    assert states(rights(store)) == ["well"]
    assert [path for path in (tmp_path / "store").rglob("*") if path.is_file()] == []


def test_given_a_store_that_cannot_be_one_then_what_it_cannot_do(tmp_path):
    (tmp_path / "store").write_text("a file")
    (found,) = rights(FolderStore(tmp_path / "store"))
    assert (found.state, found.found.startswith("it cannot be reached")) == ("fault", True)


def test_given_no_api_then_it_says_what_to_start():
    (found,) = readiness(f"http://127.0.0.1:{free_port()}")
    assert (found.state, "dialtrace api" in found.mend) == ("fault", True)


class Numbers:
    """Numbers in service by name, each with when it was tried and proven last."""

    def __init__(self, ids, last):
        self._ids, self._last = ids, last

    def list_in_service(self):
        return [InService(e164, id_, id_, id_, id_) for e164, id_ in self._ids.items()]

    def last_proofs(self):
        return self._last


@pytest.mark.parametrize(
    ("tried", "proven", "expected"),
    [
        (timedelta(hours=1), timedelta(hours=1), ["well"]),
        (timedelta(days=8), timedelta(days=8), ["note"]),
        (timedelta(hours=1), timedelta(hours=25), ["fault"]),
        (timedelta(hours=1), None, ["fault"]),
        (None, None, ["note"]),
    ],
)
def test_given_a_number_then_its_last_proof_counts_and_its_age(tried, proven, expected):
    at = FixedClock(datetime(2026, 11, 26, tzinfo=UTC)).now()
    last = {} if tried is None else {7: LastProof(at - tried, None if proven is None else at - proven)}
    assert states(proofs(Numbers({"+442079460201": 7}, last), 0, at)) == expected


def test_given_no_number_in_service_then_it_is_noted():
    assert states(proofs(Numbers({}, {}), 0, now())) == ["note"]
