"""What a monitor reads out of events of live calls, asks about them, writes of them, and how it wakes who waits."""

from __future__ import annotations

from collections import defaultdict
from uuid import UUID

import pytest

from dialtrace.calls.carried import carried
from dialtrace.calls.live import Heard, LiveCalls, Owner
from dialtrace.calls.live_rows import Decision, Offer
from dialtrace.db.errors import DatabaseUnavailable
from dialtrace.esl.errors import CommandRefused, ConnectionLost
from dialtrace.esl.events import Event
from dialtrace.workers import waker as waker_module
from dialtrace.workers.live_asker import LiveAsker
from dialtrace.workers.live_facts import heard_of, owner_of
from dialtrace.workers.live_writer import LONGEST_PAUSE_S, WRITE_EVERY_S, LiveWriter
from dialtrace.workers.switch_facts import Live
from dialtrace.workers.wake_keeper import WakeKeeper
from dialtrace.workers.waker import Waker

CALL, LEG = "0f1e2d3c-4b5a-4978-8695-a4b3c2d1e0f0", "0f1e2d3c-4b5a-4978-8695-a4b3c2d1e0f1"
AGENCY, CLIENT, TARGET = (UUID(int=n) for n in range(1, 4))
T0 = 1_795_325_718_709_881


class Switch:
    """Channels and their variables, and what was asked of them. ``moved`` holds calls that were transferred."""

    def __init__(self, **channels):
        self.channels = {name.replace("_", "-"): values for name, values in channels.items()}
        self.asked, self.moved = defaultdict(int), []
        self.refuses = set()

    def api(self, name, *args, timeout_s=None):
        self.asked[name] += 1
        channel = self.channels.get(args[0])
        if name == "uuid_exists":
            return "false" if channel is None else "true"
        if channel is None or name in self.refuses:
            raise CommandRefused("-ERR No such channel!")
        if name == "uuid_getvar":
            value = channel.get(args[1], "_undef_")
            return value.pop(0) if isinstance(value, list) else value
        if name == "uuid_setvar":
            channel[args[1]] = args[2]
        if name == "uuid_transfer":
            self.moved.append((args[0], channel.get("dialtrace_result"), args[1:]))
        return "+OK"


def switch_with(call=None, leg=None):
    made = Switch()
    made.channels |= {CALL: call} if call is not None else {}
    made.channels |= {LEG: leg} if leg is not None else {}
    return made


def event(name, **headers):
    stamps = {"Caller-Channel-Created-Time": str(T0), "Caller-Channel-Answered-Time": "0"}
    given = {key.replace("_", "-"): value for key, value in headers.items() if not key.startswith("variable")}
    variables = {key: value for key, value in headers.items() if key.startswith("variable")}
    return Event(name, {"Unique-ID": CALL, "Event-Date-Timestamp": str(T0 + 5), **stamps, **given, **variables})


class TestFacts:
    def test_given_a_created_call_then_it_has_its_start_and_numbers_and_no_owner(self):
        told = heard_of(
            event("CHANNEL_CREATE", Caller_Destination_Number="74955550101", Caller_Caller_ID_Number="anonymous")
        )
        assert (told.started_us, told.dialled, told.caller, told.owner) == (T0, "+74955550101", None, None)
        assert (told.ringing_us, told.answered_us, told.ended) == (None, None, False)

    def test_given_the_first_event_after_the_plan_then_it_tells_whose_the_call_is(self):
        variables = {
            "variable_dialtrace_agency": str(AGENCY), "variable_dialtrace_client": str(CLIENT),
            "variable_dialtrace_campaign": carried("Весна 2026"), "variable_dialtrace_source": "a b;c",
        }  # fmt: skip
        told = heard_of(event("CHANNEL_PROGRESS", **variables))
        assert told.owner == Owner(AGENCY, CLIENT, None, None, {"campaign": "Весна 2026"})
        assert told.ringing_us == T0 + 5

    def test_given_a_call_of_the_installations_own_then_its_mark_is_known_while_it_stands(self):
        variables = {"variable_dialtrace_agency": str(AGENCY), "variable_dialtrace_client": str(CLIENT)}
        told = heard_of(event("CHANNEL_PROGRESS", **variables, variable_dialtrace_test="true"))
        assert told.owner == Owner(AGENCY, CLIENT, is_test=True)
        assert heard_of(event("CHANNEL_PROGRESS", **variables)).owner == Owner(AGENCY, CLIENT)

    def test_given_a_bridge_then_it_tells_with_which_leg(self):
        told = heard_of(event("CHANNEL_BRIDGE", Bridge_B_Unique_ID=LEG, Caller_Channel_Answered_Time=str(T0 + 3)))
        assert (told.bridged_to, told.connected_us, told.answered_us) == (LEG, T0 + 5, T0 + 3)

    def test_given_nonsense_then_nothing_is_told_of_it(self):
        assert heard_of(Event("CHANNEL_ANSWER", {"Unique-ID": "; DROP"})) is None
        assert heard_of(event("CHANNEL_BRIDGE", Bridge_B_Unique_ID="x y")).bridged_to is None
        assert owner_of({"dialtrace_agency": "x", "dialtrace_client": str(CLIENT)}) is None


