"""Object names, ranges and addresses; the folder store, which needs no network."""

import hashlib
import os
from pathlib import Path

import pytest

from dialtrace.objectstore.errors import (
    NotConfirmed,
    ObjectMissing,
    ObjectNameFaulty,
    RangeNotSatisfiable,
    StoreAddressFaulty,
    StoreRefuses,
    StoreUnavailable,
)
from dialtrace.objectstore.folder import FolderStore
from dialtrace.objectstore.model import checked_name, resolve_range
from dialtrace.objectstore.s3 import S3Store
from dialtrace.objectstore.service import open_store


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "source.wav"
    path.write_bytes(bytes(range(256)) * 40)
    return path


def digest(path: Path) -> bytes:
    return hashlib.sha256(path.read_bytes()).digest()


@pytest.mark.parametrize("name", ["a", "a/b.wav", "01990000-0000/2026/11/22/x-1.wav"])
def test_given_a_plain_name_then_it_is_taken(name: str) -> None:
    assert checked_name(name) == name


@pytest.mark.parametrize(
    "name",
    ["", "/a", "a/", "a//b", "..", "a/../b", "../a", ".hidden", "a/.b", "a b", "a\n", "a\x00", "ä", "a..b", "a" * 600],
)
def test_given_a_name_that_could_lead_elsewhere_then_it_is_refused(name: str, tmp_path: Path, source: Path) -> None:
    with pytest.raises(ObjectNameFaulty):
        FolderStore(tmp_path / "store").put_file(name, source, sha256=digest(source))


@pytest.mark.parametrize(
    ("size", "first", "last", "found"),
    [
        (100, 0, None, (0, 99)),
        (100, 10, 19, (10, 19)),
        (100, 90, 1000, (90, 99)),
        (100, -10, None, (90, 99)),
        (100, -1000, None, (0, 99)),
        (100, 99, 99, (99, 99)),
        (0, 0, None, (0, -1)),
    ],
)
def test_given_a_range_when_resolving_then_it_ends_with_the_object(size, first, last, found) -> None:
    assert resolve_range(size, first, last) == found


@pytest.mark.parametrize(("size", "first", "last"), [(100, 100, None), (100, 20, 10), (0, 1, None)])
def test_given_a_range_behind_the_end_when_resolving_then_it_is_refused(size, first, last) -> None:
    with pytest.raises(RangeNotSatisfiable):
        resolve_range(size, first, last)


def test_given_a_folder_or_s3_address_when_opening_then_the_right_store_comes(monkeypatch) -> None:
    # Without credentials boto3 would ask the machine's metadata service for some.
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    assert isinstance(open_store("/var/x"), FolderStore)
    assert open_store("file:///var/a%20b").root == Path("/var/a b")
    found = open_store("s3://bucket.one/pre/fix/", endpoint_url="http://127.0.0.1:1")
    assert isinstance(found, S3Store)
    assert (found.bucket, found.prefix) == ("bucket.one", "pre/fix/")


@pytest.mark.parametrize(
    "url", ["", "recordings", "file://host/x", "s3://", "s3:///x", "s3://B/x", "s3://b", "s3://bucket/a b", "http://x/y",
            "s3://bucket/x?y=1"]
)  # fmt: skip
def test_given_another_address_when_opening_then_it_is_refused(url: str) -> None:
    with pytest.raises(StoreAddressFaulty):
        open_store(url)


def test_given_a_file_when_putting_then_it_can_be_described_and_read_in_spans(tmp_path: Path, source: Path) -> None:
    store = FolderStore(tmp_path / "store")
    store.put_file("a/b/c.wav", source, sha256=digest(source))
    store.put_file("a/b/c.wav", source, sha256=digest(source))

    facts = store.describe("a/b/c.wav")
    assert (facts.size_bytes, facts.sha256) == (10_240, digest(source))
    with store.open("a/b/c.wav", first=250, last=260) as stream:
        assert (stream.size_bytes, stream.length) == (10_240, 11)
        assert stream.read() == (bytes(range(256)) * 40)[250:261]
    with store.open("a/b/c.wav", first=-6) as stream:
        assert stream.read() == bytes(range(250, 256))
    assert [path.name for path in (tmp_path / "store").rglob("*") if path.is_file()] == ["c.wav"]


def test_given_a_checksum_that_does_not_match_when_putting_then_it_is_not_confirmed(tmp_path, source) -> None:
    with pytest.raises(NotConfirmed):
        FolderStore(tmp_path / "store").put_file("x", source, sha256=bytes(32))


def test_given_nothing_under_the_name_when_reading_then_that_is_said(tmp_path: Path) -> None:
    store = FolderStore(tmp_path / "store")
    for ask in (store.open, store.describe):
        with pytest.raises(ObjectMissing):
            ask("no/such.wav")


def test_given_a_folder_that_is_a_file_when_putting_then_the_store_is_unavailable(tmp_path: Path, source: Path) -> None:
    (tmp_path / "store").write_text("in the way")
    with pytest.raises(StoreUnavailable):
        FolderStore(tmp_path / "store").put_file("x", source, sha256=digest(source))
    with pytest.raises((StoreUnavailable, StoreRefuses)):
        FolderStore(tmp_path / "store").check()


def test_given_a_full_disk_when_putting_then_no_half_object_stays(tmp_path, source, monkeypatch) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    store = FolderStore(tmp_path / "store")
    monkeypatch.setattr(os, "fsync", full)
    (tmp_path / "store").mkdir()
    with pytest.raises(StoreUnavailable, match="No space"):
        store.put_file("x.wav", source, sha256=digest(source))
    assert list((tmp_path / "store").iterdir()) == []


def test_given_a_recording_in_a_folder_then_the_machines_other_users_cannot_read_it(
    tmp_path: Path, source: Path
) -> None:
    before = os.umask(0)
    try:
        FolderStore(tmp_path / "objects").put_file("a/b.wav", source, sha256=digest(source))
    finally:
        os.umask(before)
    made = [tmp_path / "objects", tmp_path / "objects/a", tmp_path / "objects/a/b.wav"]
    assert [path.stat().st_mode & 0o777 for path in made] == [0o750, 0o750, 0o640]
