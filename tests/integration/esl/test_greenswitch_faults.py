"""greenswitch 0.0.19's faults that need a socket, one test each, on our client, server or greenswitch classes.

The id in a test's name is that of the list in the project's notes on its peers; those of the parser and the command
builder are in ``tests/unit/esl/test_greenswitch_faults.py``.
"""

import functools
import logging
import socket as stdlib_socket
import time
from collections import Counter

import gevent
import pytest
from gevent.server import StreamServer

from dialtrace.esl import greenswitch_api as api
from dialtrace.esl import greenswitch_base as base
from dialtrace.esl.errors import BindFailed, CommandTimeout, ConnectionLost, TurnedAway, UnsafeValue, WireError

CALL = "0f1e2d3c-4b5a-4978-8695-a4b3c2d1e0f0"
OTHER = "11111111-2222-4333-8444-555555555555"


def serve_commands(peer):
    """Answer every command with +OK; returns when the client is gone."""
    while (command := peer.command()) is not None:
        peer.reply()
        if command.line == "exit":
            return


@pytest.fixture
def inbound(switch, closing):
    """``inbound(script)`` is a greenswitch-style client, connected to a switch that runs the script after login."""

    def connect(script):
        fs = api.InboundESL(*switch(lambda peer: (peer.login(), script(peer))), password="ClueCon")
        fs.connect()
        closing.append(fs.stop)
        return fs

    return connect


@pytest.fixture
def session(dial, closing):
    """``session()`` is a greenswitch-style session after ``connect``, and the switch at its other end."""

    def connect():
        sessions = []
        acceptor = StreamServer(
            ("127.0.0.1", 0), lambda sock, _: (sessions.append(api.OutboundSession(None, sock)), gevent.sleep(30))
        )
        acceptor.start()
        closing.append(acceptor.stop)
        peer = dial(acceptor.address)
        with gevent.Timeout(5):
            while not sessions:
                gevent.sleep(0.001)
        closing.append(sessions[0].stop)
        handing_over = gevent.spawn(peer.hand_over)
        sessions[0].connect()
        handing_over.get(timeout=5)
        return sessions[0], peer

    return connect


@pytest.fixture
def app_server(closing):
    """``app_server(application, **options)`` is a running greenswitch-style server."""

    def start(application, **options):
        made = api.OutboundESLServer(bind_port=0, application=application, drain_timeout=0.05, **options)
        made.start()
        closing.append(made.stop)
        return made

    return start


def complete(peer, command, **headers):
    """Tell the client that the application it started is done."""
    peer.event("CHANNEL_EXECUTE_COMPLETE", Unique_ID=CALL, Application_UUID=command.headers["event-uuid"], **headers)


class Holds:
    """An application that holds its call until it is told to let go."""

    def __init__(self, session):
        self.session = session

    def run(self):
        gevent.sleep(10)


# 5.1 Security


def test_s3_given_a_disconnect_notice_inside_an_event_when_heard_then_nobody_is_told_of_an_end(inbound, until):
    def script(peer):
        peer.event("CHANNEL_CREATE", "Content-Type: text/disconnect-notice\n\n", Content_Type="text/disconnect-notice")
        peer.event("HEARTBEAT")
        peer.command()

    heard, ends = [], []
    fs = inbound(lambda peer: (peer.command(), peer.reply(), script(peer)))
    fs.register_handle("DISCONNECT", ends.append)
    fs.register_handle("HEARTBEAT", heard.append)
    fs.send("event plain ALL")
    assert until(lambda: heard)
    assert (ends, fs.connected) == ([], True)


def test_s6_given_silent_peers_when_they_connect_then_they_are_counted_limited_and_closed(server, dial, until):
    running = server(lambda call: None, max_calls=2, connect_timeout_s=0.2)
    peers = [dial(running.address) for _ in range(6)]
    assert until(lambda: running.turned_away == 4)
    assert running.active == 2
    assert all(peer.closed() for peer in peers)
    assert until(lambda: running.active == 0)
    assert Counter(type(fault) for fault in running.failures) == {CommandTimeout: 2, TurnedAway: 4}


def test_s8_given_ipv6_when_connecting_then_it_works(closing, client):
    listener = StreamServer(("::1", 0), lambda sock, _: sock.sendall(b"Content-Type: text/rude-rejection\n\n"))
    try:
        listener.start()
    except OSError:
        pytest.skip("this machine has no IPv6")
    closing.append(listener.stop)
    with pytest.raises(ConnectionLost, match="cannot reach") as lost:
        client(("::2", 1), connect_timeout_s=0.2).connect()
    assert lost.value.connection_dead
    with pytest.raises(Exception, match="access list"):
        client(("::1", listener.address[1])).connect()


