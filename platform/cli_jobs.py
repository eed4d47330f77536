"""`dialtrace jobs`: what stands in the queue, and what to do about jobs that were given up."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from .jobs.service import JobQueue


def jobs_group(opened: Callable[[], AbstractContextManager[JobQueue]]) -> click.Group:
    """``opened``: gives the queue for as long as a command runs."""

    @click.group("jobs")
    def group() -> None:
        """Jobs: what waits, what was given up (docs/howto/jobs.md)."""

    @group.command("list")
    def list_jobs() -> None:
        """What stands in the queue by name, and the newest hundred that were given up."""
        with opened() as queue:
            backlog, failed = queue.backlog(), queue.list_failed()
        if not backlog:
            click.echo("the queue is empty")
        for entry in sorted(backlog, key=lambda entry: entry.name):
            click.echo(
                f"{entry.name}: {entry.waiting} due, the oldest for {entry.oldest_s:.0f} s; {entry.running} running; "
                f"{entry.failed} given up"
            )
        for job in failed:
            when = job.failed_at.strftime("%Y-%m-%dT%H:%M:%SZ") if job.failed_at else "?"
            args = " ".join(f"{key}={value}" for key, value in sorted(job.args.items()))
            click.echo(f"given up: {job.id} {job.name} {when} after {job.attempts} tries {args}".rstrip())

    @group.command("retry")
    @click.argument("job_id", type=int)
    def retry(job_id: int) -> None:
        """Run a job once more that was given up, with all its tries."""
        with opened() as queue:
            queue.try_again(job_id)
        click.echo(f"job {job_id} waits again")

    @group.command("discard")
    @click.argument("job_id", type=int)
    def discard(job_id: int) -> None:
        """Remove a job that was given up."""
        with opened() as queue:
            queue.discard(job_id)
        click.echo(f"job {job_id} is removed")

    return group
