"""Debian's espeak-ng as a bounded child process: the text on its standard input, a WAV on its standard output."""

from __future__ import annotations

import subprocess

from .errors import SpeechFailed, SpeechMissing, VoiceUnknown
from .model import Say

PROGRAM = "espeak-ng"
TIMEOUT_S = 10.0
#: Words a minute: slower than its usual 175, for a telephone's narrow band.
_PACE = "155"
_VOICES = {"en": "en-gb", "ru": "ru"}


class EspeakNg:
    """Renders with the program on PATH."""

    def __init__(self, program: str = PROGRAM, *, timeout_s: float = TIMEOUT_S) -> None:
        self._program = program
        self._timeout_s = timeout_s

    def render(self, say: Say) -> bytes:
        """The text as a WAV file. Raises SpeechMissing, VoiceUnknown, SpeechFailed."""
        voice = say.voice or _VOICES[say.language]
        command = [self._program, "-v", voice, "-s", _PACE, "-b", "1", "--stdin", "--stdout"]
        # Two brackets would begin phonemes; a text means what it says.
        text = say.text.replace("[[", "[ [")
        try:
            done = subprocess.run(
                command, input=text.encode("utf-8"), capture_output=True, timeout=self._timeout_s, check=False
            )
        except FileNotFoundError as error:
            raise SpeechMissing from error
        except subprocess.TimeoutExpired as error:
            raise SpeechFailed(f"{self._program} took more than {self._timeout_s:g} s") from error
        except OSError as error:
            raise SpeechFailed(f"{self._program} cannot be run: {error.strerror or error}") from error
        if b"voice does not exist" in done.stderr:
            raise VoiceUnknown(f"{self._program} has no voice {voice!r}")
        if done.returncode != 0 or not done.stdout:
            raise SpeechFailed(f"{self._program} ended with status {done.returncode} and {len(done.stdout)} bytes")
        return done.stdout