def test_s9_given_calls_and_failing_handlers_when_logging_then_no_caller_number_is_written(app_server, dial, caplog):
    class Fails(Holds):
        def run(self):
            raise ValueError(self.session.caller_id_number)

    caplog.set_level(logging.DEBUG)
    running = app_server(Fails)
    peer = dial(("127.0.0.1", running.bound_port))
    peer.hand_over()
    assert peer.closed()
    assert caplog.records
    assert "442079460001" not in caplog.text


# 5.2 The link dies and nobody is told


@pytest.mark.parametrize("how", ["close", "reset"])
def test_l1_l2_given_fin_or_rst_when_commands_and_applications_wait_then_all_fail_and_the_end_is_told(
    session, until, how
):
    call, peer = session()
    ends = []
    call.register_handle("DISCONNECT", ends.append)
    playing = gevent.spawn(call.playback, "/a.wav")
    peer.command()
    peer.reply()
    sending = gevent.spawn(call.send, "myevents")
    peer.command()
    getattr(peer, how)()
    for waiting in (playing, sending):
        with pytest.raises(api.OutboundSessionHasGoneAway):
            waiting.get(timeout=2)
    assert until(lambda: len(ends) == 1)
    assert not call.connected


def test_l3_given_an_end_inside_a_body_when_reading_then_the_link_ends_and_other_greenlets_run(switch, client, until):
    def script(peer):
        peer.login()
        peer.say(b"Content-Length: 100\nContent-Type: text/event-json\n\nhalf")

    ticks = []
    ticking = gevent.spawn(lambda: [ticks.append(gevent.sleep(0.005)) for _ in range(1000)])
    fs = client(switch(script))
    fs.connect()
    used = time.process_time()
    assert until(lambda: fs.ended and len(ticks) > 10)
    assert isinstance(fs.ended[0], WireError)
    assert time.process_time() - used < 1
    ticking.kill()


@pytest.mark.parametrize(
    ("poison", "lives"),
    [
        (b'Content-Length: 24\nContent-Type: text/event-json\n\n{"Event-Name":"X","a":\xff}', True),
        (b"Content-Length: 0\n\n", True),
        (b"Content-Type: text/event-plain\n\n", True),
        (b"Content-Type: text/event-plain\nContent-Length: many\n\n", False),
        (b"no colon\n\n", False),
        (b"Content-Type: command/reply\nReply-Text: +OK\n\n", False),
    ],
)
def test_l4_given_what_kills_the_stock_reader_when_heard_then_the_link_lives_or_ends_aloud(
    switch, client, until, poison, lives
):
    fs = client(switch(lambda peer: (peer.login(), peer.say(poison), peer.event("HEARTBEAT"), peer.command())))
    fs.connect()
    assert until(lambda: fs.heard or fs.ended)
    assert bool(fs.heard) == lives
    assert fs.connected == lives


def test_l6_given_a_thousand_hangups_and_a_close_when_heard_then_every_one_is_handled(inbound, until):
    def script(peer):
        peer.command()
        peer.reply()
        for number in range(1000):
            peer.event("CHANNEL_HANGUP_COMPLETE", Unique_ID=f"call-{number % 7}", Event_Sequence=str(number))

    handled, ends = [], []
    fs = inbound(script)
    fs.register_handle("CHANNEL_HANGUP_COMPLETE", lambda event: handled.append(int(event.headers["Event-Sequence"])))
    fs.register_handle("DISCONNECT", lambda event: ends.append(len(handled)))
    fs.send("event json CHANNEL_HANGUP_COMPLETE")
    assert until(lambda: ends)
    assert sorted(handled) == list(range(1000))
    assert ends == [1000]


def test_l6_given_queued_events_when_the_peer_resets_during_our_send_then_they_are_handled_first(switch, client, until):
    def script(peer):
        peer.login()
        for number in range(100):
            peer.event("CHANNEL_HANGUP_COMPLETE", Event_Sequence=str(number))
        peer.notice()

    fs = client(switch(script), on_event=lambda event: (gevent.sleep(0.0005), heard.append(event.sequence)))
    heard = []
    fs.connect()
    assert until(lambda: fs.ended)
    assert heard == list(range(100))


def test_l7_given_an_ended_link_when_connecting_the_same_object_again_then_it_works(inbound, until):
    fs = inbound(lambda peer: None)
    assert until(lambda: not fs.connected)
    fs.connect()
    fs.stop()


