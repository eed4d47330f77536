"""The speech programs by the name that a setting gives. An adapter turns a text into a WAV of any rate."""

from __future__ import annotations

from typing import Protocol

from .errors import SpeechMissing
from .espeak import EspeakNg
from .model import Say

ADAPTERS = ("espeak-ng", "none")


class SpeechAdapter(Protocol):
    """One speech program or service."""

    def render(self, say: Say) -> bytes:
        """The text as a WAV file, within a bounded time. Raises SpeechMissing, VoiceUnknown, SpeechFailed."""
        ...


class NoSpeech:
    """An installation that does not speak."""

    def render(self, say: Say) -> bytes:
        """Refuses. Raises SpeechMissing."""
        raise SpeechMissing("this installation does not speak (DIALTRACE_SPEECH is none): use tones and files")


def open_speech(name: str) -> SpeechAdapter:
    """The adapter of that name (one of ADAPTERS)."""
    found: SpeechAdapter = EspeakNg() if name == "espeak-ng" else NoSpeech()
    return found
