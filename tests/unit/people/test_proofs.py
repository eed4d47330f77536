"""Passwords, codes by time and recovery codes."""

from __future__ import annotations

from datetime import UTC, datetime

import argon2
import pytest

from dialtrace.people.proofs import (
    Passwords,
    hash_recovery_code,
    new_recovery_codes,
    provisioning_uri,
    step_of,
)

CHEAP = argon2.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
#: RFC 6238, appendix B: the ASCII secret "12345678901234567890", and its six last digits.
RFC_SECRET = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
RFC_CODES = [(59, "287082"), (1111111109, "081804"), (1234567890, "005924"), (2000000000, "279037")]


def moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def test_given_a_password_when_hashed_then_it_is_argon2id_and_fits_alone() -> None:
    passwords = Passwords()
    kept = passwords.hash("correct horse battery staple")
    assert kept.startswith("$argon2id$")
    assert passwords.fits("correct horse battery staple", kept)
    assert not passwords.fits("correct horse battery stapl", kept)
    assert not passwords.is_old(kept)


def test_given_nobodys_password_when_checked_then_it_fits_never() -> None:
    passwords = Passwords(CHEAP)
    assert not passwords.fits("whatever", None)
    assert not passwords.fits("whatever", "no hash at all")


def test_given_a_weaker_hash_when_asked_then_it_is_old() -> None:
    assert Passwords().is_old(CHEAP.hash("correct horse"))


@pytest.mark.parametrize(("seconds", "code"), RFC_CODES)
def test_given_the_rfcs_codes_when_checked_then_each_has_its_step(seconds: int, code: str) -> None:
    step = step_of(RFC_SECRET, code, moment(seconds), after=None)
    assert step == seconds // 30
    assert step_of(RFC_SECRET, code, moment(seconds), after=step) is None, "a code opens once"
    for off_s in (-30, 30):
        assert step_of(RFC_SECRET, code, moment(seconds + off_s), after=None) == step
    assert step_of(RFC_SECRET, code, moment(seconds + 90), after=None) is None
    assert step_of(RFC_SECRET, "x" * 6, moment(seconds), after=None) is None


def test_given_an_app_when_it_reads_the_address_then_brand_and_user_are_there() -> None:
    uri = provisioning_uri(RFC_SECRET, email="ann@example.com", issuer="North Star")
    assert uri.startswith("otpauth://totp/North%20Star:ann%40example.com?secret=" + RFC_SECRET)


def test_given_recovery_codes_when_made_then_each_is_another_and_spelling_does_not_count() -> None:
    codes = new_recovery_codes()
    assert len(set(codes)) == 10
    assert hash_recovery_code(f" {codes[0].upper()} ") == hash_recovery_code(codes[0]) != hash_recovery_code(codes[1])
