"""What can go wrong with recordings."""

from ..errors import DialtraceError


class RecordingError(DialtraceError):
    """Base of this room. ``retry_helps``: whether trying again later may succeed."""

    retry_helps = False


class NotWav(RecordingError):
    """These bytes are not a WAV file with PCM audio."""


class RecordingUnknown(RecordingError):
    """There is no recording of this call, and none was expected."""


class RecordingPending(RecordingError):
    """The recording is on its node still."""

    retry_helps = True


class RecordingAbsent(RecordingError):
    """The recording that was expected does not exist; ``reason`` says why."""

    def __init__(self, message: str, reason: str) -> None:
        super().__init__(message)
        self.reason = reason


class UploadFailed(RecordingError):
    """The object store did not confirm the recording; the local file stays and is tried again."""

    retry_helps = True


class RecordingDiffers(RecordingError):
    """Another recording is stored under this call and segment already; the local file stays for somebody to look at."""


class KeyDestroyed(RecordingError):
    """The key of this recording was destroyed: nobody can hear it any more."""


class StoreSettingsFaulty(RecordingError, ValueError):
    """A setting of an agency's store cannot be used; ``field`` names it."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field} {reason}")
        self.field = field
        self.reason = reason


class NoStoreOfItsOwn(RecordingError):
    """The agency has no store of its own: its recordings are kept in the platform's."""


class KeyUnknown(RecordingError):
    """There is no such key of recordings."""


class KeyInUse(RecordingError):
    """The key is the current one, or recordings are still under it: make a new one first."""


class NotConverted(RecordingError):
    """The recording could not be made into the form that was asked for; it stays as it is."""
