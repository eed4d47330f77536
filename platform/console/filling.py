"""A form as it is shown: empty, with what is kept, or with what was sent and what the API finds wrong with it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from flask import request

from .errors import Refused
from .faults import fault_text, problem_text
from .forms import Choices, Field, shown_fields, unplaced, version_of
from .reader import reader

#: Refusals that a form can show beside what was sent.
MENDABLE = frozenset({400, 409, 412, 422, 428})
#: Somebody else was quicker. Then alone a form goes on from what is kept, which it shows beside what was sent.
LATE = 412


def formed(
    fields: Iterable[Field],
    thing: Mapping[str, Any],
    refused: Refused | None = None,
    *,
    picks: Mapping[str, Choices] | None = None,
) -> dict[str, Any]:
    """Fields with what stands in them, what is wrong with the whole, and the version that the form is of. Raises what
    no form can mend."""
    fields, speech = list(fields), reader().speech
    if refused is None:
        shown = shown_fields(fields, thing, speech, picks=picks or {})
        return {"fields": shown, "problem": "", "version": thing.get("version")}
    if refused.status not in MENDABLE:
        raise refused
    faults, is_late = list(refused.faults), refused.status == LATE
    rest = [f"{one.place}: {fault_text(one, speech)}" for one in unplaced(fields, faults)]
    return {
        "fields": shown_fields(fields, thing, speech, picks=picks or {}, form=request.form, faults=faults,
                               is_late=is_late),
        "problem": " ".join([problem_text(refused, speech), *rest]),
        "version": thing.get("version") if is_late else version_of(request.form),
    }  # fmt: skip


def said_of(refused: Refused) -> str:
    """What is wrong with what was asked for by an address, or with the whole of a form. Raises what nobody can mend."""
    if refused.status not in MENDABLE:
        raise refused
    speech = reader().speech
    faults = [f"{one.place}: {fault_text(one, speech)}" for one in refused.faults]
    return " ".join(faults) or problem_text(refused, speech)