@pytest.mark.parametrize("stage", ["silent", "closes", "silent after auth", "closes after auth"])
def test_l8_given_a_peer_that_stalls_or_closes_at_login_when_connecting_then_it_fails_in_time(switch, client, stage):
    def script(peer):
        if "after" in stage:
            peer.say(b"Content-Type: auth/request\n\n")
            peer.command()
        if "silent" in stage:
            peer.command()

    address = switch(script)
    started = time.monotonic()
    with pytest.raises(ConnectionLost):
        client(address, connect_timeout_s=0.1).connect()
    with pytest.raises((api.NotConnectedError, CommandTimeout)):
        api.InboundESL(*address, "x", timeout=0.1).connect()
    assert time.monotonic() - started < 2


def test_l9_given_a_connection_when_made_then_the_kernel_watches_it(inbound):
    fs = inbound(lambda peer: peer.command())
    assert fs.sock.getsockopt(stdlib_socket.SOL_SOCKET, stdlib_socket.SO_KEEPALIVE) == 1
    assert fs.sock.getsockopt(stdlib_socket.IPPROTO_TCP, stdlib_socket.TCP_USER_TIMEOUT) == 15_000
    # The watchdog for heartbeats is test_inbound's "silent link".


def test_l10_given_a_silent_peer_when_stopping_then_it_ends_in_time(inbound):
    fs = inbound(lambda peer: gevent.sleep(10))
    started = time.monotonic()
    fs.stop()
    assert time.monotonic() - started < base.STOP_TIMEOUT_S + 0.5
    assert not fs.connected


def test_l11_given_a_wrong_password_when_connecting_then_the_socket_is_closed(switch):
    closed = []
    fs = api.InboundESL(*switch(lambda peer: (peer.login("-ERR invalid"), closed.append(peer.closed()))), "wrong")
    with pytest.raises(ValueError, match="password"):
        fs.connect()
    gevent.sleep(0.02)
    assert closed == [True]


def test_l12_given_a_link_that_fails_when_nobody_sends_then_it_is_told_at_once(switch, client, until):
    fs = client(switch(lambda peer: (peer.login(), gevent.sleep(0.02), peer.reset())))
    fs.connect()
    started = time.monotonic()
    assert until(lambda: len(fs.ended) == 1)
    assert time.monotonic() - started < 0.5
    assert not fs.connected


# 5.3 Commands and waits


def test_c1_given_a_large_command_when_sent_then_all_of_it_arrives(inbound):
    got = []

    def script(peer):
        gevent.sleep(0.05)
        got.append(peer.command().line)
        peer.reply()
        peer.command()

    fs = inbound(script)
    fs.sock.setsockopt(stdlib_socket.SOL_SOCKET, stdlib_socket.SO_SNDBUF, 4096)
    fs.send("api echo " + "x" * 200_000)
    assert len(got[0]) == 200_009


def test_c2_given_greenlets_that_send_under_back_pressure_when_read_then_no_command_is_mixed_with_another(inbound):
    def script(peer):
        gevent.sleep(0.05)
        while (command := peer.command()) is not None and command.line != "exit":
            assert len(set(command.line[4:])) == 1
            peer.reply(command.line[4])

    fs = inbound(script)
    fs.sock.setsockopt(stdlib_socket.SOL_SOCKET, stdlib_socket.SO_SNDBUF, 4096)
    sending = [gevent.spawn(fs.send, "api " + letter * 200_000) for letter in "abcdef"]
    gevent.joinall(sending, timeout=5)
    assert [one.value.data for one in sending] == list("abcdef")


def test_c3_given_a_command_without_an_answer_when_its_time_is_up_then_it_fails_and_the_link_ends(inbound):
    fs = inbound(lambda peer: (peer.command(), peer.command()))
    with pytest.raises(CommandTimeout) as late:
        fs.send("api sleep", timeout=0.05)
    assert late.value.connection_dead
    with pytest.raises(api.NotConnectedError):
        fs.send("api status")


def test_c4_given_two_playbacks_when_one_completes_then_only_its_own_waiter_goes_on(session):
    call, peer = session()
    playing = [gevent.spawn(call.playback, f"/{name}.wav") for name in "abcd"]
    commands = []
    for _ in playing:
        commands.append(peer.command())
        peer.reply()
    complete(peer, commands[2], variable_current_application="playback")
    playing[2].get(timeout=2)
    assert [one.ready() for one in playing] == [False, False, True, False]


