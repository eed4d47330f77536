"""Rendering and keeping prompts: done when a flow is published, long before a call needs them.

Nothing here runs while a caller waits. Must not know flows, nodes or where their files lie.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any, Protocol
from uuid import UUID

import structlog

from ..clock import Clock
from ..db.engine import Database
from ..db.tables import OPERATOR_AGENCY
from ..paging import Page, cut
from .errors import CannotSay, PromptError, PromptInUse, PromptUnknown, SpeechMissing
from .model import LONGEST_S, Prompt, Say, checked_label, checked_name, standard_prompts, upload_name
from .store import (
    count_told,
    delete_uploaded,
    digests,
    find_uploaded,
    is_played,
    kept_names,
    list_prompts,
    put_prompts,
    sounds,
)

log = structlog.get_logger("prompts")

OPERATOR = UUID(OPERATOR_AGENCY)
#: An announcement that was brought from elsewhere may be longer than what is rendered here.
LONGEST_FILE_S = 300


class Speaks(Protocol):
    """What turns a text into a WAV of any rate (prompts.speech)."""

    def render(self, say: Say) -> bytes: ...


class Converts(Protocol):
    """What turns a WAV into a telephone's, and says how many milliseconds it lasts (prompts.sound)."""

    def __call__(self, data: bytes, *, longest_s: float) -> tuple[bytes, int]: ...


class Renders(Protocol):
    """What others need of this room: see PromptService.ensure_rendered."""

    def ensure_rendered(self, agency_id: UUID, prompts: Iterable[Say]) -> None: ...


class NoPrompts:
    """Where nothing can be said."""

    def ensure_rendered(self, agency_id: UUID, prompts: Iterable[Say]) -> None:
        """Refuses whatever is to be said. Raises CannotSay."""
        faults = {say.name: SpeechMissing() for say in prompts}
        if faults:
            raise CannotSay(faults)


