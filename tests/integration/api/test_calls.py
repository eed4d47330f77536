"""Call records and recordings over the application, on a real database and a folder of objects."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlencode
from uuid import uuid4

import pytest

from dialtrace.api.app import ApiServices

from .conftest import Asker, Tenant
from .records import bring_home, due_of, store_call, wav


def ids(asker: Asker, path: str) -> list[str]:
    answer = asker.get(path)
    assert answer.status_code == 200, answer.text
    return [row["id"] for row in answer.get_json()["data"]]


def test_given_a_call_when_read_then_it_has_its_legs_and_exact_times(services: ApiServices, tenant: Tenant) -> None:
    call_id = store_call(services, tenant.agency["id"], tenant.client["id"], target=tenant.target["id"])
    call = tenant.client_key.get(f"/v1/calls/{call_id}").get_json()
    assert call["started_at"] == "2026-11-03T09:30:00.125250Z"
    assert (call["outcome"], call["talk_ms"], call["node"]) == ("answered", 16_000, "node-1")
    assert call["target_id"] == tenant.target["id"]
    assert call["recording"] == "none"
    assert [leg["target_id"] for leg in call["legs"]] == [tenant.target["id"]]
    row = tenant.client_key.get("/v1/calls").get_json()["data"][0]
    assert row == {name: call[name] for name in row}
    assert "legs" not in row


def test_given_calls_when_filtered_then_only_those_that_fit_come(services: ApiServices, tenant: Tenant) -> None:
    agency, client, sibling = tenant.agency["id"], tenant.client["id"], tenant.sibling["id"]
    first = str(store_call(services, agency, client, minute=0))
    busy = str(store_call(services, agency, client, minute=1, outcome="busy", number="+442079460555"))
    other = str(store_call(services, agency, sibling, minute=2, caller=None))
    key = tenant.agency_key
    assert ids(key, "/v1/calls") == [other, busy, first]
    assert ids(key, f"/v1/calls?client_id={sibling}") == [other]
    assert ids(key, "/v1/calls?outcome=busy") == [busy]
    assert ids(key, "/v1/calls?number=%2B442079460555") == ids(key, "/v1/calls?number=+442079460555") == [busy]
    assert ids(key, "/v1/calls?caller=%2B442079460999") == [busy, first]
    assert ids(key, "/v1/calls?answered_only=true") == [other, first]
    assert ids(key, "/v1/calls?min_talk_ms=20000") == []
    span = urlencode({"started_from": "2026-11-03T12:30:30+03:00", "started_until": "2026-11-03T09:32:00.125250Z"})
    assert ids(key, "/v1/calls?" + span) == [busy]


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ("started_from=2026-11-03T09:30:00", "started_from"),
        ("started_from=1700000000", "started_from"),
        ("outcome=splendid", "outcome"),
        ("limit=201", "limit"),
        ("limit=0", "limit"),
        ("colour=red", "colour"),
        ("limit=5&limit=6", "limit"),
        ("client_id=7", "client_id"),
        ("node=%00", "node"),
    ],
)
def test_given_a_faulty_query_when_listing_then_422_names_the_parameter(
    tenant: Tenant, query: str, parameter: str
) -> None:
    answer = tenant.agency_key.get("/v1/calls?" + query)
    assert answer.status_code == 422
    assert [fault["parameter"] for fault in answer.get_json()["errors"]] == [parameter]


def test_given_many_calls_when_paged_then_each_comes_once_and_the_link_leads_on(
    services: ApiServices, tenant: Tenant
) -> None:
    stored = [
        str(store_call(services, tenant.agency["id"], tenant.client["id"], minute=minute // 2)) for minute in range(5)
    ]
    seen: list[str] = []
    path: str | None = "/v1/calls?limit=2&node=node-1"
    while path:
        answer = tenant.agency_key.get(path)
        page = answer.get_json()
        seen += [row["id"] for row in page["data"]]
        link = answer.headers.get("Link")
        assert page["has_more"] == (link is not None) == (page["next_cursor"] is not None)
        path = link.partition(">")[0].lstrip("<") if link else None
    assert sorted(seen) == sorted(stored)


def test_given_a_cursor_when_used_elsewhere_or_changed_then_400(services: ApiServices, tenant: Tenant) -> None:
    for minute in range(3):
        store_call(services, tenant.agency["id"], tenant.client["id"], minute=minute)
    cursor = tenant.agency_key.get("/v1/calls?limit=1").get_json()["next_cursor"]
    assert tenant.agency_key.get(f"/v1/calls?limit=2&cursor={cursor}").status_code == 200
    elsewhere = [
        (tenant.agency_key, f"/v1/calls?cursor={cursor}&outcome=busy"),
        (tenant.agency_key, f"/v1/calls?cursor={cursor}&client_id={tenant.client['id']}"),
        (tenant.agency_key, f"/v1/numbers?cursor={cursor}"),
        (tenant.client_key, f"/v1/calls?cursor={cursor}"),
        (tenant.agency_key, f"/v1/calls?cursor={'A' if cursor[0] != 'A' else 'B'}{cursor[1:]}"),
        (tenant.agency_key, "/v1/calls?cursor=x"),
    ]
    for key, path in elsewhere:
        answer = key.get(path)
        assert (answer.status_code, answer.get_json()["code"]) == (400, "cursor_invalid"), path


def test_given_a_stored_recording_when_fetched_then_whole_or_in_parts_it_is_the_file(
    services: ApiServices, tenant: Tenant, tmp_path: Path
) -> None:
    call_id = store_call(services, tenant.agency["id"], tenant.client["id"], recorded=True)
    audio = wav()
    path = f"/v1/calls/{call_id}/recording"
    pending = tenant.client_key.get(path)
    assert (pending.status_code, pending.get_json()["code"]) == (404, "recording_pending")
    assert tenant.client_key.get(f"/v1/calls/{call_id}").get_json()["recording"] == "pending"
    sha256 = bring_home(services, due_of(call_id, tenant.agency["id"], tenant.client["id"]), tmp_path, audio)

    whole = tenant.client_key.get(path)
    assert (whole.status_code, whole.mimetype, whole.data == audio) == (200, "audio/wav", True)
    assert whole.headers["ETag"] == f'"{sha256}"'
    assert whole.headers["Accept-Ranges"] == "bytes"
    assert whole.headers["Content-Disposition"] == f'inline; filename="{call_id}-1.wav"'
    detail = tenant.client_key.get(f"/v1/calls/{call_id}").get_json()
    assert detail["recordings"][0] | {"stored_at": None} == {
        "segment": 1, "state": "stored", "absence_reason": None, "size_bytes": len(audio), "sha256": sha256,
        "duration_ms": 500, "channels": 2, "stored_at": None, "href": f"{path}?segment=1",
    }  # fmt: skip
    size = len(audio)
    for asked, first, last in (
        ("bytes=0-99", 0, 99), ("bytes=100-", 100, size - 1), ("bytes=-10", size - 10, size - 1),
        (f"bytes={size - 1}-{size + 50}", size - 1, size - 1),
    ):  # fmt: skip
        part = tenant.client_key.get(path, Range=asked)
        assert part.status_code == 206
        assert part.data == audio[first : last + 1]
        assert part.headers["Content-Range"] == f"bytes {first}-{last}/{size}"
        assert part.headers["Content-Length"] == str(last - first + 1)


def test_given_odd_ranges_when_fetched_then_the_whole_or_416(
    services: ApiServices, tenant: Tenant, tmp_path: Path
) -> None:
    call_id = store_call(services, tenant.agency["id"], tenant.client["id"], recorded=True)
    audio, path = wav(), f"/v1/calls/{call_id}/recording"
    sha256 = bring_home(services, due_of(call_id, tenant.agency["id"], tenant.client["id"]), tmp_path, audio)
    key = tenant.agency_key
    for asked in ("bytes=0-1,5-6", "lines=1-2", "bytes=x", "bytes=5-1"):
        assert (key.get(path, Range=asked).status_code, key.get(path, Range=asked).data == audio) == (200, True), asked
    beyond = key.get(path, Range=f"bytes={len(audio)}-")
    assert (beyond.status_code, beyond.get_json()["code"]) == (416, "range_not_satisfiable")
    assert beyond.headers["Content-Range"] == f"bytes */{len(audio)}"
    assert key.get(path, Range="bytes=0-9", If_Range=f'"{sha256}"').status_code == 206
    assert key.get(path, Range="bytes=0-9", If_Range='"other"').status_code == 200
    assert key.get(path, If_None_Match=f'"{sha256}"').status_code == 304
    head = key.ask("HEAD", path)
    assert (head.status_code, head.data, head.headers["Content-Length"]) == (200, b"", str(len(audio)))
    missing = key.get(f"{path}?segment=2").get_json()
    assert (missing["code"], missing["reason"]) == ("recording_absent", "no_such_segment")


def test_given_no_recording_when_fetched_then_the_reason_is_told(
    services: ApiServices, tenant: Tenant, tmp_path: Path
) -> None:
    agency, client = tenant.agency["id"], tenant.client["id"]
    lost = store_call(services, agency, client, recorded=True)
    bring_home(services, due_of(lost, agency, client), tmp_path, None)
    never = store_call(services, agency, client, minute=1)
    for call_id, reason in ((lost, "missing"), (never, "not_recorded")):
        answer = tenant.client_key.get(f"/v1/calls/{call_id}/recording")
        assert (answer.status_code, answer.get_json()["code"]) == (404, "recording_absent")
        assert answer.get_json()["reason"] == reason
    assert tenant.client_key.get(f"/v1/calls/{uuid4()}/recording").get_json()["code"] == "not_found"
    assert tenant.client_key.get(f"/v1/calls/{lost}").get_json()["recording"] == "absent"


def test_given_a_store_that_lost_its_folder_when_fetched_then_it_is_our_fault_and_says_nothing(
    services: ApiServices, tenant: Tenant, tmp_path: Path
) -> None:
    call_id = store_call(services, tenant.agency["id"], tenant.client["id"], recorded=True)
    bring_home(services, due_of(call_id, tenant.agency["id"], tenant.client["id"]), tmp_path, wav())
    for file in (tmp_path / "objects").rglob("*.wav"):
        file.unlink()
    answer = tenant.client_key.get(f"/v1/calls/{call_id}/recording")
    assert (answer.status_code, answer.get_json()["code"]) == (500, "internal_error")
    assert "objects" not in answer.text


def test_given_a_call_when_it_is_explained_then_its_story_is_told_by_name_and_in_order(
    services: ApiServices, tenant: Tenant
) -> None:
    agency, client = tenant.agency["id"], tenant.client["id"]
    number = tenant.number
    call_id = store_call(
        services, agency, client, recorded=True, target=tenant.target["id"], number_id=number["id"],
        number=number["number"],
    )  # fmt: skip

    answer = tenant.client_key.get(f"/v1/calls/{call_id}/explain")

    told = answer.get_json()
    assert (answer.status_code, told["call_id"], told["language"], told["outcome"]) == (
        200,
        str(call_id),
        "en",
        "answered",
    )
    kinds = [entry["kind"] for entry in told["entries"]]
    assert kinds == ["arrived", "number", "decision", "limits", "leg", "answered", "connected", "end", "recording",
                     "event"]  # fmt: skip
    leg = told["entries"][4]
    assert (leg["at"], leg["data"]["target"]) == ("2026-11-03T09:30:01.125250Z", tenant.target["name"])
    assert leg["text"].startswith(f"{tenant.target['name']} was called (sip:desk@pbx.example): it rang for 3000 ms;")
    assert tenant.number["label"] in told["entries"][1]["text"]
    assert told["entries"][1]["data"]["client"] == tenant.client["name"]


@pytest.mark.parametrize(
    ("query", "accepted", "language"),
    [
        ("", "", "en"), ("", "ru-RU,ru;q=0.9,en;q=0.5", "ru"), ("", "de, ru;q=0.1", "ru"), ("", "de", "en"),
        ("?language=en", "ru", "en"), ("?language=ru", "", "ru"),
    ],
)  # fmt: skip
def test_given_a_language_when_explained_then_the_sentences_are_in_it(
    services: ApiServices, tenant: Tenant, query: str, accepted: str, language: str
) -> None:
    call_id = store_call(services, tenant.agency["id"], tenant.client["id"])
    told = tenant.client_key.get(f"/v1/calls/{call_id}/explain{query}", Accept_Language=accepted).get_json()
    assert told["language"] == language
    assert ("called" in told["entries"][0]["text"]) == (language == "en")
    assert ("звонок на" in told["entries"][0]["text"]) == (language == "ru")


def test_given_a_language_without_texts_when_explained_then_the_fault_is_named(
    services: ApiServices, tenant: Tenant
) -> None:
    call_id = store_call(services, tenant.agency["id"], tenant.client["id"])
    answer = tenant.client_key.get(f"/v1/calls/{call_id}/explain?language=xx")
    assert (answer.status_code, answer.get_json()["errors"][0]["parameter"]) == (422, "language")


def test_given_a_test_call_when_listing_then_it_is_there_only_for_who_asks(
    services: ApiServices, tenant: Tenant
) -> None:
    agency, client = tenant.agency["id"], tenant.client["id"]
    real = str(store_call(services, agency, client))
    proof = str(store_call(services, agency, client, minute=1, is_test=True))
    key = tenant.client_key
    assert ids(key, "/v1/calls") == ids(key, "/v1/calls?test=exclude") == [real]
    assert ids(key, "/v1/calls?test=include") == [proof, real]
    assert ids(key, "/v1/calls?test=only") == [proof]
    assert [key.get(f"/v1/calls/{one}").get_json()["is_test"] for one in (real, proof)] == [False, True]
    assert key.get("/v1/calls?test=maybe").status_code == 422


def test_given_a_call_through_a_flow_when_read_then_consent_tags_variables_and_trail_are_in_it(
    services: ApiServices, tenant: Tenant
) -> None:
    facts = {
        "consent": "given",
        "tags": ["vip"],
        "variables": {"basket": "large"},
        "trail": [{"step": "menu", "at": "2026-11-03T09:30:02+00:00", "result": "1"}],
    }
    call_id = store_call(services, tenant.agency["id"], tenant.client["id"], facts=facts)
    call = tenant.client_key.get(f"/v1/calls/{call_id}").get_json()
    assert {name: call[name] for name in ("consent", "tags", "variables")} == {
        "consent": "given",
        "tags": ["vip"],
        "variables": {"basket": "large"},
    }
    assert call["trail"] == [{"step": "menu", "at": "2026-11-03T09:30:02.000Z", "result": "1"}]
    row = tenant.client_key.get("/v1/calls").get_json()["data"][0]
    assert (row["tags"], "trail" in row) == (["vip"], False)


def test_given_a_record_was_revised_when_its_revisions_are_read_then_each_tells_what_it_changed(
    services: ApiServices, tenant: Tenant
) -> None:
    agency, client = tenant.agency["id"], tenant.client["id"]
    call_id = store_call(services, agency, client)
    assert tenant.client_key.get(f"/v1/calls/{call_id}/revisions").get_json()["data"] == []
    with services.database.tenant(agency) as connection:
        connection.exec_driver_sql("UPDATE calls SET outcome = 'busy', revision = revision + 1")

    answer = tenant.client_key.get(f"/v1/calls/{call_id}/revisions")

    told = answer.get_json()
    assert (answer.status_code, told["call_id"], told["revision"]) == (200, str(call_id), 2)
    assert [(one["revision"], one["leg_id"], one["changes"]) for one in told["data"]] == [
        (2, None, [{"member": "outcome", "before": "answered", "after": "busy"}])
    ]
    assert tenant.client_key.get(f"/v1/calls/{tenant.client['id']}/revisions").status_code == 404