def test_c5_given_a_waiter_that_timed_out_when_the_next_completes_then_it_steals_nothing(session):
    call, peer = session()
    first = gevent.spawn(call.bridge, "user/1", response_timeout=0.05)
    stale = peer.command()
    peer.reply()
    with pytest.raises(api.ApplicationTimeout) as late:
        first.get(timeout=2)
    assert isinstance(late.value, gevent.Timeout)
    assert not late.value.connection_dead
    second = gevent.spawn(call.bridge, "user/2")
    command = peer.command()
    peer.reply()
    complete(peer, stale)
    complete(peer, command)
    assert second.get(timeout=2).headers["Application-UUID"] == command.headers["event-uuid"]


def test_c6_given_a_nested_application_when_the_bridge_completes_then_its_wait_ends(session):
    call, peer = session()
    bridging = gevent.spawn(call.bridge, "user/1")
    command = peer.command()
    peer.reply()
    peer.event("CHANNEL_EXECUTE_COMPLETE", Unique_ID=CALL, variable_current_application="record_session")
    complete(peer, command, variable_current_application="record_session")
    bridging.get(timeout=2)


def test_c7_given_a_user_handler_for_completions_when_an_application_completes_then_the_wait_still_ends(session):
    call, peer = session()
    seen = []
    call.register_handle("CHANNEL_EXECUTE_COMPLETE", seen.append)
    playing = gevent.spawn(call.playback, "/a.wav")
    command = peer.command()
    peer.reply()
    complete(peer, command)
    playing.get(timeout=2)
    gevent.sleep(0.01)
    assert len(seen) == 1


def test_c8_c9_given_expected_events_when_one_lacks_its_variable_then_the_rest_match_and_the_end_clears_them(session):
    call, peer = session()
    waits = {name: gevent.event.AsyncResult() for name in "ab"}
    for name, wait in waits.items():
        call.register_expected_event("DTMF", name, "1", wait)
    peer.event("DTMF", variable_b="1")
    assert waits["b"].get(timeout=2).headers["variable_b"] == "1"
    peer.close()
    with pytest.raises(api.OutboundSessionHasGoneAway):
        waits["a"].get(timeout=2)
    assert call.expected_events == {}


def test_c11_given_unset_arguments_when_digits_are_asked_for_then_no_none_is_sent_and_none_comes_back(session):
    call, peer = session()
    asking = gevent.spawn(call.play_and_get_digits, "1", "4", prompt_file="/menu.wav")
    command = peer.command()
    peer.reply()
    assert b"None" not in command.body
    complete(peer, command)
    assert asking.get(timeout=2) is None


def test_c12_given_another_channels_hangup_when_heard_then_our_call_is_still_there(session, until):
    call, peer = session()
    peer.event("CHANNEL_HANGUP", Unique_ID=OTHER)
    gevent.sleep(0.02)
    call.raise_if_disconnected()
    peer.event("CHANNEL_HANGUP", Unique_ID=CALL)
    assert until(lambda: not call._outbound_connected)
    with pytest.raises(base.stock.OutboundSessionHasGoneAway):
        call.raise_if_disconnected()


def test_s5_given_a_newline_in_an_argument_when_a_session_sends_then_nothing_leaves(session):
    call, peer = session()
    for attempt in (
        functools.partial(call.playback, "/a.wav\n\napi system id"),
        functools.partial(call.send, "myevents\n\napi system id"),
        functools.partial(call.hangup, "X\n\napi system id"),
    ):
        with pytest.raises(UnsafeValue):
            attempt()
    call.stop()
    assert peer.command().line == "exit"


# 5.4 Dispatch, memory, speed


def test_d1_given_a_slow_handler_for_one_call_when_another_call_has_an_event_then_it_does_not_wait(inbound, until):
    def script(peer):
        peer.command()
        peer.reply()
        for call in (CALL, CALL, OTHER):
            peer.event("CHANNEL_ANSWER", Unique_ID=call)
        peer.command()

    done = []
    gate = gevent.event.Event()

    def handler(event):
        if event.headers["Unique-ID"] == CALL:
            gate.wait(5)
        done.append(event.headers["Unique-ID"])

    fs = inbound(script)
    fs.register_handle("CHANNEL_ANSWER", handler)
    fs.send("event json CHANNEL_ANSWER")
    assert until(lambda: done == [OTHER])
    gate.set()
    assert until(lambda: done == [OTHER, CALL, CALL])


