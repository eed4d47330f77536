"""`loadtest/chaos.py` as people run it, on the embedded switch: small, and its books balance."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "loadtest" / "chaos.py"


def chaos(*words: str, timeout_s: float) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(SCRIPT), *words], capture_output=True, text=True, timeout=timeout_s, check=False
    )


@pytest.mark.slow
@pytest.mark.timeout(420)
def test_given_a_killed_worker_and_a_drained_node_when_chaos_runs_then_every_drill_balances() -> None:
    ran = chaos(
        *("--short", "--rate", "3", "--talk", "2", "--only", "worker-killed", "--only", "node-drained"), timeout_s=400
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    summary = json.loads(ran.stdout.strip().splitlines()[-1])
    assert summary["chaos"] == "balanced"
    assert [drill["drill"] for drill in summary["drills"]] == ["worker-killed", "node-drained"]
    assert all(drill["sent"] == drill["satisfied"] == drill["cdrs"] > 0 for drill in summary["drills"])


@pytest.mark.slow
@pytest.mark.timeout(420)
def test_given_an_object_store_that_is_ill_when_chaos_runs_then_every_recording_is_there_byte_for_byte() -> None:
    ran = chaos(*("--short", "--nodes", "1", "--rate", "3", "--talk", "2", "--only", "store-ill"), timeout_s=400)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    [drill] = json.loads(ran.stdout.strip().splitlines()[-1])["drills"]
    assert drill["balanced"]
    assert any("requests spoiled" in note for note in drill["notes"])


@pytest.mark.timeout(60)
def test_given_a_drill_that_needs_two_nodes_when_there_is_one_then_it_says_so_and_starts_nothing() -> None:
    ran = chaos("--nodes", "1", "--only", "node-drained", timeout_s=50)
    assert ran.returncode == 2
    assert "needs --nodes 2" in ran.stderr
