"""How people prove to be themselves: passwords by argon2id, codes by time (RFC 6238), recovery codes.

No I/O but the processor's: a hash takes 64 MiB and a tenth of a second on purpose, so only a few are made at once.
"""

from __future__ import annotations

import hashlib
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

import argon2
import pyotp

from .errors import PasswordsBusy

STEP_S = 30
RECOVERY_CODES = 10
#: Hashes at once in a process, and how long the next one waits for its turn.
MOST_AT_ONCE, LONGEST_WAIT_S = 2, 5.0


class Passwords:
    """Hashes and checks passwords, never more than a few at once."""

    def __init__(self, hasher: argon2.PasswordHasher | None = None) -> None:
        self._hasher = hasher or argon2.PasswordHasher()
        self._turns = threading.BoundedSemaphore(MOST_AT_ONCE)
        # What is checked where there is no user, so that the answer takes as long.
        self._nobodys = self._hasher.hash(secrets.token_urlsafe())

    def hash(self, password: str) -> str:
        """Raises PasswordsBusy."""
        with self._turn():
            return self._hasher.hash(password)

    def fits(self, password: str, kept: str | None) -> bool:
        """Takes as long for nobody's password (None). Raises PasswordsBusy."""
        with self._turn():
            try:
                return self._hasher.verify(kept or self._nobodys, password) and kept is not None
            except (argon2.exceptions.VerificationError, argon2.exceptions.InvalidHashError):
                return False

    def is_old(self, kept: str) -> bool:
        """Whether it was made with weaker parameters than today's."""
        return self._hasher.check_needs_rehash(kept)

    @contextmanager
    def _turn(self) -> Iterator[None]:
        if not self._turns.acquire(timeout=LONGEST_WAIT_S):
            raise PasswordsBusy
        try:
            yield
        finally:
            self._turns.release()


def new_totp_secret() -> str:
    """160 bits, in base32."""
    return pyotp.random_base32(32)


def provisioning_uri(secret: str, *, email: str, issuer: str) -> str:
    """What an authenticator app reads from a QR code."""
    return pyotp.TOTP(secret).provisioning_uri(name=email, issuer_name=issuer)


def step_of(secret: str, code: str, now: datetime, *, after: int | None) -> int | None:
    """The time step whose code this is: this one, or its neighbours for clocks that are off. Never one up to ``after``:
    a code opens once. None: it is none of them."""
    totp, current = pyotp.TOTP(secret), int(now.timestamp()) // STEP_S
    found = [
        step
        for step in (current - 1, current, current + 1)
        if step >= 0 and secrets.compare_digest(totp.generate_otp(step).encode(), code.encode())
    ]
    usable = [step for step in found if after is None or step > after]
    return usable[0] if usable else None


def new_recovery_codes() -> tuple[str, ...]:
    """50 bits each; each opens once."""
    alphabet = "abcdefghjkmnpqrstuvwxyz23456789"
    return tuple(
        "-".join("".join(secrets.choice(alphabet) for _ in range(5)) for _ in range(2)) for _ in range(RECOVERY_CODES)
    )


def hash_recovery_code(code: str) -> bytes:
    """Few tries are let through, so a quick hash protects 50 bits from all but a thief of the whole table."""
    return hashlib.sha256(code.strip().lower().encode()).digest()
