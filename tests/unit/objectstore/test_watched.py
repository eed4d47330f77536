"""A watched store passes everything on and counts what failed, not what was merely not there."""

from pathlib import Path

import pytest
from prometheus_client import REGISTRY

from dialtrace.objectstore.errors import ObjectMissing, StoreRefuses
from dialtrace.objectstore.model import FileSource
from dialtrace.objectstore.service import WatchedStore, open_store


def failed(what: str) -> float:
    return REGISTRY.get_sample_value("dialtrace_store_failures_total", {"what": what}) or 0.0


def test_given_a_store_when_used_then_requests_are_timed_bytes_counted_and_failures_told(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"sound")
    store = WatchedStore(open_store(str(tmp_path / "objects")))
    bytes_before = REGISTRY.get_sample_value("dialtrace_store_bytes_total") or 0.0
    before = failed("open"), failed("check")
    receipt = store.put("a/b", FileSource(file))
    store.confirm("a/b", receipt)
    with store.open("a/b") as stream:
        assert stream.read() == b"sound"
    assert REGISTRY.get_sample_value("dialtrace_store_bytes_total") == bytes_before + 5
    with pytest.raises(ObjectMissing):
        store.open("a/c")
    with pytest.raises(StoreRefuses):
        WatchedStore(_Closed()).check()
    assert (failed("open"), failed("check")) == (before[0], before[1] + 1)


class _Closed:
    def check(self) -> None:
        raise StoreRefuses("no")
