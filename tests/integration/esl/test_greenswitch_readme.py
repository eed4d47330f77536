"""The examples of greenswitch's README (0.0.19), run against our classes of the same names.

The waits of the example are shortened; everything else is as printed there.
"""

import logging

import gevent
import greenswitch

from dialtrace.esl import greenswitch_api
from dialtrace.esl.greenswitch_api import InboundESL, OutboundESLServer, OutboundSession

CALL = "0f1e2d3c-4b5a-4978-8695-a4b3c2d1e0f0"


def test_given_our_classes_when_looked_at_then_they_are_greenswitchs():
    assert issubclass(InboundESL, greenswitch.InboundESL)
    assert issubclass(OutboundESLServer, greenswitch.OutboundESLServer)
    assert issubclass(OutboundSession, greenswitch.esl.OutboundSession)
    assert issubclass(greenswitch_api.ESLEvent, greenswitch.esl.ESLEvent)
    assert issubclass(greenswitch_api.NotConnectedError, greenswitch.esl.NotConnectedError)
    assert issubclass(greenswitch_api.OutboundSessionHasGoneAway, greenswitch.esl.OutboundSessionHasGoneAway)
    for ours in (InboundESL, OutboundESLServer, OutboundSession):
        stock = ours.__mro__[-2] if ours is OutboundESLServer else ours.__mro__[2]
        assert {name for name in vars(stock) if not name.startswith("_")} <= set(dir(ours))


def test_given_the_inbound_example_when_run_then_it_prints_the_answer(switch):
    def script(peer):
        peer.login()
        assert peer.command().line == "api list_users"
        peer.answer("userid|context|domain\n\n+OK\n")
        assert peer.command().line == "exit"

    host, port = switch(script)
    fs = InboundESL(host=host, port=port, password="ClueCon")
    fs.connect()
    r = fs.send("api list_users")
    assert r.data == "userid|context|domain\n\n+OK\n"
    fs.stop()


def test_given_the_inbound_client_when_used_as_a_context_then_it_logs_in_and_leaves(switch):
    host, port = switch(lambda peer: (peer.login(), peer.command()))
    with InboundESL(host=host, port=port, password="ClueCon") as fs:
        assert fs.connected
    assert not fs.connected


class MyApplication:
    """The README's application."""

    typed = None

    def __init__(self, session):
        self.session = session

    def run(self):
        try:
            self.handle_call()
        except Exception:
            logging.exception("Exception raised when handling call")
            self.session.stop()
            raise

    def handle_call(self):
        self.session.myevents()
        self.session.linger()
        self.session.answer()
        gevent.sleep(0.01)
        with self.session.while_connected():
            self.session.playback("ivr/ivr-welcome")
        digit = self.session.play_and_get_digits(
            "1",
            "1",
            "3",
            "5000",
            "#",
            "conference/conf-pin.wav",
            "invalid.wav",
            "test",
            r"\d",
            "1000",
            "''",
            block=True,
            response_timeout=5,
        )
        type(self).typed = digit
        self.session.playback("local_stream://default", block=False)
        gevent.sleep(0.01)
        self.session.uuid_break()
        self.session.hangup()
        self.session.stop()


def play_the_switch(peer):
    """Answer as a switch does, and note the applications that were run."""
    ran = []
    peer.hand_over()
    while (command := peer.command()) is not None:
        peer.reply("+OK")
        application = command.headers.get("execute-app-name")
        ran.append(application or command.line)
        if application in ("playback", "play_and_get_digits"):
            finished = {"Application_UUID": command.headers["event-uuid"], "Unique_ID": CALL, "variable_test": "5"}
            peer.event("CHANNEL_EXECUTE_COMPLETE", **finished)
        if command.line == "exit":
            break
    return ran


def test_given_the_outbound_example_when_a_call_comes_then_it_is_handled_to_the_end(dial):
    server = OutboundESLServer(
        bind_address="127.0.0.1", bind_port=[0], application=MyApplication, max_connections=5, drain_timeout=1
    )
    listening = gevent.spawn(server.listen)
    gevent.sleep(0.01)
    ran = play_the_switch(dial(("127.0.0.1", server.bound_port)))
    assert ran == [
        "myevents json",
        "linger 30",
        "answer",
        "playback",
        "play_and_get_digits",
        "playback",
        f"api uuid_break {CALL}",
        "hangup",
        "exit",
    ]
    assert MyApplication.typed == "5"
    server.stop()
    listening.get(timeout=2)
    assert (server.connection_count, server.failures) == (0, 0)
