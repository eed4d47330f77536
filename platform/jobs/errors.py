"""What can go wrong with jobs."""

from ..errors import DialtraceError


class JobsError(DialtraceError):
    """Something about a job is not as it must be."""


class JobStopped(JobsError):
    """The process that runs this job is to stop; the job runs again elsewhere."""


class JobNotFailed(JobsError):
    """No failed job has this id: it may run again already, or never was one."""
