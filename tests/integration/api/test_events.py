"""`/v1/events`: read on from where one stopped, by whoever may; and what is read fits its schema."""

import threading
import time
from datetime import timedelta

import pytest
from jsonschema import Draft202012Validator, FormatChecker

from dialtrace.calls.live import Batch, LiveEvent, Owner
from dialtrace.calls.live_rows import LiveRows
from dialtrace.clock import to_microseconds
from dialtrace.events.service import NewEvent, append, sequence
from dialtrace.ids import new_id

from .records import START, bring_home, due_of, put_live_call, store_call, wav
from .test_conventions import assert_problem


def started(services, tenant, call_id, kind="call.started", at=START):
    owner = Owner(tenant.agency["id"], tenant.client["id"], source={"campaign": "spring"})
    LiveRows(services.database).put(
        "node-1", Batch([], [], [LiveEvent(new_id(), kind, str(call_id), owner, to_microseconds(at))])
    )


@pytest.fixture
def calls(services, tenant, tmp_path):
    """A call that stands, one that has ended with its recording, and a sibling's."""
    agency, client = tenant.agency["id"], tenant.client["id"]
    over = store_call(services, agency, client, recorded=True, target=tenant.target["id"], facts={"tags": ["vip"]})
    bring_home(services, due_of(over, agency, client), tmp_path, wav())
    store_call(services, agency, tenant.sibling["id"], minute=1)
    live = new_id()
    put_live_call(services, agency, client, live, started=START + timedelta(minutes=2))
    for kind in ("call.started", "call.ringing", "call.answered"):
        started(services, tenant, live, kind, START + timedelta(minutes=2))
    while sequence(services.database):
        pass
    return {"over": str(over), "live": str(live)}


def read(key, query=""):
    answer = key.get(f"/v1/events?{query}")
    assert answer.status_code == 200, answer.text
    return answer.get_json()


def test_given_events_when_read_then_each_fits_the_schema_that_is_served_for_it(app, tenant, calls):
    found = read(tenant.agency_key)
    assert [event["position"] for event in found["data"]] == list(range(1, len(found["data"]) + 1))
    assert {event["type"] for event in found["data"]} == {
        "call.started", "call.ringing", "call.answered", "call.ended", "recording.ready"
    }  # fmt: skip
    listed = app.test_client().get("/v1/event-schemas").get_json()["data"]
    hrefs = {entry["type"]: entry["href"] for entry in listed}
    for event in found["data"]:
        answer = app.test_client().get(hrefs[event["type"]])
        assert answer.mimetype == "application/schema+json"
        Draft202012Validator(answer.get_json(), format_checker=FormatChecker()).validate(event)
        assert tenant.agency_key.get(f"/v1/events/{event['id']}").get_json() == event
    assert_problem(app.test_client().get("/v1/event-schemas/call.nothing"), 404, "not_found")


def test_given_a_call_that_ended_then_the_event_tells_its_record_as_the_list_of_calls_does(tenant, calls):
    (event,) = read(tenant.client_key, "types=call.ended")["data"]
    record = tenant.client_key.get(f"/v1/calls/{calls['over']}").get_json()
    told = event["data"]["call"]
    shared = told.keys() & record.keys()
    assert shared == told.keys() - {"should_record"}
    assert {name: told[name] for name in shared} == {name: record[name] for name in shared}
    assert (event["timestamp"], event["data"]["rank"], told["tags"]) == (record["ended_at"], 4, ["vip"])


def test_given_a_recording_in_the_store_then_the_event_says_where_and_what(tenant, calls):
    (event,) = read(tenant.client_key, "types=recording.*")["data"]
    told = event["data"]["recording"]
    audio = tenant.client_key.get(told["href"])
    assert (audio.status_code, audio.headers["ETag"]) == (200, f'"{told["sha256"]}"')
    assert len(audio.data) == told["size_bytes"]


