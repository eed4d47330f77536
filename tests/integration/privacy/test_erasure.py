"""A person is erased everywhere: out of stored records, out of what comes late, after a crash at any step."""

import hashlib
import json
import zipfile
from datetime import UTC, datetime, timedelta

import pytest

from dialtrace.ids import new_id
from dialtrace.privacy.receipts import verify

from ..agent.conftest import tone
from .conftest import AGENCY, CALL, CALLER, CLIENT, KilledError, found_in_database, found_in_files


def store_call(place):
    """A recorded call of the person, with everything that may hang on one."""
    place.node.put_cdr("01-answered.a")
    place.node.put_cdr("01-answered.b1")
    place.node.put_recording(CALL, tone())
    place.node.ingest().run_once()
    place.node.bring_all_home()
    values = {"a": AGENCY, "c": CLIENT, "call": CALL, "i": new_id()}
    place.do(
        "UPDATE calls SET facts = facts || jsonb_build_object('diversion', '<sip:84955550123@x>', 'variables',"
        " '{\"said\": \"8 (495) 555-01-23\"}'::jsonb, 'trail',"
        ' \'[{"step": "menu", "at": "2026-11-22T05:35:19+00:00", "result": "4955550123"}]\'::jsonb)'
    )
    place.do(
        "INSERT INTO decisions (agency_id, id, client_id, call_id, node, step, url, choices, body, deadline_at)"
        " VALUES (:a, :i, :c, :call, 'node-1', 'ask', 'https://x.example/?from=%2B74955550123', '{a}',"
        ' \'{"caller": "+74955550123", "digits": 74955550123}\', now())',
        **values,
    )
    place.do(
        "INSERT INTO blocks (agency_id, id, client_id, scope_id, kind, pattern, note)"
        " VALUES (:a, :i, :c, :c, 'number', '+74955550123', 'rude')",
        a=AGENCY, i=new_id(), c=CLIENT,
    )  # fmt: skip
    place.do(
        "INSERT INTO idempotency_keys (agency_id, key_id, key, request, body_digest, status, answer)"
        " VALUES (:a, :i, 'for 4955550123', 'POST /v1/blocks', '', 201, '{\"body\": \"+74955550123\"}')",
        a=AGENCY, i=new_id(),
    )  # fmt: skip
    with place.database.tenant(AGENCY) as connection:
        connection.exec_driver_sql("SELECT dialtrace_welcome_caller(%s, %s, true)", (AGENCY, CALL))


def test_given_a_stored_call_when_its_caller_is_erased_then_nothing_names_them_and_the_record_stays(place):
    store_call(place)
    assert len(found_in_database(place.engine)) >= 8

    done = place.erase()

    assert done.state == "done"
    assert found_in_database(place.engine) == []
    assert found_in_files(place.node.spool) == found_in_files(place.objects.root) == []
    assert [path for path in place.objects.root.rglob("*") if path.is_file()] == []
    (row,) = place.rows("SELECT outcome, talk_ms, caller, caller_key, facts -> 'trail', facts ? 'media' FROM calls")
    assert row == ("answered", 4039, None, None, [{"step": "menu", "at": "2026-11-22T05:35:19+00:00"}], True)
    assert place.rows("SELECT state, absence_reason FROM recordings") == [("absent", "erased")]
    assert (
        place.rows("SELECT count(*) FROM caller_patterns UNION ALL SELECT count(*) FROM welcome_callers") == [(0,)] * 2
    )


def test_given_an_object_in_the_agencys_own_bucket_then_it_is_named_to_the_agency_and_left_alone(place):
    store_call(place)
    place.do(
        "INSERT INTO export_objects (agency_id, id, kind, format, place, object_name, from_at, until_at)"
        " VALUES (:a, :i, 'export', 'csv', 'own', 'november.csv', '2026-11-01', '2026-12-01')",
        a=AGENCY, i=new_id(),
    )  # fmt: skip
    assert place.erase().state == "done"
    assert place.rows("SELECT data -> 'objects' FROM events WHERE type = 'person.erased'") == [(["november.csv"],)]


def test_given_an_erasure_then_its_receipt_is_signed_and_the_agency_is_told_which_calls(place):
    store_call(place)

    done = place.erase()

    receipt = place.service.get_receipt(AGENCY, None, done.receipt_id)
    keys = dict(place.service.public_keys())
    verify(receipt.document, receipt.signature, keys[receipt.key_id])
    told = json.loads(receipt.document)
    assert told["counts"]["calls"] == told["counts"]["recordings"] == told["counts"]["calls_found"] == 1
    assert (len(told["objects"]), told["kind"], told["request"]) == (1, "erase", str(done.id))
    assert CALLER[1:] not in receipt.document
    events = place.rows("SELECT data FROM events WHERE type = 'person.erased'")
    assert [row[0]["call_ids"] for row in events] == [[str(CALL)]]


