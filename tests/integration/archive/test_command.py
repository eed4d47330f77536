"""`dialtrace partitions`, as people run it."""

import json
import os
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta

import pytest

from .test_retire import AGENCIES, Archive, archive

__all__ = ["archive"]


@pytest.fixture
def run(database_url, tmp_path, archive: Archive):
    def run(*arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
        environment = {
            "DIALTRACE_DATABASE_URL": database_url,
            "DIALTRACE_DATA_DIR": str(tmp_path),
            "DIALTRACE_RECORDINGS_URL": str(archive.objects.root),
        }
        command = [sys.executable, "-m", "dialtrace", "partitions", *arguments]
        return subprocess.run(
            command,
            env={**os.environ, **environment, **settings},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return run


def test_given_a_month_that_is_due_when_retired_by_the_policy_then_the_list_says_where_it_is(run, archive):
    archive.add(AGENCIES[1], count=2)
    assert run("retire").stdout.startswith("no month is due")
    assert "2021-03: goes" in run("retire", "--keep", "24", "--dry-run").stdout
    assert archive.counts() == (2, 2)

    done = run("retire", DIALTRACE_PARTITIONS_KEEP_MONTHS="24")

    assert (done.returncode, done.stdout) == (0, "2021-03: 4 rows have gone to the object store\n")
    rows = [json.loads(line) for line in run("list").stdout.splitlines()]
    assert [(row["table"], row["rows"]) for row in rows if row.get("rows")] == [("calls", 2), ("legs", 2)]
    this_month = f"{datetime.now(UTC):%Y-%m}"
    assert {"calls", "legs"} <= {row["table"] for row in rows if row["month"] == this_month}


def test_given_a_month_that_must_stay_then_status_one_and_the_reason(run):
    last = (date.today().replace(day=1) - timedelta(days=1)).strftime("%Y-%m")
    done = run("retire", last)
    assert done.returncode == 1
    assert "it ended less than 31 days ago" in done.stderr
    assert run("retire", "2021-3").stderr.startswith("dialtrace: '2021-3': A month is written YYYY-MM")
