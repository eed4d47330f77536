"""Cuts a recorded stream of the event socket into frames, byte for byte and apart from the codec under test. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator


def split_frames(raw: bytes) -> Iterator[tuple[bytes, bytes]]:
    """(head with its empty line, body) of each complete frame."""
    at = 0
    while (end := raw.find(b"\n\n", at)) >= 0:
        head = raw[at : end + 2]
        length = re.search(rb"^Content-Length: (\d+)", head, re.MULTILINE)
        after = end + 2 + (int(length[1]) if length else 0)
        if after > len(raw):
            return
        yield head, raw[end + 2 : after]
        at = after
