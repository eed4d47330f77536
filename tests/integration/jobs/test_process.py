"""Job processes on a real database: how jobs end, who runs what when, and what is left when a process dies."""

import signal
import subprocess
import sys
import time

from sqlalchemy import text

from dialtrace.jobs.model import LONG, Request

from .conftest import wait_for


def act(how, **options):
    args = {"how": how, **{key: options.pop(key) for key in ("ms", "heeds") if key in options}}
    return Request(name="tests.act", args=args, **options)


def in_queue(owner_engine):
    with owner_engine.connect() as connection:
        rows = connection.execute(text("SELECT id, status::text, attempts FROM procrastinate_jobs ORDER BY id"))
        return {row.id: (row.status, row.attempts) for row in rows}


def test_given_every_outcome_then_each_job_ends_as_it_must(works, queue, owner_engine):
    works.start()
    done, crash, retry, give_up, later = (
        queue.defer_alone(act(how)) for how in ("done", "crash", "retry", "give_up", "later")
    )
    unknown = queue.defer_alone(Request(name="tests.newer"))
    wait_for(lambda: {crash, retry, give_up} <= {job for job, (status, _) in in_queue(owner_engine).items()
                                                 if status == "failed"})  # fmt: skip
    wait_for(lambda: later not in in_queue(owner_engine))
    assert works.of(done) == [(1, "begins"), (1, "ends")]
    assert works.of(crash) == [(1, "begins"), (2, "begins"), (3, "begins")]
    assert [attempt for attempt, what in works.of(retry) if what == "ends"] == [1, 2, 3]
    assert works.of(give_up) == [(1, "begins"), (1, "ends")]
    assert {attempt for attempt, _ in works.of(later)} == {1}
    assert len(works.of(later)) > 6
    # A job of a newer release waits for its worker instead of failing.
    assert in_queue(owner_engine)[unknown] == ("todo", 0)
    assert in_queue(owner_engine).keys() == {crash, retry, give_up, unknown}
    assert "division" not in works.said().split("ready to run jobs")[0]


def test_given_a_job_that_is_deferred_then_a_worker_that_waits_is_woken_at_once(works, queue, owner_engine):
    """Looking for jobs comes every 0.3 s in these tests, so several in a row could not all be so quick by chance."""
    works.start()
    waits = []
    for _ in range(5):
        begun_s = time.monotonic()
        job = queue.defer_alone(act("done"))
        wait_for(lambda job=job: works.of(job))
        waits.append(time.monotonic() - begun_s)
    assert sorted(waits)[2] < 0.25


def test_given_long_jobs_that_fill_their_lane_then_a_quick_one_runs_all_the_same(works, queue):
    works.start()
    for _ in range(4):
        queue.defer_alone(act("sleep", ms=20_000, heeds=1, lane=LONG))
    wait_for(lambda: len(works.lines()) >= 2)
    quick = queue.defer_alone(act("done"))
    wait_for(lambda: works.of(quick)[-1:] == [(1, "ends")])
    assert len([line for line in works.lines() if line[4] == "begins"]) == 3


def test_given_one_lock_and_two_processes_then_jobs_run_one_after_another_in_order(works, queue):
    jobs = [queue.defer_alone(act("sleep", ms=50, lock="one")) for _ in range(6)]
    works.start()
    works.start()
    wait_for(lambda: len(works.lines()) == 12)
    assert [(job, what) for _, _, job, _, what in works.lines()] == [
        (job, what) for job in jobs for what in ("begins", "ends")
    ]


def test_given_a_schedule_that_comes_sooner_than_it_ends_and_two_processes_then_never_two_at_a_time(works, queue):
    works.start(SCHEDULES="1")
    works.start(SCHEDULES="1")
    wait_for(lambda: len(works.lines()) >= 7)
    found = [(job, what) for _, _, job, _, what in works.lines()]
    assert found[:6] == [(found[at][0], what) for at in (0, 2, 4) for what in ("begins", "ends")]
    assert len({job for job, _ in found[:6]}) == 3


