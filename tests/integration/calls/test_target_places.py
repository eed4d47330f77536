"""Where targets may be: checked when they are saved."""

from __future__ import annotations

import pytest

from dialtrace.admission.service import AdmissionService
from dialtrace.calls.errors import TargetFaulty
from dialtrace.calls.service import CallFlowService
from dialtrace.calls.target_hosts import TargetHosts
from dialtrace.clock import SystemClock
from dialtrace.tenancy.service import TenancyService


@pytest.fixture
def owner(database):
    tenancy = TenancyService(database, SystemClock())
    agency = tenancy.create_agency("First").id
    return agency, tenancy.create_client(agency, "Its client").id


def codes(raised):
    return [(fault.pointer, fault.code) for fault in raised.value.faults]


def test_given_an_inner_host_when_a_target_is_saved_or_changed_then_refused(database, owner):
    calls = CallFlowService(database, SystemClock(), hosts=TargetHosts())
    with pytest.raises(TargetFaulty) as raised:
        calls.create_target(*owner, name="x", address="sip:a@169.254.169.254")
    assert codes(raised) == [("/address", "host_not_allowed")]
    target = calls.create_target(*owner, name="x", address="sip:a@pbx.example.com")
    with pytest.raises(TargetFaulty):
        calls.update_target(owner[0], target.id, address="sip:a@localhost")
    assert calls.update_target(owner[0], target.id, name="y").name == "y"


def test_given_no_destination_when_a_telephone_number_is_saved_then_refused_until_the_operator_allows_it(
    database, owner
):
    calls = CallFlowService(database, SystemClock(), hosts=TargetHosts())
    with pytest.raises(TargetFaulty) as raised:
        calls.create_target(*owner, name="x", address="tel:+442079460100")
    assert codes(raised) == [("/address", "destination_not_allowed")]
    AdmissionService(database).set_destinations(owner[0], ["+44"])
    assert calls.create_target(*owner, name="x", address="tel:+442079460100").address == "tel:+442079460100"
