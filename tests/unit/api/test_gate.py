"""What a request must keep to before any resource looks at it."""

from __future__ import annotations

import time

import pytest
from flask import Request
from werkzeug.test import EnvironBuilder

from dialtrace.api.errors import Problem
from dialtrace.api.gate import check_query, read_body


def request(body: bytes, content_type: str = "application/json", query: str = "") -> Request:
    return Request(
        EnvironBuilder(method="POST", data=body, content_type=content_type, query_string=query).get_environ()
    )


@pytest.mark.parametrize("body", [b'{"a": [1, "\xd1\x84"]}', b"[]", b"null", b'"\\ud83d\\ude00"', b" 1 "])
def test_given_json_when_read_then_it_is_its_document(body: bytes) -> None:
    read_body(request(body))


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "line 1, column 1"),
        (b'{"a": 1,}', "line 1"),
        (b'{"a": 1, "a": 2}', "'a' is there twice"),
        (b'{"a": Infinity}', "Infinity"),
        (b"\xff", "byte 0"),
        (b"[" * 90_000 + b"]" * 90_000, "too deeply"),
        (b'{"a": ' + b"1" * 5_000 + b"}", "too many digits"),
    ],
)
def test_given_no_json_when_read_then_the_problem_says_where(body: bytes, words: str) -> None:
    with pytest.raises(Problem) as caught:
        read_body(request(body))
    assert caught.value.code == "malformed_request"
    assert words in caught.value.detail


def test_given_very_many_members_when_one_is_there_twice_then_finding_it_takes_no_quadratic_time() -> None:
    members = b",".join(b'"k%d":1' % number for number in range(20_000))
    began_s = time.process_time()
    with pytest.raises(Problem, match="'z' is there twice"):
        read_body(request(b"{" + members + b',"z":1,"z":1}'))
    assert time.process_time() - began_s < 1


def test_given_texts_that_cannot_be_kept_when_read_then_each_place_is_named() -> None:
    with pytest.raises(Problem) as caught:
        read_body(request(b'{"a": [{"b/c": "\\u0000"}], "d": "\\udc00", "e": "fine"}'))
    assert {fault.pointer for fault in caught.value.faults} == {"#/a/0/b~1c", "#/d"}


def test_given_another_media_type_when_read_then_415() -> None:
    with pytest.raises(Problem) as caught:
        read_body(request(b"{}", content_type="text/xml"))
    assert caught.value.code == "unsupported_media_type"


def test_given_a_query_when_a_parameter_comes_twice_or_holds_nul_then_it_is_named() -> None:
    check_query(request(b"", query="a=1&b=2"))
    with pytest.raises(Problem) as caught:
        check_query(request(b"", query="a=1&a=2&b=%00"))
    assert {(fault.parameter, fault.code) for fault in caught.value.faults} == {
        ("a", "repeated"),
        ("b", "invalid_character"),
    }
