"""Receipts: one text that says what was deleted by which rule, signed by Ed25519 (RFC 8032). Pure.

The text is canonical JSON (keys sorted, no blanks, UTF-8), so that nobody needs our code to read it; what is signed and
kept is exactly its bytes. It holds no personal value: a person stands in it as the agency's keyed hash, an object as
the SHA-256 of its name.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from .errors import ReceiptForged

VERSION = 1


def canonical(document: Mapping[str, Any]) -> str:
    """The one text of a document."""
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=_plain)


def _plain(value: object) -> object:
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, bytes):
        return value.hex()
    raise TypeError(f"no plain form for {type(value).__name__}")


def name_digest(name: str) -> str:
    """How an object's name stands in a receipt: SHA-256 in hexadecimal."""
    return hashlib.sha256(name.encode()).hexdigest()


def key_id_of(public_key: bytes) -> str:
    """Names a public key (32 bytes)."""
    return hashlib.sha256(public_key).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class SigningKey:
    """The installation's key of the moment."""

    key: Ed25519PrivateKey

    @classmethod
    def generate(cls) -> SigningKey:
        return cls(Ed25519PrivateKey.generate())

    @classmethod
    def from_bytes(cls, private: bytes) -> SigningKey:
        return cls(Ed25519PrivateKey.from_private_bytes(private))

    def private_bytes(self) -> bytes:
        """To be sealed at once, and never shown."""
        return self.key.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption())

    @property
    def public_bytes(self) -> bytes:
        return self.key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)

    @property
    def key_id(self) -> str:
        return key_id_of(self.public_bytes)

    def sign(self, document: str) -> bytes:
        return self.key.sign(document.encode())


def verify(document: str, signature: bytes, public_key: bytes) -> None:
    """Raises ReceiptForged unless this very text was signed by the holder of that key."""
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, document.encode())
    except (InvalidSignature, ValueError) as error:
        raise ReceiptForged from error
