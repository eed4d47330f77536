"""Log lines: each tells its time and its process, whoever wrote it, and is one line."""

import json
import subprocess
import sys

import pytest

SCRIPT = """
from gevent import monkey; monkey.patch_all()
import logging, gevent, structlog
from dialtrace.logs import configure_logs
configure_logs(form={form!r}, process="agent")
gevent.spawn(lambda: structlog.get_logger("x").warning("from a greenlet", why="no disk")).join()
logging.getLogger("dialtrace.esl.server").warning("cannot accept: %s", "out of files")
logging.getLogger("dialtrace.esl.server").info("not asked for")
"""


def lines(form: str) -> list[str]:
    ran = subprocess.run([sys.executable, "-c", SCRIPT.format(form=form)], capture_output=True, text=True, timeout=20)
    assert ran.returncode == 0, ran.stderr
    return ran.stderr.splitlines()


def test_given_json_when_greenlets_and_libraries_log_then_each_line_is_an_object_with_time_and_process() -> None:
    found = [json.loads(line) for line in lines("json")]
    assert [line["event"] for line in found] == ["from a greenlet", "cannot accept: out of files"]
    assert all(line["process"] == "agent" and line["level"] == "warning" and line["timestamp"] for line in found)
    assert found[1]["logger"] == "dialtrace.esl.server"


@pytest.mark.parametrize("words", ["from a greenlet", "cannot accept: out of files"])
def test_given_text_when_greenlets_and_libraries_log_then_a_line_has_time_level_and_process(words: str) -> None:
    [line] = [line for line in lines("text") if words in line]
    assert line.startswith("20")
    assert "[warning" in line
    assert "process=agent" in line
