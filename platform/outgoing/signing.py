"""Signatures of what we send, after Standard Webhooks 1.0.0 (reference/contracts/08). Pure: bytes in, headers out.

The key is what the secret's base64 stands for, never its text; and the bytes that are signed are those that are sent.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Sequence

PREFIX = "whsec_"
SECRET_BYTES = 32
_SHORTEST, _LONGEST = 24, 64


def format_secret(key: bytes) -> str:
    """A key as its owner sees it. Raises ValueError when it is too short or too long."""
    _check_length(key)
    return PREFIX + base64.b64encode(key).decode()


def parse_secret(text: str) -> bytes:
    """The key that a secret stands for. Raises ValueError."""
    if not text.startswith(PREFIX):
        raise ValueError(f"a secret begins with {PREFIX}")
    try:
        key = base64.b64decode(text.removeprefix(PREFIX), validate=True)
    except binascii.Error as error:
        raise ValueError("a secret ends in base64") from error
    _check_length(key)
    return key


def _check_length(key: bytes) -> None:
    if not _SHORTEST <= len(key) <= _LONGEST:
        raise ValueError(f"a secret stands for {_SHORTEST} to {_LONGEST} bytes, not {len(key)}")


def signed_headers(keys: Sequence[bytes], *, message_id: str, timestamp_s: int, body: bytes) -> dict[str, str]:
    """The three headers of a message. One signature by each key, in their order: during a rotation the receiver may
    know the old secret or the new one. ``timestamp_s``: of this attempt; ``message_id``: the same on every attempt.
    Raises ValueError for an id that would make two messages look alike."""
    if "." in message_id or not message_id.isascii() or not message_id.isprintable() or not message_id:
        raise ValueError("a message's id is visible ASCII without a dot")
    signed = f"{message_id}.{timestamp_s}.".encode() + body
    signatures = (base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode() for key in keys)
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp_s),
        "webhook-signature": " ".join(f"v1,{signature}" for signature in signatures),
    }