def test_given_a_file_still_in_the_spool_when_the_caller_is_erased_then_the_record_comes_without_them(place):
    place.do("INSERT INTO nodes (name, sip_address, last_seen_at) VALUES ('node-1', 'x', now())")
    place.node.begin(str(CALL))
    for name in ("01-answered.a", "01-answered.b1"):
        place.node.put_cdr(name)
    place.node.put_recording(CALL, tone())

    waiting = place.erase()
    assert (waiting.state, waiting.waits) == ("waiting", {"nodes": ["node-1"]})
    assert place.sweep() == 0, "a file that names them is still there"
    assert place.go_on(waiting.id).waits == {"nodes": ["node-1"]}

    place.node.ingest().run_once()
    assert place.rows("SELECT outcome, caller, caller_raw, anonymised_at IS NOT NULL FROM calls") == [
        ("answered", None, None, True)
    ]
    assert place.node.files("recordings") == place.node.files("recordings-due") == []
    assert place.sweep() == 1
    done = place.go_on(waiting.id)

    assert done.state == "done"
    assert found_in_database(place.engine) == []
    assert found_in_files(place.node.spool) == []
    assert place.rows("SELECT state, absence_reason FROM recordings") == [("absent", "erased")]
    assert place.rows("SELECT data -> 'call_ids' FROM events WHERE type = 'person.erased'") == [([str(CALL)],)]


def test_given_a_call_that_stands_when_its_caller_is_erased_then_the_end_of_it_is_waited_for(place):
    place.do(
        "INSERT INTO live_calls (agency_id, call_id, client_id, node, number, caller, state, started_at)"
        " VALUES (:a, :call, :c, 'node-1', '+74955550601', '+74955550123', 'answered', :at)",
        a=AGENCY, c=CLIENT, call=CALL, at=datetime.now(UTC) + timedelta(seconds=3),
    )  # fmt: skip

    waiting = place.erase()

    assert (waiting.state, waiting.waits) == ("waiting", {"standing_calls": 1})
    assert waiting.before_at > place.clock.now(), "a node's clock may be ahead of ours"
    place.do("DELETE FROM live_calls")
    for name in ("01-answered.a", "01-answered.b1"):
        place.node.put_cdr(name)
    place.node.ingest().run_once()
    assert place.go_on(waiting.id).state == "done"
    assert found_in_database(place.engine) == []


def test_given_a_recording_not_yet_home_when_the_caller_is_erased_then_it_never_comes_home(place):
    for name in ("01-answered.a", "01-answered.b1"):
        place.node.put_cdr(name)
    place.node.put_recording(CALL, tone())
    place.node.ingest().run_once()
    assert place.node.files("recordings-due")

    assert place.erase().state == "done"
    place.node.bring_all_home()

    assert place.node.files("recordings") == []
    assert [path for path in place.objects.root.rglob("*") if path.is_file()] == []
    assert place.rows("SELECT state, absence_reason FROM recordings") == [("absent", "erased")]


def test_given_reminders_and_broken_files_when_swept_then_they_name_nobody(place):
    for name in ("01-answered.a", "01-answered.b1"):
        place.node.put_cdr(name)
    place.node.put_recording(CALL, tone())
    place.node.ingest().run_once()
    broken = place.node.spool / "cdr-broken" / "half.json"
    broken.write_bytes(
        b'{"caller": "sip:%2B74955550123@x", "digits": 74955550123, "bad": "\xff", "other": "+442079460999"'
    )
    assert found_in_files(place.node.spool)

    place.erase()
    assert place.sweep() == 1

    assert found_in_files(place.node.spool) == []
    assert place.node.files("recordings") == place.node.files("recordings-due") == []
    assert b"+442079460999" in broken.read_bytes()
    assert b"\xff" in broken.read_bytes()


def test_given_a_journal_whose_row_was_removed_when_swept_then_the_file_holds_no_trace(place):
    place.node.begin("018f0000-0000-4000-8000-00000000ca11", ended=json.dumps({"Caller": CALLER}))
    place.erase()
    assert place.sweep() == 0, "it is not stored yet"

    ingest = place.node.ingest()
    ingest._forget({"018f0000-0000-4000-8000-00000000ca11"})
    assert place.sweep() == 1

    ingest.close()
    assert found_in_files(place.node.spool) == []


@pytest.mark.parametrize("step", ["found", "recordings", "copies", "habits", "calls", "tables"])
def test_given_a_process_killed_at_any_step_when_run_again_then_it_ends_the_same(place, step):
    store_call(place)
    place.stop_at = step
    with pytest.raises(KilledError):
        place.erase()
    place.stop_at = None
    (request_id,) = place.rows("SELECT id FROM subject_requests")[0]

    done = place.go_on(request_id)

    assert done.state == "done"
    assert found_in_database(place.engine) == []
    receipt = json.loads(place.service.get_receipt(AGENCY, None, done.receipt_id).document)
    assert (receipt["counts"]["calls"], receipt["counts"]["recordings"], len(receipt["objects"])) == (1, 1, 1)


def test_given_others_when_one_person_is_erased_then_they_are_untouched(place):
    store_call(place)
    other = new_id()
    for name in ("01-answered.a", "01-answered.b1"):
        place.node.put_cdr(name, as_call=other)
    place.node.ingest().run_once()
    place.do("UPDATE calls SET caller = '+74955550124', caller_raw = '+74955550124' WHERE id = :o", o=other)

    place.erase()

    assert place.rows(f"SELECT caller, caller_name FROM calls WHERE id = '{other}'") == [("+74955550124", "Caller")]


