"""From a node's disk into the database: what is taken, what waits, what is set aside, what is rebuilt."""

import json
import os
import struct
import time
from datetime import UTC, datetime
from uuid import UUID

import pytest
from sqlalchemy import text

from dialtrace.db.engine import Database
from dialtrace.db.errors import DatabaseUnavailable
from dialtrace.db.tables import OPERATOR_AGENCY
from dialtrace.ids import new_id
from dialtrace.workers import ingest as ingest_module
from dialtrace.workers.spool import Spool, SpoolBusy

from .conftest import CORE, cut_off, tone
from .test_process import put_call

AGENCY = UUID("01990000-0000-7000-8000-0000000000a1")
CALL = "8adbf110-dccb-4047-b40c-ecda6bb8a575"


def age(path, seconds: float) -> None:
    stamp = time.time() - seconds
    os.utime(path, (stamp, stamp))


def test_given_a_calls_files_when_ingesting_then_they_are_kept_and_gone_and_the_journal_forgets(node):
    node.begin(CALL)
    node.put_cdr("01-answered.a")
    node.put_cdr("01-answered.b1")

    assert node.ingest().run_once() == 2

    assert node.rows("SELECT outcome, revision FROM calls") == [("answered", 1)]
    assert node.rows("SELECT count(*) FROM legs") == [(1,)]
    assert node.files("cdr") == []
    assert node.in_journal() == []


def test_given_a_call_whose_legs_are_a_moment_late_when_ingesting_then_one_record_tells_all(node):
    ingest = node.ingest()
    node.put_cdr("07-failover-busy-answered.a")
    assert ingest.run_once() == 0

    node.put_cdr("07-failover-busy-answered.b1")
    assert ingest.run_once() == 1
    node.put_cdr("07-failover-busy-answered.b2")
    assert ingest.run_once() == 2

    assert node.rows("SELECT revision, target_id IS NOT NULL FROM calls") == [(1, True)]
    assert node.rows("SELECT count(*) FROM events") == [(1,)]


def test_given_a_batch_under_way_when_the_next_is_read_then_it_is_stored_after_it_and_nothing_is_read_twice(
    node, monkeypatch
):
    monkeypatch.setattr(ingest_module, "FULL", 1)
    for _ in range(3):
        put_call(node, recorded=False)
    seen: list[str] = []

    def begin(work):
        seen.append("begun")

        def end():
            seen.append("waited for")
            return work()

        return end

    ingest = node.ingest(step=seen.append, begin=begin)
    assert ingest.run_once() == 6

    told = [step for step in seen if step in ("begun", "waited for", "read", "committed")]
    whole = ["begun", "waited for", "read", "committed"]
    assert told == whole * 3, "one at a time, in their order"
    assert seen.count("let_go") == 6
    assert node.rows("SELECT count(*), max(revision) FROM calls") == [(3, 1)]
    assert node.files("cdr") == []


def test_given_a_batch_that_fails_while_the_next_is_read_then_the_pass_fails_and_every_file_is_there(node, monkeypatch):
    monkeypatch.setattr(ingest_module, "FULL", 1)
    for _ in range(2):
        put_call(node, recorded=False)

    def begin(work):
        def end():
            raise DatabaseUnavailable("away")

        return end

    with pytest.raises(DatabaseUnavailable):
        node.ingest(begin=begin).run_once()
    assert len(node.files("cdr")) == 4
    assert node.ingest().run_once() == 4
    assert node.rows("SELECT count(*), max(revision) FROM calls") == [(2, 1)]


def test_given_a_leg_that_never_comes_when_ingesting_then_its_call_waits_less_than_a_second(node):
    age(node.put_cdr("07-failover-busy-answered.a"), 0.7)

    assert node.ingest().run_once() == 1


@pytest.mark.parametrize("kind", ["folder", "pipe", "link"])
def test_given_something_that_is_no_file_when_ingesting_then_it_is_passed_over_and_records_go_on(node, kind):
    strange = node.spool / "cdr" / "a_strange.cdr.json"
    age(node.put_cdr("03-busy.a"), 1)
    if kind == "folder":
        strange.mkdir()
    elif kind == "pipe":
        os.mkfifo(strange)
    else:
        elsewhere = node.spool / "elsewhere"
        elsewhere.write_bytes((node.spool / "cdr" / node.files("cdr")[0]).read_bytes())
        strange.symlink_to(elsewhere)

    assert node.ingest().run_once() == 1

    assert list((node.spool / "cdr").iterdir()) == [strange]


def test_given_a_file_from_the_future_when_ingesting_then_it_waits_for_nobody(node):
    age(node.put_cdr("07-failover-busy-answered.a"), -3600)

    assert node.ingest().run_once() == 1


