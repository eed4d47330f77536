"""A job process with handlers for tests: what each does is said by its job's arguments, what it did stands in a file.

python program.py FILE; the database in DIALTRACE_DATABASE_URL.
"""

import os
import sys
import time
from pathlib import Path

from dialtrace.db.engine import Database
from dialtrace.jobs import runner as runner_module
from dialtrace.jobs.model import LONG, Done, GiveUp, Kind, Later, Retry, Schedule
from dialtrace.jobs.runner import Runner
from dialtrace.jobs.service import JobQueue
from dialtrace.jobs.silence import Silence
from dialtrace.logs import configure_logs
from dialtrace.workers import jobs as process_module
from dialtrace.workers.jobs import run_job_process

NOTES = Path(sys.argv[1])


def note(job, what):
    """One line, whole: several processes write."""
    with NOTES.open("a") as file:
        file.write(f"{os.getpid()} {job.name} {job.id} {job.attempt} {what}\n")


def act(job):
    note(job, "begins")
    how = job.args["how"]
    if how == "sleep":
        until_s = time.monotonic() + job.args["ms"] / 1000
        while time.monotonic() < until_s:
            time.sleep(0.01)
            if job.args.get("heeds"):
                job.go_on()
    if how == "crash":
        raise ZeroDivisionError
    note(job, "ends")
    return {
        "done": Done(), "sleep": Done(), "retry": Retry("not yet"), "give_up": GiveUp("never"),
        "later": Later(0.0) if len(NOTES.read_text().split(f" {job.id} ")) < 8 else Done(),
    }[how]  # fmt: skip


def tick(job):
    note(job, "begins")
    time.sleep(1.3)
    note(job, "ends")
    return Done()


def main():
    configure_logs(process="jobs")
    # The machine's clock stays; only the waits of the test are shorter.
    runner_module.SIGN_OF_LIFE_EVERY_S = process_module.SIGN_OF_LIFE_EVERY_S = 0.3
    process_module.LOOK_EVERY_S = 0.3
    process_module.CARE_EVERY_S = 0.3
    process_module.REST_S = 0.3
    process_module.STOP_TIMEOUT_S = float(os.environ.get("STOP_TIMEOUT_S", "5"))
    process_module.Silence = lambda: Silence(silent_s=1.5)
    url = os.environ["DIALTRACE_DATABASE_URL"]
    queue = JobQueue(Database(url, pool_size=4))
    options = {
        "tries": int(os.environ.get("TRIES", "3")),
        "first_pause_s": 0.05,
        "longest_run_s": float(os.environ.get("LONGEST_RUN_S", "60")),
    }
    kinds = [Kind(name="tests.act", handler=act, **options), Kind(name="tests.tick", handler=tick)]
    schedules = [Schedule(name="every-second", cron="* * * * * *", job="tests.tick", lane=LONG)]
    runner = Runner(queue, kinds, schedules if os.environ.get("SCHEDULES") else [])
    run_job_process(runner=runner, queue=queue, database_url=url)


if __name__ == "__main__":
    main()
