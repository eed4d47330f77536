"""New identifiers: UUIDv7 (RFC 9562), so that keys sort by the time they were made; those of one process and one
millisecond by the order in which they were made (section 6.2, method 2): events of one call are told in that order.
"""

import os
import time
import uuid

#: Random bits of a UUIDv7, in two pieces; the highest is left free, so that steps find room above.
_HIGH, _LOW = 12, 62
_STEP_BYTES = 7


class _Made:
    """What this process has made last. Two threads at once may go out of order, never make the same."""

    stamp = -1
    random = 0


def new_id(*, now_ms: int | None = None) -> uuid.UUID:
    """A fresh UUIDv7; ``now_ms`` (milliseconds since 1970) only for tests."""
    stamp = (time.time_ns() // 1_000_000 if now_ms is None else now_ms) & (2**48 - 1)
    if stamp == _Made.stamp and _Made.random >> (_HIGH + _LOW - 1) == 0:
        random = _Made.random + 1 + int.from_bytes(os.urandom(_STEP_BYTES), "big")
    else:
        random = int.from_bytes(os.urandom(10), "big") >> (80 - (_HIGH + _LOW - 1))
    _Made.stamp, _Made.random = stamp, random
    high, low = random >> _LOW, random & (2**_LOW - 1)
    return uuid.UUID(int=stamp << 80 | 0x7 << 76 | high << 64 | 0x2 << 62 | low)
