"""The inbound client over real loopback sockets."""

import time

import gevent
import pytest

from dialtrace.esl import commands
from dialtrace.esl.errors import (
    AccessDenied,
    ClosedHere,
    CommandRefused,
    CommandTimeout,
    ConnectionLost,
    QueueOverflow,
    WireError,
)


def test_given_a_switch_when_asked_then_output_refusals_and_jobs_come_back(switch, client):
    seen = []

    def script(peer):
        assert peer.login().line == "auth ClueCon"
        seen.append(peer.command().line)
        peer.answer('{"row_count":0}')
        seen.append(peer.command().line)
        peer.answer("-ERR no such channel\n")
        seen.append(peer.command().line)
        peer.reply("+OK event listener enabled json")
        job = peer.command()
        seen.append(job.line)
        peer.reply(f"+OK Job-UUID: {job.headers['job-uuid']}")
        peer.event("BACKGROUND_JOB", "+OK done\n", Job_UUID=job.headers["job-uuid"])
        peer.command()

    fs = client(switch(script))
    fs.connect()
    assert fs.api("show", "channels", "as", "json") == '{"row_count":0}'
    with pytest.raises(CommandRefused, match="no such channel") as refused:
        fs.api("uuid_kill", "0f1e2d3c-4b5a-4978-8695-a4b3c2d1e0f0")
    assert not refused.value.connection_dead
    fs.subscribe("BACKGROUND_JOB", "CHANNEL_CREATE")
    job = fs.bgapi("originate", "sofia/gateway/x/1", "&park()")
    gevent.sleep(0.05)
    assert [(event.name, event.get("Job-UUID"), event.body) for event in fs.heard] == [
        ("BACKGROUND_JOB", job, "+OK done\n")
    ]
    assert seen == [
        "api show channels as json",
        "api uuid_kill 0f1e2d3c-4b5a-4978-8695-a4b3c2d1e0f0",
        "event json BACKGROUND_JOB CHANNEL_CREATE",
        "bgapi originate sofia/gateway/x/1 &park()",
    ]


def test_given_events_when_heard_then_they_are_delivered_in_order_and_lag_is_visible(switch, client, until):
    def script(peer):
        peer.login()
        for number in range(200):
            peer.event("CHANNEL_STATE", Event_Sequence=str(number))
        peer.command()

    def slow(event):
        heard.append(event.sequence)
        gevent.sleep(0.001 if len(heard) > 1 else 0.05)

    heard = []
    fs = client(switch(script), on_event=slow)
    fs.connect()
    assert until(lambda: fs.queued > 100)
    assert until(lambda: fs.dispatch_lag_s > 0.01)
    assert until(lambda: len(heard) == 200)
    assert heard == list(range(200))
    gevent.sleep(0.01)
    assert (fs.queued, fs.dispatch_lag_s) == (0, 0.0)


def test_given_a_closed_link_when_asked_then_it_fails_at_once_and_can_be_connected_again(switch, client, until):
    def script(peer):
        peer.login()

    fs = client(switch(script))
    for times in (1, 2):
        fs.connect()
        assert until(lambda: not fs.connected)
        with pytest.raises(ConnectionLost):
            fs.api("status")
        assert until(lambda expected=times: len(fs.ended) == expected)


def test_given_our_own_close_when_it_is_done_then_the_end_is_told_once_as_ours(switch, client):
    fs = client(switch(lambda peer: (peer.login(), peer.command())))
    fs.connect()
    fs.close()
    fs.close()
    assert [type(end) for end in fs.ended] == [ClosedHere]


def test_given_a_refused_password_when_connecting_then_access_is_denied_and_nobody_is_told_of_an_end(switch, client):
    closed = []

    def script(peer):
        peer.login("-ERR invalid")
        closed.append(peer.closed())

    fs = client(switch(script))
    with pytest.raises(AccessDenied):
        fs.connect()
    gevent.sleep(0.02)
    assert (closed, fs.ended, fs.connected) == ([True], [], False)


def test_given_a_directory_user_when_connecting_then_userauth_is_used(switch, client):
    seen = []

    def script(peer):
        seen.append(peer.login().line)
        peer.command()

    fs = client(switch(script), user="monitor@node.example")
    fs.connect()
    assert seen == ["userauth monitor@node.example:ClueCon"]


def test_given_a_handler_that_waits_for_a_reply_when_the_link_dies_then_it_is_failed_too(switch, client, until):
    def script(peer):
        peer.login()
        peer.event("CHANNEL_CREATE")
        peer.command()

    def handler(event):
        try:
            fs.api("status", timeout_s=30)
        except ConnectionLost as fault:
            failed.append(fault)

    failed = []
    fs = client(switch(script), on_event=handler)
    fs.connect()
    assert until(lambda: fs.ended)
    assert len(failed) == 1


