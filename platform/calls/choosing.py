"""Where a flow goes by what is known of a call: its caller's number, its facts, the hour. Pure."""

from __future__ import annotations

from ..phone import country_of
from . import hours
from .compiled import CompiledCondition, CompiledFlow, CompiledGeo, CompiledTest
from .model import Facts

_OWN = "variable:"


def follow_geo(step: CompiledGeo, caller: str | None) -> str | None:
    """The name of what follows for a caller (E.164; None: withheld, or not known yet)."""
    if caller is None:
        return step.otherwise
    fitting = [prefix for prefix in step.prefixes if caller.startswith(prefix)]
    if fitting:
        return step.prefixes[max(fitting, key=len)]
    country = country_of(caller) if step.countries else None
    return step.countries.get(country or "", step.otherwise)


def holds(step: CompiledCondition, facts: Facts, flow: CompiledFlow) -> bool:
    """Whether every test holds; one of a fact that is not known does not."""
    return all(_holds(test, _fact(test.fact, facts, flow)) for test in step.when)


def _fact(name: str, facts: Facts, flow: CompiledFlow) -> bool | int | str | None:
    if name.startswith(_OWN):
        return facts.variables.get(name.removeprefix(_OWN))
    known: dict[str, bool | int | str | None] = {
        "repeat": facts.repeat,
        "spam": facts.spam_score,
        "source": facts.source,
        "campaign": facts.campaign,
    }
    if name == "weekday":
        return hours.weekday(facts.now, flow.time_zone)
    if name == "hour":
        return hours.hour(facts.now, flow.time_zone)
    return known.get(name)


def _holds(test: CompiledTest, fact: bool | int | str | None) -> bool:
    if fact is None:
        return False
    if test.test == "is":
        return _same(fact, test.value)
    if test.test == "in":
        return isinstance(test.value, list) and any(_same(fact, one) for one in test.value)
    number, bound = _number(fact), _number(test.value)
    if number is None or bound is None:
        return False
    return number >= bound if test.test == "at_least" else number <= bound


def _same(fact: bool | int | str, wanted: object) -> bool:
    """True is no 1; a variable, which is text, may be held against a number."""
    if isinstance(fact, bool) or isinstance(wanted, bool):
        return fact is wanted
    return str(fact) == str(wanted)


def _number(value: object) -> int | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 15:
        return int(value)
    return value if isinstance(value, int) else None
