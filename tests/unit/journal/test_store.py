"""The journal of calls that began, on a real file."""

import sqlite3
from dataclasses import replace

import pytest

from dialtrace.journal.errors import JournalBusy, JournalUnusable
from dialtrace.journal.store import Journal, Started

NOW = 1_700_000_000_000_000
OLD = Started("call-1", "core-1", NOW - 60_000_000, "74955550101", "+7900", "Ann", NOW - 60_000_000)
YOUNG = replace(OLD, call_id="call-2", started_us=NOW - 1_000_000, recorded_at_us=NOW - 1_000_000)


@pytest.fixture
def journal(tmp_path):
    journal = Journal(tmp_path / "journal.db")
    yield journal
    journal.close()


def test_given_calls_that_began_when_another_process_opens_the_journal_then_it_sees_them(journal, tmp_path):
    journal.begin([YOUNG, OLD])
    reader = Journal(tmp_path / "journal.db")
    assert reader.pending() == [OLD, YOUNG]
    reader.close()


def test_given_a_call_that_is_there_when_it_begins_again_then_its_row_stays(journal):
    journal.begin([OLD])
    journal.end("call-1", "{}")
    journal.begin([replace(OLD, dialled="other")])
    assert journal.pending() == [replace(OLD, ended_event="{}")]


def test_given_a_hangup_without_a_row_then_nothing_is_made(journal):
    journal.end("call-9", "{}")
    assert journal.pending() == []


def test_given_a_restarted_switch_then_the_old_calls_of_the_run_before_are_lost(journal):
    journal.begin([OLD, YOUNG, replace(OLD, call_id="call-3", core_uuid="core-2")])
    journal.core("core-2", "up", seen_at_us=NOW)
    assert [row.call_id for row in journal.lost(NOW)] == ["call-1"]
    assert [row.call_id for row in journal.lost(NOW + 10_000_000)] == ["call-1", "call-2"]


@pytest.mark.parametrize(("state", "lost"), [("up", 0), ("unknown", 0), ("down", 1)])
def test_given_the_same_run_then_only_a_switch_known_to_be_down_loses_calls(journal, state, lost):
    journal.begin([OLD])
    journal.core("core-1", "up", seen_at_us=NOW - 1)
    journal.core(None, state, seen_at_us=NOW)
    assert len(journal.lost(NOW)) == lost
    assert journal.known_core().core_uuid == "core-1"


def test_given_a_switch_never_reached_then_no_call_is_lost(journal):
    journal.begin([OLD])
    assert journal.known_core() is None
    assert journal.lost(NOW) == []
    journal.core(None, "unknown", seen_at_us=NOW)
    assert journal.lost(NOW) == []


def test_given_a_call_the_switch_no_longer_knows_when_marked_gone_then_it_is_lost_unless_its_hangup_was_heard(journal):
    journal.begin([OLD, replace(OLD, call_id="call-3", ended_event="{}")])
    journal.core("core-1", "up", seen_at_us=NOW)
    journal.gone(["call-1", "call-3"])
    assert [row.call_id for row in journal.lost(NOW)] == ["call-1"]


def test_given_stored_calls_when_forgotten_then_only_the_others_are_pending(journal):
    journal.begin([OLD, YOUNG])
    journal.forget(["call-1", "call-unknown"])
    assert journal.pending() == [YOUNG]


def test_given_more_ids_than_sqlite_takes_at_once_when_asking_which_are_known_then_all_are_answered(journal):
    journal.begin([replace(OLD, call_id=f"c{n}") for n in range(1200)])
    assert journal.known([f"c{n}" for n in range(1100, 1300)] + ["x"] * 900) == {f"c{n}" for n in range(1100, 1200)}


def test_given_a_batch_with_a_bad_row_when_begun_then_none_of_it_is_kept(journal):
    with pytest.raises(JournalUnusable, match="journal"):
        journal.begin([OLD, replace(OLD, call_id="call-2", core_uuid=None)])
    assert journal.pending() == []
    journal.begin([OLD])


def test_given_a_lock_that_is_never_released_then_the_error_says_busy(journal, tmp_path):
    other = sqlite3.connect(tmp_path / "journal.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    journal._connection.execute("PRAGMA busy_timeout=10")
    with pytest.raises(JournalBusy, match=r"journal\.db"):
        journal.begin([OLD])
    other.close()


def test_given_a_file_that_is_no_journal_then_the_error_names_it_and_says_what_to_do(tmp_path):
    (tmp_path / "journal.db").write_bytes(b"not a database at all, but long enough to look at" * 20)
    with pytest.raises(JournalUnusable, match=r"journal\.db.*move it away"):
        Journal(tmp_path / "journal.db")


def test_given_a_folder_that_is_missing_then_the_error_names_the_file(tmp_path):
    with pytest.raises(JournalUnusable, match=r"nowhere/journal\.db"):
        Journal(tmp_path / "nowhere" / "journal.db")
