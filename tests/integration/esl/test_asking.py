"""The server that asks for a few variables instead of saying ``connect``, over real loopback sockets."""

import pytest

from dialtrace.esl import commands
from dialtrace.esl.errors import BadEvent, CommandTimeout, NobodySpoke, UnsafeValue
from dialtrace.esl.outbound import AskingServer

CALL = "0f1e2d3c-4b5a-4978-8695-a4b3c2d1e0f0"
NAMES = ("dialtrace_dialled", "dialtrace_step")
SET = commands.execute("set", "dialtrace_plan=m:~:hangup:USER_BUSY", lock=False)


@pytest.fixture
def asking(closing):
    """``asking(handler, **options)`` starts a server that asks for NAMES; its ``failures`` list fills up."""

    def start(handler, **options):
        failures = []
        made = AskingServer(("127.0.0.1", 0), handler, variables=NAMES, on_failure=failures.append, **options)
        made.failures = failures
        made.start()
        closing.append(lambda: made.stop(0))
        return made

    return start


def questions(peer):
    return [peer.command().line for _ in range(2)]


def told(*values):
    return "|".join((CALL, *values))


def test_given_a_call_when_it_is_asked_about_then_the_variables_are_known_and_connect_is_never_said(asking, dial):
    calls = []

    def handler(call):
        calls.append((call.call_id, call.variable("dialtrace_dialled"), call.variable("dialtrace_step")))
        assert [frame.reply_text for frame in call.run(SET, commands.exit_())] == ["+OK", "+OK bye"]

    running = asking(handler)
    peer = dial(running.address)
    assert questions(peer) == ["x", "getvar asks"]
    peer.reply(told("442079460100", ""))  # the first of the two gets no answer from the switch
    assert peer.command().body == b"dialtrace_plan=m:~:hangup:USER_BUSY"
    assert peer.command().line == "exit"
    peer.reply()
    peer.reply("+OK bye")
    assert peer.closed()
    assert calls == [(CALL, "442079460100", None)]
    assert running.failures == []


def test_given_a_switch_that_answers_the_first_question_too_then_no_answer_is_taken_for_another(asking, dial, until):
    calls = []
    running = asking(lambda call: calls.append((call.variable("dialtrace_dialled"), call.variable("dialtrace_step"))))
    peer = dial(running.address)
    questions(peer)
    peer.reply("-ERR command not found")
    peer.reply(told("442079460100", "2"))
    assert until(lambda: calls or running.failures)
    assert calls == [("442079460100", "2")]


def test_given_a_percent_sign_in_a_value_then_it_is_not_decoded(asking, dial, until):
    calls = []
    running = asking(lambda call: calls.append(call.variable("dialtrace_step")))
    peer = dial(running.address)
    peer.reply(told("1", "%41"))
    assert until(lambda: calls)
    assert calls == ["%41"]


@pytest.mark.parametrize("values", [("1",), ("1", "", "of a later release")])
def test_given_a_dialplan_of_another_release_then_what_it_does_not_tell_is_not_set(asking, dial, until, values):
    calls = []
    running = asking(lambda call: calls.append((call.variable("dialtrace_dialled"), call.variable("dialtrace_step"))))
    dial(running.address).reply(told(*values))
    assert until(lambda: calls)
    assert calls == [("1", None)]


@pytest.mark.parametrize(
    ("answers", "fault"),
    [((), NobodySpoke), (("-ERR command not found",), NobodySpoke), (("not-a-uuid|1|2",), BadEvent)],
)
def test_given_a_call_that_cannot_be_handled_then_the_handler_never_runs(asking, dial, until, answers, fault):
    running = asking(lambda call: pytest.fail("there is no call"))
    peer = dial(running.address)
    questions(peer)
    for text in answers:
        peer.reply(text)
    peer.close()
    assert until(lambda: running.failures)
    assert type(running.failures[0]) is fault


def test_given_a_switch_that_says_nothing_then_the_wait_ends_in_time(asking, dial, until):
    running = asking(lambda call: pytest.fail("there is no call"), connect_timeout_s=0.05)
    peer = dial(running.address)
    assert until(lambda: running.failures)
    assert isinstance(running.failures[0], CommandTimeout)
    assert peer.closed()


def test_given_a_name_that_could_hold_a_command_then_nothing_is_built():
    with pytest.raises(UnsafeValue):
        commands.getvar("uuid\n\nexit")
