"""How FreeSWITCH cuts and fills strings."""

import pytest

from dialtrace.node.syntax import API_REFUSED, expand, separate, truth


@pytest.mark.parametrize(
    ("text", "delimiter", "pieces"),
    [
        ("a,b,c", ",", ["a", "b", "c"]),
        ("a,,c", ",", ["a", "", "c"]),
        ("'a,b',c", ",", ["a,b", "c"]),
        ("a\\,b,c", ",", ["a,b", "c"]),
        ("  a  ,b ", ",", ["a", "b"]),
        ("it's,b", ",", ["it's", "b"]),
        ("transfer:resume\\sXML\\sflow~next", "~", ["transfer:resume XML flow", "next"]),
        ("a   b 'c d'", " ", ["a", "b", "c d"]),
        ("plan\\swith\\sspaces inline", " ", ["plan with spaces", "inline"]),
        ("", ",", []),
        ("   ", " ", []),
        ("a\\x", ",", ["a\\x"]),
        ("'quoted '", ",", ["quoted "]),
    ],
)
def test_given_a_list_when_it_is_separated_then_quotes_and_escapes_are_the_switchs(
    text: str, delimiter: str, pieces: list[str]
) -> None:
    assert separate(text, delimiter) == pieces


def test_given_more_pieces_than_the_limit_when_separated_then_the_tail_is_dropped() -> None:
    assert separate("a,b,c,d", ",", 2) == ["a", "b"]
    assert separate("a b c d", " ", 2) == ["a", "b"]


@pytest.mark.parametrize(
    ("text", "filled"),
    [
        ("plain $1", "plain $1"),
        ("${name}!", "Anna!"),
        ("${missing}", ""),
        ("\\${name}", "${name}"),
        ("\\${name} ${name}", "${name} Anna"),
        ("${nested}", "Anna"),
        ("${${pointer}}", "Anna"),
        ("${name:1}", "nna"),
        ("${name:1:2}", "nn"),
        ("${name:-2}", "na"),
        ("${loop}", ""),
        ("${hash(select/x)}", API_REFUSED),
        ("${status x}", API_REFUSED),
        ("${open", "${open"),
    ],
)
def test_given_variables_when_text_is_expanded_then_they_are_filled_and_no_command_is_run(
    text: str, filled: str
) -> None:
    variables = {"name": "Anna", "nested": "${name}", "pointer": "name", "loop": "${loop}"}
    assert expand(text, variables.get) == filled


@pytest.mark.parametrize(("text", "yes"), [("true", True), ("1", True), ("On", True), ("0", False), ("no", False)])
def test_given_a_word_when_asked_for_its_truth_then_it_is_the_switchs(text: str, yes: bool) -> None:
    assert truth(text) is yes
    assert truth(None) is False
    assert truth("") is False
