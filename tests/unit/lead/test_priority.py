"""Who goes first, in processes of their own: niceness cannot be taken back without the right to."""

import os
import subprocess
import sys

import pytest


@pytest.mark.parametrize("which", ["go_first", "step_back"])
def test_given_an_ordinary_process_when_it_chooses_its_place_then_it_never_fails_and_stepping_back_is_always_granted(
    which: str,
) -> None:
    code = f"import os; from dialtrace.priority import {which}; {which}(); {which}(); print(os.nice(0))"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=20)
    wanted = {"go_first": {-10, os.nice(0)}, "step_back": {max(10, os.nice(0))}}[which]
    assert int(told.stdout) in wanted