def test_given_the_same_request_twice_then_it_is_one_until_it_is_done(place):
    first, made = place.service.ask(AGENCY, None, "erase", CALLER, by="test")
    again, made_again = place.service.ask(AGENCY, None, "erase", "7 495 555 01 23".replace("7 ", "+7 ", 1), by="test")
    assert (made, made_again, again.id) == (True, False, first.id)
    assert place.go_on(first.id).state == "done"
    assert place.service.ask(AGENCY, None, "erase", CALLER, by="test")[1] is True


def test_given_an_export_then_all_that_is_held_is_in_it_and_an_erasure_takes_it_away(place):
    store_call(place)
    request, _ = place.service.ask(AGENCY, None, "export", CALLER, by="test")

    done = place.go_on(request.id)

    with place.service.open_file(AGENCY, None, done.id) as stream:
        (place.node.spool / "got.zip").write_bytes(stream.read())
    with zipfile.ZipFile(place.node.spool / "got.zip") as archive:
        names = set(archive.namelist())
        assert {"about.json", "calls.json", "legs.json", "events.json", "decisions.json", "blocks.json"} <= names
        assert {f"recordings/{CALL}-1.wav", "recordings.json", "consents.json"} <= names
        (call,) = json.loads(archive.read("calls.json"))
        assert (call["caller"], call["caller_name"], "digest" in call) == (CALLER, "Caller", False)
        assert archive.read(f"recordings/{CALL}-1.wav") == tone()
    (place.node.spool / "got.zip").unlink()
    assert found_in_files(place.objects.root) != []

    assert place.erase().state == "done"
    assert found_in_files(place.objects.root) == []
    assert found_in_database(place.engine) == []


def test_given_a_hold_on_the_caller_when_erased_then_nothing_is_touched_until_it_is_lifted(place):
    store_call(place)
    hold = place.service.place_hold(AGENCY, None, "caller", reason="Case 17", by="lawyer", phone=CALLER)

    held = place.erase()
    assert (held.state, held.waits) == ("held", {"holds": 1})
    assert place.rows("SELECT caller FROM calls") == [(CALLER,)]

    place.service.lift_hold(AGENCY, None, hold.id, by="lawyer")
    assert place.go_on(held.id).state == "done"
    assert found_in_database(place.engine) == []


def test_given_a_hold_on_one_call_when_erased_then_only_that_call_stays(place):
    store_call(place)
    other = new_id()
    for name in ("01-answered.a", "01-answered.b1"):
        place.node.put_cdr(name, as_call=other)
    place.node.ingest().run_once()
    place.service.place_hold(AGENCY, None, "call", reason="Case 17", by="lawyer", call_id=CALL)

    held = place.erase()

    assert (held.state, held.waits) == ("held", {"held_calls": 1})
    assert place.rows("SELECT id, caller FROM calls ORDER BY caller") == [(CALL, CALLER), (other, None)]
    assert place.rows(f"SELECT state FROM recordings WHERE call_id = '{CALL}'") == [("verified",)]


def test_given_another_client_when_one_clients_caller_is_erased_then_the_others_records_stay(place):
    store_call(place)
    stranger = new_id()
    place.do("INSERT INTO clients (agency_id, id, name) VALUES (:a, :c, 'Other')", a=AGENCY, c=stranger)

    assert place.erase(client_id=stranger).state == "done"

    assert place.rows("SELECT caller FROM calls") == [(CALLER,)]


def test_given_a_csv_and_an_ndjson_copy_when_erased_then_they_are_rewritten_without_the_person(place, tmp_path):
    store_call(place)
    bodies = {
        "csv": f"\ufeffid,caller,caller_name,talk_ms\r\n{CALL},{CALLER},Caller,4039\r\n"
        f"{new_id()},+442079460999,Ann,1\r\n",
        "ndjson": json.dumps({"id": str(CALL), "caller": CALLER, "facts": {"x": CALLER}, "talk_ms": 4039}) + "\n",
    }
    for form, body in bodies.items():
        path = tmp_path / f"copy.{form}"
        path.write_bytes(body.encode())
        place.objects.put_file(f"exports/{form}", path, sha256=hashlib.sha256(body.encode()).digest())
        place.do(
            "INSERT INTO export_objects (agency_id, id, kind, format, object_name) VALUES (:a, :i, 'export', :f, :n)",
            a=AGENCY, i=new_id(), f=form, n=f"exports/{form}",
        )  # fmt: skip

    assert place.erase().state == "done"

    assert found_in_files(place.objects.root) == []
    with place.objects.open("exports/csv") as stream:
        text = stream.read().decode("utf-8-sig")
    assert f"{CALL},,,4039" in text
    assert "+442079460999,Ann" in text
    assert place.rows("SELECT count(*) FROM export_objects WHERE rewritten_at IS NOT NULL") == [(2,)]
