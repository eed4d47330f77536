"""The flow editor without scripts: a form is the document, faults stand where they are, a dry run says who is rung."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from werkzeug.datastructures import MultiDict
from werkzeug.test import TestResponse

from ..api.conftest import Tenant
from .conftest import Form, Forms, Person
from .stage import whole_flow


@pytest.fixture
def ann(person, tenant: Tenant) -> Person:
    made: Person = person(tenant.agency["id"], email="ann@north.example")
    return made


@pytest.fixture
def flow(tenant: Tenant) -> dict[str, Any]:
    document = whole_flow(tenant.target["id"])
    body = {"client_id": tenant.client["id"], "name": "Whole", "document": document}
    made: dict[str, Any] = tenant.agency_key.made("/v1/flows", body)
    return made


def editor(text: str) -> Form:
    return next(one for one in Forms(text).found if "steps" in one.values)


def press(browser: Person, form: Form, deed: str, **values: Any) -> TestResponse:
    sent: MultiDict[str, Any] = MultiDict()
    for name, value in {**form.values, **values, "deed": deed}.items():
        sent.setlist(name, value if isinstance(value, list) else [value])
    return browser.post(form.action, sent)


def steps_in(text: str) -> list[dict[str, Any]]:
    form = editor(text)
    return [json.loads(form.values[f"s{place}-kept"]) for place in range(int(form.values["steps"]))]


def test_given_a_flow_with_every_kind_of_part_when_kept_untouched_then_it_is_what_it_was(
    ann: Person, tenant: Tenant, flow
) -> None:
    page = f"/console/flows/{flow['id']}"
    answer = press(ann, editor(ann.see(page)), "keep")
    assert (answer.status_code, answer.headers["Location"]) == (303, f"{page}?done=changed"), answer.text
    assert tenant.agency_key.get(f"/v1/flows/{flow['id']}").json["document"] == flow["document"]
    assert "It is kept: the next call follows it." in ann.see(answer.headers["Location"])


def test_given_steps_that_are_moved_added_and_taken_out_then_links_follow_and_nothing_is_kept_before_it_is_said(
    ann: Person, tenant: Tenant, flow
) -> None:
    page, kept = f"/console/flows/{flow['id']}", flow["document"]["steps"]
    up = press(ann, editor(ann.see(page)), "up:8").text
    steps = steps_in(up)
    assert (steps[7]["type"], steps[7]["name"], steps[8]["type"]) == ("ring", "ring-1", "set")
    assert steps[5]["choices"]["2"] == "ring-1", "what led to the ninth step leads to it where it is now"
    more = press(ann, editor(up), "add", **{"add-kind": "announce", "add-at": "1"}).text
    assert [one["type"] for one in steps_in(more)][:3] == ["condition", "announce", "hangup"]
    less = press(ann, editor(more), "remove:1").text
    assert len(steps_in(less)) == len(kept)
    unreachable = press(ann, editor(less), "check").text
    assert "No step leads here." in unreachable
    back = press(ann, editor(unreachable), "down:7").text
    renamed = press(ann, editor(back), "check", **{"s10-name": "box"}).text
    assert "Nothing is wrong with it" in renamed
    assert steps_in(renamed)[2]["closed"] == "box", "links follow a step that gets another name"
    assert tenant.agency_key.get(f"/v1/flows/{flow['id']}").json["document"]["steps"] == kept
    assert press(ann, editor(renamed), "keep").status_code == 303
    assert tenant.agency_key.get(f"/v1/flows/{flow['id']}").json["document"]["steps"][10]["name"] == "box"


def test_given_faults_then_each_stands_at_the_step_that_it_concerns(ann: Person, tenant: Tenant, flow) -> None:
    page = f"/console/flows/{flow['id']}"
    faulty = press(ann, editor(ann.see(page)), "keep", **{"s9-max_wait_s": "soon", "s2-closed": ""}).text
    parts = re.split(r'<section class="card step', faulty)[1:]
    assert [place for place, part in enumerate(parts) if 'class="fault"' in part] == [2, 9]
    assert 'aria-invalid="true" aria-describedby="s9-max_wait_s-fault"' in parts[9]
    assert 'value="soon"' in parts[9]
    assert faulty.count('rect class="bad"') == 2
    unknown = press(ann, editor(ann.see(page)), "remove:10").text
    checked = press(ann, editor(unknown), "check").text
    assert "message (there is none)" in checked
    assert "There is no step of this name." in checked


def test_given_sunday_at_nine_then_the_dry_run_says_that_nobody_is_rung_and_monday_it_asks_on(
    ann: Person, flow, tenant: Tenant
) -> None:
    page = f"/console/flows/{flow['id']}"
    form = editor(ann.see(page))
    sunday = press(ann, form, "try", **{"try-at": "2026-11-29T09:00", "try-repeat": "yes"}).text
    assert "closed at that time" in sunday
    assert "Nobody is rung." in sunday
    told = press(ann, form, "try", **{"try-at": "2026-11-30T09:00", "try-repeat": "yes"}).text
    for deed in ("answer:=", "answer:digits", "answer:=2", "answer:=taken"):
        assert f'value="{deed}"' in told, deed
        told = press(ann, editor(told), deed, **{"try-digits": "1234"}).text
    assert f"rings: {tenant.target['name']}, 15 s" in told
    assert "The caller talks with the target." in told
    assert "drawn by weight for each call" in told
    wrong = press(ann, form, "try", **{"try-at": "soon"}).text
    assert 'class="note bad"' in wrong
    assert 'name="try-at" value="soon"' in wrong


def test_given_two_editors_then_the_second_is_told_and_overwrites_nothing(ann: Person, tenant: Tenant, flow) -> None:
    page = f"/console/flows/{flow['id']}"
    stale = editor(ann.see(page))
    assert press(ann, stale, "keep", name="First").status_code == 303
    late = press(ann, stale, "keep", name="Second").text
    assert "Somebody else changed it" in late
    assert 'id="flow-now"' in late
    assert tenant.agency_key.get(f"/v1/flows/{flow['id']}").json["name"] == "First"
    assert press(ann, editor(late), "keep").status_code == 303
    assert tenant.agency_key.get(f"/v1/flows/{flow['id']}").json["name"] == "Second"


def test_given_a_text_when_taken_over_then_it_stands_in_the_form_and_a_broken_one_is_told(
    ann: Person, tenant: Tenant
) -> None:
    assert "For which client?" in ann.see("/console/flows/new")
    page = f"/console/flows/new?client_id={tenant.client['id']}"
    form = next(one for one in Forms(ann.see(page)).found if "document" in one.values)
    for broken, told in (
        ("{no json", "This is no JSON"),
        ("[" * 100_000, "This is no JSON"),
        ("[]", "A flow is an object"),
        ('{"steps": [1]}', "A flow is"),
        (json.dumps({"steps": [{"type": [], "name": {}}, {"type": "menu", "choices": [1]}]}), "note bad"),
    ):
        answer = press(ann, form, "text", document=broken, name="Text")
        assert told in answer.text
    document = {"version": 2, "steps": [{"type": "ring", "targets": [tenant.target["id"]]}]}
    taken = press(ann, form, "text", document=json.dumps(document), name="Text").text
    assert tenant.target["name"] in taken
    made = press(ann, editor(taken), "keep", name="Text")
    assert made.status_code == 303
    twice = press(ann, editor(taken), "keep", name="Text")
    assert twice.headers["Location"] == made.headers["Location"], "a form that is sent twice makes one flow"
    assert "Text" in ann.see("/console/flows")


def test_given_a_flow_of_the_old_form_then_it_can_be_kept_as_one_of_today(ann: Person, tenant: Tenant) -> None:
    page = f"/console/flows/{tenant.flow['id']}"
    assert tenant.flow["document"]["version"] == 1
    shown = ann.see(page)
    assert "It is written in the old form." in shown
    assert press(ann, editor(shown), "keep").status_code == 303
    assert tenant.agency_key.get(f"/v1/flows/{tenant.flow['id']}").json["document"]["version"] == 2


def test_given_somebody_who_may_only_look_then_he_may_try_and_change_nothing(person, tenant: Tenant, flow) -> None:
    reader: Person = person(tenant.agency["id"], role="read_only")
    page = f"/console/flows/{flow['id']}"
    form = editor(reader.see(page))
    assert 'value="keep"' not in reader.see(page)
    assert "closed at that time" in press(reader, form, "try", **{"try-at": "2026-11-29T09:00"}).text
    assert press(reader, form, "keep").status_code == 404
    assert reader.get("/console/flows/new").status_code == 404
    assert tenant.agency_key.get(f"/v1/flows/{flow['id']}").json["version"] == flow["version"]
