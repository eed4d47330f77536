"""A call is stored with its attribution; what is learnt of it later is a revision, and nothing is ever rewritten."""

from dataclasses import replace
from datetime import timedelta

import pytest
import sqlalchemy.exc

from dialtrace.attribution import making
from dialtrace.attribution.codes import code_of
from dialtrace.attribution.errors import CallNotThere, CodeUnknown, CorrectionRefused, VisitUnknown
from dialtrace.attribution.model import Source
from dialtrace.attribution.service import NewCorrection
from dialtrace.ids import new_id

from .conftest import NOW, PAID, SOCIAL


def events_of(place):
    return place.rows("SELECT type, revision FROM events ORDER BY recorded_at, type")


def test_given_a_visit_that_looks_at_the_number_when_it_is_called_then_the_record_comes_with_it(place):
    number, visit = place.number(), place.visit(ago_s=25)
    place.show(number, visit)
    call_id = place.call(number)
    found = place.last(call_id)
    assert (found["method"], found["rung"], found["visit_id"]) == ("visit", "exclusive", visit[0])
    assert found["probability"] > 0.99
    assert (found["channel"], found["source"], found["campaign"]) == ("paid_search", "yandex", "brand")
    assert found["candidates"][0]["why"]["seen_for_s"] == 25
    assert events_of(place) == [("call.ended", 1)]


def test_given_the_same_file_again_then_there_is_still_one_revision(place):
    number, visit = place.number(), place.visit(ago_s=25)
    place.show(number, visit)
    record = place.record(number)
    for _ in range(3):
        place.records.store_batch([record])
    assert [one["revision"] for one in place.attribution_of(record.id).revisions] == [1]


def test_given_a_static_number_then_its_source_is_certain_and_no_visit_is_named(place):
    found = place.last(place.call(place.number(**SOCIAL)))
    assert (found["method"], found["source"], found["source_probability"]) == ("number", "vk", 1.0)
    assert (found["visit_id"], found["probability"], found["rung"]) == (None, None, "static")


def test_given_nothing_is_known_of_a_call_then_nothing_is_kept_and_nothing_waits(place):
    call_id = place.call(place.number())
    assert place.attribution_of(call_id).revisions == []
    assert place.rows("SELECT * FROM attribution_due") == []


def test_given_a_test_call_then_it_belongs_to_nobody(place):
    number, visit = place.number(), place.visit(ago_s=25)
    place.show(number, visit)
    assert place.attribution_of(place.call(number, is_test=True)).revisions == []


def test_given_a_number_that_changed_hands_then_a_late_call_tells_both_holders(place):
    number, old, new = place.number(), place.visit(ago_s=3600, source=SOCIAL), place.visit(ago_s=40)
    place.show(number, old, seen_s=1800)
    place.show(number, new)
    found = place.last(place.call(number))
    assert [one["visit_id"] for one in found["candidates"]] == [str(new[0]), str(old[0])]
    assert 0 < found["candidates"][1]["probability"] < 0.1


def test_given_a_caller_who_saved_the_number_then_weeks_later_the_call_is_his_first_visits(place):
    number, first = place.number(), place.visit(ago_s=30 * 86_400)
    place.show(number, first, clicked_s=30 * 86_400 - 20)
    place.call(number, after_s=-(30 * 86_400 - 24))
    other = place.visit(ago_s=7200, source=SOCIAL)
    place.show(number, other)
    found = place.last(place.call(number))
    assert (found["visit_id"], found["source"]) == (first[0], "yandex")
    assert "called_before_s" in found["candidates"][0]["why"]


def test_given_the_database_cannot_be_read_in_time_then_the_record_is_stored_and_the_rest_follows(place, monkeypatch):
    number, visit = place.number(), place.visit(ago_s=25)
    place.show(number, visit)

    def too_late(*_):
        raise sqlalchemy.exc.OperationalError("canceling statement due to statement timeout", None, None)

    with monkeypatch.context() as broken:
        broken.setattr(making.store, "read_around", too_late)
        call_id = place.call(number)
    assert events_of(place) == [("call.ended", 1)]
    assert place.rows("SELECT call_id, what FROM attribution_due") == [(call_id, "match")]
    place.follower.run()
    assert place.last(call_id)["visit_id"] == visit[0]
    assert events_of(place) == [("call.ended", 1), ("attribution.revised", 1)]


