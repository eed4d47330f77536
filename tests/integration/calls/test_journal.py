"""The journal outlives its writer."""

import subprocess
import sys

from dialtrace.journal.store import Journal


def test_given_a_writer_killed_right_after_begin_then_the_row_is_there(tmp_path):
    script = (
        "import os, signal, pathlib\n"
        "from dialtrace.journal.store import Journal, Started\n"
        f"Journal(pathlib.Path({str(tmp_path / 'journal.db')!r})).begin([Started('a','b',1,None,None,None,2)])\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    assert subprocess.run([sys.executable, "-c", script], timeout=30).returncode == -9
    journal = Journal(tmp_path / "journal.db")
    assert [row.call_id for row in journal.pending()] == ["a"]
    journal.close()
