"""The outbound server over real loopback sockets."""

import os
import socket as stdlib_socket
import subprocess
import sys
import time

import gevent
import pytest

from dialtrace.esl import commands
from dialtrace.esl.errors import (
    BindFailed,
    CommandRefused,
    CommandTimeout,
    ConnectionLost,
    EslError,
    HandlerFailed,
    UnsafeValue,
)
from dialtrace.esl.outbound import OutboundServer

SET = commands.execute("set", r"dialtrace_plan=m:~:answer:~playback:/a.wav~bridge:sofia/x/1\s2")


def test_given_a_call_when_the_plan_is_set_then_both_commands_arrive_in_one_write_and_the_socket_closes(server, dial):
    calls = []

    def handler(call):
        calls.append((call.reply.call_id, call.reply.dialled, call.reply.created_us))
        assert [frame.reply_text for frame in call.run(SET, commands.exit_())] == ["+OK", "+OK bye"]

    running = server(handler)
    peer = dial(running.address)
    peer.hand_over()
    plan = peer.command()
    assert plan.line == "sendmsg"
    assert plan.headers["execute-app-name"] == "set"
    assert plan.body == rb"dialtrace_plan=m:~:answer:~playback:/a.wav~bridge:sofia/x/1\s2"
    assert peer.command().line == "exit"
    peer.reply()
    peer.reply("+OK bye")
    assert peer.closed()
    assert calls == [("0f1e2d3c-4b5a-4978-8695-a4b3c2d1e0f0", "+442079460100", 1790000000123456)]
    assert running.failures == []


def test_given_a_refused_command_when_run_then_all_replies_are_read_and_the_connection_lives(server, dial, until):
    got = []

    def handler(call):
        with pytest.raises(CommandRefused) as refused:
            call.run(SET, commands.noevents())
        got.append((refused.value.reply, refused.value.connection_dead))
        got.append(call.run(commands.noevents())[0].reply_text)

    running = server(handler)
    peer = dial(running.address)
    peer.hand_over()
    peer.command()
    peer.command()
    peer.reply("-ERR memory error")
    peer.reply("+OK first")
    peer.command()
    peer.reply("+OK second")
    assert until(lambda: len(got) == 2)
    assert got == [("-ERR memory error", False), "+OK second"]


def test_given_a_switch_that_closes_on_exit_when_run_then_the_missing_farewell_is_no_failure(server, dial):
    running = server(lambda call: call.run(SET, commands.exit_()))
    peer = dial(running.address)
    peer.hand_over()
    peer.command()
    peer.command()
    peer.reply()
    peer.close()
    gevent.sleep(0.05)
    assert running.failures == []


def test_given_a_switch_that_closes_early_when_run_then_the_call_counts_as_lost(server, dial, until):
    running = server(lambda call: call.run(SET, commands.exit_()))
    peer = dial(running.address)
    peer.hand_over()
    peer.command()
    peer.close()
    assert until(lambda: running.failures)
    assert isinstance(running.failures[0], ConnectionLost)


def test_given_a_silent_switch_when_run_then_the_deadline_closes_the_socket(server, dial):
    running = server(lambda call: call.run(SET), command_timeout_s=0.05)
    peer = dial(running.address)
    peer.hand_over()
    assert peer.closed()
    assert isinstance(running.failures[0], CommandTimeout)


def test_given_a_raising_handler_when_called_then_the_socket_closes_and_it_is_reported_with_its_cause(server, dial):
    def handler(call):
        raise KeyError("no route")

    running = server(handler)
    peer = dial(running.address)
    peer.hand_over()
    assert peer.closed()
    assert isinstance(running.failures[0], HandlerFailed)
    assert isinstance(running.failures[0].__cause__, KeyError)
    assert running.failures[0].connection_dead


def test_given_a_handler_that_lets_a_gevent_timeout_out_when_called_then_it_is_reported_too(server, dial):
    def handler(call):
        with gevent.Timeout(0.01):
            gevent.sleep(1)

    running = server(handler)
    peer = dial(running.address)
    peer.hand_over()
    assert peer.closed()
    assert isinstance(running.failures[0].__cause__, gevent.Timeout)


def test_given_a_report_that_raises_when_a_call_fails_then_the_server_goes_on(closing, dial):
    def report(_: EslError):
        raise ValueError

    running = OutboundServer(("127.0.0.1", 0), lambda call: 1 / 0, on_failure=report)
    running.start()
    closing.append(lambda: running.stop(0))
    for _ in range(2):
        peer = dial(running.address)
        peer.hand_over()
        assert peer.closed()


def test_given_a_reply_without_a_call_id_when_connecting_then_the_call_is_left_to_the_fallback(server, dial):
    running = server(lambda call: None)
    peer = dial(running.address)
    peer.hand_over(**{"Unique-ID": "not-a-uuid"})
    assert peer.closed()
    assert "call id" in str(running.failures[0])


def test_given_an_unsafe_command_when_built_in_a_handler_then_nothing_is_sent(server, dial):
    running = server(lambda call: call.run(commands.execute("set", "a=b\n\napi shutdown")))
    peer = dial(running.address)
    peer.hand_over()
    assert peer.command() is None
    assert isinstance(running.failures[0].__cause__ or running.failures[0], UnsafeValue)


def test_given_events_between_the_replies_when_run_then_they_are_passed_over(server, dial):
    got = []
    running = server(lambda call: got.extend(call.run(SET)))
    peer = dial(running.address)
    peer.hand_over()
    peer.command()
    peer.event("CHANNEL_EXECUTE")
    peer.reply()
    assert peer.closed()
    assert [frame.reply_text for frame in got] == ["+OK"]


def test_given_running_calls_when_stopped_then_they_end_first_and_the_deadline_bounds_it(server, dial, until):
    done = []

    def handler(call):
        gevent.sleep(0.05 if not done else 10)
        done.append(call.reply.call_id)

    running = server(handler)
    dial(running.address).hand_over()
    until(lambda: running.active == 1)
    assert running.stop(2) == 0
    assert len(done) == 1
    again = server(handler)
    peer = dial(again.address)
    peer.hand_over()
    until(lambda: again.active == 1)
    started = time.monotonic()
    assert again.stop(0.05) == 1
    assert time.monotonic() - started < 1
    assert peer.closed()


def test_given_two_servers_when_they_share_a_port_then_both_can_listen(server):
    first = server(lambda call: None)
    second = OutboundServer(first.address, lambda call: None)
    second.start()
    second.stop(0)


def test_given_a_taken_port_when_starting_then_it_is_a_typed_error():
    with stdlib_socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(BindFailed):
            OutboundServer(taken.getsockname(), lambda call: None, reuse_port=False).start()


def test_o2_given_no_descriptors_left_when_calls_come_then_they_are_closed_and_the_server_lives_on():
    """In a process of its own, since it lowers the process's limit."""
    program = os.path.join(os.path.dirname(__file__), "out_of_descriptors.py")
    result = subprocess.run([sys.executable, program], capture_output=True, text=True, timeout=30, check=False)
    assert result.stdout.split() == ["turned-away", "served"], result.stderr
