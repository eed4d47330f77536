"""What can go wrong with speech."""

from collections.abc import Mapping

from ..errors import DialtraceError


class PromptError(DialtraceError):
    """A text cannot be said. ``retry_helps``: whether trying again later may succeed."""

    retry_helps = False


class TextFaulty(PromptError):
    """This is no text that can be said."""


class SpeechMissing(PromptError):
    """This installation cannot speak: install Debian's espeak-ng where the API runs, or use tones and files."""


class VoiceUnknown(PromptError):
    """The speech program has no such voice."""


class SpeechFailed(PromptError):
    """The speech program did not bring forth a usable sound."""

    retry_helps = True


class SoundFaulty(PromptError):
    """This is no sound that telephones can be given: a WAV file with 8, 16, 24 or 32 bit PCM is wanted."""


class NameFaulty(PromptError):
    """A prompt's name has 1 to 64 of a-z, 0-9, - and _, begins with a letter or digit, and not with "say-"."""


class LabelFaulty(PromptError):
    """A sound's label has 1 to 100 printable characters."""


class PromptUnknown(PromptError):
    """There is no such sound."""


class PromptInUse(PromptError):
    """A flow plays the sound."""


class CannotSay(PromptError):
    """Texts that could not be rendered: each with its reason."""

    def __init__(self, faults: Mapping[str, PromptError]) -> None:
        super().__init__("; ".join(dict.fromkeys(str(fault) for fault in faults.values())))
        self.faults = faults
