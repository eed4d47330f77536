"""Where each table lies on a cluster, and that its keys can be kept there."""

from dialtrace.db.distribution import COLUMN, kind_of, placements
from dialtrace.db.tables import REFERENCE, metadata


def test_given_every_table_when_placed_then_it_lies_where_its_keys_can_be_kept() -> None:
    """What Citus asks of a distributed table: every unique key holds the agency, every foreign key carries it."""
    kinds = {table.name: kind_of(table) for table in metadata.sorted_tables}
    for table in metadata.sorted_tables:
        if kinds[table.name] == "reference":
            assert not any(kinds[key.referred_table.name] == "distributed" for key in table.foreign_key_constraints), (
                f"{table.name} is on every node and points at what is not"
            )
            continue
        for key in [table.primary_key, *(one for one in table.constraints if type(one).__name__ == "UniqueConstraint")]:
            assert COLUMN in key.columns, f"{table.name}: {key.name}"
        for index in table.indexes:
            assert not index.unique or COLUMN in index.columns, f"{table.name}: {index.name}"
        for key in table.foreign_key_constraints:
            if kinds[key.referred_table.name] == "distributed":
                pairs = {(element.parent.name, element.column.name) for element in key.elements}
                assert (COLUMN, COLUMN) in pairs, f"{table.name}: {key.name}"


def test_given_the_plan_when_read_then_every_table_is_in_it_once_and_agencies_before_what_lies_beside_them() -> None:
    plan = placements()
    names = [placed.table for placed in plan]
    assert sorted(names) == sorted(table.name for table in metadata.sorted_tables)
    assert all(placed.kind == "reference" for placed in plan if placed.table in REFERENCE)
    first = next(placed for placed in plan if placed.kind == "distributed")
    assert first.statement == "SELECT create_distributed_table('agencies', 'agency_id')"
    assert all("colocate_with => 'agencies'" in one.statement for one in plan if one.kind == "distributed"
               and one != first)  # fmt: skip
