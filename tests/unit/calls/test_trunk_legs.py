"""How plans dial telephone numbers."""

from uuid import UUID

import pytest

from dialtrace.calls.compiled import CompiledTarget, CompiledTrunk
from dialtrace.calls.model import Route
from dialtrace.calls.ringing import Dialled
from dialtrace.calls.trunk_legs import destination

NUMBER = "+442079460100"
ROUTE = Route(UUID(int=1), UUID(int=2), UUID(int=3), "active", UUID(int=4), 1, {})


def trunk(name="north", **values):
    given = {
        "host": "sip.carrier.example", "port": None, "authentication": "address", "dial_prefix": "",
        "number_form": "e164", "max_calls": None,
    }  # fmt: skip
    return CompiledTrunk(name=name, **given | values)


def target(address=f"tel:{NUMBER}"):
    return CompiledTarget(id=UUID(int=5), address=address, ring_timeout_s=20)


@pytest.mark.parametrize(
    ("values", "wanted"),
    [
        ({}, f"sofia/external/{NUMBER}@sip.carrier.example"),
        ({"port": 5080}, f"sofia/external/{NUMBER}@sip.carrier.example:5080"),
        ({"number_form": "digits"}, "sofia/external/442079460100@sip.carrier.example"),
        ({"dial_prefix": "99"}, "sofia/external/99442079460100@sip.carrier.example"),
        ({"authentication": "digest"}, f"sofia/gateway/north/{NUMBER}"),
    ],
)
def test_given_a_trunk_when_a_number_is_dialled_then_it_gets_it_as_it_wants_it(values, wanted):
    assert destination(trunk(**values), NUMBER) == wanted


def test_given_two_trunks_when_one_number_is_rung_then_each_is_tried_by_way_of_the_switchs_own_judgement():
    dialled = Dialled(ROUTE, trunks={NUMBER: [trunk("cheap", max_calls=3), trunk("dear")]})
    actions = dialled.attempts(target())
    assert [application for application, _ in actions] == ["multiset", "set", "execute_extension"] * 2
    first = "^^;dialtrace_trunk=cheap;dialtrace_trunk_max=3;dialtrace_trunk_rate=-;originate_disposition=GATEWAY_DOWN"
    assert actions[0][1] == first
    assert actions[3][1] == "^^;dialtrace_trunk=dear;dialtrace_trunk_max=-;dialtrace_trunk_rate=-"
    assert "dialtrace_trunk=cheap" in actions[1][1]
    assert dialled.size(target()) == (6, sum(len(application) + len(data) + 2 for application, data in actions))


def test_given_no_trunk_when_a_number_is_rung_then_nobody_is_dialled_and_the_flow_goes_on():
    dialled = Dialled(ROUTE, trunks={NUMBER: []})
    assert dialled.attempts(target()) == [("set", "originate_disposition=NO_ROUTE_DESTINATION")]
    assert dialled.legs([target()]) == []


def test_given_a_number_among_others_when_all_ring_together_then_it_goes_by_its_first_trunk():
    dialled = Dialled(ROUTE, trunks={NUMBER: [trunk("cheap"), trunk("dear")]})
    first, second = dialled.legs([target(), target("sip:a@b.example")])
    assert first.endswith(f"]sofia/external/{NUMBER}@sip.carrier.example")
    assert "dialtrace_trunk=cheap" in first
    assert second.endswith("]sofia/external/a@b.example")
