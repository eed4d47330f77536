"""The audit log on a real database: it grows, it is read, and nobody changes it."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
import sqlalchemy.exc
from sqlalchemy import Connection, Engine

from dialtrace.audit.service import Actor, AuditService, EntryFilters, NewEntry, record
from dialtrace.db.engine import Database
from dialtrace.ids import new_id

FIRST, SECOND, CLIENT, SIBLING = new_id(), new_id(), new_id(), new_id()
KEY = new_id()


def entry(action: str = "recording.listened", *, client: UUID | None = CLIENT, thing: UUID | None = None) -> NewEntry:
    actor = Actor(kind="key", id=KEY, address="203.0.113.7", request_id="r-1")
    return NewEntry(
        actor=actor, action=action, object_kind="recording", object_id=thing or new_id(), client_id=client,
        details={"segment": 1},
    )  # fmt: skip


@pytest.fixture
def log(database: Database) -> AuditService:
    return AuditService(database)


def test_given_a_deed_when_recorded_then_who_what_when_and_from_where_are_read_again(log: AuditService) -> None:
    thing = new_id()
    made = log.record(FIRST, entry(thing=thing))

    [found] = log.list_entries(FIRST, None, EntryFilters()).items

    assert (found.id, found.actor_kind, found.actor_id, found.address) == (made, "key", KEY, "203.0.113.7")
    assert (found.action, found.object_kind, found.object_id) == ("recording.listened", "recording", thing)
    assert (found.request_id, found.client_id, dict(found.details)) == ("r-1", CLIENT, {"segment": 1})
    assert abs(datetime.now(UTC) - found.at) < timedelta(minutes=1)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_log SET action = 'nothing.happened'",
        "UPDATE audit_log SET at = now()",
        "DELETE FROM audit_log",
        "TRUNCATE audit_log",
        "INSERT INTO audit_log (agency_id, id, at, actor_kind, actor_name, action, object_kind)"
        f" VALUES ('{FIRST}', '{new_id()}', '2001-01-01', 'platform', 'x', 'a.b', 'x')",
    ],
)
def test_given_the_application_when_it_would_change_or_date_back_then_the_database_refuses(
    log: AuditService, database: Database, statement: str
) -> None:
    log.record(FIRST, entry())
    with (
        pytest.raises(sqlalchemy.exc.ProgrammingError, match="permission denied"),
        database.tenant(FIRST) as connection,
    ):
        connection.exec_driver_sql(statement)
    assert len(log.list_entries(FIRST, None, EntryFilters()).items) == 1


def test_given_the_owner_when_it_would_change_an_entry_then_no_policy_lets_it(
    log: AuditService, owner_engine: Engine
) -> None:
    """Functions of the migrations run in the owner's name."""
    log.record(FIRST, entry())
    with owner_engine.begin() as connection:
        connection.exec_driver_sql("SET LOCAL ROLE dialtrace_owner")
        connection.exec_driver_sql(f"SET LOCAL dialtrace.agency = '{FIRST}'")
        assert connection.exec_driver_sql("UPDATE audit_log SET action = 'nothing.happened'").rowcount == 0
        assert connection.exec_driver_sql("DELETE FROM audit_log").rowcount == 0


def test_given_other_tenants_when_they_read_or_add_then_it_is_not_theirs(log: AuditService, database: Database) -> None:
    log.record(FIRST, entry())
    assert log.list_entries(SECOND, None, EntryFilters()).items == []
    assert log.list_entries(FIRST, SIBLING, EntryFilters()).items == []
    assert len(log.list_entries(FIRST, CLIENT, EntryFilters()).items) == 1
    with (
        pytest.raises(sqlalchemy.exc.ProgrammingError, match="row-level security"),
        database.tenant(FIRST, SIBLING) as connection,
    ):
        record(connection, SECOND, entry(client=SIBLING))


def test_given_a_deed_that_is_undone_when_its_transaction_ends_then_nothing_is_noted(
    log: AuditService, database: Database
) -> None:
    def fail(connection: Connection) -> None:
        record(connection, FIRST, entry())
        connection.exec_driver_sql("SELECT 1 / 0")

    with pytest.raises(sqlalchemy.exc.DataError), database.tenant(FIRST) as connection:
        fail(connection)
    assert log.list_entries(FIRST, None, EntryFilters()).items == []


def test_given_many_entries_when_paged_then_each_comes_once_the_latest_first(log: AuditService) -> None:
    made = [log.record(FIRST, entry()) for _ in range(7)]
    found, after = [], None
    while True:
        page = log.list_entries(FIRST, None, EntryFilters(), limit=3, after=after)
        found += [one.id for one in page.items]
        after = page.next
        if after is None:
            break
    assert found == made[::-1]


def test_given_filters_when_listed_then_only_what_they_say(log: AuditService) -> None:
    thing = new_id()
    log.record(FIRST, entry("recording.listened", thing=thing))
    log.record(FIRST, entry("recording.downloaded"))
    log.record(FIRST, entry("person.erased", client=None))

    def actions(**filters: object) -> list[str]:
        return [one.action for one in log.list_entries(FIRST, None, EntryFilters(**filters)).items]  # type: ignore[arg-type]

    assert actions(action="person.erased") == ["person.erased"]
    assert actions(action="recording.") == ["recording.downloaded", "recording.listened"]
    assert actions(object_id=thing) == ["recording.listened"]
    assert actions(actor_id=new_id()) == []
    assert len(actions(actor_id=KEY)) == 3
    now = datetime.now(UTC)
    assert len(actions(at_from=now - timedelta(minutes=1), at_until=now + timedelta(minutes=1))) == 3
    assert actions(at_until=now - timedelta(minutes=1)) == []
