"""`ETag`, `If-Match` and `If-None-Match` on versions (RFC 9110, 13): no change is lost, nothing is sent twice."""

from __future__ import annotations

import hashlib
import re

from werkzeug.datastructures import Headers

from .errors import Problem

_TAG = re.compile(r'\s*(W/)?"([!#-~\x80-\xff]*)"\s*(?:,|$)')


def tag_of(version: int) -> str:
    """The entity tag of a version."""
    return f'"v{version}"'


def tag_of_content(document: str) -> str:
    """The entity tag of what counts no versions."""
    return f'"c{hashlib.sha256(document.encode()).hexdigest()[:24]}"'


def _tags(header: str) -> list[str]:
    """The strong tags of a list; a weak one never counts for `If-Match`."""
    return [f'"{match[2]}"' for match in _TAG.finditer(header) if not match[1]]


def check_match(headers: Headers, version: int, *, required: bool) -> None:
    """Raises Problem: 428 when `If-Match` is required and absent, 412 when it names another version."""
    header = headers.get("If-Match")
    if header is None:
        if required:
            raise Problem("version_required")
        return
    if header.strip() != "*" and tag_of(version) not in _tags(header):
        raise mismatch(version)


def check_tag(headers: Headers, tag: str) -> None:
    """Raises Problem (412) when `If-Match` is sent and names something else."""
    header = headers.get("If-Match", "*")
    if header.strip() != "*" and tag not in _tags(header):
        detail = f"It is at {tag}, which If-Match does not name. Read it again and repeat the change."
        raise Problem("version_mismatch", detail, headers={"ETag": tag})


def mismatch(current: int) -> Problem:
    """It was changed meanwhile; the answer's `ETag` says what it is now."""
    detail = f"It is at version {current}, which If-Match does not name. Read it again and repeat the change."
    return Problem("version_mismatch", detail, headers={"ETag": tag_of(current)})


def is_known(headers: Headers, tag: str) -> bool:
    """Whether the asker has this already (`If-None-Match`, weak comparison): then the answer is 304."""
    header = headers.get("If-None-Match", "")
    return header.strip() == "*" or tag in [f'"{match[2]}"' for match in _TAG.finditer(header)]
