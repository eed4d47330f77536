"""The S3 store against a real S3 server over HTTP (moto's), and against servers that lie or do not answer."""

import base64
import hashlib
import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from moto.server import ThreadedMotoServer

from dialtrace.objectstore import s3
from dialtrace.objectstore.errors import (
    NotConfirmed,
    ObjectMissing,
    RangeNotSatisfiable,
    StoreRefuses,
    StoreUnavailable,
)
from dialtrace.objectstore.s3 import S3Store
from dialtrace.objectstore.service import FileSource, open_store

BUCKET = "recordings"
#: A port of this test process alone.
SLOW_PORT = 24130 + int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:])


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    # Any free port: several test processes run side by side.
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def store(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> S3Store:
    for name, value in (("AWS_ACCESS_KEY_ID", "test"), ("AWS_SECRET_ACCESS_KEY", "test"), ("AWS_REGION", "eu-west-1")):
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1").create_bucket(Bucket=BUCKET)
    found = open_store(f"s3://{BUCKET}/home", endpoint_url=endpoint)
    assert isinstance(found, S3Store)
    return found


def file_of(tmp_path: Path, size: int) -> tuple[Path, bytes]:
    path = tmp_path / "source.wav"
    path.write_bytes(os.urandom(size))
    return path, hashlib.sha256(path.read_bytes()).digest()


@pytest.mark.parametrize("size", [0, 1, 100_000, s3.PART_BYTES - 1, s3.PART_BYTES, 2 * s3.PART_BYTES + 77])
def test_given_a_file_of_any_size_when_putting_then_the_store_confirms_and_gives_the_same_back(store, tmp_path, size):
    path, digest = file_of(tmp_path, size)
    store.put_file("a/2026/x-1.wav", path, sha256=digest)
    store.put_file("a/2026/x-1.wav", path, sha256=digest)

    facts = store.describe("a/2026/x-1.wav")
    assert (facts.size_bytes, facts.sha256) == (size, digest)
    with store.open("a/2026/x-1.wav") as stream:
        assert (stream.size_bytes, stream.length) == (size, size)
        assert hashlib.sha256(stream.read()).digest() == digest


def test_given_a_stored_file_when_reading_spans_then_exactly_those_bytes_come(store, tmp_path):
    path, digest = file_of(tmp_path, 10_000)
    body = path.read_bytes()
    store.put_file("spans.wav", path, sha256=digest)

    for first, last, expected in (
        (0, 0, body[:1]),
        (100, 199, body[100:200]),
        (9_990, None, body[9_990:]),
        (9_990, 20_000, body[9_990:]),
        (-5, None, body[-5:]),
    ):
        with store.open("spans.wav", first=first, last=last) as stream:
            assert stream.size_bytes == 10_000
            assert stream.length == len(expected)
            assert b"".join(stream) == expected
    with pytest.raises(RangeNotSatisfiable):
        store.open("spans.wav", first=10_000)


def test_given_the_checksum_sent_when_asking_s3_itself_then_it_keeps_sha256(store, tmp_path):
    path, digest = file_of(tmp_path, 5_000)
    store.put_file("sum.wav", path, sha256=digest)

    head = store.client.head_object(Bucket=BUCKET, Key="home/sum.wav", ChecksumMode="ENABLED")
    assert head["ChecksumSHA256"] == base64.b64encode(digest).decode()


def test_given_a_file_that_changes_under_our_hands_when_putting_then_it_is_not_confirmed(store, tmp_path):
    path, _ = file_of(tmp_path, 5_000)
    with pytest.raises(NotConfirmed):
        store.put_file("changed.wav", path, sha256=bytes(32))


def test_given_a_store_that_keeps_no_checksums_when_putting_then_the_object_is_read_back(store, tmp_path, monkeypatch):
    path, digest = file_of(tmp_path, 5_000)
    ask = store.client.head_object

    def without_checksum(**request):
        answer = ask(**request)
        answer.pop("ChecksumSHA256", None)
        return answer

    monkeypatch.setattr(store.client, "head_object", without_checksum)
    store.put_file("plain.wav", path, sha256=digest)
    receipt = store.put("plain.wav", FileSource(path))
    path.write_bytes(os.urandom(5_000))
    store.put("plain.wav", FileSource(path))
    with pytest.raises(NotConfirmed, match="gives back"):
        store.confirm("plain.wav", receipt)


def test_given_nothing_under_the_name_when_reading_then_that_is_said(store):
    for ask in (store.open, store.describe):
        with pytest.raises(ObjectMissing):
            ask("no/such.wav")


def test_given_no_such_bucket_when_checking_or_putting_then_the_store_refuses(store, endpoint, tmp_path):
    path, digest = file_of(tmp_path, 10)
    other = S3Store("no-such-bucket", endpoint_url=endpoint)

    with pytest.raises(StoreRefuses, match="no-such-bucket"):
        other.check()
    with pytest.raises(StoreRefuses):
        other.put_file("x.wav", path, sha256=digest)
    store.check()


def test_given_no_credentials_when_putting_then_that_is_said(endpoint, tmp_path, monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    path, digest = file_of(tmp_path, 10)

    with pytest.raises(StoreRefuses, match="redentials"):
        S3Store(BUCKET, endpoint_url=endpoint).put_file("x.wav", path, sha256=digest)


@pytest.mark.usefixtures("store")
def test_given_a_closed_port_when_putting_then_the_store_is_unavailable(tmp_path):
    path, digest = file_of(tmp_path, 10)
    with pytest.raises(StoreUnavailable) as caught:
        S3Store(BUCKET, endpoint_url="http://127.0.0.1:24111").put_file("x.wav", path, sha256=digest)
    assert caught.value.retry_helps


@pytest.mark.usefixtures("store")
@pytest.mark.parametrize(
    ("status", "code"), [("503 Slow Down", "SlowDown"), ("500 Internal Server Error", "InternalError")]
)
def test_given_a_store_that_asks_to_slow_down_when_putting_then_trying_again_helps(tmp_path, status, code):
    body = f"<Error><Code>{code}</Code><Message>later</Message></Error>".encode()
    answer = f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode() + body
    path, digest = file_of(tmp_path, 10)
    with answering(SLOW_PORT, answer) as endpoint, pytest.raises(StoreUnavailable, match=code) as caught:
        S3Store(BUCKET, endpoint_url=endpoint).put_file("x.wav", path, sha256=digest)
    assert caught.value.retry_helps


class answering:
    """A server that gives every connection the same answer."""

    def __init__(self, port: int, answer: bytes) -> None:
        self._port = port
        self._answer = answer

    def __enter__(self) -> str:
        self._socket = socket.create_server(("127.0.0.1", self._port))
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()
        return f"http://127.0.0.1:{self._port}"

    def __exit__(self, *_: object) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join(5)

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            with connection:
                connection.settimeout(2)
                connection.recv(65536)
                connection.sendall(self._answer)
