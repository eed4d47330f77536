"""Links and the player: who has them hears, for as long as they hold, and it is noted."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from apiflask import APIFlask

from dialtrace.api.app import ApiServices
from dialtrace.api.recording_links import read_link, write_link

from .conftest import Asker, Tenant
from .records import bring_home, due_of, store_call, wav


@pytest.fixture
def recorded(services: ApiServices, tenant: Tenant, tmp_path: Path) -> str:
    agency, client = tenant.agency["id"], tenant.client["id"]
    call = store_call(services, agency, client, recorded=True)
    bring_home(services, due_of(call, agency, client), tmp_path / "spool" / "recordings", wav())
    return str(call)


def path_of(link: dict) -> str:
    return urlsplit(link["url"]).path


def test_given_a_link_when_followed_without_a_key_then_the_sound_comes_in_parts_too_and_it_is_noted(
    tenant: Tenant, recorded: str, app: APIFlask
) -> None:
    link = tenant.client_key.made(f"/v1/calls/{recorded}/recording/links", {"valid_s": 60})
    assert link["kind"] == "own"
    nobody = Asker(app, None)
    whole, part = nobody.get(path_of(link)), nobody.get(path_of(link), Range="bytes=10-19")
    assert (whole.status_code, whole.data) == (200, wav())
    assert (part.status_code, part.data) == (206, wav()[10:20])

    entries = tenant.agency_key.get("/v1/audit-log?action=recording.").get_json()["data"]
    assert [one["action"] for one in entries] == ["recording.listened", "recording.listened", "recording.link_made"]
    assert [one["actor_kind"] for one in entries] == ["link", "link", "key"]
    assert len({one["actor_id"] for one in entries}) == 1


def test_given_a_link_that_was_changed_or_is_over_when_followed_then_it_opens_nothing(
    tenant: Tenant, recorded: str, app: APIFlask, services: ApiServices
) -> None:
    token = path_of(tenant.client_key.made(f"/v1/calls/{recorded}/recording/links", {})).rsplit("/", 1)[1]
    now = services.clock.now()
    link = read_link(services.secret_key, token, now)
    over = write_link(services.secret_key, type(link)(**{**vars(link), "until": now - timedelta(seconds=1)}))
    forged = write_link("another secret", link)
    for wrong in (over, forged, token[:-1], token + "x", "nonsense"):
        answer = Asker(app, None).get(f"/v1/recordings/heard/{wrong}")
        assert (answer.status_code, answer.get_json()["code"]) == (404, "not_found"), wrong


def test_given_a_link_when_its_key_is_revoked_then_it_opens_nothing(
    tenant: Tenant, recorded: str, app: APIFlask
) -> None:
    link = tenant.client_key.made(f"/v1/calls/{recorded}/recording/links", {})
    assert Asker(app, None).get(path_of(link)).status_code == 200
    for key in tenant.agency_key.get("/v1/keys").get_json()["data"]:
        if key["client_id"] == tenant.client["id"]:
            assert tenant.agency_key.delete(f"/v1/keys/{key['id']}").status_code == 204
    assert Asker(app, None).get(path_of(link)).status_code == 404


def test_given_the_operators_link_to_an_agencys_recording_when_followed_then_it_opens(
    operator: Asker, tenant: Tenant, recorded: str, app: APIFlask
) -> None:
    body = {"agency_id": tenant.agency["id"], "valid_s": 600}
    link = operator.made(f"/v1/calls/{recorded}/recording/links", body)
    assert Asker(app, None).get(path_of(link)).data == wav()


def test_given_a_folder_of_recordings_when_a_direct_link_is_asked_for_then_it_is_one_of_ours(
    tenant: Tenant, recorded: str
) -> None:
    assert tenant.client_key.made(f"/v1/calls/{recorded}/recording/links", {"direct": True})["kind"] == "own"


@pytest.mark.parametrize("body", [{"valid_s": 59}, {"valid_s": 10_000_000}, {"valid_s": "60"}, {"unknown": 1}])
def test_given_a_link_that_is_asked_for_wrongly_then_the_fault_is_told(
    tenant: Tenant, recorded: str, body: dict
) -> None:
    assert tenant.client_key.post(f"/v1/calls/{recorded}/recording/links", body).status_code == 422


def test_given_a_recording_when_a_player_asks_then_it_gets_length_channels_and_outline(
    tenant: Tenant, recorded: str
) -> None:
    answer = tenant.client_key.get(f"/v1/calls/{recorded}/recording/player").get_json()
    [segment] = answer["segments"]
    assert (segment["duration_ms"], segment["channels"], segment["media_type"]) == (500, 2, "audio/wav")
    waveform = segment["waveform"]
    assert (waveform["version"], waveform["sample_rate"], waveform["bits"]) == (2, 8000, 8)
    assert waveform["length"] * 4 == len(waveform["data"])
    # The test's sound rises on the left and falls on the right.
    assert waveform["data"][-3] == 3_999 >> 8
    assert waveform["data"][-2] == -3_999 >> 8
    assert tenant.sibling_key.get(f"/v1/calls/{recorded}/recording/player").status_code == 404
    assert tenant.client_key.get(segment["url"]).data == wav()
