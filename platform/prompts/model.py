"""Texts to be said, the names of their files, and the texts that every installation says. No I/O."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from .errors import LabelFaulty, NameFaulty, TextFaulty

__all__ = [
    "APOLOGIES",
    "LANGUAGES",
    "LONGEST_S",
    "LONGEST_TEXT",
    "MOST_POSITIONS",
    "Prompt",
    "Say",
    "apology",
    "checked_label",
    "checked_name",
    "content_names",
    "is_content_name",
    "position",
    "prompt_name",
    "stand_ins",
    "standard_prompts",
    "upload_name",
    "waiting",
]  # fmt: skip

LANGUAGES = ("en", "ru")
LONGEST_TEXT = 1000
#: Of one rendered text. Nobody listens for longer, and the sound is kept whole in one row.
LONGEST_S = 90
#: Places in a queue that have a sentence of their own; who stands further behind hears music only.
MOST_POSITIONS = 20

APOLOGIES = {"en": "Sorry, nobody can take your call.", "ru": "К сожалению, сейчас никто не может ответить."}
_WAITING = {"en": "Please stay on the line.", "ru": "Пожалуйста, оставайтесь на линии."}
_POSITIONS = {"en": "You are number {place} in the queue.", "ru": "Ваш номер в очереди: {place}."}

# The voice becomes an argument of a program: nothing that could be a path or an option.
_VOICE = re.compile(r"(?:[a-z0-9][a-z0-9+-]{0,31})?")
_FILE_NAME = re.compile(r"(?!say-)[a-z0-9][a-z0-9_-]{0,63}")
_CONTENT_NAME = re.compile(r"say-[0-9a-f]{32}")
_PAIR = re.compile(rf"({_CONTENT_NAME.pattern}):({_CONTENT_NAME.pattern})")


@dataclass(frozen=True, slots=True)
class Say:
    """A text in a language; ``voice`` empty: the speech program's usual one for it. Raises TextFaulty."""

    text: str
    language: str
    voice: str = ""

    def __post_init__(self) -> None:
        if self.language not in LANGUAGES:
            raise TextFaulty(f"the language must be one of {', '.join(LANGUAGES)}")
        if not _VOICE.fullmatch(self.voice):
            raise TextFaulty("a voice's name has up to 32 of a-z, 0-9, - and +")
        if not self.text.strip() or len(self.text) > LONGEST_TEXT or not self.text.isprintable():
            raise TextFaulty(f"a text has 1 to {LONGEST_TEXT} printable characters on one line")

    @property
    def name(self) -> str:
        return prompt_name(self.language, self.voice, self.text)


@dataclass(frozen=True, slots=True)
class Prompt:
    """What is known of a kept prompt; its sound is read apart. ``kind`` is ``say``, ``file`` (the operator's),
    ``upload`` (an agency's) or, of a whisper for one source, ``told``."""

    agency_id: UUID
    name: str
    kind: str
    language: str | None
    voice: str | None
    sha256: bytes
    duration_ms: int
    size_bytes: int
    created_at: datetime
    #: Of one that was uploaded: what people call it.
    label: str | None = None


def prompt_name(language: str, voice: str | None, text: str) -> str:
    """The name of a text's file, the same wherever and whenever it is asked for."""
    return "say-" + hashlib.sha256(f"{language}|{voice or ''}|{text}".encode()).hexdigest()[:32]


def upload_name(wav: bytes) -> str:
    """The name of an uploaded sound's file: its content's, so that nodes bring it as they bring texts, whoever's."""
    return "say-" + hashlib.sha256(b"upload|" + wav).hexdigest()[:32]


def is_content_name(name: str) -> bool:
    """Whether the name is made from a content."""
    return _CONTENT_NAME.fullmatch(name) is not None


def checked_label(label: str) -> str:
    """What people call a sound. Raises LabelFaulty."""
    if not label.strip() or len(label) > 100 or not label.isprintable():
        raise LabelFaulty
    return label.strip()


def content_names(plan: str) -> list[str]:
    """The rendered texts that a plan names, each once."""
    return list(dict.fromkeys(_CONTENT_NAME.findall(plan)))


def stand_ins(plan: str) -> dict[str, str]:
    """Sounds that a plan names, each with the one that is heard where it is not there (``dialtrace_said``)."""
    return {own: general for general, own in _PAIR.findall(plan)}


def checked_name(name: str) -> str:
    """A name under which an operator may keep a file. Raises NameFaulty."""
    if not _FILE_NAME.fullmatch(name):
        raise NameFaulty
    return name


def apology(language: str) -> Say:
    """What a caller hears whom nobody could take."""
    return Say(APOLOGIES[language], language)


def waiting(language: str) -> Say:
    """What a waiting caller hears now and then who is not told a place."""
    return Say(_WAITING[language], language)


def position(place: int, language: str) -> Say:
    """What a waiting caller hears who is ``place``-th (1 to MOST_POSITIONS)."""
    if not 1 <= place <= MOST_POSITIONS:
        raise ValueError(f"there is a sentence for the places 1 to {MOST_POSITIONS}, not for {place}")
    return Say(_POSITIONS[language].format(place=place), language)


def standard_prompts() -> Iterator[Say]:
    """What every installation may have to say, whatever its flows."""
    for language in LANGUAGES:
        yield apology(language)
        yield waiting(language)
        yield from (position(place, language) for place in range(1, MOST_POSITIONS + 1))
