"""What is kept of proofs, and who may read it."""

from datetime import timedelta
from uuid import UUID

import pytest

from dialtrace.calls.service import CallFlowService
from dialtrace.numbers.model import InService, Proof, ProofStep
from dialtrace.workers.proofs import ProofSchedule

CALL = UUID(int=77)


@pytest.fixture
def served(database, clock, numbers, agency, client):
    """A number that a flow answers."""
    flows = CallFlowService(database, clock)
    target = flows.create_target(agency.id, client.id, name="Desk", address="sip:desk@pbx.example")
    document = {"version": 1, "record": False, "steps": [{"type": "ring", "targets": [str(target.id)]}]}
    flow = flows.create_flow(agency.id, client.id, name="Flow", document=document)
    return numbers.add_number(agency.id, client.id, "+442079460201", flow_id=flow.id)


def proof(clock, *, ok=True):
    steps = [ProofStep("reached", True, 90), ProofStep("cdr", ok, 1200, None if ok else "no record within 30 s")]
    return Proof("proven" if ok else "failed", clock.now(), CALL if ok else None, "node-1", 1200, steps)


def test_given_numbers_when_asked_which_are_in_service_then_only_those_that_a_flow_answers(
    numbers, tenancy, agency, client, stranger, served
):
    numbers.add_number(stranger.agency_id, stranger.id, "+442079460202")
    found = numbers.list_in_service()
    assert found == [InService("+442079460201", agency.id, client.id, served.id, served.flow_id)]
    assert numbers.list_in_service("+442079460201") == found
    assert numbers.list_in_service("+442079460202") == []
    numbers.update_number(agency.id, served.id, status="suspended")
    assert numbers.list_in_service() == []


def test_given_a_proof_that_failed_after_one_that_did_not_then_the_last_is_told_and_when_it_was_proven_stays(
    numbers, clock, agency, served
):
    (number,) = numbers.list_in_service()
    assert (served.last_proof, served.last_proven_at) == (None, None)
    first = proof(clock)
    numbers.save_proof(number, first)
    clock.moment += timedelta(hours=1)
    second = proof(clock, ok=False)
    numbers.save_proof(number, second)

    found = numbers.get_number(agency.id, served.id)
    assert (found.last_proof, found.last_proven_at) == (second, first.tried_at)
    assert numbers.update_number(agency.id, served.id, label="x").last_proof == second
    assert numbers.list_numbers(agency.id).items[0].last_proof == second
    last = numbers.last_proofs()[served.id]
    assert (last.tried_at, last.proven_at) == (second.tried_at, first.tried_at)


class Recorder:
    """A prover that only keeps what it was to prove."""

    def __init__(self, numbers, clock):
        self.numbers, self.clock, self.proven = numbers, clock, []

    def prove(self, number, states):
        self.proven.append(number.e164)
        found = proof(self.clock)
        self.numbers.save_proof(number, found)
        return found


def test_given_a_schedule_then_each_number_is_proven_once_in_its_day(numbers, clock, served):
    prover = Recorder(numbers, clock)
    schedule = ProofSchedule(prover, numbers, clock, per_day=1, gap_s=1)
    assert schedule.prove_next() is False, "its moment has not come since the start"
    proven = 0
    for _ in range(48):
        clock.moment += timedelta(hours=1)
        proven += schedule.prove_next()
        assert schedule.prove_next() is False
    assert (proven, prover.proven) == (2, [served.e164] * 2)


def test_given_two_schedules_when_both_are_due_then_one_proves_until_it_ends(database, numbers, clock, served):
    first, second = database.turn("proofs"), database.turn("proofs")
    assert [first.is_ours(), second.is_ours(), first.is_ours()] == [True, False, True]
    prover = Recorder(numbers, clock)
    schedule = ProofSchedule(prover, numbers, clock, per_day=1, gap_s=1, is_our_turn=second.is_ours)
    clock.moment += timedelta(days=2)
    assert schedule.prove_next() is False
    first.give_back()
    assert schedule.prove_next() is True
    second.give_back()
    assert prover.proven == [served.e164]
