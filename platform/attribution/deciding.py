"""What is told of a call in the end: the matched visits together with what people have said about it.

Facts are only ever added. The strongest decides: a manual correction; a promo code; the matched visits, with what the
caller says of the source; the source that the number is bound to; what the caller says alone. A number's source is
certain, but it is the number's and not a visit's: both are told, each with a probability of its own. Pure.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from .model import NO_SOURCE, PLACES, Attribution, Candidate, Correction, Match, Source, Visit, most_likely_source

#: Codes that pass the check digit and are still another visitor's: read out by a friend, from an old page.
CODE_IS_RIGHT = 0.995
#: How often callers name the true channel when they are asked.
CALLER_IS_RIGHT = 0.6
#: And by how many channels they could have erred.
_OTHER_ANSWERS = 6


def decide(match: Match, number_source: Source, rung: str | None, corrections: Sequence[Correction]) -> Attribution:
    """The attribution by all that is known. ``corrections`` in the order in which they were said; ``rung``: of the
    number, where no candidate tells one."""
    told = latest(corrections)
    if (manual := told.get("manual")) is not None:
        return _manual(manual, match, rung)
    if (code := told.get("promo_code")) is not None and code.visit is not None:
        match = with_code(match, code.visit)
        return _visit("promo_code", match, NO_SOURCE, rung)
    said = told.get("self_reported")
    if said is not None and said.source is not None:
        match = with_answer(match, said.source)
    found = _visit("visit", match, number_source, rung)
    if found.method != "unknown" or said is None or said.source is None:
        return found
    # Nobody has measured how often a caller is right who is the only witness.
    return replace(found, method="self_reported", source=said.source)


def latest(corrections: Sequence[Correction]) -> dict[str, Correction]:
    """Kind → the fact of that kind that counts. A withdrawal takes back every manual one before it."""
    told: dict[str, Correction] = {}
    for one in corrections:
        if one.kind == "withdrawn":
            told.pop("manual", None)
        else:
            told[one.kind] = one
    return told


def _manual(said: Correction, match: Match, rung: str | None) -> Attribution:
    source = said.source or (said.visit.source if said.visit is not None else NO_SOURCE)
    return rounded(
        Attribution(
            method="manual",
            visit=said.visit,
            probability=1.0 if said.visit is not None else None,
            source=source,
            source_probability=1.0 if source.is_known else None,
            rung=_rung(match, rung),
            nobody=match.nobody,
            candidates=match.candidates,
        )
    )


def _visit(method: str, match: Match, number_source: Source, rung: str | None) -> Attribution:
    first = match.candidates[0] if match.candidates else None
    chosen = first if first is not None and first.probability > match.nobody else None
    source, share = (number_source, 1.0) if number_source.is_known else most_likely_source(match.candidates)
    if number_source.is_known:
        method = "number"
    elif chosen is None:
        method = "unknown"
    return rounded(
        Attribution(
            method=method,  # type: ignore[arg-type]
            visit=chosen.visit if chosen is not None else None,
            probability=chosen.probability if chosen is not None else None,
            source=source if method != "unknown" else NO_SOURCE,
            source_probability=share if method != "unknown" and source.is_known else None,
            rung=_rung(match, rung),
            nobody=match.nobody,
            candidates=match.candidates,
        )
    )


def _rung(match: Match, rung: str | None) -> str | None:
    return next((one.rung for one in match.candidates if one.rung is not None), rung)


def with_code(match: Match, visit: Visit) -> Match:
    """The match, once the caller has named the code of a visit: all others share what a code may be wrong."""
    others = [one for one in match.candidates if one.visit.id != visit.id]
    named = next((one for one in match.candidates if one.visit.id == visit.id), None)
    rest = sum(one.probability for one in others) + match.nobody
    scale = (1.0 - CODE_IS_RIGHT) / rest if rest > 0 else 0.0
    why = {**(named.why if named is not None else {}), "promo_code": True}
    probability = CODE_IS_RIGHT if rest > 0 else 1.0
    first = Candidate(visit=visit, probability=probability, rung=named.rung if named else None, why=why)
    return Match(
        candidates=(first, *(replace(one, probability=one.probability * scale) for one in others)),
        nobody=match.nobody * scale,
    )


def with_answer(match: Match, said: Source) -> Match:
    """The match, weighed by what the caller says of the source: visits of that channel gain, others lose."""
    wrong = (1.0 - CALLER_IS_RIGHT) / _OTHER_ANSWERS
    by_chance = 1.0 / (_OTHER_ANSWERS + 1)

    def weight(one: Candidate) -> float:
        return CALLER_IS_RIGHT if _agrees(one.visit.source, said) else wrong

    raw = [(one, one.probability * weight(one)) for one in match.candidates]
    nobody = match.nobody * by_chance
    total = sum(share for _, share in raw) + nobody
    if total <= 0:
        return match
    told = [
        replace(one, probability=share / total, why={**one.why, "caller_says_so": _agrees(one.visit.source, said)})
        for one, share in raw
    ]
    ordered = sorted(told, key=lambda one: -one.probability)
    return Match(candidates=tuple(ordered), nobody=nobody / total)


def _agrees(found: Source, said: Source) -> bool:
    """Whether every word that the caller gave is the visit's too."""
    given = {name: value for name, value in said.as_dict().items() if value is not None}
    return bool(given) and all(found.as_dict()[name] == value for name, value in given.items())


def rounded(one: Attribution) -> Attribution:
    """As it is kept: the same facts give the same digits on every machine."""

    def places(value: float | None) -> float | None:
        return None if value is None else round(value, PLACES)

    return replace(
        one,
        probability=places(one.probability),
        source_probability=places(one.source_probability),
        nobody=places(one.nobody),
        candidates=tuple(replace(each, probability=round(each.probability, PLACES)) for each in one.candidates),
    )
