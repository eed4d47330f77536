"""One behaviour, whatever stands behind it: a folder, S3, and either with objects that were sealed before they left."""

import hashlib
import os
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from moto.server import ThreadedMotoServer

from dialtrace.objectstore import s3, sealing
from dialtrace.objectstore.errors import NotConfirmed, ObjectMissing, RangeNotSatisfiable, SealedObjectBroken
from dialtrace.objectstore.folder import FolderStore
from dialtrace.objectstore.model import FileSource, ObjectStore, Receipt
from dialtrace.objectstore.sealing import PIECE_BYTES, SealedSource, open_sealed, sealed_size
from dialtrace.objectstore.service import Access, Encryption, S3Store

BUCKET = "behaviour"
KEY = bytes(range(32))


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    url = f"http://{host}:{port}"
    client = boto3.client(
        "s3", endpoint_url=url, region_name="us-east-1", aws_access_key_id="own", aws_secret_access_key="own"
    )
    client.create_bucket(Bucket=BUCKET)
    client.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    yield url
    server.stop()


@pytest.fixture(params=["folder", "s3", "s3 encrypted by itself", "s3 encrypted with a key of its own"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStore:
    if request.param == "folder":
        return FolderStore(tmp_path / "objects")
    kind = {"s3": "none", "s3 encrypted by itself": "s3"}.get(request.param, "kms")
    return S3Store(
        BUCKET, "here", endpoint_url=request.getfixturevalue("endpoint"), access=Access("own", "own"),
        encryption=Encryption(kind, "alias/recordings" if kind == "kms" else None),
    )  # fmt: skip


@pytest.fixture(params=["as it is", "sealed"])
def sealed(request: pytest.FixtureRequest) -> bool:
    return request.param == "sealed"


def source_of(tmp_path: Path, size: int, *, sealed: bool):
    path = tmp_path / "source"
    path.write_bytes(os.urandom(size))
    plain = FileSource(path)
    return (SealedSource(plain, KEY) if sealed else plain), path.read_bytes()


def read(store: ObjectStore, name: str, size: int, *, sealed: bool, first: int = 0, last: int | None = None) -> bytes:
    if not sealed:
        with store.open(name, first=first, last=last) as stream:
            return stream.read()
    with open_sealed(store, name, key=KEY, plain_bytes=size, first=first, last=last) as stream:
        assert stream.size_bytes == size
        return stream.read()


SIZES = [0, 1, PIECE_BYTES - 1, PIECE_BYTES, PIECE_BYTES + 1, 3 * PIECE_BYTES, s3.PART_BYTES, 2 * s3.PART_BYTES + 4_321]


@pytest.mark.parametrize("size", SIZES)
def test_given_an_object_of_any_size_when_stored_then_confirmed_read_and_removed(store, tmp_path, sealed, size):
    source, body = source_of(tmp_path, size, sealed=sealed)
    name = f"a/{size}-1.wav"
    receipt = store.put(name, source, sha256=None if sealed else hashlib.sha256(body).digest())
    store.confirm(name, receipt)
    assert receipt.size_bytes == (sealed_size(size) if sealed else size)
    assert read(store, name, size, sealed=sealed) == body
    # The same again is harmless.
    store.confirm(name, store.put(name, source))
    store.delete(name)
    with pytest.raises(ObjectMissing):
        store.open(name)
    store.delete(name)


def test_given_spans_when_read_then_exactly_those_bytes_come(store, tmp_path, sealed):
    size = 3 * PIECE_BYTES + 77
    source, body = source_of(tmp_path, size, sealed=sealed)
    store.put("spans.wav", source)
    spans = [
        (0, 0), (0, 99), (PIECE_BYTES - 1, PIECE_BYTES), (PIECE_BYTES, 2 * PIECE_BYTES - 1), (70_000, 200_000),
        (size - 1, None), (size - 10, size + 10), (0, None),
    ]  # fmt: skip
    for first, last in spans:
        expected = body[first : None if last is None else last + 1]
        assert read(store, "spans.wav", size, sealed=sealed, first=first, last=last) == expected
    assert read(store, "spans.wav", size, sealed=sealed, first=-5) == body[-5:]
    with pytest.raises(RangeNotSatisfiable):
        read(store, "spans.wav", size, sealed=sealed, first=size)


def test_given_another_object_in_its_place_when_asked_again_then_not_confirmed(store, tmp_path):
    source, _ = source_of(tmp_path, 5_000, sealed=False)
    receipt = store.put("other.wav", source)
    store.put("other.wav", source_of(tmp_path, 5_000, sealed=False)[0])
    with pytest.raises(NotConfirmed):
        store.confirm("other.wav", receipt)
    with pytest.raises(NotConfirmed):
        store.confirm("other.wav", Receipt(4_999, receipt.checksum))
    with pytest.raises(NotConfirmed):
        store.confirm("not-there.wav", receipt)


def test_given_bytes_that_are_not_what_was_promised_when_stored_then_not_confirmed(store, tmp_path):
    for size in (5_000, s3.PART_BYTES + 1):
        source, _ = source_of(tmp_path, size, sealed=False)
        with pytest.raises(NotConfirmed):
            store.put("wrong.wav", source, sha256=bytes(32))


def test_given_a_sealed_object_when_changed_or_cut_short_or_opened_otherwise_then_nothing_wrong_is_given(
    store, tmp_path
):
    size = 2 * PIECE_BYTES + 10
    source, body = source_of(tmp_path, size, sealed=True)
    sent = b"".join(source.parts(1 << 20))
    assert body[:1_000] not in sent
    pieces = [sent[n : n + PIECE_BYTES + 16] for n in range(0, len(sent), PIECE_BYTES + 16)]
    flipped = bytearray(sent)
    flipped[70_000] ^= 1
    wrong = {
        "flipped": (bytes(flipped), size), "swapped": (pieces[1] + pieces[0] + pieces[2], size),
        "cut": (pieces[0] + pieces[1], 2 * PIECE_BYTES),
    }  # fmt: skip
    for name, (stored, told) in wrong.items():
        path = tmp_path / name
        path.write_bytes(stored)
        store.put(f"{name}.wav", FileSource(path))
        with pytest.raises(SealedObjectBroken), open_sealed(store, f"{name}.wav", key=KEY, plain_bytes=told) as stream:
            stream.read()
    store.put("whole.wav", source)
    with (
        pytest.raises(SealedObjectBroken),
        open_sealed(store, "whole.wav", key=bytes(32), plain_bytes=size) as stream,
    ):
        stream.read()


def test_given_a_signed_link_when_followed_then_the_store_itself_gives_the_object(endpoint, tmp_path):
    store = S3Store(BUCKET, "here", endpoint_url=endpoint, access=Access("own", "own"))
    source, body = source_of(tmp_path, 2_000, sealed=False)
    store.put("linked.wav", source)
    link = store.signed_link("linked.wav", valid_s=60, media_type="audio/wav", file_name="x.wav")
    with urllib.request.urlopen(link, timeout=5) as answer:
        assert answer.read() == body
    assert FolderStore(tmp_path).signed_link("x", valid_s=60, media_type="audio/wav", file_name="x") is None


def test_given_a_bucket_with_versions_when_removed_then_no_version_is_left(endpoint, tmp_path):
    store = S3Store(BUCKET, "here", endpoint_url=endpoint, access=Access("own", "own"))
    for _ in range(3):
        store.put("versions.wav", source_of(tmp_path, 100, sealed=False)[0])
    store.delete("versions.wav")
    listed = store.client.list_object_versions(Bucket=BUCKET, Prefix="here/versions.wav")
    assert not listed.get("Versions")
    assert not listed.get("DeleteMarkers")


def test_given_a_store_that_does_not_encrypt_as_asked_when_asked_again_then_not_confirmed(endpoint, tmp_path):
    careless = S3Store(BUCKET, "here", endpoint_url=endpoint, access=Access("own", "own"))
    strict = S3Store(
        BUCKET, "here", endpoint_url=endpoint, access=Access("own", "own"), encryption=Encryption("kms")
    )  # fmt: skip
    receipt = careless.put("plain.wav", source_of(tmp_path, 100, sealed=False)[0])
    with pytest.raises(NotConfirmed, match="encrypt"):
        strict.confirm("plain.wav", receipt)


def test_given_an_upload_in_parts_that_fails_when_given_up_then_no_part_is_left(endpoint, tmp_path, monkeypatch):
    store = S3Store(BUCKET, "here", endpoint_url=endpoint, access=Access("own", "own"))
    source, _ = source_of(tmp_path, 2 * s3.PART_BYTES, sealed=False)

    def fail(**_: object) -> None:
        raise OSError("the line is cut")

    monkeypatch.setattr(store.client, "complete_multipart_upload", fail)
    with pytest.raises(Exception, match="line is cut"):
        store.put("parts.wav", source)
    assert not store.client.list_multipart_uploads(Bucket=BUCKET).get("Uploads")


def test_given_nothing_and_much_when_sealed_then_the_size_is_known_beforehand(tmp_path):
    for size in (0, 1, PIECE_BYTES, PIECE_BYTES + 1, 1_000_000):
        source, _ = source_of(tmp_path, size, sealed=True)
        parts = list(source.parts(100_000))
        assert sum(map(len, parts)) == source.size_bytes == sealing.sealed_size(size)
        assert all(len(part) == 100_000 for part in parts[:-1])
