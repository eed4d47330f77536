"""New identifiers: UUIDv7 (RFC 9562), so that keys sort by the time they were made."""

import os
import time
import uuid


def new_id(*, now_ms: int | None = None) -> uuid.UUID:
    """A fresh UUIDv7; ``now_ms`` (milliseconds since 1970) only for tests."""
    stamp = time.time_ns() // 1_000_000 if now_ms is None else now_ms
    value = (stamp & (2**48 - 1)) << 80 | int.from_bytes(os.urandom(10), "big")
    value = value & ~(0xF << 76) | 0x7 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    return uuid.UUID(int=value)
