"""The comparison itself: what it says when a table or a column is nobody's."""

from dialtrace.privacy.holdings import HOLDINGS, faults, nobody, people


def test_given_a_new_table_then_it_is_a_fault_until_somebody_declares_it():
    found = {"letters": frozenset({"id", "text"})}
    assert faults(found, {}) == ["table letters (id text): nobody has said what it holds of people"]
    assert faults(found, {"letters": people("text", by="letters", other="id")}) == []


def test_given_a_new_column_then_it_is_a_fault_until_somebody_says_what_it_is():
    found = {"letters": frozenset({"id", "text"})}
    assert faults(found, {"letters": nobody("id")}) == ["column letters.text: nobody has said whether it is personal"]


def test_given_what_is_gone_or_said_twice_then_it_is_a_fault():
    assert faults({}, {"letters": nobody("id")}) == ["table letters is declared, but there is none"]
    letters = {"letters": frozenset({"id"})}
    assert faults(letters, {"letters": nobody("id text")}) == ["column letters.text is declared, but there is none"]
    assert "personal and not" in faults(letters, {"letters": people("id", by="x", other="id")})[0]


def test_given_personal_columns_then_an_eraser_is_named_and_only_then():
    for table, held in HOLDINGS.items():
        assert (held.kind == "people") == (held.by is not None), table
        assert (held.kind == "nobody") == (not held.personal), table
