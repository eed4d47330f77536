"""The words that flow documents and compiled flows share: names, digits, prompts, times. Values and bounds only.

Whatever may end up in a channel variable or a plan is a word here, made of letters, digits and a few signs, so that the
switch can take it for nothing but a value (call-setup.md, "Rules for plans").
"""

from __future__ import annotations

import hashlib
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from .model import LEAST_RING_S, LONGEST_RING_S

#: The causes that a flow may end with; plan.py gives each the switch's name for it.
Cause = Literal["busy", "no_answer", "rejected", "unavailable", "not_found", "normal"]
Language = Literal["en", "ru"]
Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
Strategy = Literal["in_turn", "together", "round_robin", "weighted", "longest_idle"]

RingTimeout = Annotated[int, Field(strict=True, ge=LEAST_RING_S, le=LONGEST_RING_S)]
#: No word from a target (no 18x) for so long: the next one. Above half a minute the ring time has its say.
ProgressTimeout = Annotated[int, Field(strict=True, ge=1, le=30)]
#: One key of a telephone.
Digit = Annotated[str, Field(strict=True, pattern=r"^[0-9*#]$")]
#: Keys pressed one after another.
Digits = Annotated[str, Field(strict=True, pattern=r"^[0-9*#]{1,6}$")]
#: A tag, a variable's value, a web hook's answer.
Word = Annotated[str, Field(strict=True, pattern=r"^[A-Za-z0-9][A-Za-z0-9_.@-]{0,63}$")]
#: A flow's own variable: the switch keeps it as ``dialtrace_v_<name>``.
VariableName = Annotated[str, Field(strict=True, pattern=r"^[a-z][a-z_]{0,31}$")]
MOST_SAID = 600


class Strict(BaseModel):
    """A value that has exactly its fields and never changes."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class TonePrompt(Strict):
    """A tone."""

    kind: Literal["tone"]
    frequency_hz: Annotated[int, Field(strict=True, ge=50, le=3400)]
    duration_ms: Annotated[int, Field(strict=True, ge=10, le=60_000)]


class FilePrompt(Strict):
    """A sound file in the nodes' spool, by its name: ``<spool>/prompts/<name>.wav``."""

    kind: Literal["file"]
    name: Annotated[str, Field(strict=True, pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")]


def said_name(language: str, voice: str, text: str) -> str:
    """The name of the file in which a text is said; ``voice`` is empty for the language's usual one."""
    digest = hashlib.sha256(f"{language}|{voice}|{text}".encode()).hexdigest()
    return f"say-{digest[:32]}"
