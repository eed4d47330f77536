"""A month goes to the object store whole, or stays whole: whatever is killed, changed, held or late."""

from __future__ import annotations

import hashlib
import io
import json
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from uuid import UUID, uuid4

import pyarrow.parquet
import pytest
from sqlalchemy import text

from dialtrace.archive.errors import ArchiveBroken, MonthMoved, MonthStays, RetireBusy
from dialtrace.archive.service import ArchiveService
from dialtrace.clock import FixedClock, SystemClock
from dialtrace.db.errors import TransactionConflict
from dialtrace.db.partitions import make_partitions
from dialtrace.jobs.model import Done, Job
from dialtrace.objectstore.folder import FolderStore

AGENCIES = [UUID("01990000-0000-7000-8000-0000000000a1"), UUID("01990000-0000-7000-8000-0000000000a2")]
MONTH, NEXT = date(2021, 3, 1), date(2021, 4, 1)
CALLER = "+74955550123"
ADD_CALL = text(
    "INSERT INTO calls (agency_id, id, started_at, client_id, number, caller, caller_raw, node, decided_by, outcome,"
    " digest, facts, cost, cost_currency, mos) VALUES (:a, :id, :at, :a, '+1', :caller, :caller, 'n', 'worker',"
    " 'answered', '\\x00ff', '{\"trail\": [\"ä\"]}', 1.250000, 'EUR', 4.25)"
)
ADD_LEG = text(
    "INSERT INTO legs (agency_id, id, call_started_at, call_id, client_id, outcome, digest, address)"
    " VALUES (:a, :leg, :at, :id, :a, 'answered', '', 'sip:x')"
)


class KilledError(BaseException):
    """The process ends here, whatever it was about to do."""


@pytest.fixture(autouse=True)
def _undone(owner_engine):
    yield
    with owner_engine.begin() as connection:
        for parent in connection.execute(text("SELECT parent FROM dialtrace_partitioned()")).scalars().all():
            for month in (MONTH, NEXT):
                connection.exec_driver_sql(f"DROP TABLE IF EXISTS {parent}_{month:%Y_%m}")


class Archive:
    """Two agencies with calls of one old month, and what retires it."""

    def __init__(self, database, engine, root, clock):
        self.database, self.engine, self.objects, self.clock = database, engine, FolderStore(root), clock
        self.steps, self.stop_at, self.at_step = [], None, lambda _name: None
        with engine.begin() as connection:
            for agency in AGENCIES:
                connection.execute(text("INSERT INTO agencies (agency_id, name) VALUES (:a, 'A')"), {"a": agency})
                connection.execute(
                    text("INSERT INTO clients (agency_id, id, name) VALUES (:a, :a, 'C')"), {"a": agency}
                )

    def service(self, **options):
        return ArchiveService(self.database, self.objects, self.clock, step=self._step, **options)

    def add(self, agency=AGENCIES[0], *, day=5, month=MONTH, caller=CALLER, count=1):
        ids = []
        with self.database.tenant(agency) as connection:
            for number in range(count):
                at = datetime(month.year, month.month, day, 12, 0, 0, number, UTC)
                row = {"a": agency, "id": uuid4(), "leg": uuid4(), "at": at, "caller": caller}
                connection.execute(ADD_CALL, row)
                connection.execute(ADD_LEG, row)
                ids.append(row["id"])
        return ids[0] if count == 1 else ids

    def do(self, statement, **values):
        with self.engine.begin() as connection:
            connection.execute(text(statement), values)

    def rows(self, statement):
        with self.engine.connect() as connection:
            return [tuple(row) for row in connection.execute(text(statement))]

    def counts(self):
        return self.rows("SELECT (SELECT count(*) FROM calls), (SELECT count(*) FROM legs)")[0]

    def parquet(self, table, agency=AGENCIES[0], *, part=1):
        with self.objects.open(f"{agency}/archive/{MONTH:%Y-%m}/{part}/{table}.parquet") as stream:
            return pyarrow.parquet.read_table(io.BytesIO(stream.read())).to_pylist()

    def manifest(self, agency=AGENCIES[0]):
        with self.objects.open(f"{agency}/archive/{MONTH:%Y-%m}/1/manifest.json") as stream:
            return json.loads(stream.read())

    def _step(self, name):
        self.steps.append(name)
        self.at_step(name)
        if name == self.stop_at:
            raise KilledError


@pytest.fixture
def archive(database, owner_engine, tmp_path):
    return Archive(database, owner_engine, tmp_path / "objects", FixedClock(SystemClock().now()))


