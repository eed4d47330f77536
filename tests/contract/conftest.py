"""One rehearsal of the selected cases per kind of switch and test run, in a process of its own (rehearsal.py)."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from . import (
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
from .case import CASES

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
TESTS = Path(__file__).parents[1]
#: All waits of a rehearsal are bounded; this is only for one that broke.
LONGEST_S = 280.0
Rehearsed = Callable[[str], dict[str, Any]]


@pytest.fixture(scope="session")
def rehearsed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Rehearsed:
    """What was seen on a kind of switch. Several pytest-xdist workers share one rehearsal."""
    base = tmp_path_factory.getbasetemp()
    folder = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    names = sorted(
        {
            item.callspec.params["name"]
            for item in request.session.items
            if isinstance(item, pytest.Function) and "rehearsed" in item.fixturenames and hasattr(item, "callspec")
        }
        & set(CASES)
    )

    def of(kind: str) -> dict[str, Any]:
        out = folder / f"contract-{kind}.json"
        with (folder / f"contract-{kind}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not out.exists():
                _run(kind, out, names)
        found: dict[str, Any] = json.loads(out.read_text(encoding="utf-8"))
        return found

    return of


def _run(kind: str, out: Path, names: list[str]) -> None:
    command = [sys.executable, "-m", "contract.rehearsal", kind, str(out), *names]
    environment = os.environ | {"PYTHONPATH": str(TESTS)}
    with out.with_suffix(".log").open("wb") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        try:
            process.wait(LONGEST_S)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGINT)  # it then stops its switch
            process.wait(30)
    if process.returncode != 0:
        out.write_text(json.dumps({"broken": out.with_suffix(".log").read_text(encoding="utf-8", errors="replace")}))
