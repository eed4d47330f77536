"""What is known of callers over all tenants: counted under keyed hashes, faded with time, taken back by whoever knows
better."""

import json
import uuid
from datetime import UTC, datetime

import pytest
from sqlalchemy import text

from dialtrace.admission.spam import WITHHELD
from dialtrace.tenancy.service import TenancyService

from .test_decide import CALLER, Stage


@pytest.fixture
def stage(database, owner_engine, clock):
    made = Stage(database, owner_engine, clock)
    made.publish(needs=["spam"])
    return made


def note(stage, *calls):
    rows = [{"caller": caller, "client": str(client), "is_short": short} for caller, client, short in calls]
    with stage.database.directory() as connection:
        found = connection.exec_driver_sql("SELECT * FROM dialtrace_note_callers(%s)", (json.dumps(rows),)).all()
    return {row.caller: (row.calls, row.short_calls, row.clients) for row in found}


def put_score(stage, caller, score, rules="call_rate:1"):
    with stage.database.directory() as connection:
        scores = json.dumps([{"caller": caller, "score": score, "rules": rules}])
        connection.exec_driver_sql("SELECT dialtrace_score_callers(%s)", (scores,))


def test_given_calls_when_noted_then_they_count_by_caller_over_all_clients(stage):
    other = uuid.uuid4()
    first = note(stage, (CALLER, stage.client, True), (CALLER, stage.client, False), (CALLER, other, True))
    assert first == {CALLER: (3, 2, 2)}
    assert note(stage, (CALLER, other, False), ("+15550001111", other, True), (None, other, True)) == {
        CALLER: (4, 2, 2),
        "+15550001111": (1, 1, 1),
    }


def test_given_an_hour_that_is_over_when_noted_then_it_counts_only_as_far_as_it_lies_within_sixty_minutes(stage):
    note(stage, *[(CALLER, stage.client, True)] * 10)
    with stage.owner.begin() as connection:
        connection.exec_driver_sql("UPDATE caller_patterns SET hour_began = hour_began - interval '1 hour'")
    calls, short, clients = note(stage, (CALLER, stage.client, False))[CALLER]
    left = 1 - datetime.now(UTC).minute / 60
    assert abs(calls - (1 + 10 * left)) < 0.6
    assert abs(short - 10 * left) < 0.6
    assert clients == 1
    with stage.owner.begin() as connection:
        connection.exec_driver_sql("UPDATE caller_patterns SET hour_began = hour_began - interval '2 hours'")
    assert note(stage, (CALLER, stage.client, False))[CALLER] == (1, 0, 1)


def test_given_a_score_when_a_call_enters_then_it_is_a_fact_with_its_rules_and_fades_within_a_day(stage):
    assert stage.facts() == {"spam": 0}
    note(stage, (CALLER, stage.client, True))
    put_score(stage, CALLER, 80, "call_rate:35,many_clients:40,short_calls:5")
    assert stage.facts() == {"spam": 80, "spam_rules": "call_rate:35,many_clients:40,short_calls:5"}
    for hours, wanted in ((12, 40), (13, 0)):
        with stage.owner.begin() as connection:
            connection.execute(
                text("UPDATE caller_patterns SET updated_at = updated_at - make_interval(hours => :h)"), {"h": hours}
            )
        assert stage.facts()["spam"] == wanted


def test_given_a_withheld_number_when_a_call_enters_then_that_alone_weighs_what_the_rules_say(stage):
    assert stage.facts(caller=None) == {"spam": WITHHELD, "spam_rules": f"withheld:{WITHHELD}"}


def test_given_a_caller_when_stored_then_no_number_can_be_read_and_the_same_caller_is_found_again(stage):
    note(stage, (CALLER, stage.client, True))
    note(stage, (CALLER, stage.client, True))
    with stage.owner.connect() as connection:
        rows = connection.exec_driver_sql("SELECT p::text FROM caller_patterns p").scalars().all()
        keyed = connection.exec_driver_sql("SELECT length(inner_key), length(outer_key) FROM caller_secret").one()
    assert len(rows) == 1
    assert CALLER not in rows[0]
    assert CALLER.encode().hex() not in rows[0]
    assert tuple(keyed) == (64, 64)


class TestWelcomeCallers:
    def say(self, stage, agency, call, welcome):
        with stage.database.tenant(agency) as connection:
            return connection.exec_driver_sql(
                "SELECT dialtrace_welcome_caller(%s, %s, %s)", (agency, call, welcome)
            ).scalar()

    def test_given_a_call_when_its_caller_is_welcome_then_the_score_is_none_for_this_agency_until_taken_back(
        self, stage
    ):
        call = stage.call()
        note(stage, (CALLER, stage.client, True))
        put_score(stage, CALLER, 80)
        assert self.say(stage, stage.agency, call, True) is True
        assert self.say(stage, stage.agency, call, True) is True
        assert stage.facts() == {"spam": 0}
        assert self.say(stage, stage.agency, call, False) is True
        assert stage.facts()["spam"] == 80

    def test_given_somebody_elses_call_when_its_caller_is_called_welcome_then_nothing_happens(self, stage):
        stranger = TenancyService(stage.database, stage.clock).create_agency("Second").id
        call = stage.call()
        note(stage, (CALLER, stage.client, True))
        put_score(stage, CALLER, 80)
        assert self.say(stage, stranger, call, True) is False
        assert stage.facts()["spam"] == 80

    def test_given_a_withheld_number_when_called_welcome_then_there_is_nobody_to_welcome(self, stage):
        assert self.say(stage, stage.agency, stage.call(caller=None), True) is False
