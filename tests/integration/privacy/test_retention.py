"""What was kept long enough goes, with a receipt; what somebody holds does not."""

import json
from datetime import datetime, timedelta

import pytest

from dialtrace.ids import new_id
from dialtrace.privacy.errors import OwnerUnknown, ValueRefused
from dialtrace.privacy.model import Bound, Rules
from dialtrace.privacy.receipts import verify

from ..agent.conftest import tone
from .conftest import AGENCY, CALL, CALLER, CLIENT, found_in_database

STARTED = datetime.fromisoformat("2026-11-22T05:35:18.709881+00:00")


@pytest.fixture
def stored(place):
    """A recorded call that began a hundred days ago by the clock."""
    for name in ("01-answered.a", "01-answered.b1"):
        place.node.put_cdr(name)
    place.node.put_recording(CALL, tone())
    place.node.ingest().run_once()
    place.node.bring_all_home()
    place.clock.moment = STARTED + timedelta(days=100)
    return place


def receipts(place):
    rows = place.service.list_receipts(AGENCY, None).items
    keys = dict(place.service.public_keys())
    for row in rows:
        verify(row.document, row.signature, keys[row.key_id])
    return [json.loads(row.document) for row in rows]


def test_given_no_rule_then_nothing_is_deleted(stored):
    assert set(stored.retention().run([AGENCY]).values()) == {0}
    assert stored.rows("SELECT caller FROM calls") == [(CALLER,)]


def test_given_a_recordings_time_is_over_then_its_object_goes_and_the_ledger_says_why(stored):
    stored.service.set_retention(AGENCY, None, Rules(recording_days=90))

    assert stored.retention().run([AGENCY])["recording"] == 1

    assert stored.rows("SELECT state, absence_reason, object_name FROM recordings") == [("absent", "expired", None)]
    assert [path for path in stored.objects.root.rglob("*") if path.is_file()] == []
    assert stored.rows("SELECT caller FROM calls") == [(CALLER,)]
    (told,) = receipts(stored)
    assert (told["class"], told["counts"], len(told["objects"])) == ("recording", {"recordings": 1}, 1)
    assert stored.retention().run([AGENCY])["recording"] == 0


@pytest.mark.parametrize("becomes", ["key", "nothing"])
def test_given_a_callers_time_is_over_then_the_record_stays_without_them(stored, becomes):
    stored.service.set_retention(AGENCY, CLIENT, Rules(caller_days=90, caller_becomes=becomes))

    assert stored.retention().run([AGENCY])["caller"] == 1

    assert found_in_database(stored.engine) == []
    assert stored.rows("SELECT outcome, caller_key IS NOT NULL FROM calls") == [("answered", becomes == "key")]
    assert [told["class"] for told in receipts(stored)] == ["caller"]
    assert stored.retention().run([AGENCY])["caller"] == 0


def test_given_a_key_is_kept_when_its_person_is_erased_then_that_goes_too(stored):
    stored.service.set_retention(AGENCY, CLIENT, Rules(caller_days=90, caller_becomes="key"))
    stored.retention().run([AGENCY])

    assert stored.erase().counts["calls"] == 1
    assert stored.rows("SELECT caller_key FROM calls") == [(None,)]


def test_given_a_records_time_is_over_then_it_goes_with_all_that_hangs_on_it_but_after_its_recording(stored):
    stored.service.set_retention(AGENCY, CLIENT, Rules(cdr_days=90))
    assert stored.retention().run([AGENCY])["cdr"] == 0, "a recording is left"
    assert stored.rows("SELECT count(*) FROM consents") == [(1,)]

    stored.service.set_retention(AGENCY, CLIENT, Rules(cdr_days=90, recording_days=90))
    assert stored.retention().run([AGENCY])["cdr"] == 1

    for table in ("calls", "legs", "recordings", "consents"):
        assert stored.rows(f"SELECT count(*) FROM {table}") == [(0,)]
    assert {told["class"] for told in receipts(stored)} == {"recording", "cdr"}


@pytest.mark.parametrize("kind", ["call", "caller", "client"])
def test_given_a_hold_then_no_run_touches_what_it_keeps_until_it_is_lifted(stored, kind):
    hold = stored.service.place_hold(
        AGENCY,
        CLIENT,
        kind,
        reason="Case 17",
        by="lawyer",
        call_id=CALL if kind == "call" else None,
        phone=CALLER if kind == "caller" else None,
    )
    stored.service.set_retention(AGENCY, None, Rules(cdr_days=1, recording_days=1, caller_days=1))

    assert set(stored.retention().run([AGENCY]).values()) == {0}
    assert stored.rows("SELECT c.caller, r.state FROM calls c, recordings r") == [(CALLER, "verified")]

    stored.service.lift_hold(AGENCY, None, hold.id, by="lawyer")
    assert stored.retention().run([AGENCY])["cdr"] == 1


def test_given_bounds_that_were_narrowed_later_then_they_hold_over_older_rules(stored):
    stored.service.set_retention(AGENCY, CLIENT, Rules(recording_days=200))
    stored.service.set_retention(AGENCY, None, Rules(), bounds={"recording": Bound(None, 50)})

    assert stored.service.get_retention(AGENCY, CLIENT).effective.days["recording"] == 50
    assert stored.retention().run([AGENCY])["recording"] == 1
    with pytest.raises(ValueRefused, match="50 days at most"):
        stored.service.set_retention(AGENCY, CLIENT, Rules(recording_days=200))
    with pytest.raises(OwnerUnknown):
        stored.service.set_retention(AGENCY, new_id(), Rules())


def test_given_a_copy_whose_time_is_over_then_it_goes_with_a_receipt(stored, tmp_path):
    import hashlib

    path = tmp_path / "old"
    path.write_bytes(b"id\n")
    stored.objects.put_file("exports/old", path, sha256=hashlib.sha256(b"id\n").digest())
    stored.do(
        "INSERT INTO export_objects (agency_id, id, kind, format, object_name, expires_at)"
        " VALUES (:a, :i, 'export', 'csv', 'exports/old', now() - interval '1 day')",
        a=AGENCY,
        i=new_id(),
    )

    assert stored.retention().run([AGENCY])["copies"] == 1

    assert list(stored.objects.root.rglob("old")) == []
    assert stored.rows("SELECT state, deleted_at IS NOT NULL FROM export_objects") == [("deleted", True)]
    assert receipts(stored)[0]["counts"] == {"copies_deleted": 1}
