"""The reserve of a spool's disk: kept while there is plenty, given up when the disk is full."""

import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from dialtrace.workers.reserve import Reserve

BLOCK = 4096


def disk(monkeypatch: pytest.MonkeyPatch, *, free: int, total: int) -> None:
    state = SimpleNamespace(f_bavail=free // BLOCK, f_blocks=total // BLOCK, f_frsize=BLOCK, f_favail=1_000_000)
    monkeypatch.setattr(os, "statvfs", lambda _: state)


def test_given_plenty_when_tended_then_a_part_of_the_disk_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk(monkeypatch, free=30_000_000, total=32 * BLOCK * 100)
    Reserve(tmp_path).tend()
    assert (tmp_path / "reserve").stat().st_size == BLOCK * 100
    assert (tmp_path / "reserve").stat().st_blocks * 512 >= BLOCK * 100, "space that is really there"
    assert [path.name for path in tmp_path.iterdir()] == ["reserve"]


def test_given_a_large_disk_when_tended_then_no_more_than_the_most_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk(monkeypatch, free=10**12, total=10**12)
    Reserve(tmp_path, most_bytes=BLOCK).tend()
    assert (tmp_path / "reserve").stat().st_size == BLOCK


def test_given_a_full_disk_when_tended_then_the_reserve_goes_and_comes_back_only_with_plenty(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    total = 32 * BLOCK * 8
    reserve = Reserve(tmp_path)
    disk(monkeypatch, free=total // 2, total=total)
    reserve.tend()
    disk(monkeypatch, free=BLOCK, total=total)
    reserve.tend()
    assert not (tmp_path / "reserve").exists()
    reserve.tend()
    disk(monkeypatch, free=BLOCK * 16, total=total)
    reserve.tend()
    assert not (tmp_path / "reserve").exists(), "what was given up is not taken back at once"
    disk(monkeypatch, free=BLOCK * 40, total=total)
    reserve.tend()
    assert (tmp_path / "reserve").exists()
