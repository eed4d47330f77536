"""What would move, counted before it moves; and how evenly a thousand numbers lie."""

from dialtrace.pool.plan import Moves, NodeWeight, effective, moves, nodes_of, with_changes

NUMBERS = [f"+44207{index:07}" for index in range(1000)]
THREE = [NodeWeight("a", 100), NodeWeight("b", 100), NodeWeight("c", 100)]


def placed(nodes):
    return [(number, nodes_of(number, nodes)) for number in NUMBERS]


def test_given_a_new_node_then_about_its_share_moves_and_all_to_it():
    found = Moves()
    changed = moves(placed(THREE), with_changes(THREE, weights={"d": 100}, without=()), found)
    assert found.numbers == 1000
    assert found.moved == found.after["d"]
    assert 210 <= found.moved <= 290
    assert found.relisted == len(changed) == 1000  # all four stand in each list


def test_given_a_node_that_goes_then_only_its_numbers_move():
    found = Moves()
    moves(placed(THREE), with_changes(THREE, weights={}, without=["c"]), found)
    assert found.moved == found.before["c"]
    assert found.after["c"] == 0


def test_given_numbers_that_nobody_has_placed_then_all_are_to_be():
    found = Moves()
    assert len(moves([(number, None) for number in NUMBERS], THREE, found)) == 1000
    assert found.before == {"": 1000}


def test_given_a_node_that_drains_then_it_stands_last_and_serves_nothing_first():
    nodes = [*THREE[:2], NodeWeight("c", effective(100, drains=True, gone=False))]
    assert {nodes_of(number, nodes)[-1] for number in NUMBERS} == {"c"}


def test_given_more_nodes_than_a_list_is_long_then_it_is_cut():
    nodes = [NodeWeight(f"n{index}", 100) for index in range(9)]
    assert {len(nodes_of(number, nodes)) for number in NUMBERS} == {4}
