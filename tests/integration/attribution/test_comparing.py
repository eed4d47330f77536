"""Models side by side for the same calls: the same question has the same bytes, and no answer rewrites anything."""

import json
from datetime import timedelta

import pytest

from dialtrace.attribution.comparing import Question
from dialtrace.attribution.errors import ImpressionRefused, ModelRefused
from dialtrace.attribution.model import Source
from dialtrace.attribution.models import WHOLE, Rules
from dialtrace.attribution.service import Impression, NewCorrection

from .conftest import DIRECT, NOW, PAID, SOCIAL


def ask(place, *, as_of=None, **more):
    question = Question(
        since=NOW - timedelta(days=40), until=NOW + timedelta(days=1), as_of=as_of or moment(place), **more
    )
    return place.attribution.compare(place.agency.id, place.client.id, question)


def moment(place):
    ((now,),) = place.rows("SELECT clock_timestamp()")
    return now


def by_source(found, model):
    return {line.group["source"]: line.credits[model] / WHOLE for line in found.lines if line.credits[model]}


def journey(place):
    """VK ten days ago, then Yandex, then typed in and called."""
    first = place.visit(ago_s=10 * 86_400, source=SOCIAL)
    place.visit(ago_s=3 * 86_400, visitor=first[2], source=PAID)
    number, last = place.number(), place.visit(ago_s=25, visitor=first[2], source=DIRECT)
    place.show(number, last)
    call_id = place.call(number)
    place.follower.run()
    return call_id, first[2]


def test_given_a_journey_then_the_models_stand_side_by_side_and_each_gives_one_call_away(place):
    journey(place)
    found = ask(place)
    assert (found.calls, found.is_complete, found.fit_ids) == (1, True, ())
    sure = by_source(found, "first")["vk"]
    assert sure > 0.99
    assert by_source(found, "last")["direct"] == sure
    assert by_source(found, "last_non_direct")["yandex"] == sure
    assert by_source(found, "linear")["vk"] == pytest.approx(sure / 3, abs=1e-6)
    for model in found.question.models:
        assert sum(line.credits[model] for line in found.lines) == WHOLE


def test_given_a_shorter_window_then_older_touches_do_not_count_and_nothing_is_rewritten(place):
    journey(place)
    before = place.rows("SELECT md5(string_agg(t::text, '|' ORDER BY t::text)) FROM touches t")
    assert "vk" not in by_source(ask(place, rules=Rules(window_days=7)), "linear")
    assert place.rows("SELECT md5(string_agg(t::text, '|' ORDER BY t::text)) FROM touches t") == before


def test_given_the_same_moment_then_the_answer_is_the_same_to_the_byte_whatever_came_since(place):
    call_id, _ = journey(place)
    before = ask(place)
    said = NewCorrection(kind="manual", source=Source(channel="offline", source="radio"))
    place.attribution.correct(place.agency.id, None, call_id, said, said_by=None)
    place.follower.run()
    after = ask(place)
    assert by_source(after, "first") == {"radio": 1.0}
    again = ask(place, as_of=before.question.as_of)
    assert again == before
    assert json.dumps([[dict(line.group), dict(line.credits)] for line in again.lines]) == json.dumps(
        [[dict(line.group), dict(line.credits)] for line in before.lines]
    )


def test_given_a_static_number_then_its_source_has_the_call_in_every_model(place):
    place.call(place.number(**SOCIAL))
    found = ask(place)
    assert [by_source(found, model) for model in found.question.models] == [{"vk": 1.0}] * 8


def test_given_calls_of_which_nothing_is_known_then_they_stand_in_the_line_without_words(place):
    place.call(place.number())
    found = ask(place)
    assert [(dict(line.group), line.credits["last"]) for line in found.lines] == [
        ({"channel": None, "source": None}, WHOLE)
    ]


def test_given_impressions_that_are_imported_later_then_they_are_a_revision_and_count_where_asked_for(place):
    call_id, visitor = journey(place)
    old = ask(place)
    shown = Impression(
        reference="imp-1", visitor_id=str(visitor), shown_at=NOW - timedelta(days=12),
        source=Source(channel="display", source="mytarget"),
    )  # fmt: skip
    assert place.attribution.import_impressions(place.agency.id, place.client.id, [shown, shown]) == (1, 1)
    assert ask(place).is_complete is False
    place.follower.run()
    assert [one["revision"] for one in place.attribution_of(call_id).revisions] == [1, 2]
    assert place.rows("SELECT revision FROM events WHERE type = 'attribution.revised'") == [(2,)]
    assert "mytarget" not in by_source(ask(place), "first")
    seen = ask(place, rules=Rules(window_days=90, view_through_days=30))
    assert by_source(seen, "first")["mytarget"] > 0.99
    assert ask(place, as_of=old.question.as_of) == old
    assert place.attribution.import_impressions(place.agency.id, place.client.id, [shown]) == (0, 0)


def test_given_an_impression_from_the_future_or_of_nothing_then_none_is_taken(place):
    fine = Impression(reference="a", visitor_id="v", shown_at=NOW, source=Source(channel="display"))
    late = Impression(
        reference="b", visitor_id="v", shown_at=NOW + timedelta(hours=1), source=Source(channel="display")
    )
    empty = Impression(reference="b", visitor_id="v", shown_at=NOW, source=Source())
    for wrong in (late, empty):
        with pytest.raises(ImpressionRefused, match="impressions/1/"):
            place.attribution.import_impressions(place.agency.id, place.client.id, [fine, wrong])
    assert place.rows("SELECT * FROM impressions") == []


def test_given_a_word_that_is_none_to_group_by_then_it_is_refused(place):
    with pytest.raises(ModelRefused, match="colour"):
        ask(place, group_by=("colour",))
