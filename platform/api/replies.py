"""Answers that every resource gives alike: what was found, what was made, and where it is."""

from __future__ import annotations

from typing import Protocol, TypeVar
from uuid import UUID

from .preconditions import tag_of


class Versioned(Protocol):
    """What has an address and counts its changes."""

    id: UUID
    version: int


A = TypeVar("A", bound=Versioned)
Reply = tuple[A, int, dict[str, str]]


def found(answer: A) -> Reply[A]:
    """One thing, with the tag of its version."""
    return answer, 200, {"ETag": tag_of(answer.version)}


def created(collection: str, answer: A) -> Reply[A]:
    """What was made, and where it is from now on."""
    return answer, 201, {"Location": f"{collection}/{answer.id}", "ETag": tag_of(answer.version)}