def test_given_a_month_when_retired_then_its_rows_stand_in_the_store_with_their_types_and_nowhere_else(archive):
    call_id = archive.add()
    archive.add(AGENCIES[1], count=3)
    stays = archive.add(month=NEXT)

    assert archive.service().retire(MONTH) == 8

    assert archive.rows("SELECT id FROM calls") == [(stays,)]
    assert archive.rows("SELECT to_regclass('calls_2021_03'), to_regclass('legs_2021_03')") == [(None, None)]
    (call,), (leg,) = archive.parquet("calls"), archive.parquet("legs")
    assert (call["id"], call["caller"], call["digest"], call["mos"]) == (str(call_id), CALLER, b"\x00\xff", 4.25)
    assert call["started_at"] == datetime(2021, 3, 5, 12, tzinfo=UTC)
    assert (str(call["cost"]), json.loads(call["facts"])) == ("1.250000", {"trail": ["ä"]})
    assert (leg["call_id"], leg["caller"]) == (str(call_id), CALLER)
    assert [len(archive.parquet(name, AGENCIES[1])) for name in ("calls", "legs")] == [3, 3]
    for file in archive.manifest()["files"]:
        with archive.objects.open(f"{AGENCIES[0]}/archive/2021-03/1/{file['name']}") as stream:
            assert hashlib.sha256(stream.read()).hexdigest() == file["sha256"]
    assert archive.rows(
        "SELECT parent, part, row_count, retired_at IS NOT NULL FROM retired_months WHERE row_count > 0 ORDER BY 1"
    ) == [
        ("calls", 1, 4, True),
        ("legs", 1, 4, True),
    ]


STEPS = ["made", "begun", "written calls", "stored calls", "listed calls", "written legs", "stored legs", "listed legs"]
STEPS += ["manifest", "going", "gone"]


@pytest.mark.parametrize("step", STEPS)
def test_given_the_process_is_killed_at_any_step_then_the_month_is_whole_here_or_whole_there(archive, step):
    archive.add(count=2)
    archive.stop_at = step
    with pytest.raises(KilledError):
        archive.service().retire(MONTH)
    assert archive.counts() == ((0, 0) if step == "gone" else (2, 2))

    archive.stop_at = None
    archive.service().retire(MONTH)

    assert archive.counts() == (0, 0)
    assert len(archive.parquet("calls")) == len(archive.parquet("legs")) == 2
    assert {row[0] for row in archive.rows("SELECT part FROM retired_months WHERE row_count = 2")} == {1}


def test_given_every_step_is_killed_then_none_was_left_out(archive):
    archive.add()
    archive.service().retire(MONTH)
    assert archive.steps == STEPS


CHANGES = [
    "UPDATE calls SET outcome = 'busy' WHERE started_at < '2022-01-01'",
    "DELETE FROM legs WHERE call_started_at < '2022-01-01'",
]


@pytest.mark.parametrize("change", CHANGES)
def test_given_a_row_changes_meanwhile_then_nothing_goes_and_the_next_run_exports_what_it_is_now(archive, change):
    archive.add()
    archive.at_step = lambda name: archive.do(change) if name == "manifest" else None
    with pytest.raises(MonthMoved, match="changed since"):
        archive.service().retire(MONTH)
    before = archive.counts()
    assert before[0] == 1

    archive.at_step = lambda _name: None
    archive.service().retire(MONTH)

    assert archive.counts() == (0, 0)
    assert archive.parquet("calls")[0]["outcome"] == ("busy" if "busy" in change else "answered")


def test_given_a_record_comes_after_its_month_then_it_goes_as_a_further_part(archive):
    archive.add()
    service = archive.service(keep_months=24)
    service.retire(MONTH)
    late = archive.add(caller="+442079460100")
    assert archive.rows("SELECT tableoid::regclass::text FROM calls") == [("calls_default",)]
    assert service.months_due() == [MONTH]

    assert service.care(Job(id=1, name="partitions.care", attempt=1, args={})) == Done()

    assert archive.counts() == (0, 0)
    assert archive.parquet("calls", part=2)[0]["id"] == str(late)
    assert len(archive.parquet("calls", part=1)) == 1
    assert service.months_due() == []


def hold(archive, kind, call_id):
    archive.do(
        "INSERT INTO legal_holds (agency_id, id, client_id, kind, call_id, person_key, reason, placed_by) VALUES"
        " (:a, gen_random_uuid(), :c, :kind, :call, CASE WHEN :kind = 'caller' THEN dialtrace_person_key(:a, :n) END,"
        " 'court', 'test')",
        a=AGENCIES[0], c=AGENCIES[0] if kind == "client" else None, kind=kind, n=CALLER,
        call=call_id if kind == "call" else None,
    )  # fmt: skip


@pytest.mark.parametrize("kind", ["call", "caller", "client"])
@pytest.mark.parametrize("when", ["before", "manifest"])
def test_given_a_hold_before_or_meanwhile_then_the_month_stays_until_it_is_lifted(archive, kind, when):
    call_id = archive.add()
    if when == "before":
        hold(archive, kind, call_id)
    archive.at_step = lambda name: hold(archive, kind, call_id) if name == when else None
    with pytest.raises(MonthStays, match="hold"):
        archive.service().retire(MONTH)
    assert archive.counts() == (1, 1)

    archive.at_step = lambda _name: None
    archive.do("UPDATE legal_holds SET lifted_at = now(), lifted_by = 'test'")
    assert archive.service().retire(MONTH) == 2