def asker_of(switch, live, seconds=None):
    times = seconds or [0.0]
    return LiveAsker(node="n", live=live, switch=switch, is_up=lambda: True, monotonic_s=lambda: times[0])


class TestAsking:
    def test_given_a_call_whose_owner_no_event_told_then_the_switch_is_asked_once_in_a_while(self):
        live, seconds = LiveCalls(), [0.0]
        live.hear(Heard(CALL, started_us=T0))
        switch = switch_with(call={})
        asker = asker_of(switch, live, seconds)
        asker.ask()
        asker.ask()
        assert switch.asked["uuid_getvar"] == 1
        switch.channels[CALL] |= {
            "dialtrace_agency": str(AGENCY), "dialtrace_client": str(CLIENT), "dialtrace_started": str(T0),
        }  # fmt: skip
        seconds[0] = 3.0
        asker.ask()
        live.listed()
        (row,) = live.take(now_us=T0, most=10).rows
        assert (row.owner.agency_id, row.started_us) == (AGENCY, T0)

    def test_given_a_bridge_then_the_target_is_asked_of_the_leg(self):
        live = LiveCalls()
        live.hear(Heard(CALL, started_us=T0, owner=Owner(AGENCY, CLIENT), bridged_to=LEG))
        asker_of(switch_with(call={}, leg={"dialtrace_target": str(TARGET)}), live).ask()
        assert live.take(now_us=T0, most=10).rows[0].target_id == TARGET

    def test_given_a_call_nothing_was_heard_of_then_only_the_switchs_own_word_ends_it(self):
        live, seconds, switch = LiveCalls(), [0.0], switch_with(call={})
        live.hear(Heard(CALL, started_us=T0, owner=Owner(AGENCY, CLIENT)))
        asker = asker_of(switch, live, seconds)
        asker.ask()
        seconds[0] = 61.0
        asker.ask()
        assert CALL in live
        del switch.channels[CALL]
        seconds[0] = 130.0
        asker.ask()
        assert CALL not in live

    def test_given_a_gap_then_what_the_list_lacks_is_asked_for_and_what_it_has_stands(self):
        live = LiveCalls()
        for call in (CALL, LEG):
            live.hear(Heard(call, started_us=T0, owner=Owner(AGENCY, CLIENT)))
        unheard = "0f1e2d3c-4b5a-4978-8695-a4b3c2d1e0f2"
        listed = Live(unheard, T0, "74955550101", "+74955550123", "Ann", "ACTIVE")
        asker_of(switch_with(call={}), live).resync([listed])
        assert live.calls() == [CALL, unheard]
        assert live.take(now_us=T0, most=10).standing == [CALL, unheard]


class TestWriting:
    def writer(self, live, put=lambda node, batch: None, seen=lambda node: 0, is_up=True):
        return LiveWriter(node="n", live=live, put=put, seen=seen, is_up=lambda: is_up, monotonic_s=lambda: 0.0)

    def test_given_a_database_away_then_it_is_asked_ever_more_seldom_and_nothing_is_lost(self):
        live, written = LiveCalls(), []
        live.listed()
        live.hear(Heard(CALL, started_us=T0, owner=Owner(AGENCY, CLIENT)))

        def away(node, batch):
            raise DatabaseUnavailable("away")

        failing = self.writer(live, put=away)
        pauses = [failing.write() for _ in range(6)]
        assert pauses == sorted(pauses)
        assert pauses[-1] == LONGEST_PAUSE_S
        assert self.writer(live, put=lambda node, batch: written.append(batch)).write() == WRITE_EVERY_S
        (batch,) = written
        assert ([row.call_id for row in batch.rows], len(batch.events), batch.standing) == ([CALL], 1, [CALL])

    def test_given_rows_that_somebody_lost_then_all_are_written_anew(self):
        live, written = LiveCalls(), []
        live.listed()
        live.hear(Heard(CALL, started_us=T0, owner=Owner(AGENCY, CLIENT)))
        writer = self.writer(live, put=lambda node, batch: written.append(batch))
        writer.write()
        writer.write()
        assert [batch.standing for batch in written] == [[CALL], [CALL]]

    def test_given_a_switch_that_is_not_heard_then_nobody_speaks_for_its_rows(self):
        def must_not(node):
            raise AssertionError("spoken for")

        assert self.writer(LiveCalls(), seen=must_not, is_up=False).write() == WRITE_EVERY_S


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(waker_module, "BETWEEN_LOOKS_S", 0.0)


