"""Plays cases on one switch and writes what was seen: `python -m contract.rehearsal KIND OUT.json CASE…`

One process of its own with one switch. What waits runs side by side: long calls are placed first, through whatever door
of the worker they need, and stand while everything else is played; what changes the whole switch comes last.
"""

from gevent import monkey

monkey.patch_all()

import json  # noqa: E402
import logging  # noqa: E402
import os  # noqa: E402
import sys  # noqa: E402
import tempfile  # noqa: E402
import time  # noqa: E402
import traceback  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import Any  # noqa: E402

import gevent  # noqa: E402
from gevent.pool import Pool  # noqa: E402

from . import (  # noqa: E402
    cases_calls,
    cases_flows,
    cases_kept,
    cases_limits,
    cases_pieces,
    cases_records,
    cases_trunks,
    cases_waits,
    cases_worker,
)
from .case import CASES, Case, only_times_differ  # noqa: E402
from .stage import Stage  # noqa: E402
from .switches import Switch, running  # noqa: E402
from .worker import ScriptedWorker  # noqa: E402

BODIES = (
    cases_calls,
    cases_pieces,
    cases_worker,
    cases_limits,
    cases_flows,
    cases_kept,
    cases_waits,
    cases_trunks,
    cases_records,
)
#: Calls of the ordinary cases that are played at a time.
AT_A_TIME = 4
LONGEST_S = 100.0
#: For every call to have met a door.
_DOOR_S = 6.0


class Rehearsal:
    """All cases on one switch."""

    def __init__(self, switch: Switch, worker: ScriptedWorker, keep: Path | None) -> None:
        self._switch = switch
        self._worker = worker
        self._keep = keep
        self._stages: dict[str, Stage] = {}
        self.results: dict[str, dict[str, Any]] = {}

    def play(self, cases: list[Case]) -> None:
        self._greenlets: list[Any] = []
        for door in ("shut", "slams", "silent"):
            self._through(door, [one for one in cases if one.door == door])
        open_door = [one for one in cases if one.door == "open"]
        for one in open_door:
            if one.seconds:
                self._spawn(one)
                gevent.sleep(0.1)
        pool = Pool(AT_A_TIME)
        for one in open_door:
            if not one.seconds and not one.alone:
                pool.spawn(self._one, one)
        pool.join(LONGEST_S)
        for one in open_door:
            if one.alone:
                self._one(one)
        gevent.joinall(self._greenlets, timeout=LONGEST_S)
        self._play_again([one for one in cases if not one.seconds and self._was_slow(one)])

    def _was_slow(self, case: Case) -> bool:
        result = self.results[case.name]
        if self._lost_worker(case):
            return True
        return result["fault"] is None and result["seen"] != case.sees and only_times_differ(result["seen"], case.sees)

    def _lost_worker(self, case: Case) -> bool:
        """The switch took the call away from a worker that does all that it should: this process stood still for longer
        than the dialplan's guard waits. A number that has no plan on the disk then ends with `no_plan`, as it must."""
        records = self.results[case.name]["records"] or []
        fell_back = any("fallback_reason" in call[0] for call in records if call)
        return case.door == "open" and fell_back and self._stages[case.name].workers_are_good

    def _play_again(self, cases: list[Case]) -> None:
        """What was right but too late is played once more, by itself: times are the switch's only where nothing of ours
        competes with it. The second time counts."""
        for one in cases:
            self._worker.knocks.pop(one.number, None)
            self._stages.pop(one.name)
            if one.door == "open":
                self._one(one)
            else:
                self._through(one.door, [one])
                gevent.joinall(self._greenlets, timeout=LONGEST_S)

    def _spawn(self, one: Case) -> None:
        self._greenlets.append(gevent.spawn(self._one, one))

    def _through(self, door: str, cases: list[Case]) -> None:
        """Place these calls while the worker's door is so; open it when each call has met it."""
        if not cases:
            return
        self._worker.nameless = 0
        if door == "shut":
            self._worker.shut()
        else:
            self._worker.door = door  # type: ignore[assignment]
        for one in cases:
            self._spawn(one)
        until = time.monotonic() + _DOOR_S
        while time.monotonic() < until and not self._met(door, cases):
            gevent.sleep(0.02)
        self._worker.door = "open"
        if door == "shut":
            self._worker.open()

    def _met(self, door: str, cases: list[Case]) -> bool:
        if door != "shut":
            return self._worker.nameless >= len(cases)
        stages = [self._stages.get(one.name) for one in cases]
        return all(
            stage and stage.dialogs and (stage.dialogs[0].final or stage.dialogs[0].seen[1:]) for stage in stages
        )

    def _one(self, case: Case) -> None:
        stage = self._stages[case.name] = Stage(case.number, self._switch, self._worker)
        result: dict[str, Any] = {"seen": None, "records": None, "fault": None}
        self.results[case.name] = result
        faults: list[str] = []
        begun = time.monotonic()
        for what in (self._play, self._clean_up, self._read):
            try:
                what(case, stage, result)
            except Exception:  # whatever it is, it is this case's result, and the others go on
                faults.append(traceback.format_exc())
        result["fault"] = "\n".join(faults) or None
        result["took_s"] = round(time.monotonic() - begun, 2)

    def _play(self, case: Case, stage: Stage, result: dict[str, Any]) -> None:
        result["seen"] = case.play(stage)

    def _clean_up(self, case: Case, stage: Stage, result: dict[str, Any]) -> None:
        stage.clean_up()

    def _read(self, case: Case, stage: Stage, result: dict[str, Any]) -> None:
        result["records"] = stage.records()
        result["headers"] = stage.headers()
        if self._keep is not None:
            stage.keep(self._keep / case.name)


def rehearse(kind: str, names: list[str], keep: Path | None) -> dict[str, Any]:
    """The results by case, and what the worker could not make sense of."""
    worker = ScriptedWorker()
    with tempfile.TemporaryDirectory(prefix="dialtrace-contract-") as folder:
        try:
            with running(kind, Path(folder), worker.port, record=keep is not None) as switch:
                worker.open()
                rehearsal = Rehearsal(switch, worker, keep)
                rehearsal.play([CASES[name] for name in names])
                worker.shut()
        finally:
            logs = {path.name: path.read_text("utf-8", "replace")[-4000:] for path in Path(folder).glob("logs/*.log")}
        if keep is not None:
            (keep / "events.raw").write_bytes(switch.heard())
            (keep / "folder").write_text(folder, encoding="utf-8")
    return {"results": rehearsal.results, "worker_faults": worker.faults, "logs": logs}


def main() -> None:
    kind, out, *names = sys.argv[1:]
    logging.basicConfig(level=logging.WARNING)
    found = rehearse(kind, names or list(CASES), None)
    part = Path(f"{out}.part")
    part.write_text(json.dumps(found, ensure_ascii=False, indent=1), encoding="utf-8")
    os.replace(part, out)


if __name__ == "__main__":
    main()
