"""The one HTTP client against real servers, kind ones and others."""

import socket
import ssl
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import pytest_socket
from prometheus_client import REGISTRY

from dialtrace.outgoing.errors import (
    AddressRefused,
    BrokenAnswer,
    NameNotFound,
    NotConnected,
    OutgoingError,
    RequestTooBig,
    TimedOut,
    TlsFailed,
    TooBusy,
    UrlRefused,
)
from dialtrace.outgoing.lookup import NameLookup
from dialtrace.outgoing.model import Request, Rules, parse_networks
from dialtrace.outgoing.service import OutgoingClient

from .servers import Authority, read_request, running

OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 15\r\n\r\n" + b'{"choice": "a"}'
LOOPBACK = Rules(private_networks=parse_networks("127.0.0.0/8, ::1/128"))


@pytest.fixture(autouse=True)
def _both_ends_of_loopback(_network):
    """A second address of this machine, where a test needs somewhere that must not be reached."""
    pytest_socket.socket_allow_hosts(["127.0.0.1", "127.0.0.2", "::1"], allow_unix_socket=True)


def client_of(*addresses, rules=LOOPBACK, **given):
    """A client whose every name leads to these addresses."""
    return OutgoingClient(rules, lookup=NameLookup(lambda _: list(addresses or ["127.0.0.1"])), **given)


def post(url, *, timeout_s=5.0, body=b"{}", **given):
    return Request("POST", url, timeout_s, body=body, **given)


def refused(client, request, error, match=None):
    begun_s = time.monotonic()
    with pytest.raises(error, match=match) as caught:
        client.send(request, use="test")
    return caught.value, time.monotonic() - begun_s


class TestAnswers:
    def test_given_a_server_that_answers_then_its_answer_and_what_it_was_asked(self):
        with running(OK) as server:
            url = f"http://hook.example:{server.port}/a?b=c"
            request = post(url, body=b'{"x": 1}', headers={"Content-Type": "application/json"})
            answer = client_of().send(request, use="test")
        assert (answer.status, answer.body, answer.is_whole) == (200, b'{"choice": "a"}', True)
        assert answer.headers["content-type"] == "application/json"
        head, _, body = server.asked[0].partition(b"\r\n\r\n")
        lines = head.split(b"\r\n")
        assert lines[0] == b"POST /a?b=c HTTP/1.1"
        assert f"Host: hook.example:{server.port}".encode() in lines
        assert b"Content-Length: 8" in lines
        assert b"Connection: close" in lines
        assert body == b'{"x": 1}'

    @pytest.mark.parametrize("status", [204, 301, 404, 410, 503])
    def test_given_any_status_then_it_is_the_answer(self, status):
        with running(f"HTTP/1.1 {status} Whatever\r\nContent-Length: 0\r\n\r\n".encode()) as server:
            answer = client_of().send(post(f"http://hook.example:{server.port}/"), use="test")
        assert answer.status == status

    def test_given_a_body_in_chunks_or_without_a_length_then_it_is_read(self):
        chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
        for answer in (chunked, b"HTTP/1.1 200 OK\r\n\r\nabcde"):
            with running(answer) as server:
                assert client_of().send(post(f"http://hook.example:{server.port}/"), use="test").body == b"abcde"

    def test_given_a_proxy_in_the_environment_then_nobody_asks_it(self, monkeypatch):
        with running(OK) as proxy, running(OK) as server:
            for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY"):
                monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
            client_of().send(post(f"http://hook.example:{server.port}/"), use="test")
            assert (proxy.connections, server.connections) == (0, 1)

    def test_given_the_first_address_takes_no_connection_then_the_next_is_asked(self):
        with running(OK) as server:
            client = client_of("127.0.0.2", "127.0.0.1")
            assert client.send(post(f"http://hook.example:{server.port}/"), use="test").status == 200