def test_given_a_silent_link_when_a_silence_limit_is_set_then_the_link_ends(switch, client, until):
    fs = client(switch(lambda peer: (peer.login(), peer.command())), silence_timeout_s=0.05)
    fs.connect()
    assert until(lambda: fs.ended)
    assert isinstance(fs.ended[0], ConnectionLost)


def test_given_more_events_than_the_queue_holds_when_heard_then_the_queued_ones_are_delivered_first(
    switch, client, until
):
    def script(peer):
        peer.login()
        for number in range(50):
            peer.event("CHANNEL_STATE", Event_Sequence=str(number))
        peer.command()

    gate = gevent.event.Event()
    fs = client(switch(script), max_queued_events=10, on_event=lambda event: (gate.wait(5), heard.append(event)))
    heard = []
    fs.connect()
    assert until(lambda: not fs.connected)
    gate.set()
    assert until(lambda: fs.ended)
    assert isinstance(fs.ended[0], QueueOverflow)
    assert 10 <= len(heard) <= 11


def test_given_garbage_after_events_when_heard_then_the_events_are_delivered_and_the_error_is_a_wire_error(
    switch, client, until
):
    def script(peer):
        peer.login()
        peer.event("HEARTBEAT")
        peer.say(b"HTTP/1.1 400 Bad Request\r\n\n\n")
        peer.command()

    fs = client(switch(script))
    fs.connect()
    assert until(lambda: fs.ended)
    assert [event.name for event in fs.heard] == ["HEARTBEAT"]
    assert isinstance(fs.ended[0], WireError)


def test_given_a_command_whose_waiter_is_killed_when_its_reply_comes_late_then_nobody_else_gets_it(
    switch, client, until
):
    def script(peer):
        peer.login()
        peer.command()
        gevent.sleep(0.05)
        peer.answer("late")
        peer.command()

    fs = client(switch(script))
    fs.connect()
    asking = gevent.spawn(fs.api, "status")
    gevent.sleep(0.02)
    asking.kill()
    assert until(lambda: fs.ended)
    assert isinstance(fs.ended[0], CommandTimeout)


def test_given_many_askers_when_they_ask_at_once_then_each_gets_its_own_answer(switch, client):
    def script(peer):
        peer.login()
        while (command := peer.command()) is not None:
            if command.line == "exit":
                return
            peer.answer(command.line)

    fs = client(switch(script))
    fs.connect()
    asking = [gevent.spawn(fs.api, "echo", str(number)) for number in range(50)]
    gevent.joinall(asking, timeout=5)
    assert [one.value for one in asking] == [f"api echo {number}" for number in range(50)]


def test_given_a_bad_event_when_heard_then_it_is_counted_and_the_next_one_is_delivered(switch, client, until):
    def script(peer):
        peer.login()
        peer.say(b"Content-Length: 2\nContent-Type: text/event-json\n\n{]")
        peer.event("HEARTBEAT")
        peer.command()

    fs = client(switch(script))
    fs.connect()
    assert until(lambda: fs.heard)
    assert (fs.bad_events, fs.heard[0].name, fs.connected) == (1, "HEARTBEAT", True)


def test_given_no_connection_when_asked_then_it_is_a_typed_error(client):
    fs = client(("127.0.0.1", 1))
    with pytest.raises(ConnectionLost):
        fs.command(commands.noevents())
    with pytest.raises(ConnectionLost):
        fs.connect()


def test_given_events_still_in_the_queue_when_connecting_again_then_it_waits_for_their_end(switch, client, until):
    gate = gevent.event.Event()
    fs = client(switch(lambda peer: (peer.login(), peer.event("A"))), on_event=lambda event: gate.wait(5))
    fs.connect()
    assert until(lambda: not fs.connected)
    with pytest.raises(ConnectionLost, match="still being handled"):
        fs.connect()
    gate.set()
    assert until(lambda: fs.ended)
    fs.connect()


def test_given_a_switch_that_stops_reading_when_we_send_then_the_deadline_ends_the_link(switch, client):
    fs = client(switch(lambda peer: (peer.login(), gevent.sleep(5))))
    fs.connect()
    started = time.monotonic()
    asking = [gevent.spawn(fs.command, commands.execute("playback", "x" * 1_000_000), timeout_s=0.1) for _ in range(9)]
    gevent.joinall(asking, timeout=5)
    assert CommandTimeout in {type(one.exception) for one in asking}
    assert time.monotonic() - started < 1
    assert not fs.connected


def test_given_a_farewell_right_behind_the_login_when_connected_then_the_end_is_told(switch, client, until):
    reply = b"Content-Type: command/reply\nReply-Text: +OK accepted\n\n"
    notice = b"Content-Type: text/disconnect-notice\nContent-Length: 4\n\nbye\n"

    def script(peer):
        peer.say(b"Content-Type: auth/request\n\n")
        peer.command()
        peer.say(reply + notice)
        peer.command()

    fs = client(switch(script))
    fs.connect()
    assert until(lambda: fs.ended)
    assert not fs.connected