def test_d2_given_a_blocked_handler_when_events_pour_in_then_the_queues_are_bounded(switch, client, until):
    def script(peer):
        peer.login()
        for _ in range(200):
            peer.event("CHANNEL_STATE")
        peer.command()

    gate = gevent.event.Event()
    fs = client(switch(script), max_queued_events=50, on_event=lambda event: gate.wait(5))
    fs.connect()
    assert until(lambda: not fs.connected)
    assert fs.queued <= 50
    gate.set()


def test_d3_d4_d5_given_handlers_that_raise_time_out_or_unregister_when_dispatched_then_the_rest_run(inbound, until):
    def fails(_, event):
        raise KeyError(event.headers["Event-Name"])

    def times_out(event):
        raise gevent.Timeout

    def leaves(event):
        fs.unregister_handle("HEARTBEAT", leaves)

    heard = []
    fs = inbound(
        lambda peer: (peer.command(), peer.reply(), peer.event("HEARTBEAT"), peer.event("HEARTBEAT"), peer.command())
    )
    for handler in (functools.partial(fails, 1), times_out, leaves, heard.append):
        fs.register_handle("HEARTBEAT", handler)
    fs.send("event json HEARTBEAT")
    assert until(lambda: len(heard) == 2)


def test_d4_given_a_kill_when_a_handler_runs_then_it_is_not_swallowed():
    protocol = base.Protocol()
    running = gevent.spawn(protocol._safe_exec_handler, lambda event: gevent.sleep(10), base.ESLEvent(""))
    gevent.sleep(0.01)
    running.kill(timeout=1)
    assert isinstance(running.value, gevent.GreenletExit)


def test_d8_given_an_idle_link_when_it_is_stopped_then_that_takes_no_time(inbound):
    fs = inbound(serve_commands)
    started = time.monotonic()
    fs.stop()
    assert time.monotonic() - started < 0.3


# 5.5 Outbound server


def test_o1_given_calls_when_they_connect_then_the_first_command_comes_at_once(server, dial):
    running = server(lambda call: None)
    waits = []
    for _ in range(20):
        started = time.perf_counter()
        peer = dial(running.address)
        peer.command()
        waits.append(time.perf_counter() - started)
        peer.close()
    assert sorted(waits)[10] < 0.02


def test_o3_o4_given_a_full_server_when_another_call_comes_then_it_is_closed_unheard_and_the_limit_is_exact(
    app_server, dial, until
):
    running = app_server(Holds, max_connections=1)
    peers = [dial(("127.0.0.1", running.bound_port)) for _ in range(5)]
    assert until(lambda: running.server.turned_away == 4)
    assert running.connection_count == 1
    assert [peer.command() for peer in peers[1:]] == [None] * 4


def test_o5_given_an_application_that_cannot_be_made_when_a_call_comes_then_it_is_let_go_and_uncounted(
    app_server, dial, until
):
    def application(session):
        raise RuntimeError

    running = app_server(application)
    peer = dial(("127.0.0.1", running.bound_port))
    peer.hand_over()
    assert peer.closed()
    assert until(lambda: running.connection_count == 0)
    assert running.failures == 1


def test_o6_given_running_calls_when_the_server_stops_then_it_drains_to_a_deadline_and_lets_the_rest_go(
    app_server, dial, until
):
    running = app_server(Holds)
    listening = gevent.spawn(running.server.serve_forever)
    peer = dial(("127.0.0.1", running.bound_port))
    peer.hand_over()
    waiting = dial(("127.0.0.1", running.bound_port))
    assert until(lambda: running.connection_count == 2)
    started = time.monotonic()
    running.stop()
    assert time.monotonic() - started < 3
    assert peer.closed()
    assert waiting.closed()
    listening.get(timeout=1)


def test_o7_given_taken_ports_when_starting_then_the_next_is_tried_and_a_failure_is_an_exception():
    with stdlib_socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(BindFailed):
            api.OutboundESLServer(bind_port=port, application=Holds).listen()
        running = api.OutboundESLServer(bind_port=[port, 0], application=Holds)
        running.start()
        assert running.bound_port not in (0, port)
        running.stop()
    for options in ({"bind_port": []}, {"application": None}):
        with pytest.raises(ValueError):
            api.OutboundESLServer(**{"application": Holds, **options})


def test_o8_given_a_session_before_connect_when_asked_who_calls_then_the_answer_is_nothing():
    unconnected = api.OutboundSession.__new__(api.OutboundSession)
    unconnected.session_data = None
    assert (unconnected.uuid, unconnected.call_uuid, unconnected.caller_id_number) == (None, None, None)