class TestWhereItGoes:
    def test_given_a_redirect_to_somewhere_private_then_it_is_not_followed(self):
        with running(OK) as secret:
            moved = f"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:{secret.port}/\r\nContent-Length: 0\r\n\r\n"
            with running(moved.encode()) as server:
                answer = client_of().send(post(f"http://hook.example:{server.port}/"), use="test")
            assert answer.status == 302
            assert secret.connections == 0

    def test_given_a_name_that_changes_its_mind_then_it_is_looked_up_once_and_never_reaches_the_second_address(self):
        """DNS rebinding: good at the check, ours at the connection."""
        asked = []

        def rebind(host):
            asked.append(host)
            return ["127.0.0.1"] if len(asked) == 1 else ["127.0.0.2"]

        with running(OK) as first, running(OK, host="127.0.0.2") as second:
            client = OutgoingClient(LOOPBACK, lookup=NameLookup(rebind))
            client.send(post(f"http://hook.example:{first.port}/"), use="test")
            assert asked == ["hook.example"]
            assert (first.connections, second.connections) == (1, 0)

    @pytest.mark.parametrize("address", ["127.0.0.1", "::1", "::ffff:127.0.0.1"])
    def test_given_no_named_network_when_a_name_leads_here_then_refused_before_any_connection(self, address):
        with running(OK) as server:
            client = client_of(address, rules=Rules(ports=frozenset({server.port})))
            error, _ = refused(client, post(f"https://hook.example:{server.port}/"), AddressRefused, "public address")
            assert not error.retry_helps
            assert server.connections == 0

    def test_given_the_address_itself_in_the_url_then_refused_alike(self):
        refused(client_of(rules=Rules()), post("https://169.254.169.254/latest/meta-data/"), AddressRefused)
        refused(client_of(rules=Rules()), post("https://[::1]/"), AddressRefused)

    def test_given_plain_http_or_an_odd_port_to_the_internet_then_refused_without_a_connection(self):
        refused(client_of("8.8.8.8"), post("http://hook.example/"), UrlRefused, "https://")
        refused(client_of("8.8.8.8"), post("https://hook.example:22/"), UrlRefused, "port 22")


class TestTls:
    @pytest.fixture
    def authority(self, tmp_path):
        return Authority(tmp_path)

    def test_given_a_good_certificate_then_the_name_is_asked_for_and_answered(self, authority):
        with running(OK, tls=authority.context_for("hook.example")) as server:
            client = client_of(ca_file=authority.file)
            assert client.send(post(f"https://hook.example:{server.port}/"), use="test").status == 200
            assert server.names == ["hook.example"]

    def test_given_a_certificate_for_an_address_then_it_is_good_for_that_address(self, authority):
        with running(OK, tls=authority.context_for("127.0.0.1")) as server:
            client = client_of(ca_file=authority.file)
            assert client.send(post(f"https://127.0.0.1:{server.port}/"), use="test").status == 200

    @pytest.mark.parametrize(
        ("names", "days", "known"),
        [
            (["other.example"], 1, True),
            # What the connection goes to is not what was asked for.
            (["127.0.0.1"], 1, True),
            (["hook.example"], -1, True),
            (["hook.example"], 1, False),
        ],
    )
    def test_given_a_certificate_that_does_not_prove_the_name_then_nothing_is_sent(self, authority, names, days, known):
        with running(OK, tls=authority.context_for(*names, days=days)) as server:
            client = client_of(ca_file=authority.file if known else None)
            error, _ = refused(client, post(f"https://hook.example:{server.port}/"), TlsFailed, "hook.example")
            assert error.retry_helps
            assert server.asked == []

    def test_given_an_old_protocol_only_then_refused(self, authority):
        old = authority.context_for("hook.example")
        with pytest.warns(DeprecationWarning, match="TLSv1_1"):
            old.maximum_version = ssl.TLSVersion.TLSv1_1
        with running(OK, tls=old) as server:
            refused(client_of(ca_file=authority.file), post(f"https://hook.example:{server.port}/"), TlsFailed)

    def test_given_a_server_without_tls_then_tls_failed(self):
        with running(b"SSH-2.0-whatever\r\n") as server:
            server.behave = lambda sock: sock.sendall(b"SSH-2.0-whatever\r\n" * 20)
            refused(client_of(), post(f"https://hook.example:{server.port}/"), TlsFailed)

    def test_given_a_server_that_never_shakes_hands_then_the_time_is_bounded(self):
        with running(lambda sock: time.sleep(10)) as server:
            _, took_s = refused(client_of(), post(f"https://hook.example:{server.port}/", timeout_s=0.5), TimedOut)
        assert took_s < 1.5


def drip(head, piece, *, every_s=0.05):
    """Sends a head at once and then a piece for ever."""

    def behave(sock):
        read_request(sock)
        sock.sendall(head)
        for _ in range(1000):
            sock.sendall(piece)
            time.sleep(every_s)

    return behave


