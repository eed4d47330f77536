"""Objects that are encrypted before they leave us, in pieces, so that any span of one can be read by itself.

Each object has a key of its own (AES-256-GCM), made for one upload and never used for another; so a piece's nonce may
be its place: 11 bytes of number, one byte that is 1 for the last piece. A piece that is changed, moved or missing does
not open, and neither does an object that was cut short. Must not know where keys are kept.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from .errors import SealedObjectBroken
from .model import ObjectStore, ObjectStream, Source, resolve_range

#: Plain bytes of a piece: a player's smallest question costs one of these.
PIECE_BYTES = 64 * 1024
TAG_BYTES = 16
_STORED_BYTES = PIECE_BYTES + TAG_BYTES
_SAID = b"dialtrace sealed object 1"


def count_pieces(plain_bytes: int) -> int:
    """An empty object has one empty piece, which proves that it is empty."""
    return max(1, -(-plain_bytes // PIECE_BYTES))


def sealed_size(plain_bytes: int) -> int:
    """How many bytes the store gets."""
    return plain_bytes + TAG_BYTES * count_pieces(plain_bytes)


def _nonce(number: int, count: int) -> bytes:
    return number.to_bytes(11, "big") + (b"\x01" if number == count - 1 else b"\x00")


@dataclass(frozen=True)
class SealedSource:
    """A source as the store gets it. ``key``: 32 bytes that no other object was ever sealed with."""

    plain: Source
    key: bytes = field(repr=False)

    @property
    def size_bytes(self) -> int:
        return sealed_size(self.plain.size_bytes)

    @property
    def known_sha256(self) -> bytes | None:
        """Of what leaves us nobody has taken it yet."""
        return None

    def parts(self, part_bytes: int) -> Iterator[bytes]:
        buffer = bytearray()
        for piece in self._pieces():
            buffer += piece
            while len(buffer) > part_bytes:
                yield bytes(buffer[:part_bytes])
                del buffer[:part_bytes]
        yield bytes(buffer)

    def _pieces(self) -> Iterator[bytes]:
        cipher, count = AESGCM(self.key), count_pieces(self.plain.size_bytes)
        for number, piece in enumerate(self.plain.parts(PIECE_BYTES)):
            yield cipher.encrypt(_nonce(number, count), piece, _SAID)


def open_sealed(
    store: ObjectStore, name: str, *, key: bytes, plain_bytes: int, first: int = 0, last: int | None = None
) -> ObjectStream:
    """As `ObjectStore.open`, of an object that was sealed; spans count plain bytes. What does not open raises
    SealedObjectBroken while it is read."""
    start, end = resolve_range(plain_bytes, first, last)
    count = count_pieces(plain_bytes)
    low, high = start // PIECE_BYTES, max(end, start) // PIECE_BYTES
    stored_end = min((high + 1) * _STORED_BYTES, sealed_size(plain_bytes)) - 1
    stream = store.open(name, first=low * _STORED_BYTES, last=stored_end)

    def chunks() -> Iterator[bytes]:
        if end < start:
            return
        cipher = AESGCM(key)
        for number, piece in enumerate(_cut(stream, _STORED_BYTES), start=low):
            try:
                plain = cipher.decrypt(_nonce(number, count), piece, _SAID)
            except InvalidTag as error:
                raise SealedObjectBroken(f"{name}: piece {number} does not open") from error
            base = number * PIECE_BYTES
            yield plain[max(0, start - base) : end - base + 1]

    return ObjectStream(size_bytes=plain_bytes, first=start, last=end, chunks=chunks(), close=stream.close)


def _cut(stream: ObjectStream, length: int) -> Iterator[bytes]:
    """The stream's bytes in pieces of that length."""
    buffer = bytearray()
    for chunk in stream:
        buffer += chunk
        while len(buffer) >= length:
            yield bytes(buffer[:length])
            del buffer[:length]
    if buffer:
        yield bytes(buffer)