def test_given_a_process_killed_in_the_middle_then_another_runs_its_job_again(works, queue, owner_engine):
    first = works.start()
    job = queue.defer_alone(act("sleep", ms=6_000, lock="one"))
    behind = queue.defer_alone(act("done", lock="one"))
    wait_for(lambda: works.of(job))
    second = works.start()
    time.sleep(1.8)  # longer than a worker may be silent: who gives signs keeps his job
    assert works.of(job) == [(1, "begins")]
    first.send_signal(signal.SIGKILL)
    wait_for(lambda: works.of(behind)[-1:] == [(1, "ends")])
    assert works.of(job) == [(1, "begins"), (2, "begins"), (2, "ends")]
    assert {line[0] for line in works.lines()[1:]} == {second.pid}
    wait_for(lambda: in_queue(owner_engine) == {})


def test_given_a_job_that_ends_its_process_in_every_try_then_it_is_given_up(works, queue, owner_engine):
    job = queue.defer_alone(act("sleep", ms=60_000))
    for attempt in (1, 2):
        process = works.start(LONGEST_RUN_S="0.5", TRIES="2")
        wait_for(lambda attempt=attempt: works.of(job)[-1:] == [(attempt, "begins")])
        assert process.wait(10) == 70
    works.start(TRIES="2")
    wait_for(lambda: in_queue(owner_engine)[job][0] == "failed")
    assert len(works.of(job)) == 2


class TestSigterm:
    def test_given_jobs_that_end_soon_then_they_end_and_no_other_begins(self, works, queue, owner_engine):
        process = works.start()
        job = queue.defer_alone(act("sleep", ms=1_000, lock="one"))
        behind = queue.defer_alone(act("done", lock="one"))
        wait_for(lambda: works.of(job))
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
        assert works.of(job) == [(1, "begins"), (1, "ends")]
        assert in_queue(owner_engine) == {behind: ("todo", 0)}

    def test_given_a_job_that_heeds_the_stop_then_it_waits_for_another_and_counts_no_try(
        self, works, queue, owner_engine
    ):
        process = works.start()
        job = queue.defer_alone(act("sleep", ms=60_000, heeds=1))
        wait_for(lambda: works.of(job))
        begun_s = time.monotonic()
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
        assert time.monotonic() - begun_s < 4
        assert in_queue(owner_engine) == {job: ("todo", 0)}

    def test_given_a_job_that_does_not_end_then_the_process_does_and_another_runs_it(self, works, queue, owner_engine):
        process = works.start(STOP_TIMEOUT_S="0.5")
        job = queue.defer_alone(act("sleep", ms=4_000))
        wait_for(lambda: works.of(job))
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
        works.start()
        wait_for(lambda: works.of(job)[-1:] == [(2, "ends")])


def test_given_connections_that_break_during_a_job_then_its_end_is_written_and_work_goes_on(works, queue, owner_engine):
    works.start()
    job = queue.defer_alone(act("sleep", ms=700))
    wait_for(lambda: works.of(job))
    for _ in range(8):
        with owner_engine.begin() as connection:
            connection.execute(
                text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'dialtrace jobs'")
            )
        time.sleep(0.1)
    wait_for(lambda: in_queue(owner_engine) == {})
    assert works.of(job) == [(1, "begins"), (1, "ends")]
    after = queue.defer_alone(act("done"))
    wait_for(lambda: works.of(after)[-1:] == [(1, "ends")])


def test_given_the_real_process_then_its_own_schedule_runs_and_it_idles_without_work(
    database_url, queue, owner_engine, tmp_path
):
    """The processor's time over three idle seconds, of one that also looks, gives signs and listens."""
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "dialtrace", "work", "jobs"],
            env={"PATH": "/usr/bin:/bin", "DIALTRACE_DATABASE_URL": database_url, "DIALTRACE_DATA_DIR": str(tmp_path)},
            stderr=log,
        )
    try:
        # The tick that was missed while no worker ran is made up for.
        made_up = "SELECT count(*) FROM procrastinate_periodic_defers WHERE task_name = 'jobs.tidy'"

        def count():
            with owner_engine.connect() as connection:
                return connection.execute(text(made_up)).scalar_one()

        wait_for(count)
        wait_for(lambda: in_queue(owner_engine) == {})
        time.sleep(1)
        before_s = processor_s(process.pid)
        time.sleep(3)
        assert processor_s(process.pid) - before_s < 0.15
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
    finally:
        process.kill()
        process.wait(5)
    assert "Traceback" not in (tmp_path / "log").read_text()


def processor_s(pid):
    import psutil

    times = psutil.Process(pid).cpu_times()
    return times.user + times.system