class PromptService:
    """The use cases of prompts. ``speech`` and ``convert`` come from outside: this room's readers (the workers) need
    neither a speech program nor its numerics."""

    def __init__(self, database: Database, clock: Clock, *, speech: Speaks, convert: Converts) -> None:
        self._database = database
        self._clock = clock
        self._speech = speech
        self._convert = convert

    def ensure_rendered(self, agency_id: UUID, prompts: Iterable[Say]) -> None:
        """All of these are kept when it returns; what was kept before is not rendered again. Opens a transaction of its
        own, so call it outside any other. Raises CannotSay (its ``faults`` by name); then nothing was kept."""
        wanted = {say.name: say for say in prompts}
        if not wanted:
            return
        with self._database.tenant(agency_id) as connection:
            missing = wanted.keys() - kept_names(connection, agency_id, wanted)
        rows, faults = [], {}
        for name in sorted(missing):
            try:
                rows.append(self._rendered(agency_id, wanted[name]))
            except PromptError as fault:
                faults[name] = fault
        if faults:
            raise CannotSay(faults)
        with self._database.tenant(agency_id) as connection:
            put_prompts(connection, rows)

    def render_missing(self, agency_id: UUID, prompts: Iterable[Say], *, most: int, most_kept: int) -> int:
        """Renders those that nobody has kept yet, the first first, ``most`` of them at most, and as long as the agency
        keeps fewer than ``most_kept`` that no flow says as they are. What cannot be said is left out, for whoever names
        it has something else to say. How many were made."""
        wanted = {say.name: say for say in prompts}
        with self._database.tenant(agency_id) as connection:
            kept = kept_names(connection, agency_id, wanted, told=True)
            room = min(most, most_kept - count_told(connection, agency_id))
        rows = []
        for name in [name for name in wanted if name not in kept][: max(0, room)]:
            try:
                rows.append({**self._rendered(agency_id, wanted[name]), "kind": "told"})
            except SpeechMissing as fault:
                log.warning("whispers cannot be said here", fault=str(fault))
                break
            except PromptError as fault:
                log.warning("a whisper cannot be said", name=name, fault=str(fault))
        with self._database.tenant(agency_id) as connection:
            put_prompts(connection, rows)
        return len(rows)

    def ensure_standard(self) -> None:
        """Apologies and places in a queue, the operator's own. Raises CannotSay."""
        self.ensure_rendered(OPERATOR, standard_prompts())

    def import_file(self, name: str, data: bytes) -> int:
        """Keeps an operator's announcement, for steps that name a file; one of that name is replaced. Its length in
        milliseconds. Raises NameFaulty, SoundFaulty."""
        wav, duration_ms = self._convert(data, longest_s=LONGEST_FILE_S)
        row = self._row(OPERATOR, checked_name(name), "file", wav, duration_ms)
        with self._database.tenant(OPERATOR) as connection:
            put_prompts(connection, [row], replace=True)
        return duration_ms

    # --- An agency's own. ---

    def upload(self, agency_id: UUID, label: str, data: bytes) -> Prompt:
        """Keeps a sound of an agency's own for its flows. The same sound is kept once; its label is the newest one.
        Raises SoundFaulty, LabelFaulty."""
        label = checked_label(label)
        wav, duration_ms = self._convert(data, longest_s=LONGEST_FILE_S)
        name = upload_name(wav)
        row = {**self._row(agency_id, name, "upload", wav, duration_ms), "label": label}
        with self._database.tenant(agency_id) as connection:
            put_prompts(connection, [row], replace=True)
        return self.get_uploaded(agency_id, name)

    def list_uploaded(self, agency_id: UUID, *, limit: int = 50, after: tuple[Any, ...] | None = None) -> Page[Prompt]:
        """By name."""
        with self._database.tenant(agency_id) as connection:
            found = find_uploaded(connection, agency_id, limit=limit + 1, after=after[0] if after else None)
        return cut(found, limit, "name")

    def get_uploaded(self, agency_id: UUID, name: str) -> Prompt:
        """Raises PromptUnknown."""
        with self._database.tenant(agency_id) as connection:
            found = find_uploaded(connection, agency_id, limit=1, name=name)
        if not found:
            raise PromptUnknown
        return found[0]

    def sound_of(self, agency_id: UUID, name: str) -> bytes:
        """The WAV file as telephones get it. Raises PromptUnknown."""
        self.get_uploaded(agency_id, name)
        with self._database.tenant(agency_id) as connection:
            return sounds(connection, [name], [agency_id])[name]

    def delete_uploaded(self, agency_id: UUID, name: str) -> None:
        """Raises PromptUnknown, PromptInUse."""
        self.get_uploaded(agency_id, name)
        with self._database.tenant(agency_id) as connection:
            if is_played(connection, agency_id, name):
                raise PromptInUse
            delete_uploaded(connection, agency_id, name)

    def list_all(self) -> list[Prompt]:
        """Every agency's."""
        with self._database.system() as connection:
            return list_prompts(connection, None)

    def _rendered(self, agency_id: UUID, say: Say) -> dict[str, Any]:
        wav, duration_ms = self._convert(self._speech.render(say), longest_s=LONGEST_S)
        row = self._row(agency_id, say.name, "say", wav, duration_ms)
        text_sha256 = hashlib.sha256(say.text.encode("utf-8")).digest()
        return {**row, "language": say.language, "voice": say.voice, "text_sha256": text_sha256}

    def _row(self, agency_id: UUID, name: str, kind: str, wav: bytes, duration_ms: int) -> dict[str, Any]:
        return {
            "agency_id": agency_id,
            "name": name,
            "kind": kind,
            "sha256": hashlib.sha256(wav).digest(),
            "wav": wav,
            "duration_ms": duration_ms,
            "created_at": self._clock.now(),
            "label": None,
        }


class PromptSounds:
    """Reads the sounds for the nodes, whoever's they are."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def rendered(self, names: Iterable[str]) -> dict[str, bytes]:
        """WAV files of rendered texts by name; what nobody has is left out. Raises the errors of `db.errors`."""
        with self._database.system() as connection:
            return sounds(connection, names, None)

    def operators(self) -> dict[str, bytes]:
        """SHA-256 of each of the operator's sounds, by name. Raises the errors of `db.errors`."""
        with self._database.system() as connection:
            return digests(connection, OPERATOR)

    def operators_sounds(self, names: Iterable[str]) -> dict[str, bytes]:
        """The operator's WAV files of these names. Raises the errors of `db.errors`."""
        with self._database.system() as connection:
            return sounds(connection, names, [OPERATOR])
