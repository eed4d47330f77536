"""Minutes, spans, pools that lose, and what a process says to Prometheus."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from dialtrace import scrape_files
from dialtrace.watching.model import MinuteBook, MinuteRow, PoolStanding, spans, worst_pools

NOON = datetime(2026, 3, 1, 12, 0, 30, tzinfo=UTC)
MINUTE = NOON.replace(second=0)


def test_given_calls_when_counted_then_each_stands_in_the_minute_that_it_began_in() -> None:
    book = MinuteBook()
    book.begun("node-1", NOON)
    book.ended("node-1", NOON, "answered", 5_000)
    book.ended("node-1", NOON, "busy", None)
    book.ended("node-1", NOON, "congestion", None)
    counts = book.take()["node-1", MINUTE]
    assert (counts.begun, counts.ended, counts.answered, counts.delivered, counts.talk_ms) == (1, 3, 1, 2, 5_000)
    assert book.take() == {}


def test_given_what_could_not_be_written_when_put_back_then_it_is_added_to_what_came_since() -> None:
    book = MinuteBook()
    book.begun("node-1", NOON)
    taken = book.take()
    book.begun("node-1", NOON)
    book.put_back(taken)
    assert book.take()["node-1", MINUTE].begun == 2


def test_given_a_database_that_is_away_for_days_then_the_oldest_minutes_go() -> None:
    book = MinuteBook()
    for index in range(MinuteBook.MOST + 5):
        book.begun("node-1", NOON + timedelta(minutes=index))
    taken = book.take()
    assert len(taken) == MinuteBook.MOST
    assert ("node-1", MINUTE) not in taken


def test_given_minutes_of_two_nodes_when_spans_are_made_then_gaps_are_there_without_figures() -> None:
    rows = [
        MinuteRow("node-1", MINUTE, 30, 20, 10, 19, 60_000), MinuteRow("node-2", MINUTE, 30, 20, 10, 20, 20_000),
    ]  # fmt: skip
    first, second = spans(rows, MINUTE, MINUTE + timedelta(minutes=2), timedelta(minutes=1))
    assert (first.calls_per_s, first.asr, first.ner, first.acd_s) == (1.0, 0.5, 39 / 40, 4.0)
    assert (second.calls_per_s, second.asr, second.ner, second.acd_s) == (0.0, None, None, None)


def test_given_a_span_that_is_cut_off_by_now_then_its_rate_is_of_its_own_length() -> None:
    rows = [MinuteRow("node-1", MINUTE, 30, 0, 0, 0, 0)]
    (span,) = spans(rows, MINUTE, MINUTE + timedelta(seconds=30), timedelta(minutes=10))
    assert span.calls_per_s == 1.0


def test_given_pools_when_the_worst_are_asked_for_then_the_nearest_to_its_target_comes_first() -> None:
    def pool(name: str, lost: int, target: float) -> PoolStanding:
        return PoolStanding("a", name, name, 100, lost, target)

    found = worst_pools([pool("calm", 0, 0.01), pool("large", 5, 0.1), pool("short", 2, 0.01), pool("none", 1, 0.0)], 3)
    assert [one.name for one in found] == ["short", "none", "large"]


@pytest.mark.parametrize(
    ("listen", "address"),
    [(("10.0.0.1", 9153), "10.0.0.1:9153"), (("0.0.0.0", 9153), "here:9153"), (("::1", 9153), "[::1]:9153")],
)
def test_given_a_process_when_it_announces_itself_then_the_machine_knows_it_until_it_goes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, listen: tuple[str, int], address: str
) -> None:
    monkeypatch.setattr(scrape_files, "machine_name", lambda: "here")
    path = scrape_files.announce(tmp_path, process="worker-1", kind="worker", listen=listen)
    assert path is not None
    assert scrape_files.announced(tmp_path) == [{"process": "worker-1", "kind": "worker", "address": address}]
    scrape_files._withdraw(path, 1)
    assert len(scrape_files.announced(tmp_path)) == 1, "another process's is not taken away"
    scrape_files._withdraw(path, scrape_files.os.getpid())
    assert scrape_files.announced(tmp_path) == []


def test_given_files_that_are_none_of_ours_then_they_are_no_processes(tmp_path: Path) -> None:
    folder = tmp_path.joinpath(*scrape_files.FOLDER)
    folder.mkdir(parents=True)
    for name, text in {"a.json": "{", "b.json": "[]", "c.json": '{"process": "x"}'}.items():
        (folder / name).write_text(text)
    assert scrape_files.announced(tmp_path) == []
    assert scrape_files.announced(tmp_path / "nowhere") == []


def test_given_a_folder_that_cannot_be_written_then_the_process_works_on(tmp_path: Path) -> None:
    (tmp_path / "prometheus").write_text("a file where the folder should be")
    assert scrape_files.announce(tmp_path, process="api", kind="api", listen=("127.0.0.1", 1)) is None