def test_given_attributions_cannot_be_written_then_the_record_is_stored_without(place, monkeypatch):
    number, visit = place.number(), place.visit(ago_s=25)
    place.show(number, visit)
    put = making.store.put

    def broken_put(connection, agency_id, rows):
        return put(connection, agency_id, [{**row, "probability": "high"} for row in rows])

    with monkeypatch.context() as broken:
        broken.setattr(making.store, "put", broken_put)
        call_id = place.call(number)
    assert place.rows("SELECT id FROM calls") == [(call_id,)]
    place.follower.run()
    assert place.last(call_id)["visit_id"] == visit[0]


def test_given_a_bad_record_beside_a_good_one_then_the_good_one_still_gets_its_attribution(place):
    number, visit = place.number(), place.visit(ago_s=25)
    place.show(number, visit)
    good, bad = place.record(number), replace(place.record(number), billed_ms=2**70)
    stored = place.records.store_batch([good, bad])
    assert [one.refused is None for one in stored] == [True, False]
    place.follower.run()
    assert place.last(good.id)["visit_id"] == visit[0]


def test_given_a_better_record_of_the_call_then_what_it_changes_is_a_revision_with_an_event(place):
    number, visit = place.number(), place.visit(ago_s=25)
    other_number, other = place.number(), place.visit(ago_s=20, source=SOCIAL)
    place.show(number, visit)
    place.show(other_number, other)
    record = place.record(number)
    place.records.store_batch([record])
    place.records.store_batch([replace(record, number_id=other_number)])
    found = place.attribution_of(record.id).revisions
    assert [(one["revision"], one["visit_id"]) for one in found] == [(1, visit[0]), (2, other[0])]
    assert ("attribution.revised", 2) in events_of(place)


# --- What people say. ---


def test_given_a_manual_correction_then_it_is_a_revision_and_can_be_taken_back(place):
    number, visit, other = place.number(), place.visit(ago_s=25), place.visit(ago_s=90, source=SOCIAL)
    place.show(number, visit)
    call_id = place.call(number)
    correct = lambda said: place.attribution.correct(place.agency.id, None, call_id, said, said_by=None)  # noqa: E731
    found = correct(NewCorrection(kind="manual", visit_id=other[0], note="she said so"))
    assert (found.revisions[-1]["method"], found.revisions[-1]["visit_id"]) == ("manual", other[0])
    assert found.revisions[-1]["source"] == "vk"
    assert found.revisions[0]["visit_id"] == visit[0]
    assert [one["kind"] for one in found.corrections] == ["manual"]
    back = correct(NewCorrection(kind="withdrawn"))
    assert [one["method"] for one in back.revisions] == ["visit", "manual", "visit"]
    assert events_of(place) == [("call.ended", 1), ("attribution.revised", 2), ("attribution.revised", 3)]


def test_given_a_correction_that_says_what_is_known_then_there_is_no_revision(place):
    call_id = place.call(place.number(**SOCIAL))
    place.attribution.correct(place.agency.id, None, call_id, NewCorrection(kind="withdrawn"), said_by=None)
    assert len(place.attribution_of(call_id).revisions) == 1


def test_given_a_caller_names_a_source_then_it_is_told_where_nothing_else_is_known(place):
    call_id = place.call(place.number())
    said = NewCorrection(kind="self_reported", source=Source(channel="offline", source="radio"))
    place.attribution.correct(place.agency.id, None, call_id, said, said_by=None)
    assert (place.last(call_id)["method"], place.last(call_id)["source"]) == ("self_reported", "radio")


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"kind": "promo_code"}, "code"),
        ({"kind": "self_reported"}, "source"),
        ({"kind": "manual", "code": "123456"}, "code"),
        ({"kind": "withdrawn", "source": Source(channel="x")}, "source"),
        ({"kind": "self_reported", "source": Source(channel="x"), "visit_id": new_id()}, "visit_id"),
    ],
)
def test_given_a_correction_that_says_nothing_usable_then_it_is_refused_by_field(values, field):
    with pytest.raises(CorrectionRefused, match=field):
        NewCorrection(**values)


