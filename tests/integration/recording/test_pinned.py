"""A name that leads elsewhere between check and use leads nowhere: the connection itself is judged."""

import socket
import threading
from ipaddress import ip_network

import pytest

from dialtrace.objectstore.errors import StoreRefuses
from dialtrace.objectstore.s3 import Access, S3Store
from dialtrace.outgoing.model import Rules
from dialtrace.recording.guard import EndpointGuard


class Listener:
    """Counts connections and notes the first bytes that came over them."""

    def __init__(self):
        self.server = socket.create_server(("127.0.0.1", 0))
        self.heard = []
        self.port = self.server.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            try:
                connection, _ = self.server.accept()
            except OSError:
                return
            connection.settimeout(5)
            try:
                self.heard.append(connection.recv(1000))
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
            except OSError:
                self.heard.append(b"")
            connection.close()


@pytest.fixture
def listener():
    found = Listener()
    yield found
    found.server.close()


def store(listener, guard):
    return S3Store(
        "bucket", endpoint_url=f"http://localhost:{listener.port}", access=Access("k", "s"), region="us-east-1",
        guard=guard.check_request, judge=guard.check_connection,
    )  # fmt: skip


def rules(listener, *networks):
    return Rules(private_networks=tuple(map(ip_network, networks)), ports=frozenset({listener.port, 443}))


def test_given_the_name_leads_to_a_public_address_when_asked_and_to_us_when_used_then_nothing_is_sent(listener):
    # What the guard's own look-up is told; the system's leads to loopback.
    guard = EndpointGuard(rules(listener, "93.184.216.0/24"), resolve=lambda _host: ["93.184.216.34"])
    with pytest.raises(StoreRefuses, match="address"):
        store(listener, guard).check()
    assert b"".join(listener.heard) == b""


def test_given_the_operator_named_the_network_then_the_store_is_reached(listener):
    guard = EndpointGuard(rules(listener, "127.0.0.0/8", "::1/128"))
    store(listener, guard).check()
    assert listener.heard[0].startswith(b"HEAD /bucket")
