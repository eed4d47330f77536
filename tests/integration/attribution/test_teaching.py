"""What is learnt of a client from what was kept, and that calls are matched by it from then on."""

from datetime import timedelta

import pytest

from dialtrace.attribution.curve import PRIOR, curve_of
from dialtrace.attribution.making import Attributor
from dialtrace.attribution.teaching import Teacher
from dialtrace.cdr.service import CdrService

from .conftest import NOW, PAID, SOCIAL


@pytest.fixture
def busy(place):
    """Sixty visits of twenty minutes ago and before, each with a call that follows half a minute after its end."""
    number = place.number()
    for index in range(60):
        ago_s = 6 * 3600.0 + index * 3600
        visit = place.visit(ago_s=ago_s, source=PAID if index % 3 else SOCIAL)
        place.show(number, visit, seen_s=120)
        place.call(number, after_s=-(ago_s - 150), caller=f"+7495200{index:04}")
        place.visit(ago_s=ago_s, source=SOCIAL)
    return place


def test_given_calls_that_follow_soon_then_the_curve_says_so_and_the_next_call_goes_by_it(busy):
    teacher = Teacher(busy.database, busy.clock)
    assert teacher.learn_client(busy.agency.id, busy.client.id, NOW) == 2
    ((kind, calls, parameters),) = busy.rows(
        "SELECT kind, calls, parameters FROM attribution_fits WHERE kind = 'recency'"
    )
    curve = curve_of(parameters)
    assert (kind, calls) == ("recency", 60)
    assert curve.gone[0] > 5 * PRIOR.gone[0]
    assert curve.seen[3] < PRIOR.seen[3]
    busy.records = CdrService(busy.database, Attributor(busy.database))
    number, visit = busy.number(), busy.visit(ago_s=100)
    busy.show(number, visit, seen_s=90)
    found = busy.last(busy.call(number))
    assert found["curve_id"] is not None
    assert found["probability"] > 0.99


def test_given_visitors_who_called_and_others_then_the_channel_that_brings_calls_is_worth_more(busy):
    Teacher(busy.database, busy.clock).learn_client(busy.agency.id, busy.client.id, NOW)
    ((parameters,),) = busy.rows("SELECT parameters FROM attribution_fits WHERE kind = 'channels'")
    effects = parameters["removal_effects"]
    assert effects["paid_search"] > effects["social"] > 0


def test_given_too_few_calls_then_nothing_is_learnt(place):
    number, visit = place.number(), place.visit(ago_s=25)
    place.show(number, visit)
    place.call(number)
    assert Teacher(place.database, place.clock).learn_client(place.agency.id, place.client.id, NOW) == 0
    assert place.rows("SELECT * FROM attribution_fits") == []


def test_given_the_span_is_over_then_calls_behind_it_teach_nothing(busy):
    assert Teacher(busy.database, busy.clock).learn_client(
        busy.agency.id, busy.client.id, NOW + timedelta(days=60)
    ) == 0  # fmt: skip
