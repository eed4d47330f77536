"""What it costs to keep records: CDR files made durable a second against `COPY` of the same rows, recordings' bytes a
second to S3 against plain boto3, and whether the agent's memory stays flat while very many files come.

Run it by itself: ``python loadtest/bench_records.py [--quick | --million | --files N]``. A real ``dialtrace agent``
works on a real spool, a real PostgreSQL with its usual safety, and moto's S3 server. How to read it:
loadtest/README.md. Prints one line of JSON at the end. Exit status: 0; 1 if a file was lost or doubled; 2 if it could
not measure; 130 if it was stopped.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psutil

from dialtrace.loadtest.bench_end import ended
from dialtrace.loadtest.bench_records_stage import (
    Stage,
    copy_rows,
    put_plainly,
    put_recordings,
    running_s3,
    running_stage,
)

GOALS = {"cdr_vs_copy": 0.3, "upload_vs_boto3": 0.9}
LOOK_EVERY_S = 0.1
#: So many files wait in the spool at most while memory is watched: the disk of a machine is not the subject.
MOST_WAITING = 40_000
STALLED_AFTER_S = 60.0
#: Visits to which a number of a small pool was shown within a day, and calls to it meanwhile.
HOLDERS, CALLS_A_NUMBER = 20, 2


@dataclass(frozen=True)
class Pace:
    """How much there is to do."""

    calls: int
    recordings: int
    recording_bytes: int
    #: Files that the agent's memory is watched over; 0: not in this run.
    watched_files: int


#: A minute of stereo at 8 kHz has 1.9 MB.
FULL = Pace(calls=10_000, recordings=60, recording_bytes=1_920_044, watched_files=0)
QUICK = Pace(calls=1_000, recordings=12, recording_bytes=1_920_044, watched_files=10_000)
LEAST_WATCHED, MOST_WATCHED = 1_000, 10_000_000


def records(stage: Stage, calls: int) -> dict[str, float]:
    """A backlog of files that comes at once to an agent that is up, until the last is kept; then the same rows by
    COPY."""
    took_s, cpu_s = bring_backlog(stage, calls)
    copied, copy_s = copy_rows(stage)
    return {
        "files": 2 * calls,
        "files_per_s": round(2 * calls / took_s, 1),
        "agent_cpu_ms_per_call": round(cpu_s * 1000 / calls, 3),
        "copied_rows": copied,
        "copy_files_per_s": round(2 * (calls + 1) / copy_s, 1),
    }


def bring_backlog(stage: Stage, calls: int) -> tuple[float, float]:
    """Seconds until so many calls are kept, and seconds of a processor that the agent has used for them."""
    before = stage.count()
    backlog = stage.folder / "backlog"
    with stage.agent() as agent:
        # The first call makes connections, plans and caches.
        stage.fill(1)
        wait_for(stage, before + 2)
        stage.fill(calls, into=backlog)
        before_s = sum(agent.cpu_times()[:2])
        stage.bring(backlog)
        began_s = time.monotonic()
        wait_for(stage, before + 2 + 2 * calls)
        took_s = time.monotonic() - began_s
        return took_s, sum(agent.cpu_times()[:2]) - before_s


def attributions(stage: Stage, calls: int) -> dict[str, float]:
    """The same for calls to numbers that pages show: each is matched to the visits that saw its own."""
    with stage.pages(calls // CALLS_A_NUMBER, HOLDERS):
        took_s, cpu_s = bring_backlog(stage, calls)
        made = stage.count_attributions()
    stage.must_move(made > calls, f"{made} of {calls + 1} calls were attributed")
    return {
        "attributed_files_per_s": round(2 * calls / took_s, 1),
        "attributed_agent_cpu_ms_per_call": round(cpu_s * 1000 / calls, 3),
    }


def wait_for(stage: Stage, files: int) -> None:
    """Until that many files are kept; raises StageFailed when nothing moves any more. A file leaves the spool when its
    record is kept; counting the records themselves again and again would take the processors from who is measured."""
    seen, moved_s = -1, time.monotonic()
    while (waiting := stage.count_waiting()) > 0 or stage.count() < files:
        if waiting != seen:
            seen, moved_s = waiting, time.monotonic()
        stage.must_move(time.monotonic() - moved_s < STALLED_AFTER_S, f"{waiting} of {files} files are not kept")
        # To look through a folder takes the longer the more lies in it.
        time.sleep(LOOK_EVERY_S * min(1.0, 0.2 + waiting / 5_000))


def memory(stage: Stage, files: int) -> dict[str, Any]:
    """Feeds files as fast as they are taken, and watches what the agent holds: the highest in each tenth of the files.
    In the first, everything is needed for the first time. What is left in the spool is counted, not what the database
    has: that would take longer with every file."""
    highest = [0] * 10
    with stage.agent() as agent:
        fed, began_s = 0, time.monotonic()
        moved_s, seen = began_s, 0
        while (done := fed - stage.count_waiting()) < files:
            if done != seen:
                seen, moved_s = done, time.monotonic()
            stage.must_move(agent.is_running(), "the agent has ended")
            stage.must_move(time.monotonic() - moved_s < STALLED_AFTER_S, f"{done} of {files} files are taken")
            tenth = min(9, max(0, 10 * done // files))
            highest[tenth] = max(highest[tenth], agent.memory_info().rss)
            if fed < files and fed - done < MOST_WAITING:
                fed += 2 * stage.fill(min(1_000, (files - fed + 1) // 2))
            else:
                time.sleep(LOOK_EVERY_S)
        took_s = time.monotonic() - began_s
    seen_mb = [round(one / 1e6, 1) for one in highest if one]
    return {
        "watched_files": files,
        "watched_files_per_s": round(files / took_s, 1),
        "memory_early_mb": seen_mb[min(1, len(seen_mb) - 1)],
        "memory_late_mb": seen_mb[-1],
        "memory_by_tenth_mb": seen_mb,
    }


def uploads(stage: Stage, endpoint_url: str, pace: Pace) -> dict[str, float]:
    """The same recordings by plain boto3 and by the platform (ledger, event and confirmation included), in turns."""
    took: dict[str, list[float]] = {"plain": [], "ours": []}
    for turn in range(3):
        paths = stage.make_recordings(pace.recordings, pace.recording_bytes)
        for path in paths:
            path.with_suffix(".kept").hardlink_to(path)
        for name in ("plain", "ours") if turn % 2 == 0 else ("ours", "plain"):
            began_s = time.monotonic()
            if name == "plain":
                put_plainly(endpoint_url, paths, f"plain-{turn}")
            else:
                put_recordings(stage, endpoint_url, paths)
            took[name].append(time.monotonic() - began_s)
            for path in paths:
                # The platform has removed what it has stored.
                if not path.exists():
                    path.hardlink_to(path.with_suffix(".kept"))
        for path in paths:
            path.unlink()
            path.with_suffix(".kept").unlink()
    size = pace.recordings * pace.recording_bytes / 1e6
    return {f"{name}_mb_per_s": round(size / min(seconds), 1) for name, seconds in took.items()}


def measure(pace: Pace) -> int:
    """Everything, one after another; the exit status."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="dialtrace-bench-records-")))
        folder.chmod(0o755)
        stage = stack.enter_context(running_stage(folder))
        figures: dict[str, Any] = {"cores": os.cpu_count(), "load_before": round(psutil.getloadavg()[0], 1)}
        figures |= records(stage, pace.calls)
        print(f"  records: {figures}", flush=True)
        figures |= attributions(stage, pace.calls // 5)
        figures |= uploads(stage, stack.enter_context(running_s3(folder)), pace)
        if pace.watched_files:
            figures |= memory(stage, pace.watched_files)
        kept = stage.books()
    whole = kept == {"calls": stage.put, "legs": stage.put, "events": stage.put, "revised": 0}
    ratio = {
        "cdr_vs_copy": round(figures["files_per_s"] / figures["copy_files_per_s"], 3),
        "upload_vs_boto3": round(figures["ours_mb_per_s"] / figures["plain_mb_per_s"], 3),
    }
    for name, goal in GOALS.items():
        print(f"  {name}: {ratio[name]} (goal: at least {goal})")
    if not whole:
        print(f"the books do not balance: {stage.put} calls were put, {kept} are kept", file=sys.stderr)
    print(json.dumps({"bench": "records", "figures": figures, "ratio": ratio}))
    return 0 if whole else 1


def main(arguments: Sequence[str] | None = None) -> int:
    """From the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--quick", action="store_true", help="under a minute, coarse")
    how.add_argument("--million", action="store_true", help="watch the agent's memory over a million files")
    how.add_argument("--files", type=int, metavar="N", help="watch it over so many files")
    options = parser.parse_args(arguments)
    if options.files is not None and not LEAST_WATCHED <= options.files <= MOST_WATCHED:
        parser.error(f"--files is {LEAST_WATCHED} to {MOST_WATCHED}")
    watched = 1_000_000 if options.million else options.files or 0
    return ended(lambda: measure(QUICK if options.quick else replace(FULL, watched_files=watched)))


if __name__ == "__main__":
    sys.exit(main())
