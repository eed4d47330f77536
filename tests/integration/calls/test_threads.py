"""Faults of the disk that are foreseen: one line for each, no traceback of gevent's threads."""

import subprocess
import sys

SCRIPT = """
from gevent import monkey; monkey.patch_all()
import pathlib
from dialtrace.journal.errors import JournalError
from dialtrace.workers.journal_writer import JournalWriter
from dialtrace.workers.plan_keeper import PlanKeeper
missing = pathlib.Path("/nonexistent/spool")
try:
    JournalWriter(node="node-1", path=missing / "journal.db").call("pending")
except JournalError as fault:
    print("journal:", fault)
def refuse(*_):
    raise OSError(28, "No space left on device")
try:
    PlanKeeper(node="node-1", spool=missing, routes_changed=None, find_sounds=dict)._on_disk(refuse, {})
except OSError as fault:
    print("plans:", fault.strerror)
"""


def test_given_a_disk_that_refuses_then_the_fault_is_raised_to_who_asked_and_printed_by_nobody() -> None:
    ran = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, timeout=30)
    assert "journal: journal /nonexistent/spool/journal.db" in ran.stdout
    assert "plans: No space left on device" in ran.stdout
    assert ran.stderr == ""
