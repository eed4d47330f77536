"""Peers for the socket tests: a scripted switch that is dialled, and one that dials, both on loopback.

Every wait of a peer has a deadline, and everything is closed when the test ends.
"""

import socket as stdlib_socket
import struct
from collections import deque

import gevent
import pytest
from gevent import socket
from gevent.server import StreamServer

from dialtrace.esl.events import encode_json_event
from dialtrace.esl.inbound import InboundClient
from dialtrace.esl.outbound import OutboundServer
from dialtrace.esl.wire import CommandReader, encode_frame, encode_plain

CALL = "0f1e2d3c-4b5a-4978-8695-a4b3c2d1e0f0"
CONNECT_HEADERS = {
    "Event-Name": "CHANNEL_DATA",
    "Core-UUID": "c0de0000-0000-4000-8000-000000000001",
    "Unique-ID": CALL,
    "Caller-Caller-ID-Name": "Alice Example",
    "Caller-Caller-ID-Number": "+442079460001",
    "Caller-Destination-Number": "+442079460100",
    "Caller-Channel-Created-Time": "1790000000123456",
    "variable_uuid": CALL,
    "variable_call_uuid": CALL,
}


class Peer:
    """One connection, seen from the switch."""

    def __init__(self, sock):
        self.sock = sock
        self.sock.settimeout(5)
        self._reader = CommandReader()
        self._commands = deque()

    def say(self, data):
        self.sock.sendall(data)

    def command(self):
        """The next command, or None if the client has closed."""
        while not self._commands:
            data = self.sock.recv(65536)
            if not data:
                return None
            self._commands.extend(self._reader.feed(data))
        return self._commands.popleft()

    def reply(self, text="+OK"):
        self.say(encode_frame([("Content-Type", "command/reply"), ("Reply-Text", text)]))

    def answer(self, output):
        body = output.encode()
        self.say(encode_frame([("Content-Type", "api/response"), ("Content-Length", str(len(body)))], body))

    def event(self, name, body=None, **headers):
        """Send an event; ``Some_Header="x"`` is ``Some-Header: x``, variables keep their names."""
        named = {k if k.startswith("variable_") else k.replace("_", "-"): v for k, v in headers.items()}
        self.say(encode_json_event({"Event-Name": name, **named}, body))

    def notice(self, disposition="disconnect"):
        headers = [("Content-Type", "text/disconnect-notice"), ("Content-Disposition", disposition)]
        self.say(encode_frame(headers, b"Disconnected, goodbye.\n"))

    def login(self, reply="+OK accepted"):
        self.say(b"Content-Type: auth/request\n\n")
        command = self.command()
        self.reply(reply)
        return command

    def hand_over(self, **headers):
        """Answer ``connect``."""
        command = self.command()
        assert command.line == "connect"
        told = {**CONNECT_HEADERS, **headers, "Content-Type": "command/reply", "Reply-Text": "+OK\n"}
        self.say(encode_plain(told))

    def closed(self):
        """Whether the client has closed, waiting for it."""
        try:
            while self.sock.recv(65536):
                pass
        except ConnectionError:
            pass
        return True

    def reset(self):
        self.sock.setsockopt(stdlib_socket.SOL_SOCKET, stdlib_socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def close(self):
        self.sock.close()


@pytest.fixture
def closing():
    """Things with a ``stop`` or ``close`` to call when the test ends."""
    things = []
    yield things
    for thing in reversed(things):
        thing()


@pytest.fixture
def switch(closing):
    """``switch(script)`` starts a server that runs ``script(peer)`` for each connection; returns its address."""

    def start(script):
        scripts = []

        def handle(sock, _):
            peer = Peer(sock)
            scripts.append(gevent.getcurrent())
            try:
                script(peer)
            except (OSError, gevent.GreenletExit):
                pass
            finally:
                peer.close()

        server = StreamServer(("127.0.0.1", 0), handle)
        server.start()
        closing.append(lambda: gevent.killall(scripts))
        closing.append(server.stop)
        return server.address

    return start


@pytest.fixture
def client(closing):
    """``client(address, **options)`` makes an inbound client; its ``heard`` and ``ended`` lists fill up."""

    def make(address, **options):
        heard, ended = [], []
        options = {"on_event": heard.append, "on_disconnect": ended.append, **options}
        made = InboundClient(*address, options.pop("password", "ClueCon"), **options)
        made.heard, made.ended = heard, ended
        closing.append(made.close)
        return made

    return make


@pytest.fixture
def server(closing):
    """``server(handler, **options)`` starts an outbound server; its ``failures`` list fills up."""

    def start(handler, **options):
        failures = []
        made = OutboundServer(("127.0.0.1", 0), handler, on_failure=failures.append, **options)
        made.failures = failures
        made.start()
        closing.append(lambda: made.stop(0))
        return made

    return start


@pytest.fixture
def dial(closing):
    """``dial(address)`` connects as a switch does when a call reaches its ``socket`` application."""

    def connect(address):
        peer = Peer(socket.create_connection(address, timeout=5))
        closing.append(peer.close)
        return peer

    return connect


@pytest.fixture
def until():
    """``until(condition)`` lets other greenlets run until it holds, for at most 5 s."""

    def wait(condition):
        with gevent.Timeout(5):
            while not condition():
                gevent.sleep(0.002)
        return True

    return wait
