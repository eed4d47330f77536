"""What an edge reads: ids that stay, lists, tables."""

import pytest

from dialtrace.pool.edge import any_lists, digits_of, limit_table, node_list, placement_table, sets_of, with_ids
from dialtrace.pool.errors import ValueRefused


def test_given_nodes_that_come_and_go_then_each_keeps_its_number_for_good():
    ids = with_ids({}, ["b", "a"])
    assert ids == {"a": 1, "b": 2}
    assert with_ids(ids, ["b", "c"]) == {"a": 1, "b": 2, "c": 3}


def test_given_a_list_of_nodes_then_those_that_nobody_knows_are_left_out():
    assert sets_of(["b", "gone", "a"], {"a": 1, "b": 2}) == "2,1"


def test_given_nodes_then_numbers_of_nobody_begin_with_each_in_turn():
    lists = any_lists({"a": 1, "b": 2, "c": 3}, ["c", "a", "b"])
    assert [lists[f"*{turn}"] for turn in range(4)] == ["1,2,3", "2,3,1", "3,1,2", "1,2,3"]
    assert any_lists({}, []) == {}


def test_given_a_map_then_its_table_is_kamailios():
    rows = list(placement_table({digits_of("+442079460001"): "2,1"}))
    assert rows[0].startswith("id(int) key_name(string)")
    assert rows[1:] == ["1:442079460001:0:0:2,1:0\n"]


@pytest.mark.parametrize("address", ["", "1.2.3.4:5060\n9 sip:5.6.7.8", "1.2.3.4 5060", "a;b"])
def test_given_an_address_that_would_be_read_as_something_else_then_it_is_refused(address):
    with pytest.raises(ValueRefused):
        node_list({"a": 1}, {"a": address})


def test_given_limits_then_addresses_are_checked():
    assert limit_table({"192.0.2.7": 100}).endswith("1:192.0.2.7:0:1:100:0\n")
    with pytest.raises(ValueRefused, match="IPv4"):
        limit_table({"carrier.example": 100})
