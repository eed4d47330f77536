"""What a condition may ask of a call, and which tests fit which fact. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Annotated, Any, Literal, get_args

from pydantic import Field, model_validator

from .flow_values import Day, Scalar, Strict

Test = Literal["is", "in", "at_least", "at_most"]

FACT_RULE = (
    "repeat (has this caller called this client before: true or false), spam (0 to 100), source, campaign, "
    "weekday (mon to sun), hour (0 to 23, in the client's time zone), or variable:<name>"
)
MOST_COMPARED = 200
_VARIABLE = re.compile(r"variable:[a-z][a-z_]{0,31}")


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and 1 <= len(value) <= MOST_COMPARED and value.isprintable()


def _is_number(value: Any, most: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= most


#: Fact → (whether a value can be one of its, in words, its tests).
_FACTS: dict[str, tuple[Callable[[Any], bool], str, tuple[str, ...]]] = {
    "repeat": (lambda value: isinstance(value, bool), "true or false", ("is",)),
    "spam": (lambda value: _is_number(value, 100), "a number from 0 to 100", ("is", "at_least", "at_most")),
    "source": (_is_text, f"a text of 1 to {MOST_COMPARED} characters", ("is", "in")),
    "campaign": (_is_text, f"a text of 1 to {MOST_COMPARED} characters", ("is", "in")),
    "weekday": (lambda value: value in get_args(Day), "one of " + ", ".join(get_args(Day)), ("is", "in")),
    "hour": (lambda value: _is_number(value, 23), "a number from 0 to 23", ("is", "in", "at_least", "at_most")),
}
_OF_VARIABLES = (
    lambda value: _is_text(value) or _is_number(value, 1_000_000),
    f"a text of 1 to {MOST_COMPARED} characters or a number",
    ("is", "in", "at_least", "at_most"),
)


def test_fault(fact: str, test: str, value: Any) -> str | None:
    """What is wrong with holding this fact against this value; None: nothing."""
    if fact not in _FACTS and not _VARIABLE.fullmatch(fact):
        return f"has a fact that is not known; known are {', '.join(_FACTS)} and variable:<name>"
    fits, words, tests = _FACTS.get(fact, _OF_VARIABLES)
    if test not in tests:
        return f"cannot ask {test} of {fact}; it can ask {' or '.join(tests)}"
    if not all(map(fits, value if isinstance(value, list) else [value])):
        return f"must compare {fact} with {words}"
    return None


class FactTest(Strict):
    """One fact and what it must be. A fact that is not known fits nothing."""

    fact: Annotated[str, Field(strict=True, max_length=64, description=FACT_RULE)]
    is_: Annotated[Scalar | None, Field(default=None, alias="is")]
    in_: Annotated[list[Scalar] | None, Field(default=None, alias="in", min_length=1, max_length=50)]
    at_least: Annotated[int, Field(strict=True, ge=0, le=1_000_000)] | None = None
    at_most: Annotated[int, Field(strict=True, ge=0, le=1_000_000)] | None = None

    @model_validator(mode="after")
    def _fits(self) -> FactTest:
        given = self.tests()
        fault = (
            "needs exactly one of is, in, at_least and at_most" if len(given) != 1 else test_fault(self.fact, *given[0])
        )
        if fault is not None:
            raise ValueError(fault)
        return self

    def tests(self) -> list[tuple[Test, Any]]:
        """What is asked of the fact: one pair of test and value."""
        all_of: tuple[tuple[Test, Any], ...] = (
            ("is", self.is_),
            ("in", self.in_),
            ("at_least", self.at_least),
            ("at_most", self.at_most),
        )
        return [(test, value) for test, value in all_of if value is not None]
