"""Monthly partitions: made ahead, by anybody, at any time; no record is ever without a place."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest
import sqlalchemy.exc
from sqlalchemy import text

from dialtrace.db.partitions import make_partitions
from dialtrace.db.tables import metadata

#: Tables that have monthly partitions.
PARENTS = sum(1 for table in metadata.tables.values() if table.dialect_options["postgresql"].get("partition_by"))
AGENCY = "018f0000-0000-7000-8000-0000000000a1"
ADD_CALL = text(
    "INSERT INTO calls (agency_id, id, started_at, client_id, number, node, decided_by, outcome, digest)"
    " VALUES (:a, gen_random_uuid(), :at, :a, '+1', 'n', 'worker', 'answered', '')"
)
ADD_LEG = text(
    "INSERT INTO legs (agency_id, id, call_started_at, call_id, client_id, outcome, digest)"
    " VALUES (:a, gen_random_uuid(), :at, :a, :a, 'answered', '')"
)


@pytest.fixture
def undone(owner_engine):
    """Partitions that a test makes go with it."""
    with owner_engine.connect() as connection:
        before = set(connection.execute(text(NAMES)).scalars())
    yield
    with owner_engine.begin() as connection:
        for name in set(connection.execute(text(NAMES)).scalars()) - before:
            connection.exec_driver_sql(f"DROP TABLE {name}")


NAMES = "SELECT relname FROM pg_class WHERE relispartition AND relkind = 'r'"
PLACES = text(
    "SELECT tableoid::regclass::text, started_at FROM calls UNION ALL"
    " SELECT tableoid::regclass::text, call_started_at FROM legs ORDER BY 2, 1"
)


def places(owner_engine):
    with owner_engine.connect() as connection:
        return [(row[0], row[1].isoformat()) for row in connection.execute(PLACES)]


def add(database, *moments):
    with database.tenant(AGENCY) as connection:
        for moment in moments:
            connection.execute(ADD_CALL, {"a": AGENCY, "at": moment})
            connection.execute(ADD_LEG, {"a": AGENCY, "at": moment})


def test_given_a_fresh_database_then_last_month_to_three_ahead_have_their_places(database, owner_engine):
    now = datetime.now(UTC)
    add(database, now)
    assert places(owner_engine) == [(f"{table}_{now:%Y_%m}", now.isoformat()) for table in ("calls", "legs")]
    with owner_engine.connect() as connection:
        assert len(connection.execute(text(NAMES)).scalars().all()) >= PARENTS * (5 + 1)


@pytest.mark.usefixtures("undone")
def test_given_records_of_months_without_a_place_when_the_partitions_come_then_they_move_there(database, owner_engine):
    last, first = datetime(2031, 1, 31, 23, 59, 59, 999999, UTC), datetime(2031, 2, 1, tzinfo=UTC)
    before = datetime(2030, 12, 31, 23, 59, 59, 999999, UTC)
    add(database, before, last, first)
    assert {name for name, _ in places(owner_engine)} == {"calls_default", "legs_default"}

    assert make_partitions(database, datetime(2031, 1, 15, tzinfo=UTC), months_ahead=1) == 2 * PARENTS

    assert places(owner_engine) == [
        ("calls_default", before.isoformat()),
        ("legs_default", before.isoformat()),
        ("calls_2031_01", last.isoformat()),
        ("legs_2031_01", last.isoformat()),
        ("calls_2031_02", first.isoformat()),
        ("legs_2031_02", first.isoformat()),
    ]
    with database.tenant(AGENCY) as connection:
        assert connection.execute(text("SELECT count(*) FROM calls")).scalar_one() == 3


@pytest.mark.usefixtures("undone")
def test_given_partitions_that_are_there_when_made_again_then_nothing_happens(database):
    moment = datetime(2032, 3, 1, tzinfo=UTC)
    assert make_partitions(database, moment, months_ahead=0) == PARENTS
    assert make_partitions(database, moment, months_ahead=0) == 0
    assert make_partitions(database, moment, months_ahead=1) == PARENTS


@pytest.mark.usefixtures("undone")
def test_given_two_makers_at_once_then_each_partition_is_made_once(database):
    with ThreadPoolExecutor(2) as pool:
        made = list(pool.map(lambda _: make_partitions(database, datetime(2033, 1, 1, tzinfo=UTC)), range(2)))
    assert sorted(made) == [0, 4 * PARENTS]


@pytest.mark.usefixtures("undone")
def test_given_a_new_partition_then_it_has_its_parents_keys_and_nobody_a_grant(database, owner_engine):
    make_partitions(database, datetime(2034, 1, 1, tzinfo=UTC), months_ahead=0)
    query = text(
        "SELECT (SELECT count(*) FROM pg_index WHERE indrelid = 'calls'::regclass),"
        " (SELECT count(*) FROM pg_index WHERE indrelid = 'calls_2034_01'::regclass),"
        " (SELECT count(*) FROM pg_inherits i JOIN pg_index x ON x.indexrelid = i.inhrelid"
        "  WHERE x.indrelid = 'calls_2034_01'::regclass),"
        " has_table_privilege('dialtrace_app', 'calls_2034_01', 'SELECT, INSERT, UPDATE, DELETE')"
    )
    with owner_engine.connect() as connection:
        parents, own, attached, granted = connection.execute(query).one()
    assert parents == own == attached > 1
    assert granted is False


@pytest.mark.parametrize("months", [-1, 200])
def test_given_a_senseless_number_of_months_then_refused(database, months):
    with pytest.raises(sqlalchemy.exc.DBAPIError, match="between 1 and 120 months"):
        make_partitions(database, datetime(2035, 1, 1, tzinfo=UTC), months_ahead=months)


def test_given_a_report_over_a_month_then_only_its_partition_is_read(database):
    now = datetime.now(UTC)
    query = "EXPLAIN SELECT count(*) FROM calls WHERE agency_id = %s AND started_at >= %s AND started_at < %s"
    first = now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    with database.tenant(AGENCY) as connection:
        plan = "\n".join(connection.exec_driver_sql(query, (AGENCY, first, now)).scalars())
    assert f"calls_{now:%Y_%m}" in plan
    assert "calls_default" not in plan
