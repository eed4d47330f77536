"""The server that asks for a few variables instead of saying ``connect``, over real loopback sockets."""

import pytest

from dialtrace.esl import commands
from dialtrace.esl.errors import BadEvent, CommandTimeout, ConnectionLost, NobodySpoke, UnsafeValue
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
    return [peer.command().line for _ in range(2 + len(NAMES))]


def test_given_a_call_when_it_is_asked_about_then_the_variables_are_known_and_connect_is_never_said(asking, dial):
    calls = []

    def handler(call):
        calls.append((call.call_id, call.variable("dialtrace_dialled"), call.variable("dialtrace_step")))
        assert [frame.reply_text for frame in call.run(SET, commands.exit_())] == ["+OK", "+OK bye"]

    running = asking(handler)
    peer = dial(running.address)
    assert questions(peer) == ["getvar uuid", "getvar uuid", "getvar dialtrace_dialled", "getvar dialtrace_step"]
    for text in (CALL, "442079460100", "-ERR command not found"):
        peer.reply(text)  # the first of the four gets no answer from the switch, and one without a value gets this
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
    for text in (CALL, CALL, "442079460100", "2"):
        peer.reply(text)
    assert until(lambda: calls or running.failures)
    assert calls == [("442079460100", "2")]


def test_given_a_percent_sign_in_a_value_then_it_is_not_decoded(asking, dial, until):
    calls = []
    running = asking(lambda call: calls.append(call.variable("dialtrace_step")))
    peer = dial(running.address)
    for text in (CALL, "1", "%41"):
        peer.reply(text)
    assert until(lambda: calls)
    assert calls == ["%41"]


@pytest.mark.parametrize(
    ("told", "fault"), [((), NobodySpoke), ((CALL,), ConnectionLost), (("not-a-uuid", "1", "2"), BadEvent)]
)
def test_given_a_call_that_cannot_be_handled_then_the_handler_never_runs(asking, dial, until, told, fault):
    running = asking(lambda call: pytest.fail("there is no call"))
    peer = dial(running.address)
    questions(peer)
    for text in told:
        peer.reply(text)
    peer.close()
    assert until(lambda: running.failures)
    assert type(running.failures[0]) is fault


def test_given_a_switch_that_tells_half_then_the_wait_ends_in_time(asking, dial, until):
    running = asking(lambda call: pytest.fail("there is no call"), connect_timeout_s=0.05)
    peer = dial(running.address)
    peer.reply(CALL)
    assert until(lambda: running.failures)
    assert isinstance(running.failures[0], CommandTimeout)
    assert peer.closed()


def test_given_a_name_that_could_hold_a_command_then_nothing_is_built():
    with pytest.raises(UnsafeValue):
        commands.getvar("uuid\n\nexit")
