"""Rules of people who sign in."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from dialtrace.people.errors import LinkInvalid, SessionInvalid, ValueRefused
from dialtrace.people.letters import letter_text
from dialtrace.people.model import (
    IDLE,
    LONGEST,
    Pass,
    Session,
    check_email,
    check_password,
    check_role,
    is_over,
    parse_link,
    parse_session,
)

NOW = datetime(2026, 11, 3, 9, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    "email", ["ann@example.com", " Ann@Example.COM ", "a.b+c@sub.example.co", "ann@xn--e1aybc.xn--p1ai"]
)
def test_given_an_address_when_checked_then_it_is_kept_in_small_letters(email: str) -> None:
    assert check_email(email) == email.strip().lower()


@pytest.mark.parametrize(
    "email", ["", "ann", "ann@", "@example.com", "ann@example", "a b@example.com", "ann@-x.com",
              "ann@example.com\nBcc: x",
              "ann@example.com,bob@example.com", "a" * 65 + "@example.com", "ann@[127.0.0.1]"],
)  # fmt: skip
def test_given_no_address_when_checked_then_refused(email: str) -> None:
    with pytest.raises(ValueRefused):
        check_email(email)


@pytest.mark.parametrize("password", ["short", "a" * 40, "ann@example.com", "x" * 300, "abababababab"])
def test_given_a_weak_password_when_checked_then_refused(password: str) -> None:
    with pytest.raises(ValueRefused):
        check_password(password, email="ann@example.com")


def test_given_the_same_letters_written_differently_when_checked_then_it_is_one_password() -> None:
    assert check_password("pässword länge", email="") == check_password("pässword länge", email="")


def test_given_a_pass_when_read_again_then_the_same_and_never_for_the_other_thing() -> None:
    session = Pass("s", uuid4(), uuid4(), "A" * 43)
    assert parse_session(session.format()) == session
    assert "A" * 43 not in repr(session)
    with pytest.raises(LinkInvalid):
        parse_link(session.format())
    with pytest.raises(SessionInvalid):
        parse_session(Pass("i", uuid4(), uuid4(), "A" * 43).format())


def test_given_a_session_when_nobody_uses_it_or_for_too_long_then_it_is_over() -> None:
    session = Session(
        agency_id=uuid4(), id=uuid4(), user_id=uuid4(), client_id=None, created_at=NOW, last_seen_at=NOW,
        expires_at=NOW + LONGEST, address=None, browser="",
    )  # fmt: skip
    assert not is_over(session, NOW + IDLE - timedelta(seconds=1))
    assert is_over(session, NOW + IDLE)
    assert is_over(session, NOW + LONGEST)


def test_given_roles_when_checked_then_exactly_one_is_named() -> None:
    check_role("owner", None)
    check_role(None, uuid4())
    for role, role_id in ((None, None), ("owner", uuid4()), ("emperor", None)):
        with pytest.raises(ValueRefused):
            check_role(role, role_id)


@pytest.mark.parametrize("language", ["en", "ru"])
@pytest.mark.parametrize("kind", ["invitation", "reset"])
def test_given_a_letter_when_written_then_brand_name_and_link_are_in_it(kind: str, language: str) -> None:
    subject, text = letter_text(kind, language, brand="North {Star}", name="Ann", link="https://x/#t", until=NOW)
    assert "North {Star}" in subject
    assert "\nhttps://x/#t\n" in text
    assert "2026-11-03 09:30 UTC" in text
    assert ("Здравствуйте" in text) == (language == "ru")
