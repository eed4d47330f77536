"""A client's own rules for telling sources: what a visit must look like, and what it then is. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from .addresses import Address, cleaned, is_below, is_host, path_pattern
from .errors import Fault, SiteFaulty
from .sources import source_book

MOST_RULES = 200
FIELDS = ("channel", "source", "medium", "campaign", "content", "keyword")


class Strict(BaseModel):
    """A value that has exactly its fields and never changes."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def host_of_text(text: str) -> str:
    """A host as it is compared: in small letters, in ASCII. Raises ValueError."""
    host = text.strip().lower().rstrip(".")
    try:
        host = host if host.isascii() else host.encode("idna").decode("ascii")
    except UnicodeError as error:
        raise ValueError("must be a host name such as www.example.com") from error
    if not is_host(host):
        raise ValueError("must be a host name such as www.example.com, without https:// and without a path")
    return host


def _path(text: str) -> str:
    if not text.startswith(("/", "*")) or not text.isprintable():
        raise ValueError("must be a path such as /promo/*, beginning with / or *")
    return text


def _line(text: str) -> str:
    if not text.strip() or not text.isprintable():
        raise ValueError("must be a text without line breaks")
    return text.strip()


def _channel(text: str) -> str:
    channels = source_book().channels
    if text not in channels:
        raise ValueError("must be one of " + ", ".join(channels))
    return text


Host = Annotated[str, Field(strict=True, max_length=253), AfterValidator(host_of_text)]
PathPattern = Annotated[str, Field(strict=True, max_length=500), AfterValidator(_path)]
Line = Annotated[str, Field(strict=True, max_length=300), AfterValidator(_line)]
Channel = Annotated[str, Field(strict=True), AfterValidator(_channel)]
#: A parameter's name → the values that it may have; none: any value that says something.
Parameters = Annotated[
    dict[Annotated[str, Field(max_length=64)], Annotated[list[Line], Field(max_length=200)]], Field(max_length=20)
]


class SourceWhen(Strict):
    """All that is named must hold."""

    parameters: Annotated[Parameters, Field(default_factory=dict)]
    referrers: Annotated[list[Host], Field(default_factory=list, max_length=200)]
    landing_paths: Annotated[list[PathPattern], Field(default_factory=list, max_length=200)]

    @model_validator(mode="after")
    def _says_something(self) -> SourceWhen:
        if not (self.parameters or self.referrers or self.landing_paths):
            raise ValueError("must name parameters, referrers or landing_paths")
        return self


class FromParameter(Strict):
    """A value that stands in a parameter of the landing page."""

    parameter: Annotated[str, Field(strict=True, min_length=1, max_length=64)]


class SourceSet(Strict):
    """What the visit then is. What is left out is taken from the UTM parameters, if they say it."""

    channel: Channel
    source: Line | FromParameter
    medium: Line | FromParameter | None = None
    campaign: Line | FromParameter | None = None
    content: Line | FromParameter | None = None
    keyword: Line | FromParameter | None = None


class SourceRule(Strict):
    """One rule; the first that fits counts."""

    name: Annotated[str, Field(strict=True, max_length=100)] = ""
    when: SourceWhen
    set: SourceSet

    def fits(self, landing: Address, came_from: Address) -> bool:
        when = self.when
        return (
            all(parameter_fits(landing, name, values) for name, values in when.parameters.items())
            and (not when.referrers or any(is_below(came_from.host, host) for host in when.referrers))
            and (not when.landing_paths or path_fits(landing.path, when.landing_paths))
        )

    def source_fields(self, landing: Address) -> dict[str, str | None]:
        """The fields that it sets; None: says nothing of it."""
        return {name: _value(getattr(self.set, name), landing) for name in FIELDS}


def parameter_fits(landing: Address, name: str, values: Sequence[str]) -> bool:
    found = cleaned(landing.parameters.get(name.lower()))
    if found is None:
        return False
    return not values or found.casefold() in {value.casefold() for value in values}


def path_fits(path: str, patterns: Sequence[str]) -> bool:
    return any(re.search(path_pattern(pattern), path) for pattern in patterns)


def _value(said: str | FromParameter | None, landing: Address) -> str | None:
    return cleaned(landing.parameters.get(said.parameter.lower())) if isinstance(said, FromParameter) else said


def read_source_rules(document: Any) -> tuple[SourceRule, ...]:
    """The rules of a document (a list). Raises SiteFaulty with every fault."""
    if not isinstance(document, list) or len(document) > MOST_RULES:
        raise SiteFaulty([Fault("", "invalid", f"must be a list of at most {MOST_RULES} rules")])
    rules: list[SourceRule] = []
    faults: list[Fault] = []
    for place, one in enumerate(document):
        try:
            rules.append(SourceRule.model_validate(one))
        except ValidationError as error:
            faults += faults_of(error, f"/{place}")
    if faults:
        raise SiteFaulty(faults)
    return tuple(rules)


def faults_of(error: ValidationError, prefix: str = "") -> list[Fault]:
    """Each fault with its place, without repeating what was sent."""
    found = []
    for one in error.errors(include_url=False, include_input=False, include_context=False):
        # Of a choice between a text and an object pydantic tells both names; the place is the member's.
        steps = [str(step) for step in one["loc"] if not _is_variant(step)]
        pointer = prefix + "".join("/" + step.replace("~", "~0").replace("/", "~1") for step in steps)
        found.append(Fault(pointer, one["type"], one["msg"].removeprefix("Value error, ")))
    return found


def _is_variant(step: int | str) -> bool:
    return isinstance(step, str) and ("[" in step or step in {"FromParameter", "constrained-str"})


def documents_of(rules: Sequence[SourceRule]) -> list[Mapping[str, Any]]:
    """As they are kept and shown."""
    return [rule.model_dump(mode="json", exclude_defaults=True) for rule in rules]
