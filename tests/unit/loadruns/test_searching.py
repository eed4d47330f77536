"""What several searches found, as one answer."""

from dialtrace.loadruns.page_parts import search as part
from dialtrace.loadruns.search import RateSearch
from dialtrace.loadruns.searching import Round, told
from dialtrace.loadruns.tables import Search


def searched(limit):
    """A whole search of something that holds up to a limit."""
    search, steps = RateSearch(first=4, most=60, resolution=1.06), []
    while (rate := search.next_rate()) is not None:
        search.record(held=rate <= limit)
        step = {"cps": rate, "asked": 10, "setup_p50_ms": 20.0, "setup_p99_ms": 40.0, "late_share": 0.0}
        steps.append(step | {"fault": "" if rate <= limit else "too slow"})
    return Round(search, steps)


def test_given_three_searches_that_find_nearly_the_same_then_they_agree_and_the_median_is_the_answer():
    found = told(Search(), [searched(limit) for limit in (20.0, 21.0, 20.5)])
    assert found["agrees"]
    assert found["apart"] <= 0.1
    assert 18.8 <= found["held_cps"] <= 21
    assert not found["out_of_time"]
    page = part(found)
    assert "Searched 3 times" in page
    assert "too slow" in page


def test_given_searches_that_are_far_apart_then_they_do_not_agree():
    assert not told(Search(), [searched(limit) for limit in (20.0, 30.0, 20.5)])["agrees"]


def test_given_nothing_that_held_then_there_is_no_answer():
    found = told(Search(), [searched(0.1)])
    assert found["held_cps"] == 0
    assert not found["agrees"]


def test_given_a_limit_beyond_what_may_be_tried_then_it_says_so():
    assert told(Search(), [searched(1000)])["at_ceiling"]
