"""What processes use, against processes whose use is known."""

import json
import os
import signal
import subprocess
import sys
import time
from importlib.resources import files
from pathlib import Path

from dialtrace.loadruns.figures import processes
from dialtrace.loadruns.sampler import kinds_of, stat_of

SAMPLER = Path(str(files("dialtrace.loadruns").joinpath("sampler.py")))
#: Turns for half a processor second, takes 40 MB, opens 30 files, and says so.
WORKING = """
import sys, time
held = bytearray(40_000_000)
opened = [open('/dev/null') for _ in range(30)]
while time.process_time() < 0.5:
    pass
print('done', flush=True)
sys.stdin.read()
"""


def wait_for(look, within_s=60):
    until_s = time.monotonic() + within_s
    while not look():
        assert time.monotonic() < until_s, "it did not happen in time"
        time.sleep(0.05)


def test_given_a_process_when_sampled_then_its_processor_memory_and_files_are_told(tmp_path):
    config, output = tmp_path / "config.json", tmp_path / "out.jsonl"
    told = {"roots": {"own": []}, "patterns": {}, "every_s": 0.1, "limit_s": 100, "output": str(output)}
    config.write_text(json.dumps(told))
    sampler = subprocess.Popen([sys.executable, str(SAMPLER), str(config)])
    wait_for(lambda: output.exists() and output.read_text().count("\n") > 1)
    working = subprocess.Popen(
        [sys.executable, "-c", WORKING], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    # Named while it runs: the configuration is read anew at each turn.
    config.write_text(json.dumps(told | {"roots": {"own": [working.pid]}}))
    assert working.stdout.readline() == "done\n"
    lines = output.read_text().count("\n")
    wait_for(lambda: output.read_text().count("\n") > lines + 2)
    working.communicate("")
    sampler.send_signal(signal.SIGTERM)
    assert sampler.wait(20) == 0
    samples = [json.loads(line) for line in output.read_text().splitlines()]
    found = processes(samples, from_s=0, to_s=time.time() + 1)["own"]
    span_s = samples[-1]["at_s"] - samples[0]["at_s"]
    assert 0.45 <= found["processors"] * span_s <= 1.5
    assert found["memory_bytes"] >= 40_000_000
    assert found["files"] >= 33
    assert found["processes"] == 1
    assert all(sample["machine"][2] > 0 and sample["free_bytes"] > 0 for sample in samples)


def test_given_children_then_a_command_line_goes_before_a_parent_and_a_name_before_both():
    with subprocess.Popen(
        [sys.executable, "-c", "import sys; sys.stdin.read()", "generator-x"], stdin=subprocess.PIPE
    ) as child:
        wait_for(lambda: stat_of(child.pid) is not None)
        assert kinds_of({"run": [os.getpid()]}, {})[child.pid] == "run"
        wait_for(lambda: kinds_of({"run": [os.getpid()]}, {"SIPp": "generator-x"})[child.pid] == "SIPp")
        named = kinds_of({"run": [os.getpid()], "node": [child.pid]}, {"SIPp": "generator-x"})
        assert named[child.pid] == "node"
        child.stdin.close()
    assert stat_of(child.pid) is None
