"""`dialtrace loadtest run` as people run it, small: its figures against SIPp's own, its books, its page; and nothing
grows meanwhile. On the embedded node, and on FreeSWITCH where there is one.
"""

import json
import os
import re
import shutil
import subprocess
import sys

import pytest

FREESWITCH = os.environ.get("FREESWITCH_BIN") or shutil.which("freeswitch")
PROFILE = """
name = "small"
[rate]
warm_up_s = 3
steps = [{ for_s = 24, from_cps = 1.25 }]
[talk]
hold_s = 2
[[targets]]
name = "desk"
behaviour = "answers"
ring_s = 0.2
[[targets]]
name = "early"
behaviour = "early_media"
ring_s = 0.3
[[targets]]
name = "brief"
behaviour = "hangs_up"
[[targets]]
name = "busy"
behaviour = "busy"
[[targets]]
name = "refuses"
behaviour = "rejects"
[[targets]]
name = "rings"
behaviour = "no_answer"
[[calls]]
name = "answered"
share = 8
targets = ["desk"]
[[calls]]
name = "second"
share = 3
targets = ["busy", "early"]
[[calls]]
name = "brief"
share = 3
targets = ["brief"]
caller = "waits"
[[calls]]
name = "keyed"
share = 2
targets = ["desk"]
dtmf = "5"
[[calls]]
name = "engaged"
share = 2
targets = ["busy"]
[[calls]]
name = "refused"
share = 2
targets = ["refuses"]
[[calls]]
name = "given-up"
share = 2
targets = ["rings"]
caller = "gives_up"
[[calls]]
name = "unknown"
share = 2
[[floods]]
name = "probes"
kind = "options"
cps = 5
for_s = 5
[[floods]]
name = "broken"
kind = "malformed"
cps = 10
from_s = 5
for_s = 5
[limits]
late = 1.0
[soak]
settle_s = 8
[stop]
failed = 1.0
"""


@pytest.mark.timeout(400)
@pytest.mark.skipif(shutil.which("sipp") is None, reason="SIPp is not installed")
@pytest.mark.parametrize(
    "switch",
    [
        "embedded",
        pytest.param(
            "freeswitch",
            marks=[
                pytest.mark.freeswitch,
                pytest.mark.skipif(
                    FREESWITCH is None, reason="no FreeSWITCH: set FREESWITCH_BIN, or put freeswitch on PATH"
                ),
            ],
        ),
    ],
)
def test_given_a_small_profile_when_run_then_its_books_balance_and_its_figures_are_sipps(switch, tmp_path):
    profile, out = tmp_path / "small.toml", tmp_path / "out"
    profile.write_text(PROFILE)
    ran = subprocess.run(
        [sys.executable, "-m", "dialtrace", "loadtest", "run", str(profile), "--switch", switch, "--report", str(out)],
        capture_output=True, text=True, timeout=380, check=False,
    )  # fmt: skip
    assert ran.returncode in (0, 1), ran.stderr
    report = json.loads((out / "report.json").read_text())
    told = ran.stdout + ran.stderr
    assert report["stopped"] == "", told
    assert [line for line in report["books"]["lines"] if not line["balances"]] == [], told
    assert [line for line in report["books"]["against_sipp"] if not line["balances"]] == [], told
    assert report["signalling"]["failed"] == 0, told
    assert report["signalling"]["asked"] == 30
    assert report["calls"] == {"planned": 34, "warm_up": 4}
    assert report["signalling"]["setup_ms"]["count"] == report["signalling"]["answered"]
    for side in ("callers", "targets"):
        # Not how much: a machine that stands still loses packets of its own.
        assert report["sound"][side]["received"] > 500, told
        assert report["sound"][side]["deaf"] < report["sound"][side]["streams"] / 2, told
    assert report["floods"]["probes"]["sent"] == 25
    assert report["floods"]["probes"]["statuses"] == {"200": 25}
    assert sum(report["floods"]["broken"]["sent"].values()) == 50
    assert {"node", "worker", "agent", "monitor", "database", "SIPp", "media"} <= set(
        report["processes"]["here"]["kinds"]
    )
    soaked = {(one["kind"], one["measure"]): one for one in report["soak"]}
    assert {"worker", "agent", "monitor"} <= {kind for kind, measure in soaked if measure == "greenlets"}, told
    # The short form of the hour: memory needs the hour, the others must be flat at once.
    growing = [key for key, one in soaked.items() if not one["flat"] and key[1] != "memory_bytes"]
    assert growing == [], told
    assert ran.returncode == int(not report["kept"])
    self_contained((out / "report.html").read_text())


def self_contained(page):
    """No script, and nothing that would be fetched."""
    assert "<svg" in page
    assert not re.search(r"<script|<link|<img|<iframe|\ssrc=|\shref=|url\(|@import", page)


def test_given_a_node_outside_the_list_when_run_then_nothing_is_sent_and_it_says_how_to_allow_it(tmp_path):
    profile = tmp_path / "far.toml"
    text = PROFILE.replace(
        "[rate]",
        '[system]\nkind = "standing"\nnodes = ["192.0.2.1:5060"]\n'
        'api = "http://192.0.2.1"\nnumbers = [' + ", ".join(f'"+4416329601{n:02}"' for n in range(8)) + "]\n[rate]",
        1,
    )
    profile.write_text(text)
    ran = subprocess.run(
        [sys.executable, "-m", "dialtrace", "loadtest", "run", str(profile)],
        capture_output=True, text=True, timeout=60, check=False, env={**os.environ, "DIALTRACE_API_KEY": "x"},
    )  # fmt: skip
    assert ran.returncode == 2
    assert "node 192.0.2.1" in ran.stderr
    assert "--allow" in ran.stderr


def test_given_a_file_that_is_no_report_when_compared_with_then_it_could_not_be_run_and_no_limit_was_missed(tmp_path):
    against = tmp_path / "report.json"
    against.write_text("<html>")
    ran = subprocess.run(
        [sys.executable, "-m", "dialtrace", "loadtest", "run", "mixed", "--against", str(against)],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert ran.returncode == 2
    assert "is not the JSON of a load run" in ran.stderr
