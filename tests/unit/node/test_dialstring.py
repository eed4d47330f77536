"""Dial strings are read as the switch reads them, or refused with a reason."""

import pytest

from dialtrace.node.dialstring import parse, read_variables
from dialtrace.node.errors import BadDialString


def test_given_turns_and_legs_when_read_then_together_and_in_turn_are_kept_apart() -> None:
    wanted = parse(
        "{a=1}{b=2}[x=1,y='2,3']sofia/external/anna@127.0.0.1:5070,sofia/external/sip:bob@h|sofia/p/c@10.0.0.1;t=u"
    )
    assert wanted.variables == {"a": "1", "b": "2"}
    first, second = wanted.turns
    assert [(leg.user, leg.host, leg.port, leg.variables) for leg in first] == [
        ("anna", "127.0.0.1", 5070, {"x": "1", "y": "2,3"}),
        ("bob", "h", 5060, {}),
    ]
    assert (second[0].profile, second[0].user, second[0].host) == ("p", "c", "10.0.0.1")


def test_given_another_separator_when_variables_are_read_then_commas_are_plain() -> None:
    assert read_variables("^^;a=1,2;b=3") == {"a": "1,2", "b": "3"}
    assert read_variables("a=x\\sy,=1,b") == {"a": "x y"}


def test_given_a_gateway_when_read_then_it_fails_only_when_it_is_dialled() -> None:
    assert parse("sofia/gateway/carrier/123").turns[0][0].profile == "gateway"


@pytest.mark.parametrize(
    "text",
    ["", "user/1000", "sofia/external/", "sofia/external/nobody", "sofia/external/a@h:99999", "{a=1", "[a=1",
     "sofia/a/b@c:_:sofia/a/b@c", ",".join(["sofia/e/a@h"] * 129)],
)  # fmt: skip
def test_given_a_string_that_cannot_be_dialled_when_read_then_it_is_refused(text: str) -> None:
    with pytest.raises(BadDialString):
        parse(text)
