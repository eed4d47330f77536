"""The texts that a flow document says, found wherever they stand in it. Pure: renders nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ..prompts.errors import CannotSay, TextFaulty
from ..prompts.model import Say
from .errors import Fault, FlowFaulty
from .whispers import has_places, told


def said_in(document: Mapping[str, Any]) -> dict[str, Say]:
    """Every text with the JSON pointer of its prompt; ``document`` has passed ``flows.parse_flow``. Raises
    FlowFaulty."""
    found: dict[str, Say] = {}
    faults: list[Fault] = []
    usual = str(document.get("language") or "en")
    for pointer, prompt in _prompts(document, ""):
        try:
            language = prompt.get("language") or usual
            # Only whispers have places; of these it is what they say where nobody knows.
            text = told(prompt["text"], language) if has_places(prompt["text"]) else prompt["text"]
            found[pointer] = Say(text, language, prompt.get("voice") or "")
        except TextFaulty as fault:
            faults.append(Fault(f"{pointer}/text", "cannot_be_said", str(fault)))
    if faults:
        raise FlowFaulty(faults)
    return found


def unsayable(said: Mapping[str, Say], fault: CannotSay) -> FlowFaulty:
    """What rendering could not do, at the places that ask for it."""
    return FlowFaulty(
        [
            Fault(pointer, "cannot_be_said", str(fault.faults[say.name]))
            for pointer, say in said.items()
            if say.name in fault.faults
        ]
    )


def _prompts(value: Any, pointer: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    if isinstance(value, list):
        for index, one in enumerate(value):
            yield from _prompts(one, f"{pointer}/{index}")
    elif isinstance(value, dict):
        if value.get("kind") == "say":
            yield pointer, value
        for name, one in value.items():
            yield from _prompts(one, f"{pointer}/{name.replace('~', '~0').replace('/', '~1')}")