class TestBounds:
    @pytest.mark.parametrize(
        "behave",
        [
            drip(b"HTTP/1.1 200 OK\r\nContent-Length: 10000\r\n\r\n", b"a"),
            drip(b"HTTP/1.1 200 OK\r\n\r\n", b"a"),
            drip(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\na\r\n"),
            drip(b"HTTP/1.1 200 OK\r\nX-Long: ", b"a"),
            drip(b"H", b"T"),
            drip(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
            lambda sock: time.sleep(10),
        ],
        ids=[
            "body",
            "body without length",
            "chunks",
            "headers",
            "status line",
            "one continue after another",
            "silence",
        ],
    )
    @pytest.mark.parametrize("secure", [False, True])
    def test_given_a_server_that_drips_then_the_time_as_a_whole_is_bounded(self, behave, secure, tmp_path):
        authority = Authority(tmp_path)
        tls = authority.context_for("hook.example") if secure else None
        with running(behave, tls=tls) as server:
            url = f"{'https' if secure else 'http'}://hook.example:{server.port}/"
            error, took_s = refused(client_of(ca_file=authority.file), post(url, timeout_s=0.6), TimedOut)
        assert error.retry_helps
        assert 0.5 < took_s < 1.6

    def test_given_a_server_that_does_not_read_then_the_time_is_bounded_too(self):
        def behave(sock):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
            time.sleep(5)

        with running(behave) as server:
            request = post(f"http://hook.example:{server.port}/", body=b"x" * 256 * 1024, timeout_s=0.6)
            _, took_s = refused(client_of(), request, TimedOut)
        assert took_s < 1.6

    def test_given_a_huge_body_then_so_much_of_it_is_read_and_no_more(self):
        sent = []

        def behave(sock):
            read_request(sock)
            sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n")
            for _ in range(1500):
                sock.sendall(b"x" * 65536)
                sent.append(65536)

        with running(behave) as server:
            answer = client_of().send(post(f"http://hook.example:{server.port}/", timeout_s=10), use="test")
        assert (len(answer.body), answer.is_whole) == (64 * 1024, False)
        assert sum(sent) < 20_000_000

    def test_given_a_body_of_just_the_limit_then_it_is_whole(self):
        with running(b"HTTP/1.1 200 OK\r\nContent-Length: 65536\r\n\r\n" + b"x" * 65536) as server:
            answer = client_of().send(post(f"http://hook.example:{server.port}/"), use="test")
        assert (len(answer.body), answer.is_whole) == (65536, True)

    def test_given_the_body_is_not_wanted_then_an_endless_one_costs_no_time(self):
        with running(drip(b"HTTP/1.1 200 OK\r\nContent-Length: 10000\r\n\r\na", b"a")) as server:
            begun_s = time.monotonic()
            request = post(f"http://hook.example:{server.port}/", most_read_bytes=0)
            assert client_of().send(request, use="test").status == 200
        assert time.monotonic() - begun_s < 1

    def test_given_a_compressed_body_then_it_is_not_unpacked(self):
        """A small body may unpack to a huge one; nobody was asked to pack it."""
        with running(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\n\x1f\x8bxx") as server:
            answer = client_of().send(post(f"http://hook.example:{server.port}/"), use="test")
            assert answer.body == b"\x1f\x8bxx"
            assert b"Accept-Encoding: identity" in server.asked[0]

    def test_given_a_request_that_is_too_big_then_nobody_is_asked(self):
        with running(OK) as server:
            request = post(f"http://hook.example:{server.port}/", body=b"x" * (256 * 1024 + 1))
            error, _ = refused(client_of(), request, RequestTooBig)
            assert not error.retry_helps
            assert server.connections == 0

    def test_given_a_name_that_takes_long_to_look_up_then_the_time_is_bounded(self):
        client = OutgoingClient(LOOPBACK, lookup=NameLookup(lambda _: time.sleep(3) or ["127.0.0.1"]))
        _, took_s = refused(client, post("http://hook.example/", timeout_s=0.3), TimedOut)
        assert took_s < 1

    def test_given_look_ups_that_hang_then_only_so_many_hang(self):
        hang = threading.Event()
        lookup = NameLookup(lambda _: ["127.0.0.1"] if hang.wait(5) else [], most_at_a_time=2)
        client = OutgoingClient(LOOPBACK, lookup=lookup)
        for _ in range(2):
            refused(client, post("http://hook.example/", timeout_s=0.05), TimedOut)
        error, _ = refused(client, post("http://hook.example/", timeout_s=0.05), TooBusy)
        assert error.retry_helps
        hang.set()

    def test_given_one_slow_host_then_its_requests_wait_for_each_other_and_other_hosts_do_not(self):
        with running(lambda sock: time.sleep(5)) as slow, running(OK) as quick:
            client = client_of(most_per_host=2)
            threads = [
                threading.Thread(
                    target=refused, args=(client, post(f"http://slow.example:{slow.port}/", timeout_s=1.5), TimedOut)
                )
                for _ in range(2)
            ]
            for thread in threads:
                thread.start()
            time.sleep(0.2)
            refused(client, post(f"http://slow.example:{slow.port}/", timeout_s=0.3), TooBusy)
            assert client.send(post(f"http://quick.example:{quick.port}/"), use="test").status == 200
            for thread in threads:
                thread.join(5)
            assert slow.connections == 2


class TestBrokenServers:
    @pytest.mark.parametrize(
        "answer",
        [
            b"", b"\r\n\r\n", b"not http at all\r\n\r\n", b"HTTP/1.1 abc OK\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nabc\r\n",
            b"HTTP/1.1 200 OK\r\n" + b"X-A: b\r\n" * 200 + b"\r\n",
            b"HTTP/1.1 200 OK\r\nX-A: " + b"b" * 100_000 + b"\r\n\r\n",
        ],
    )  # fmt: skip
    def test_given_an_answer_that_is_not_http_then_one_clear_error(self, answer):
        with running(answer) as server:
            error, took_s = refused(client_of(), post(f"http://hook.example:{server.port}/"), BrokenAnswer)
        assert error.retry_helps
        assert took_s < 2

    def test_given_nobody_there_then_not_connected(self):
        with socket.socket() as nobody:
            nobody.bind(("127.0.0.1", 0))
            url = f"http://hook.example:{nobody.getsockname()[1]}/"
            error, _ = refused(client_of(), post(url), NotConnected, "did not take the connection")
        assert error.retry_helps

    def test_given_a_name_that_nobody_has_then_name_not_found(self):
        def unknown(_):
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

        client = OutgoingClient(LOOPBACK, lookup=NameLookup(unknown))
        error, _ = refused(client, post("https://hook.example/"), NameNotFound, "Name or service not known")
        assert error.retry_helps
        refused(OutgoingClient(LOOPBACK, lookup=NameLookup(lambda _: [])), post("https://hook.example/"), NameNotFound)

    def test_given_header_values_with_line_breaks_then_they_never_leave(self):
        with running(OK) as server:
            request = post(f"http://hook.example:{server.port}/", headers={"X-A": "b\r\nX-C: d"})
            refused(client_of(), request, OutgoingError)
            assert server.asked in ([], [b"\r\n\r\n"])


def test_given_requests_then_metrics_count_them_by_use_and_outcome():
    def counted(outcome):
        return REGISTRY.get_sample_value("dialtrace_outgoing_requests_total", {"use": "counting", "outcome": outcome})

    client = client_of()
    with running(OK) as server:
        client.send(post(f"http://hook.example:{server.port}/"), use="counting")
    with pytest.raises(UrlRefused):
        client.send(post("ftp://hook.example/"), use="counting")
    assert (counted("2xx"), counted("url_refused")) == (1, 1)
    assert REGISTRY.get_sample_value("dialtrace_outgoing_seconds_count", {"use": "counting"}) == 2


ON_GEVENT = """
from gevent import monkey; monkey.patch_all()
import sys, time, gevent
from dialtrace.outgoing.errors import TimedOut
from dialtrace.outgoing.lookup import NameLookup
from dialtrace.outgoing.model import Request, Rules, parse_networks
from dialtrace.outgoing.service import OutgoingClient

client = OutgoingClient(
    Rules(private_networks=parse_networks("127.0.0.0/8")),
    lookup=NameLookup(lambda _: ["127.0.0.1"]),
    ca_file=sys.argv[2],
    most_per_host=100,
)

def ask(scheme):
    try:
        client.send(Request("POST", f"{scheme}://hook.example:{sys.argv[1]}/", 0.8, body=b"{}"), use="test")
    except TimedOut:
        return time.monotonic()

begun_s = time.monotonic()
turns = 0
running = [gevent.spawn(ask, scheme) for scheme in ["http"] * 20 + ["https"] * 20]
while not all(greenlet.ready() for greenlet in running):
    gevent.sleep(0.01)
    turns += 1
assert all(0.7 < greenlet.value - begun_s < 2 for greenlet in running), [g.value and g.value - begun_s for g in running]
assert turns > 20, turns
print("good")
"""


def test_given_a_process_on_gevent_then_requests_run_side_by_side_and_dripped_handshakes_are_bounded(tmp_path):
    """A drip of bytes that could be the beginning of a TLS record, and of an HTTP head: neither ever ends."""

    def behave(sock):
        for byte in b"\x16\x03\x03\x3f\xff" + b"\x02" * 500:
            sock.sendall(bytes([byte]))
            time.sleep(0.05)

    authority = Authority(tmp_path)
    with running(behave) as server:
        done = subprocess.run(
            [sys.executable, "-c", ON_GEVENT, str(server.port), str(Path(authority.file))],
            capture_output=True, text=True, timeout=30, check=False,
        )  # fmt: skip
    assert (done.stdout.strip(), done.returncode) == ("good", 0), done.stderr