def test_given_a_visit_or_call_that_is_not_there_then_nothing_is_added(place):
    call_id = place.call(place.number(**SOCIAL))
    with pytest.raises(VisitUnknown):
        place.attribution.correct(
            place.agency.id, None, call_id, NewCorrection(kind="manual", visit_id=new_id()), said_by=None
        )
    with pytest.raises(CallNotThere):
        place.attribution.get(place.agency.id, None, new_id())
    assert place.attribution_of(call_id).corrections == []


# --- Promo codes. ---


def test_given_a_promo_code_that_an_operator_enters_then_the_call_is_its_visits(place):
    visit = place.visit(ago_s=600)
    code, expires = place.attribution.give_code(place.agency.id, None, visit[0])
    assert place.attribution.give_code(place.agency.id, None, visit[0]) == (code, expires)
    call_id = place.call(place.number(), after_s=60)
    said = NewCorrection(kind="promo_code", code=f"{code[:3]}-{code[3:]}")
    found = place.attribution.correct(place.agency.id, None, call_id, said, said_by=None).revisions[-1]
    assert (found["method"], found["visit_id"], found["campaign"]) == ("promo_code", visit[0], PAID["campaign"])


def test_given_a_code_that_the_caller_pressed_then_the_record_comes_with_it(place):
    visit = place.visit(ago_s=600)
    code, _ = place.attribution.give_code(place.agency.id, None, visit[0])
    call_id = place.call(place.number(), after_s=60, facts={"variables": {"promo_code": code}})
    assert place.last(call_id)["method"] == "promo_code"
    wrong = place.call(place.number(), after_s=60, facts={"variables": {"promo_code": code[::-1] + "1"}})
    assert place.attribution_of(wrong).revisions == []


def test_given_a_code_that_nobody_has_or_had_only_later_then_it_is_unknown(place):
    visit = place.visit(ago_s=600)
    code, _ = place.attribution.give_code(place.agency.id, None, visit[0])
    early = place.call(place.number(), after_s=-3600)
    free = next(one for one in (code_of(7), code_of(8)) if one != code)
    for said in (free, code, "nonsense"):
        with pytest.raises(CodeUnknown):
            place.attribution.correct(
                place.agency.id, None, early, NewCorrection(kind="promo_code", code=said), said_by=None
            )


# --- Touches. ---


def test_given_a_visitor_who_came_before_then_all_visits_are_touches_and_stay_as_they_were(place):
    first = place.visit(ago_s=5 * 86_400, source=SOCIAL)
    number, now = place.number(), place.visit(ago_s=25, visitor=first[2])
    place.show(number, now)
    call_id = place.call(number)
    place.follower.run()
    touches = place.attribution_of(call_id).touches
    assert [(one["visit_id"], one["source"], one["kind"]) for one in touches] == [
        (first[0], "vk", "visit"), (now[0], "yandex", "visit"),
    ]  # fmt: skip
    with place.database.tenant(place.agency.id) as connection, pytest.raises(sqlalchemy.exc.ProgrammingError):
        connection.exec_driver_sql("UPDATE touches SET source = 'other'")


def test_given_a_second_call_then_the_visit_of_the_first_is_the_lead(place):
    first = place.visit(ago_s=5 * 86_400, source=SOCIAL)
    number, now, earlier = place.number(), place.visit(ago_s=25, visitor=first[2]), place.number()
    place.show(earlier, first)
    place.show(number, now)
    place.call(earlier, after_s=-(5 * 86_400 - 20))
    call_id = place.call(number)
    place.follower.run()
    assert [one["is_lead"] for one in place.attribution_of(call_id).touches] == [True, False]


def test_given_an_age_of_more_than_a_year_then_an_exposure_speaks_for_nobody(place):
    number, visit = place.number(), place.visit(ago_s=100 * 86_400)
    place.show(number, visit)
    assert place.attribution_of(place.call(number)).revisions == []


def test_given_another_client_then_it_neither_sees_nor_corrects(place):
    number, visit = place.number(), place.visit(ago_s=25)
    place.show(number, visit)
    call_id = place.call(number)
    stranger = place.tenancy_client("Another")
    with pytest.raises(CallNotThere):
        place.attribution.get(place.agency.id, stranger, call_id)
    with pytest.raises(CallNotThere):
        place.attribution.correct(place.agency.id, stranger, call_id, NewCorrection(kind="manual"), said_by=None)
    assert NOW - timedelta(days=1) < place.last(call_id)["call_started_at"]