def test_given_a_recording_is_kept_then_its_month_stays(archive):
    call_id = archive.add()
    archive.do(
        "INSERT INTO recordings (agency_id, id, client_id, call_id, call_started_at, segment, state, node)"
        " VALUES (:a, gen_random_uuid(), :a, :id, '2021-03-05T12:00Z', 1, 'verified', 'n')",
        a=AGENCIES[0], id=call_id,
    )  # fmt: skip
    with pytest.raises(MonthStays, match=r"recordings of its calls are kept .*: 1"):
        archive.service().retire(MONTH)
    archive.do("UPDATE recordings SET state = 'absent', absence_reason = 'expired'")
    assert archive.service().retire(MONTH) == 2


def test_given_an_erasure_is_under_way_then_the_month_stays(archive):
    archive.add()
    archive.do(
        "INSERT INTO subject_requests (agency_id, id, scope_id, kind, phone, person_key, hint, requested_by)"
        " VALUES (:a, gen_random_uuid(), :a, 'erase', '+1', '', '', 'test')",
        a=AGENCIES[1],
    )
    with pytest.raises(MonthStays, match="erased are under way"):
        archive.service().retire(MONTH)


def test_given_a_young_month_then_it_stays(archive):
    last = (archive.clock.now().replace(day=1) - timedelta(days=1)).date().replace(day=1)
    with pytest.raises(MonthStays, match="31 days"):
        archive.service().retire(last)


class LyingStore(FolderStore):
    """Confirms everything and keeps something else."""

    def put_file(self, name, path, *, sha256):
        super().put_file(name, path, sha256=sha256)
        if name.endswith("legs.parquet"):
            stored = self.root / name
            stored.write_bytes(stored.read_bytes()[:-1] + b"?")


def test_given_the_store_gives_back_something_else_then_nothing_goes(archive):
    archive.add()
    archive.objects = LyingStore(archive.objects.root)
    with pytest.raises(ArchiveBroken):
        archive.service().retire(MONTH)
    assert archive.counts() == (1, 1)


def test_given_a_listed_file_was_deleted_then_the_database_itself_refuses(archive):
    archive.add()
    forget = "UPDATE export_objects SET state = 'deleted', deleted_at = now()"
    archive.at_step = lambda name: archive.do(forget) if name == "manifest" else None
    with pytest.raises(MonthMoved, match="1 rows, 0 stand in the store"):
        archive.service().retire(MONTH)
    assert archive.counts() == (1, 1)


def test_given_two_at_once_then_one_is_told_so(archive):
    archive.add()

    def another(name):
        if name == "begun":
            with pytest.raises(RetireBusy):
                archive.service().retire(NEXT)

    archive.at_step = another
    assert archive.service().retire(MONTH) == 2


@contextmanager
def locked(engine, statement):
    with engine.connect() as connection:
        connection.exec_driver_sql("BEGIN")
        connection.exec_driver_sql(statement)
        yield
        connection.exec_driver_sql("ROLLBACK")


def test_given_a_reader_holds_the_month_then_it_is_not_waited_for_and_stays(archive, monkeypatch):
    archive.add()
    monkeypatch.setattr("dialtrace.archive.service.TRIES", 2)
    monkeypatch.setattr("dialtrace.archive.service.BETWEEN_TRIES_S", 0.01)
    archive.service()
    with locked(archive.engine, "LOCK TABLE calls IN ACCESS SHARE MODE"), pytest.raises(TransactionConflict):
        archive.service().retire(MONTH)
    assert archive.counts() == (1, 1)
    assert archive.service().retire(MONTH) == 2


def test_given_writers_of_an_old_month_wait_then_calls_of_today_do_not(archive):
    archive.add()
    make_partitions(archive.database, datetime(2021, 3, 1, tzinfo=UTC), months_ahead=0)
    with locked(archive.engine, "LOCK TABLE calls_2021_03, legs_2021_03 IN SHARE MODE"):
        now = archive.clock.now().date()
        archive.add(day=now.day, month=now.replace(day=1))
    assert archive.counts() == (2, 2)


def test_given_a_run_that_failed_when_an_agencys_rows_are_gone_by_then_so_are_their_files(archive):
    archive.add()
    archive.add(AGENCIES[1])
    archive.stop_at = "going"
    with pytest.raises(KilledError):
        archive.service().retire(MONTH)
    archive.do("DELETE FROM legs")
    archive.do("DELETE FROM calls WHERE agency_id = :a", a=AGENCIES[1])
    archive.stop_at = None

    assert archive.service().retire(MONTH) == 1

    names = [path.relative_to(archive.objects.root) for path in archive.objects.root.rglob("*.parquet")]
    assert [str(name) for name in names] == [f"{AGENCIES[0]}/archive/2021-03/1/calls.parquet"]