def wake(switch, claim=lambda: True, step="wait"):
    return Waker(switch).wake(UUID(CALL), step, f"target:{TARGET}", claim=claim)


@pytest.mark.usefixtures("quick")
class TestWaking:
    def test_given_a_call_that_waits_then_it_goes_on_with_the_result(self):
        switch = switch_with(call={"dialtrace_step": "wait", "current_application": "endless_playback"})
        assert wake(switch) == "woken"
        assert switch.moved == [(CALL, f"target:{TARGET}", ("resume", "XML", "flow"))]

    def test_given_a_call_that_talks_then_it_is_never_torn_out(self):
        switch = switch_with(call={"dialtrace_step": "wait", "current_application": "bridge"})
        assert (wake(switch), switch.moved) == ("later", [])

    def test_given_a_call_on_its_way_to_the_step_then_it_is_looked_at_again(self):
        steps = ["menu", "wait"]
        switch = switch_with(call={"dialtrace_step": steps, "current_application": ["socket", "playback"]})
        assert wake(switch) == "woken"

    @pytest.mark.parametrize("call", [None, {"dialtrace_step": "menu", "current_application": "playback"}])
    def test_given_a_call_that_hung_up_or_went_on_then_it_is_gone(self, call):
        assert wake(switch_with(call=call)) == "gone"

    def test_given_a_claim_that_fails_then_the_call_stays(self):
        switch = switch_with(call={"dialtrace_step": "wait", "current_application": "playback"})
        assert (wake(switch, claim=lambda: False), switch.moved) == ("over", [])

    def test_given_a_switch_that_refuses_to_move_a_call_that_stands_then_it_is_tried_later(self):
        switch = switch_with(call={"dialtrace_step": "wait", "current_application": "playback"})
        switch.refuses = {"uuid_transfer"}
        assert wake(switch) == "later"


class Rows:
    """The queue's rows: one offer and one decision, and what became of them."""

    def __init__(self, decision="answered"):
        self.settled, self.woken = [], []
        self.offers = [Offer(AGENCY, UUID(CALL), "wait", TARGET)]
        self.waiting = [Decision(AGENCY, UUID(int=9), UUID(CALL), "ask", decision, None)]

    def pair(self, node):
        return self.offers

    def settle(self, offer, how):
        self.settled.append(how)
        return True

    def decisions(self, node):
        return self.waiting

    def wake(self, decision):
        self.woken.append(decision.id)
        return True


@pytest.mark.usefixtures("quick")
class TestKeepingWakes:
    def keeper(self, rows, switch):
        return WakeKeeper(node="n", rows=rows, waker=Waker(switch), is_up=lambda: True)

    @pytest.mark.parametrize(("application", "settled"), [("playback", ["woken"]), ("bridge", ["later"])])
    def test_given_an_offer_then_what_became_of_it_is_told(self, application, settled):
        rows = Rows()
        keeper = self.keeper(rows, switch_with(call={"dialtrace_step": "wait", "current_application": application}))
        keeper.pair()
        keeper.finish(1.0)
        assert rows.settled == settled

    def test_given_a_caller_who_hung_up_then_the_offer_is_given_back(self):
        rows = Rows()
        keeper = self.keeper(rows, switch_with())
        keeper.pair()
        keeper.finish(1.0)
        assert rows.settled == ["gone"]

    def test_given_a_web_hook_that_failed_then_the_call_goes_on_as_after_its_own_time_out(self):
        rows = Rows("failed")
        switch = switch_with(call={"dialtrace_step": "ask", "current_application": "playback"})
        keeper = self.keeper(rows, switch)
        keeper.decide()
        keeper.finish(1.0)
        assert [result for _, result, _ in switch.moved] == ["timeout"]
        assert rows.woken == [UUID(int=9)]

    def test_given_a_question_that_is_still_asked_then_the_call_waits_on(self):
        rows, switch = Rows("asking"), switch_with(call={"dialtrace_step": "ask", "current_application": "playback"})
        keeper = self.keeper(rows, switch)
        keeper.decide()
        keeper.finish(1.0)
        assert switch.moved == []

    def test_given_a_link_that_breaks_in_the_middle_then_the_next_look_tries_again(self):
        class Broken(Switch):
            def api(self, name, *args, timeout_s=None):
                raise ConnectionLost("broken")

        rows = Rows()
        keeper = self.keeper(rows, Broken())
        keeper.pair()
        keeper.finish(1.0)
        assert rows.settled == []
        keeper.pair()
        assert keeper.finish(1.0)