def test_given_a_half_written_file_when_ingesting_then_it_is_waited_for_and_taken_when_whole(node):
    whole = node.put_cdr("03-busy.a").read_bytes()
    path = next((node.spool / "cdr").iterdir())
    path.write_bytes(whole[: len(whole) // 2])
    ingest = node.ingest()

    assert ingest.run_once() == 0
    assert node.files("cdr") == [path.name]
    path.write_bytes(whole)
    age(path, 1)
    assert ingest.run_once() == 1


@pytest.mark.parametrize("body", [b"", b'{"variables": {"uuid": "8adb', b"\xff\xfe\x00garbage", b"[" * 5000])
def test_given_a_file_that_stays_broken_when_ingesting_then_it_is_set_aside_counted_and_blocks_nobody(
    node, body, monkeypatch
):
    broken = node.spool / "cdr" / f"a_{CALL}.cdr.json"
    broken.write_bytes(body)
    age(broken, 61)
    node.put_cdr("03-busy.b1")
    monkeypatch.setattr("dialtrace.workers.spool.UNCHANGED_FOR_S", 0.05)
    ingest = node.ingest()

    assert ingest.run_once() == 1
    assert node.files("cdr") == [broken.name]
    time.sleep(0.06)
    assert ingest.run_once() == 0
    assert node.files("cdr-broken") == [broken.name]
    assert (node.spool / "cdr-broken" / broken.name).read_bytes() == body


def test_given_two_broken_files_of_one_name_when_setting_aside_then_both_are_kept(node):
    for body in ("{}", "[]"):
        (node.spool / "cdr" / "a_x.cdr.json").write_text(body)
        node.ingest().run_once()

    assert node.files("cdr-broken") == ["a_x.cdr.json", "a_x.cdr.json.1"]


def test_given_other_files_in_the_folder_when_ingesting_then_they_are_left_alone(node):
    for name in (".lost_x.cdr.json", "notes.txt"):
        (node.spool / "cdr" / name).write_text("{}")

    assert node.ingest().run_once() == 0
    assert node.files("cdr") == [".lost_x.cdr.json", "notes.txt"]


def test_given_a_record_that_the_database_refuses_when_ingesting_then_only_that_file_is_set_aside(node):
    node.put_cdr("03-busy.b1")
    path = node.put_cdr("16-rejected.b1")
    with node.engine.begin() as connection:
        connection.execute(text("ALTER TABLE legs ADD CONSTRAINT trial CHECK (hangup_cause <> 'CALL_REJECTED')"))
    try:
        assert node.ingest().run_once() == 1
    finally:
        with node.engine.begin() as connection:
            connection.execute(text("ALTER TABLE legs DROP CONSTRAINT trial"))

    assert node.files("cdr-broken") == [path.name]
    assert node.files("cdr") == []


def test_given_no_database_when_ingesting_then_every_file_waits_and_nothing_is_set_aside(node):
    for name in ("01-answered.a", "01-answered.b1", "03-busy.b1"):
        age(node.put_cdr(name), 5)
    before = node.files("cdr")
    reachable, node.database = node.database, Database("postgresql://nobody@127.0.0.1:24198/none", connect_timeout_s=1)

    with pytest.raises(DatabaseUnavailable):
        node.ingest().run_once()

    assert node.files("cdr") == before
    assert node.files("cdr-broken") == []
    node.database = reachable
    assert node.ingest().run_once() == 3


def test_given_a_journal_that_cannot_be_used_when_ingesting_then_records_are_kept_all_the_same(node):
    node.settings.journal_path.mkdir()
    age(node.put_cdr("06-cancelled-in-socket.a"), 5)

    assert node.ingest().run_once() == 1
    assert node.rows("SELECT count(*) FROM calls") == [(1,)]


def test_given_a_killed_node_when_looking_for_lost_calls_then_each_gets_a_record_and_its_recording(node):
    node.begin(CALL)
    node.put_recording(CALL, cut_off(tone()))
    ingest = node.ingest()
    node.switch_runs_as(CORE)
    assert ingest.rebuild_lost() == 0

    node.switch_runs_as(str(new_id()))
    assert ingest.rebuild_lost() == 1
    assert ingest.rebuild_lost() == 0
    assert ingest.run_once() == 1

    assert node.rows("SELECT agency_id, outcome, started_at, number, caller, core_uuid, node FROM calls") == [
        (
            UUID(OPERATOR_AGENCY),
            "node_lost",
            datetime(2026, 11, 22, 5, 35, 18, 709881, tzinfo=UTC),
            "+74955550601",
            "+74955550123",
            UUID(CORE),
            "node-1",
        )
    ]
    assert node.in_journal() == []
    node.bring_all_home()
    rows = node.rows("SELECT state, size_bytes, duration_ms, channels, object_name FROM recordings")
    assert rows[0][:4] == ("verified", len(tone()), 500, 2)
    stored = (node.objects.root / rows[0][4]).read_bytes()
    assert stored == tone()
    assert node.files("recordings") == []


def test_given_a_killed_node_whose_cdr_was_written_before_when_looking_then_the_real_record_counts(node):
    node.begin(CALL)
    node.put_cdr("01-answered.a")
    node.switch_runs_as(str(new_id()))
    ingest = node.ingest()

    assert ingest.rebuild_lost() == 0
    age(next((node.spool / "cdr").iterdir()), 5)
    ingest.run_once()
    assert ingest.rebuild_lost() == 0
    assert node.rows("SELECT outcome FROM calls") == [("answered",)]


def test_given_a_stored_call_whose_row_came_back_when_the_node_is_lost_then_the_record_stays(node):
    node.put_cdr("01-answered.a")
    node.put_cdr("01-answered.b1")
    ingest = node.ingest()
    ingest.run_once()
    node.begin(CALL)
    node.switch_runs_as(str(new_id()))
    # Whose call it was is only known from its number.
    node.rows(
        "INSERT INTO directory (e164, agency_id, client_id, number_id, status, tenant_status, kind, version) VALUES"
        f" ('+74955550601', '{AGENCY}', '{new_id()}', '{new_id()}', 'active', 'active', 'static', 1) RETURNING 1"
    )

    assert ingest.rebuild_lost() == 1
    ingest.run_once()

    assert node.rows("SELECT outcome, revision FROM calls") == [("answered", 1)]
    assert node.in_journal() == []


def test_given_a_cdr_that_the_full_disk_refused_when_the_hangup_was_heard_then_the_record_is_rebuilt(node):
    cdr = json.loads((node.put_cdr("01-answered.a")).read_text())
    next((node.spool / "cdr").iterdir()).unlink()
    times = cdr["callflow"][0]["times"]
    event = {
        "Event-Name": "CHANNEL_HANGUP_COMPLETE",
        "Event-Date-Timestamp": times["hangup_time"],
        "Core-UUID": CORE,
        "Unique-ID": CALL,
        "Call-Direction": "inbound",
        "Caller-Caller-ID-Number": "+74955550123",
        "Caller-Caller-ID-Name": "Caller",
        "Caller-Destination-Number": "74955550601",
        "Caller-Channel-Created-Time": times["created_time"],
        "Caller-Channel-Answered-Time": times["answered_time"],
        "Caller-Channel-Bridged-Time": times["bridged_time"],
        "Caller-Channel-Hangup-Time": times["hangup_time"],
        **{f"variable_{name}": value for name, value in cdr["variables"].items()},
    }
    node.begin(CALL, ended=json.dumps(event))
    node.switch_runs_as(CORE)
    ingest = node.ingest()

    assert ingest.rebuild_lost() == 1
    assert ingest.run_once() == 1

    rebuilt = node.rows("SELECT outcome, talk_ms, billed_ms, caller, hangup_side, facts ->> 'source' FROM calls")
    assert rebuilt == [("answered", 4039, 4039, "+74955550123", "caller", "event")]
    assert node.in_journal() == []


def test_given_an_empty_journal_event_when_rebuilding_then_the_call_is_still_recorded(node):
    node.begin(CALL, ended="{broken")
    node.switch_runs_as(CORE)
    ingest = node.ingest()

    assert ingest.rebuild_lost() == 1
    assert ingest.run_once() == 1
    assert node.rows("SELECT outcome FROM calls") == [("node_lost",)]


def test_given_a_lost_call_without_a_recording_when_rebuilding_then_the_ledger_says_that_its_node_took_it(node):
    node.begin(CALL, core="0" * 8 + CORE[8:])
    node.switch_runs_as(CORE)
    ingest = node.ingest()

    assert ingest.rebuild_lost() == 1
    assert ingest.run_once() == 1

    assert node.rows("SELECT state, absence_reason FROM recordings") == [("absent", "node_lost")]


def test_given_two_agents_on_one_spool_then_the_second_is_told_and_may_take_over(node):
    clock = __import__("dialtrace.clock", fromlist=["SystemClock"]).SystemClock()
    first = Spool(node.spool, clock).lock()
    with pytest.raises(SpoolBusy, match="another agent"):
        Spool(node.spool, clock).lock()

    first.close()
    Spool(node.spool, clock).lock().close()


def test_given_two_agents_that_ignore_the_lock_when_both_store_then_every_call_is_there_once(node):
    for index in range(20):
        call = new_id()
        age(node.put_cdr("01-answered.a", as_call=call), 5 + index)
        age(node.put_cdr("01-answered.b1", as_call=call), 5 + index)
    one, two = node.ingest(), node.ingest()

    # The second reads everything before the first removes it.
    files, _ = two._spool.waiting()
    batch = {}
    assert all(two._take(file, batch) for file in files)
    one.run_once()
    two._store(batch)

    assert node.rows("SELECT count(*), max(revision) FROM calls") == [(20, 1)]
    assert node.rows("SELECT count(*), max(revision) FROM legs") == [(20, 1)]
    assert node.rows("SELECT count(*) FROM events") == [(20,)]
    assert node.files("cdr") == []


def test_given_a_recording_of_a_call_that_nobody_knows_when_counting_then_it_is_kept_and_counted(node):
    known = node.put_recording(CALL, tone(0.1))
    orphan = node.put_recording(str(new_id()), tone(0.1))
    fresh = node.put_recording(str(new_id()), tone(0.1))
    for path in (known, orphan):
        age(path, 3600)

    homecoming = node.homecoming()
    assert homecoming.count_orphans({CALL}) == 1
    assert homecoming.count_orphans(set()) == 2
    assert all(path.exists() for path in (known, orphan, fresh))
    assert struct.unpack("<I", orphan.read_bytes()[40:44])[0] == 800 * 4
