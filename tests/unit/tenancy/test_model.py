"""Keys and names: the rules that need no database."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialtrace.tenancy.errors import InvalidKey, ValueRefused
from dialtrace.tenancy.model import (
    ApiKey,
    Token,
    check_key,
    check_name,
    check_time_zone,
    hash_secret,
    is_usable,
    parse_token,
    secret_fits,
    secret_of,
)

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
AGENCY = UUID("018f0000-0000-7000-8000-0000000000a1")
KEY = UUID("018f0000-0000-7000-8000-00000000e001")


@given(st.uuids(), st.uuids(), st.binary(min_size=32, max_size=32))
def test_given_any_key_when_written_and_read_then_it_is_the_same(agency_id, key_id, random_bytes):
    token = Token(agency_id, key_id, secret_of(random_bytes))
    assert parse_token(token.format()) == token
    assert len(token.format()) == 112


def test_given_a_token_when_it_is_logged_then_its_secret_is_not():
    token = Token(AGENCY, KEY, secret_of(bytes(range(32))))
    assert token.secret not in repr(token)
    assert token.secret not in str(token)


good = Token(AGENCY, KEY, secret_of(bytes(range(32)))).format()


@pytest.mark.parametrize(
    "text",
    ["", "dt_", good[:-1], good + "A", good + "\n", " " + good, good.upper(), good.replace("dt_", "ck_"),
     good.replace("_", "-"), good[:-1] + "é", good[:-1] + "=", good[:-1] + "'", "Bearer " + good, "x" * 100_000],
)  # fmt: skip
def test_given_a_text_that_is_no_key_then_it_is_refused(text):
    with pytest.raises(InvalidKey):
        parse_token(text)


@given(st.text(max_size=120))
def test_given_any_text_when_read_as_a_key_then_nothing_but_invalid_key_is_raised(text):
    with pytest.raises(InvalidKey):
        parse_token(text)


def test_given_a_secret_then_only_itself_fits_its_hash():
    kept = hash_secret("a" * 43)
    assert secret_fits("a" * 43, kept)
    assert not secret_fits("a" * 42 + "b", kept)
    assert b"aaaa" not in kept


def key(**changes):
    values = {
        "agency_id": AGENCY, "id": KEY, "client_id": None, "name": "x", "role": "agency", "created_at": NOW,
        "last_used_at": None, "expires_at": None, "revoked_at": None,
    }  # fmt: skip
    return ApiKey(**{**values, **changes})


@pytest.mark.parametrize(
    ("changes", "usable"),
    [
        ({}, True),
        ({"expires_at": NOW + timedelta(seconds=1)}, True),
        ({"expires_at": NOW}, False),
        ({"revoked_at": NOW}, False),
        ({"revoked_at": NOW + timedelta(days=1)}, False),
    ],
)
def test_given_a_key_then_it_opens_only_while_it_is_good(changes, usable):
    assert is_usable(key(**changes), NOW) is usable


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"role": "root"}, "role"),
        ({"role": "client", "client_id": None}, "client_id"),
        ({"role": "agency", "client_id": KEY}, "client_id"),
        ({"role": "operator", "client_id": KEY}, "client_id"),
        ({"expires_at": NOW}, "expires_at"),
        ({"expires_at": NOW.replace(tzinfo=None) + timedelta(days=1)}, "expires_at"),
    ],
)
def test_given_a_key_that_makes_no_sense_then_the_field_is_named(values, field):
    asked = {"role": "agency", "client_id": None, "expires_at": None, "now": NOW, **values}
    with pytest.raises(ValueRefused) as refused:
        check_key(**asked)
    assert refused.value.field == field


@pytest.mark.parametrize("name", ["", "   ", "x" * 201, "a\nb", "a\x00b", "a\u202eb"])
def test_given_a_name_that_nobody_could_read_then_refused(name):
    with pytest.raises(ValueRefused, match="name"):
        check_name(name)


def test_given_a_name_with_blanks_around_it_then_they_go():
    assert check_name("  Ромашка & Co ") == "Ромашка & Co"


@pytest.mark.parametrize("name", ["", "Mars/Olympus", "../../etc/passwd", "/etc/passwd", "Europe", "Europe/Mos\0cow"])
def test_given_no_time_zone_then_refused(name):
    with pytest.raises(ValueRefused, match="time_zone"):
        check_time_zone(name)


def test_given_a_time_zone_then_kept():
    assert check_time_zone("Europe/Moscow") == "Europe/Moscow"
