"""What flows let people hear, as their owners write it: a tone, a file, a text; to a caller or to a target. Pure."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from .flow_values import FilePrompt, Language, SaidText, Strict, TonePrompt, Voice
from .whispers import check_no_places, check_places


class SayPrompt(Strict):
    """A text that is read out; its sound is made ahead. Language: the flow's, unless it is named."""

    kind: Literal["say"]
    text: Annotated[SaidText, AfterValidator(check_no_places)]
    language: Language | None = None
    voice: Voice | None = None


class WhisperedPrompt(Strict):
    """A text that is read out to a target. `{source}` and `{campaign}` in it are where the caller comes from; behind a
    bar, as in `{campaign|no campaign}`, stands what is said where nobody knows."""

    kind: Literal["say"]
    text: Annotated[SaidText, AfterValidator(check_places)]
    language: Language | None = None
    voice: Voice | None = None


Prompt = Annotated[TonePrompt | FilePrompt | SayPrompt, Field(discriminator="kind")]
Whisper = Annotated[TonePrompt | FilePrompt | WhisperedPrompt, Field(discriminator="kind")]