def test_given_a_cursor_then_what_follows_it_is_read_and_it_holds_with_any_filter(services, tenant, calls):
    whole = read(tenant.agency_key)
    seen, cursor = [], ""
    while True:
        page = read(tenant.agency_key, f"limit=2&after={cursor}")
        seen, cursor = [*seen, *page["data"]], page["next_cursor"]
        if not page["has_more"]:
            break
    assert (seen, cursor) == (whole["data"], whole["next_cursor"])
    assert read(tenant.agency_key, f"after={cursor}&types=call.ended") == {
        "data": [], "next_cursor": cursor, "has_more": False
    }  # fmt: skip
    store_call(services, tenant.agency["id"], tenant.client["id"], minute=5)
    assert read(tenant.agency_key, f"after={cursor}")["data"] == [], "it has no position yet"
    sequence(services.database)
    (event,) = read(tenant.agency_key, f"after={cursor}")["data"]
    assert event["position"] == whole["data"][-1]["position"] + 1


def test_given_now_then_only_the_place_where_the_log_ends_is_told(tenant, calls):
    assert read(tenant.agency_key, "after=now&wait=20") == {
        "data": [], "next_cursor": read(tenant.agency_key)["next_cursor"], "has_more": False
    }  # fmt: skip


def test_given_a_client_then_its_own_events_only_and_no_word_of_how_many_others_there_are(tenant, calls):
    own = read(tenant.client_key)["data"]
    assert {event["client_id"] for event in own} == {tenant.client["id"]}
    assert {event["position"] for event in own} == {None}
    assert read(tenant.agency_key, f"client_id={tenant.client['id']}")["data"] == own
    (sibling,) = read(tenant.sibling_key)["data"]
    assert sibling["client_id"] == tenant.sibling["id"]
    assert_problem(tenant.client_key.get(f"/v1/events/{sibling['id']}"), 404, "not_found")


def test_given_another_agencys_cursor_then_refused(tenant, calls, make_tenant):
    cursor = read(make_tenant("South").agency_key)["next_cursor"]
    problem = assert_problem(tenant.agency_key.get(f"/v1/events?after={cursor}"), 400, "cursor_invalid")
    assert "another agency" in problem["detail"]


@pytest.mark.parametrize(
    "query", ["types=call.endet", "limit=0", "limit=501", "wait=21", "wait=-1", "after=" + "x" * 101]
)
def test_given_a_query_that_cannot_be_then_refused_by_its_name(tenant, query):
    problem = assert_problem(tenant.agency_key.get(f"/v1/events?{query}"), 422, "validation_failed")
    assert problem["errors"][0]["parameter"] == query.split("=")[0]


def test_given_nothing_new_when_asked_to_wait_then_the_answer_comes_with_the_event(services, tenant, calls):
    cursor = read(tenant.agency_key, "after=now")["next_cursor"]
    answers = []
    asking = threading.Thread(target=lambda: answers.append(read(tenant.agency_key, f"after={cursor}&wait=15")))
    asking.start()
    asking.join(0.3)
    assert asking.is_alive()
    store_call(services, tenant.agency["id"], tenant.client["id"], minute=9)
    sequence(services.database)
    asking.join(5)
    assert [event["type"] for event in answers[0]["data"]] == ["call.ended"]


def test_given_too_many_who_wait_then_the_next_one_is_answered_at_once(tenant, monkeypatch):
    monkeypatch.setattr("dialtrace.api.events._waiting", threading.BoundedSemaphore(1))
    began_s = time.monotonic()
    first = threading.Thread(target=read, args=(tenant.agency_key, "wait=2"))
    first.start()
    time.sleep(0.3)
    read(tenant.agency_key, "wait=15")
    assert time.monotonic() - began_s < 2
    first.join(5)
    assert not first.is_alive()


def test_given_a_call_whose_caller_was_erased_then_no_event_tells_him_any_more(services, tenant, calls, owner_engine):
    assert "+442079460999" in str(read(tenant.agency_key))
    with owner_engine.begin() as connection:
        connection.exec_driver_sql("UPDATE calls SET caller = NULL, caller_raw = NULL, caller_name = NULL")
        connection.exec_driver_sql("UPDATE live_calls SET caller = NULL")
    assert "+442079460999" not in str(read(tenant.agency_key))


def test_given_an_event_that_is_told_of_the_agency_then_no_client_reads_it(services, tenant):
    with services.database.tenant(tenant.agency["id"]) as connection:
        event = NewEvent("person.erased", START, data={"request_id": str(new_id()), "call_count": 0})
        append(connection, tenant.agency["id"], [event])
    sequence(services.database)
    assert [event["type"] for event in read(tenant.agency_key)["data"]] == ["person.erased"]
    assert read(tenant.client_key)["data"] == []
