"""The list of master keys as it stands in the settings. Apart from what seals with them: the settings are read by every
process, and most never seal anything.
"""

from __future__ import annotations

import base64
import binascii
import secrets

from .errors import MasterKeysFaulty

KEY_BYTES = 32
#: More than anybody rotates through.
MOST_KEYS = 16


def make_master_key() -> str:
    """A new one, as it is written into the settings: 32 bytes in base64."""
    return base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode()


def parse_master_keys(text: str) -> tuple[bytes, ...]:
    """Keys in base64 with commas, spaces or line breaks between, the newest first; none for an empty text. Raises
    MasterKeysFaulty without showing any of them."""
    keys = tuple(_master_key(place, word) for place, word in enumerate(text.replace(",", " ").split(), start=1))
    if len(keys) > MOST_KEYS:
        raise MasterKeysFaulty(f"at most {MOST_KEYS} master keys, not {len(keys)}")
    if len(set(keys)) < len(keys):
        raise MasterKeysFaulty("the same master key stands there twice")
    return keys


def _master_key(place: int, word: str) -> bytes:
    try:
        # Both alphabets: what `openssl rand -base64 32` writes and what stands in URLs.
        key = base64.b64decode(word.replace("-", "+").replace("_", "/") + "=" * (-len(word) % 4), validate=True)
    except binascii.Error as error:
        raise MasterKeysFaulty(f"master key {place} is not base64") from error
    if len(key) != KEY_BYTES:
        raise MasterKeysFaulty(f"master key {place} has {len(key)} bytes, not {KEY_BYTES}: openssl rand -base64 32")
    return key
