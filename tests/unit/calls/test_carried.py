"""Sources on their way through a call's variables."""

import re
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from dialtrace.calls.carried import LONGEST, carried, read_carried
from dialtrace.calls.model import Facts

from .test_plan import FACTS, facts, plan_of, route, rung

VISIT = UUID(int=77)


@given(st.text(min_size=1, max_size=300).filter(str.isprintable))
def test_given_any_text_then_a_word_goes_and_the_text_comes_back(text):
    word = carried(text)
    assert re.fullmatch(r"[A-Za-z0-9_.@-]{1,700}", word)
    assert read_carried(word) == text[:LONGEST]


@given(st.text(max_size=50))
def test_given_whatever_a_switch_tells_then_a_text_or_nothing(text):
    found = read_carried(text)
    assert found is None or found.isprintable()


def test_given_nothing_then_nothing():
    assert carried(None) is carried("") is read_carried(None) is read_carried("@") is read_carried("@@") is None
    assert read_carried("@" + "Cg") is None  # a line break


def test_given_a_call_whose_source_is_known_then_its_plan_tells_it_and_otherwise_is_as_it_was():
    plain = plan_of(route(rung(UUID(int=5))))
    assert "dialtrace_source" not in facts(plain)
    known = Facts(now=FACTS.now, source="google", campaign="Spring sale; ~", visit=VISIT)
    told = facts(plan_of(route(rung(UUID(int=5))), facts=known))
    assert told["dialtrace_source"] == "google"
    assert read_carried(told["dialtrace_campaign"]) == "Spring sale; ~"
    assert told["dialtrace_visit"] == str(VISIT)
