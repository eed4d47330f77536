"""Sounds that agencies upload: checked, converted, played by flows, and in the audit log."""

from __future__ import annotations

import base64
import io
import wave

import pytest

from dialtrace.api.prompts import EXAMPLE_AUDIO
from dialtrace.prompts.service import PromptSounds

from .conftest import Asker, Tenant
from .records import wav
from .test_conventions import assert_problem


def upload(key: Asker, audio: bytes, label: str = "Welcome") -> dict[str, object]:
    return key.made("/v1/prompts", {"label": label, "audio": base64.b64encode(audio).decode()})


def test_given_a_sound_when_uploaded_then_flows_play_it_and_nodes_find_it(tenant: Tenant) -> None:
    key = tenant.agency_key
    made = upload(key, wav(0.5))
    assert made["duration_ms"] == 500
    assert upload(key, wav(0.5), "Welcome again")["name"] == made["name"]
    assert [row["label"] for row in key.get("/v1/prompts").get_json()["data"]] == ["Welcome again"]
    audio = key.get(f"/v1/prompts/{made['name']}/audio").data
    with wave.open(io.BytesIO(audio)) as file:
        assert (file.getnchannels(), file.getframerate(), file.getsampwidth()) == (1, 8000, 2)
    steps = [
        {"type": "announce", "prompt": {"kind": "file", "name": made["name"]}},
        {"type": "ring", "targets": [tenant.target["id"]]},
    ]
    body = {"client_id": tenant.client["id"], "name": "Plays", "document": {"version": 1, "steps": steps}}
    flow = key.made("/v1/flows", body)
    database = key.app.extensions["dialtrace"].database
    assert PromptSounds(database).rendered([str(made["name"])]) == {made["name"]: audio}
    assert_problem(key.delete(f"/v1/prompts/{made['name']}"), 409, "prompt_in_use")
    rings = {"document": {"version": 1, "steps": steps[1:]}}
    assert key.patch(f"/v1/flows/{flow['id']}", rings, If_Match="*").status_code == 200
    assert key.delete(f"/v1/prompts/{made['name']}").status_code == 204
    assert_problem(key.get(f"/v1/prompts/{made['name']}"), 404, "not_found")
    log = {row["action"] for row in key.get("/v1/audit-log").get_json()["data"]}
    assert {"prompt.uploaded", "prompt.deleted"} <= log


@pytest.mark.parametrize(("audio", "label"), [("AAAA", "x"), ("no base64!", "x"), (EXAMPLE_AUDIO, "line\nbreak")])
def test_given_what_is_no_sound_when_uploaded_then_it_is_refused_with_its_place(
    tenant: Tenant, audio: str, label: str
) -> None:
    problem = assert_problem(
        tenant.agency_key.post("/v1/prompts", {"label": label, "audio": audio}), 422, "validation_failed"
    )
    assert problem["errors"][0]["pointer"] == ("#/label" if audio == EXAMPLE_AUDIO else "#/audio")
