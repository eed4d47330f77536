"""The API's small rules: tags, cursors, keys, moments, merge patches."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID

import pytest
from pydantic import TypeAdapter, ValidationError
from werkzeug.datastructures import Headers

from dialtrace.api.errors import Problem
from dialtrace.api.fields import MomentIn, PhoneFilter, moment_text
from dialtrace.api.flows import merged
from dialtrace.api.idempotency import fingerprint, parse_key
from dialtrace.api.paging import Cursors, binding_of
from dialtrace.api.preconditions import check_match, is_known, tag_of

AGENCY = UUID("0199a3c2-7d40-7b1e-8f2a-3c5d9e0b1a47")
OTHER = UUID("0199a3c2-7d40-7b1e-8f2a-3c5d9e0b1a48")


@pytest.mark.parametrize("header", ['"v7"', '"v6", "v7"', ' "v7" ', "*", 'W/"v1","v7"', '"a,b", "v7"'])
def test_given_if_match_when_it_names_the_version_then_it_passes(header: str) -> None:
    check_match(Headers({"If-Match": header}), 7, required=True)


@pytest.mark.parametrize("header", ['"v8"', 'W/"v7"', "v7", '"v77"', '"V7"', ""])
def test_given_if_match_when_it_names_another_then_412_with_the_current_tag(header: str) -> None:
    with pytest.raises(Problem) as caught:
        check_match(Headers({"If-Match": header}), 7, required=True)
    assert (caught.value.code, caught.value.headers["ETag"]) == ("version_mismatch", tag_of(7))


def test_given_no_if_match_when_required_then_428_and_otherwise_nothing() -> None:
    check_match(Headers(), 7, required=False)
    with pytest.raises(Problem) as caught:
        check_match(Headers(), 7, required=True)
    assert caught.value.code == "version_required"


@pytest.mark.parametrize(
    ("header", "known"),
    [('"v7"', True), ('W/"v7"', True), ("*", True), ('"v6", "v7"', True), ('"v6"', False), ("", False)],
)
def test_given_if_none_match_when_compared_then_weak_tags_count(header: str, known: bool) -> None:
    assert is_known(Headers({"If-None-Match": header}), '"v7"') is known


@pytest.mark.parametrize(
    ("header", "key"),
    [
        ("abc", "abc"),
        ('"abc"', "abc"),
        (' "a b" ', "a b"),
        (r'"a\"b\\c"', r'a"b\c'),
        ("8e03978e-40d5-43dd-bc93-6894a57f9324", "8e03978e-40d5-43dd-bc93-6894a57f9324"),
        ("x" * 255, "x" * 255),
    ],
)
def test_given_an_idempotency_key_when_read_then_quotes_are_not_part_of_it(header: str, key: str) -> None:
    assert parse_key(header) == key


@pytest.mark.parametrize("header", ["", '""', '"', "a b", "é", "x" * 256, '"a', 'a"', "a\tb"])
def test_given_an_unusable_idempotency_key_when_read_then_it_is_refused(header: str) -> None:
    with pytest.raises(Problem, match="255"):
        parse_key(header)


def test_given_requests_when_fingerprinted_then_spelling_does_not_count_and_content_does() -> None:
    first = fingerprint("k", "POST", "/v1/clients?", {"a": 1, "b": ["é"]})
    assert first == fingerprint("k", "POST", "/v1/clients?", {"b": ["é"], "a": 1})
    others = [
        fingerprint("k", "POST", "/v1/clients?", {"a": "1", "b": ["é"]}),
        fingerprint("k", "POST", "/v1/clients?", {"a": 1, "b": ["é"], "c": None}),
        fingerprint("k", "POST", "/v1/targets?", {"a": 1, "b": ["é"]}),
        fingerprint("k", "PUT", "/v1/clients?", {"a": 1, "b": ["é"]}),
        fingerprint("another", "POST", "/v1/clients?", {"a": 1, "b": ["é"]}),
    ]
    assert len({first, *others}) == 6


def test_given_a_place_in_a_list_when_written_as_cursor_then_only_its_own_list_reads_it() -> None:
    cursors = Cursors("secret")
    place = (datetime(2026, 11, 3, 9, 30, 0, 125_250, tzinfo=UTC), AGENCY, "text", 7)
    own = binding_of("/v1/calls", AGENCY, None, {"outcome": "busy"})
    cursor = cursors.write(place, own)
    assert cursors.read(cursor, own) == place
    strangers = [
        (cursors, binding_of("/v1/numbers", AGENCY, None, {"outcome": "busy"})),
        (cursors, binding_of("/v1/calls", OTHER, None, {"outcome": "busy"})),
        (cursors, binding_of("/v1/calls", AGENCY, OTHER, {"outcome": "busy"})),
        (cursors, binding_of("/v1/calls", AGENCY, None, {})),
        (Cursors("another secret"), own),
    ]
    for reader, binding in strangers:
        with pytest.raises(Problem) as caught:
            reader.read(cursor, binding)
        assert caught.value.code == "cursor_invalid"


@pytest.mark.parametrize("cursor", ["", "x", "a.b.c", "!", "eyJh.", "é", "\0"])
def test_given_no_cursor_of_ours_when_read_then_it_is_refused(cursor: str) -> None:
    with pytest.raises(Problem) as caught:
        Cursors("secret").read(cursor, "binding")
    assert caught.value.code == "cursor_invalid"


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        (datetime(2026, 3, 1, 9, 30, tzinfo=UTC), "2026-03-01T09:30:00.000Z"),
        (datetime(2026, 3, 1, 9, 30, 0, 125_000, tzinfo=UTC), "2026-03-01T09:30:00.125Z"),
        (datetime(2026, 3, 1, 9, 30, 0, 125_001, tzinfo=UTC), "2026-03-01T09:30:00.125001Z"),
        (datetime(2026, 3, 1, 0, 30, tzinfo=timezone(timedelta(hours=3))), "2026-02-28T21:30:00.000Z"),
    ],
)
def test_given_a_moment_when_written_then_it_is_rfc_3339_in_utc(moment: datetime, text: str) -> None:
    assert moment_text(moment) == text


@pytest.mark.parametrize("text", ["2026-03-01T09:30:00Z", "2026-03-01t09:30:00.123456+03:00"])
def test_given_rfc_3339_when_read_then_it_is_a_moment(text: str) -> None:
    assert TypeAdapter(MomentIn).validate_python(text).tzinfo is not None


@pytest.mark.parametrize(
    "value",
    [
        *("2026-03-01T09:30:00", "2026-03-01", "1700000000", 1_700_000_000, True, None, "2026-13-01T09:30:00Z", ""),
        *("9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00+14:00"),
    ],
)
def test_given_anything_else_when_read_as_a_moment_then_it_is_refused(value: object) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(MomentIn).validate_python(value)


def test_given_an_offset_that_postgresql_does_not_know_when_read_then_the_moment_is_in_utc() -> None:
    read = TypeAdapter(MomentIn).validate_python("2026-01-01T00:00:00+23:59")
    assert (read.isoformat(), read.tzinfo) == ("2025-12-31T00:01:00+00:00", UTC)


def test_given_a_plus_that_an_address_turned_into_a_blank_when_read_then_it_is_a_plus_again() -> None:
    assert TypeAdapter(PhoneFilter).validate_python(" 442079460123") == "+442079460123"


@pytest.mark.parametrize(
    ("document", "patch", "result"),
    [
        ({"a": 1}, {"a": 2}, {"a": 2}),
        ({"a": 1}, {"b": 2}, {"a": 1, "b": 2}),
        ({"a": 1, "b": 2}, {"a": None}, {"b": 2}),
        ({"a": [1, 2]}, {"a": [3]}, {"a": [3]}),
        ({"a": {"b": 1, "c": 2}}, {"a": {"b": None, "d": 3}}, {"a": {"c": 2, "d": 3}}),
        ({"a": 1}, {"a": {"b": None}}, {"a": {}}),
        ({"a": 1}, {}, {"a": 1}),
    ],
)
def test_given_a_merge_patch_when_applied_then_it_is_as_rfc_7396_says(
    document: object, patch: object, result: object
) -> None:
    before = repr(document)
    assert merged(document, patch) == result
    assert repr(document) == before
