"""Events and replies in any order, twice, too late or never: whoever waits for a call goes on, and all ends."""

import gc

import gevent
from gevent import socket
from hypothesis import given, settings
from hypothesis import strategies as st

from dialtrace.esl import greenswitch_api as api
from dialtrace.esl.outbound import AskingServer
from dialtrace.esl.wire import encode_frame

from .conftest import CALL, Peer

OTHER = "11111111-2222-4333-8444-555555555555"
#: So long at most until all that waited has ended; ten times what it takes.
ENDS_S = 10.0


def standing():
    """Greenlets that are not over, those of hypothesis' own thread apart."""
    return {id(one) for one in gc.get_objects() if isinstance(one, gevent.Greenlet) and not one.dead}


def waiting_for(session, what):
    """An application that blocks, or an event that was asked for."""
    if what == "event":
        found = gevent.event.AsyncResult()
        session.register_expected_event("CHANNEL_ANSWER", "variable_x", "1", found)
        return gevent.spawn(found.get)
    return gevent.spawn({"bridge": session.bridge, "playback": session.playback}[what], "/a")


#: What a switch may say after the applications were begun: of our call or of another's, in any order, however often.
told = st.one_of(
    st.tuples(st.just("complete"), st.integers(0, 3)),
    st.tuples(
        st.sampled_from(["CHANNEL_ANSWER", "CHANNEL_HANGUP", "CHANNEL_HANGUP_COMPLETE", "CHANNEL_EXECUTE_COMPLETE",
                         "CHANNEL_BRIDGE", "DTMF"]),
        st.sampled_from([CALL, OTHER]),
    ),
    st.tuples(st.just("notice"), st.sampled_from(["disconnect", "linger"])),
)  # fmt: skip
waits = st.lists(st.sampled_from(["bridge", "playback", "event"]), min_size=1, max_size=4)


def say(peer, what, detail, ids):
    if what == "complete":
        if ids:
            peer.event("CHANNEL_EXECUTE_COMPLETE", Unique_ID=CALL, Application_UUID=ids[detail % len(ids)])
    elif what == "notice":
        peer.notice(detail)
    else:
        peer.event(what, Unique_ID=detail, variable_x="1")


@settings(max_examples=60)
@given(waits, st.lists(told, max_size=12), st.booleans())
def test_given_any_order_of_events_when_a_call_ends_then_nobody_waits_for_it_any_more(kinds, story, reset):
    before = standing()
    ours, theirs = socket.socketpair()
    session, peer = api.OutboundSession(None, ours), Peer(theirs)
    handing_over = gevent.spawn(peer.hand_over)
    session.connect()
    handing_over.get(timeout=5)
    waiters, ids = [], []
    for kind in kinds:
        waiters.append(waiting_for(session, kind))
        gevent.sleep(0)
        if kind != "event":
            ids.append(peer.command().headers["event-uuid"])
            peer.reply()
    try:
        for what, detail in story:
            say(peer, what, detail, ids)
    except OSError:
        assert any(what == "notice" for what, _ in story), "only who was told of the end may have left"
    (peer.reset if reset else peer.close)()
    assert len(gevent.joinall(waiters, timeout=ENDS_S)) == len(waiters)
    assert all(one.successful() or isinstance(one.exception, api.OutboundSessionHasGoneAway) for one in waiters)
    session.stop()
    with gevent.Timeout(ENDS_S):
        while standing() - before:
            gevent.sleep(0.002)


#: Replies, events and rubbish that a switch may send a worker that has asked its one question.
said = st.lists(
    st.one_of(
        st.just(encode_frame([("Content-Type", "command/reply"), ("Reply-Text", f"{CALL}|+1")])),
        st.just(encode_frame([("Content-Type", "command/reply"), ("Reply-Text", "-ERR command not found")])),
        st.just(encode_frame([("Content-Type", "command/reply"), ("Reply-Text", "+OK")])),
        st.just(encode_frame([("Content-Type", "text/event-json"), ("Content-Length", "2")], b"{}")),
        st.just(encode_frame([("Content-Type", "text/disconnect-notice"), ("Content-Length", "4")], b"bye\n")),
        st.binary(max_size=30),
    ),
    max_size=6,
)


@settings(max_examples=60)
@given(said, st.integers(1, 40))
def test_given_any_answers_when_a_worker_has_asked_then_each_connection_ends_and_frees_its_place(frames, pieces):
    before, handled, failed = standing(), [], []
    server = AskingServer(
        ("127.0.0.1", 0), lambda call: handled.append(call.run(b"exit\n\n", timeout_s=0.2)), variables=["x"],
        on_failure=failed.append, connect_timeout_s=0.2,
    )  # fmt: skip
    server.start()
    try:
        with socket.create_connection(server.address, timeout=5) as switch:
            data = b"".join(frames)
            try:
                for start in range(0, len(data), pieces):
                    switch.sendall(data[start : start + pieces])
                    gevent.sleep(0)
                while switch.recv(4096):
                    pass
            except ConnectionError:
                pass
        with gevent.Timeout(ENDS_S):
            while len(handled) + len(failed) < 1:
                gevent.sleep(0.002)
        assert len(handled) + len(failed) == 1, "one connection comes to one end"
    finally:
        server.stop(1.0)
    with gevent.Timeout(ENDS_S):
        while standing() - before:
            gevent.sleep(0.002)
