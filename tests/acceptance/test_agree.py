"""`loadtest/agree.py` as people run it, small: records say what SIPp saw, on the embedded node and on FreeSWITCH."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "loadtest" / "agree.py"
FREESWITCH = os.environ.get("FREESWITCH_BIN") or shutil.which("freeswitch")


@pytest.mark.timeout(150)
@pytest.mark.skipif(shutil.which("sipp") is None, reason="SIPp is not installed")
@pytest.mark.parametrize(
    "switch",
    [
        "embedded",
        pytest.param(
            FREESWITCH,
            id="freeswitch",
            marks=[
                pytest.mark.freeswitch,
                pytest.mark.skipif(
                    FREESWITCH is None, reason="no FreeSWITCH: set FREESWITCH_BIN, or put freeswitch on PATH"
                ),
            ],
        ),
    ],
)
def test_given_calls_of_every_kind_when_holding_records_against_sipps_log_then_they_agree(switch: str) -> None:
    """The tests share their machine: of the moments only that most are near; the codes are exact."""
    words = ("--freeswitch", switch, "--calls", "26", "--rate", "4", "--tolerance", "250", "--within", "0.8")
    ran = subprocess.run(
        [sys.executable, str(SCRIPT), *words], capture_output=True, text=True, timeout=140, check=False
    )

    assert ran.returncode == 0, ran.stdout + ran.stderr
    figures = json.loads(ran.stdout.strip().splitlines()[-1])["figures"]
    assert figures["faults"] == 0
    assert figures["calls"] >= 26
    assert figures["legs"] >= 24
