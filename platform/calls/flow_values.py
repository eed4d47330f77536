"""The words that flow documents and compiled flows share: names, digits, prompts, times. Values and bounds only.

Whatever may end up in a channel variable or a plan is a word here, made of letters, digits and a few signs, so that the
switch can take it for nothing but a value (call-setup.md, "Rules for plans").
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from phonenumbers import SUPPORTED_REGIONS
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PlainValidator, WithJsonSchema

from ..outgoing.errors import UrlRefused
from ..outgoing.model import LONGEST_URL, parse_url
from ..prompts.model import LONGEST_TEXT, is_content_name
from .model import LEAST_RING_S, LONGEST_RING_S

#: The causes that a flow may end with; plan.py gives each the switch's name for it.
Cause = Literal["busy", "no_answer", "rejected", "unavailable", "not_found", "normal"]
Language = Literal["en", "ru"]
Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
Strategy = Literal["in_turn", "together", "round_robin", "weighted", "longest_idle"]

RingTimeout = Annotated[int, Field(strict=True, ge=LEAST_RING_S, le=LONGEST_RING_S)]
#: No word from a target (no 18x) for so long: the next one. Above half a minute the ring time has its say.
ProgressTimeout = Annotated[int, Field(strict=True, ge=1, le=30)]
_STEP_NAME = r"^[a-z][a-z0-9-]{0,31}$"
FILE_NAME = r"^[a-z0-9][a-z0-9_-]{0,63}$"
_VOICE = r"^[a-z0-9][a-z0-9+-]{0,31}$"
_DIGIT = r"^[0-9*#]$"
_DIGITS = r"^[0-9*#]{1,6}$"
_WORD = r"^[A-Za-z0-9][A-Za-z0-9_.@-]{0,63}$"
_VARIABLE = r"^[a-z][a-z_]{0,31}$"
#: What each pattern asks for, in words.
RULES = {
    _STEP_NAME: "must be a step's name: 1 to 32 small letters, digits and -, a letter first",
    FILE_NAME: "must be a file's name without folder and .wav: 1 to 64 small letters, digits, _ and -",
    _VOICE: "must be a voice's name: 1 to 32 small letters, digits, + and -",
    _DIGIT: "must be one key of a telephone: 0 to 9, * or #",
    _DIGITS: "must be 1 to 6 keys of a telephone: 0 to 9, * or #",
    _WORD: "must be one word: 1 to 64 letters, digits and _ . @ -, a letter or digit first",
    _VARIABLE: "must be a variable's name: 1 to 32 small letters and _, a letter first",
}

#: What a document calls a step.
StepName = Annotated[str, Field(strict=True, pattern=_STEP_NAME)]
Voice = Annotated[str, Field(strict=True, pattern=_VOICE)]
#: One key of a telephone.
Digit = Annotated[str, Field(strict=True, pattern=_DIGIT)]
#: Keys pressed one after another.
Digits = Annotated[str, Field(strict=True, pattern=_DIGITS)]
#: A tag, a variable's value, a web hook's answer.
Word = Annotated[str, Field(strict=True, pattern=_WORD)]
#: A flow's own variable: the switch keeps it as ``dialtrace_v_<name>``.
VariableName = Annotated[str, Field(strict=True, pattern=_VARIABLE)]


def _said(text: str) -> str:
    if not text.strip() or not text.isprintable():
        raise ValueError("must be a text without line breaks")
    return text


_PREFIX = re.compile(r"\+[1-9][0-9]{0,14}")


def _match_key(key: str) -> str:
    if not _PREFIX.fullmatch(key) and key not in SUPPORTED_REGIONS:
        raise ValueError("must be a dialling prefix such as +7495, or a country in two capital letters such as GB")
    return key


def _url(url: str) -> str:
    try:
        parse_url(url)
    except UrlRefused as error:
        raise ValueError(str(error)) from error
    return url


def _scalar(value: Any) -> Any:
    if not isinstance(value, bool | int | str):
        raise ValueError("must be a text, a whole number, true or false")
    return value


#: What is read out. Anything that a voice can say, in one line.
SaidText = Annotated[str, Field(strict=True, max_length=LONGEST_TEXT), AfterValidator(_said)]
#: What a caller's number may begin with, or its country.
MatchKey = Annotated[str, Field(strict=True, max_length=16), AfterValidator(_match_key)]
Url = Annotated[str, Field(strict=True, max_length=LONGEST_URL), AfterValidator(_url)]
#: What a fact may be held against; which of these is the fact's matter (flow_facts.py).
Scalar = Annotated[Any, PlainValidator(_scalar), WithJsonSchema({"type": ["boolean", "integer", "string"]})]


class Strict(BaseModel):
    """A value that has exactly its fields and never changes."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class TonePrompt(Strict):
    """A tone."""

    kind: Literal["tone"]
    frequency_hz: Annotated[int, Field(strict=True, ge=50, le=3400)]
    duration_ms: Annotated[int, Field(strict=True, ge=10, le=60_000)]


def _no_said_name(name: str) -> str:
    if name.startswith("say-") and not is_content_name(name):
        raise ValueError("must not begin with say-, unless it is the whole name of a sound that was uploaded")
    return name


class FilePrompt(Strict):
    """An announcement by its name: one that the operator has brought to the nodes, or a sound that was uploaded."""

    kind: Literal["file"]
    name: Annotated[str, Field(strict=True, pattern=FILE_NAME), AfterValidator(_no_said_name)]
