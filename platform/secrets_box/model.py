"""Secrets at rest: sealed under a master key, for one purpose, openable by every key that is still in the list. No I/O.

The master keys come from the settings (`DIALTRACE_MASTER_KEYS`), the newest first: it seals, all of them open. A key
is retired by putting a new one in front, sealing everything again, and taking the old one off.

Nothing is sealed under a master key itself: each purpose has its own key (HKDF-SHA-256), and the purpose is bound to
the text (AES-256-GCM, additional data), so that a row's bytes open nowhere but in their own row. For much data make a
key of its own with :meth:`SecretsBox.make_data_key`, keep it wrapped beside the data, and destroy the data by
forgetting it.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from .errors import MasterKeyMissing, MasterKeysFaulty, SealBroken
from .master_keys import KEY_BYTES

_VERSION = b"\x01"
_MARK_BYTES, _NONCE_BYTES, _TAG_BYTES = 8, 12, 16
_HEAD_BYTES = len(_VERSION) + _MARK_BYTES + _NONCE_BYTES


@dataclass(frozen=True, slots=True)
class DataKey:
    """A key for much data. ``wrapped`` is what may be kept; ``key`` is for this moment only."""

    key: bytes = field(repr=False)
    wrapped: bytes


class SecretsBox:
    """Seals and opens under one list of master keys. ``purpose`` says whose and what for, and is no secret:
    ``trunk 018f…`` or ``agency 018f… recordings``; whatever was sealed for one purpose opens for no other."""

    def __init__(self, keys: Sequence[bytes]) -> None:
        """Raises MasterKeysFaulty."""
        if not keys or any(len(key) != KEY_BYTES for key in keys):
            raise MasterKeysFaulty(f"a box needs master keys of {KEY_BYTES} bytes: set DIALTRACE_MASTER_KEYS")
        self._by_mark = {_mark(key): key for key in keys}
        self._newest = _mark(keys[0])

    def seal(self, plain: bytes, *, purpose: str) -> bytes:
        """Bytes that say nothing of ``plain`` but its length; another result each time."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        sealed = self._cipher(self._newest, purpose).encrypt(nonce, plain, purpose.encode())
        return _VERSION + self._newest + nonce + sealed

    def open(self, sealed: bytes, *, purpose: str) -> bytes:
        """What was sealed. Raises MasterKeyMissing, SealBroken."""
        mark = _mark_of(sealed)
        if mark not in self._by_mark:
            raise MasterKeyMissing
        nonce = sealed[_HEAD_BYTES - _NONCE_BYTES : _HEAD_BYTES]
        try:
            return self._cipher(mark, purpose).decrypt(nonce, sealed[_HEAD_BYTES:], purpose.encode())
        except InvalidTag as error:
            raise SealBroken from error

    def reseal(self, sealed: bytes, *, purpose: str) -> bytes | None:
        """The same under the newest key; None: it is already. Raises MasterKeyMissing, SealBroken."""
        if _mark_of(sealed) == self._newest:
            return None
        return self.seal(self.open(sealed, purpose=purpose), purpose=purpose)

    def make_data_key(self, *, purpose: str) -> DataKey:
        """A new key for much data, open and wrapped; :meth:`open` unwraps it for the same purpose."""
        key = secrets.token_bytes(KEY_BYTES)
        return DataKey(key=key, wrapped=self.seal(key, purpose=purpose))

    def _cipher(self, mark: bytes, purpose: str) -> AESGCM:
        derived = HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=None, info=b"dialtrace/1/" + purpose.encode())
        return AESGCM(derived.derive(self._by_mark[mark]))


def _mark(key: bytes) -> bytes:
    """Names a master key without telling of it."""
    return hashlib.sha256(b"dialtrace/master-key/" + key).digest()[:_MARK_BYTES]


def _mark_of(sealed: bytes) -> bytes:
    if sealed[:1] != _VERSION or len(sealed) < _HEAD_BYTES + _TAG_BYTES:
        raise SealBroken
    return sealed[1 : 1 + _MARK_BYTES]
