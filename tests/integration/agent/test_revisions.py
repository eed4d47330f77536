"""A record is never overwritten without a trace: what comes late is a revision, and what stood before can be read."""

import os

import pytest
from sqlalchemy.exc import ProgrammingError

from dialtrace.cdr.service import CdrService

from ..privacy.conftest import AGENCY, CALL, CALLER, CLIENT, place
from .conftest import node

__all__ = ["node", "place"]


def revisions(place):
    call, found = CdrService(place.database).list_revisions(AGENCY, None, CALL)
    return call, [(one.revision, one.leg_id, {change.member: change for change in one.changes}) for one in found]


@pytest.fixture
def revised(place):
    """The call's file came first, its leg's late; then the leg's came again and said something else."""
    # Older than a call waits for its legs' files.
    os.utime(place.node.put_cdr("01-answered.a"), (1_700_000_000, 1_700_000_000))
    place.node.ingest().run_once()
    leg = place.node.put_cdr("01-answered.b1")
    body = leg.read_text(encoding="utf-8")
    place.node.ingest().run_once()
    leg.write_text(body.replace("NORMAL_CLEARING", "USER_BUSY"), encoding="utf-8")
    place.node.ingest().run_once()
    return place


def test_given_a_leg_comes_late_then_the_revision_tells_what_it_changed(revised):
    call, found = revisions(revised)
    assert call.revision == 3
    (first, leg, changes), *_ = found
    assert (first, leg) == (2, None)
    assert changes["target_id"].before is None
    assert changes["target_id"].after == str(call.target_id)
    of_leg = [(number, changes) for number, leg_id, changes in found if leg_id is not None]
    assert [number for number, _ in of_leg] == [2]
    cause = of_leg[0][1]["hangup_cause"]
    assert (cause.before, cause.after) == ("NORMAL_CLEARING", "USER_BUSY")


def test_given_the_same_file_again_then_there_is_no_revision(revised):
    before = revisions(revised)
    revised.node.put_cdr("01-answered.a")
    revised.node.ingest().run_once()
    assert revisions(revised) == before


def test_given_a_revision_then_the_application_can_neither_change_nor_forge_it(revised):
    for statement in ("DELETE FROM call_revisions", "UPDATE call_revisions SET before = '{}'"):
        with pytest.raises(ProgrammingError), revised.database.tenant(AGENCY) as connection:
            connection.exec_driver_sql(statement)


def test_given_a_caller_in_a_revision_when_the_person_is_erased_then_nothing_names_him(revised):
    with revised.database.tenant(AGENCY) as connection:
        connection.exec_driver_sql("UPDATE calls SET caller = '+442079460100', revision = revision + 1")
        connection.exec_driver_sql("UPDATE calls SET caller = %s, revision = revision + 1", (CALLER,))
    assert revised.rows("SELECT count(*) FROM call_revisions WHERE before ? 'caller'") == [(2,)]
    assert revised.erase().state == "done"
    assert revised.rows("SELECT count(*) FROM call_revisions WHERE before ?| ARRAY['caller', 'facts']") == [(0,)]


def test_given_a_record_is_deleted_then_its_revisions_are_too(revised):
    assert revised.rows("SELECT count(*) > 0 FROM call_revisions") == [(True,)]
    revised.do("DELETE FROM calls WHERE id = :id", id=CALL)
    assert revised.rows("SELECT count(*) FROM call_revisions") == [(0,)]


def test_given_another_clients_reader_then_nothing_is_there(revised):
    with revised.database.tenant(AGENCY, CLIENT) as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM call_revisions").scalar() > 0
    with revised.database.tenant(AGENCY, AGENCY) as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM call_revisions").scalar() == 0
