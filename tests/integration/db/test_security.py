"""Row-level security and grants, proven from the application's own connection."""

import pytest
import sqlalchemy.exc
from sqlalchemy import text

from dialtrace.db.tables import OPERATOR_AGENCY, REFERENCE, SYSTEM_READS, TENANT, metadata

FIRST = "018f0000-0000-7000-8000-0000000000a1"
SECOND = "018f0000-0000-7000-8000-0000000000b1"
FIRST_CLIENT = "018f0000-0000-7000-8000-00000000c001"
SIBLING_CLIENT = "018f0000-0000-7000-8000-00000000c002"
FOREIGN_CLIENT = "018f0000-0000-7000-8000-00000000c003"
CALL = "018f0000-0000-7000-8000-00000000ca11"


@pytest.fixture
def tenants(owner_engine):
    """Two agencies; the first has two clients with a target, a call and an event each."""
    with owner_engine.begin() as connection:
        for agency in (FIRST, SECOND):
            connection.execute(text("INSERT INTO agencies (agency_id, name) VALUES (:a, 'x')"), {"a": agency})
        for agency, client in ((FIRST, FIRST_CLIENT), (FIRST, SIBLING_CLIENT), (SECOND, FOREIGN_CLIENT)):
            tenant = {"a": agency, "c": client}
            connection.execute(text("INSERT INTO clients (agency_id, id, name) VALUES (:a, :c, 'x')"), tenant)
            connection.execute(
                text("INSERT INTO targets (agency_id, id, client_id, name, address) VALUES (:a, :c, :c, 'x', 'sip:x')"),
                tenant,
            )
            connection.execute(
                text(
                    "INSERT INTO calls"
                    " (agency_id, id, started_at, client_id, number, node, decided_by, outcome, digest)"
                    " VALUES (:a, :c, now(), :c, '+1', 'n', 'worker', 'answered', '')"
                ),
                tenant,
            )
            connection.execute(
                text(
                    "INSERT INTO events (agency_id, id, client_id, type, call_id, occurred_at)"
                    " VALUES (:a, :c, :c, 'call.ended', :c, now())"
                ),
                tenant,
            )


def ids(connection, table):
    column = "id" if table != "agencies" else "agency_id"
    return sorted(str(found) for found in connection.execute(text(f"SELECT {column} FROM {table}")).scalars())


@pytest.mark.parametrize("table", ["clients", "targets", "calls", "events"])
@pytest.mark.usefixtures("tenants")
class TestWhatATenantSees:
    def test_given_an_agency_then_all_its_clients_and_nobody_elses(self, database, table):
        with database.tenant(FIRST) as connection:
            assert ids(connection, table) == [FIRST_CLIENT, SIBLING_CLIENT]

    def test_given_a_client_then_no_sibling(self, database, table):
        with database.tenant(FIRST, SIBLING_CLIENT) as connection:
            assert ids(connection, table) == [SIBLING_CLIENT]

    def test_given_a_client_of_another_agency_then_nothing(self, database, table):
        with database.tenant(SECOND, FIRST_CLIENT) as connection:
            assert ids(connection, table) == []

    def test_given_no_tenant_then_nothing(self, database, table):
        with database.directory() as connection:
            assert ids(connection, table) == []

    def test_given_settings_that_were_never_made_then_nothing_and_no_error(self, database, table):
        with database.engine.connect() as connection:
            assert connection.exec_driver_sql("SELECT current_setting('dialtrace.agency', true)").scalar() is None
            assert ids(connection, table) == []


@pytest.mark.usefixtures("tenants")
class TestWhatATenantMayChange:
    @pytest.mark.parametrize("table", ["clients", "targets", "calls"])
    def test_given_an_update_without_a_filter_then_only_own_rows_change(self, database, owner_engine, table):
        with database.tenant(FIRST, FIRST_CLIENT) as connection:
            assert connection.exec_driver_sql(f"UPDATE {table} SET created_at = 'epoch'").rowcount == 1
        with owner_engine.connect() as connection:
            changed = connection.execute(text(f"SELECT id FROM {table} WHERE created_at = 'epoch'")).scalars()
            assert [str(found) for found in changed] == [FIRST_CLIENT]

    @pytest.mark.parametrize(("agency", "client"), [(SECOND, FOREIGN_CLIENT), (FIRST, SIBLING_CLIENT)])
    def test_given_a_row_for_somebody_else_when_inserted_then_refused(self, database, agency, client):
        with (
            pytest.raises(sqlalchemy.exc.ProgrammingError, match="row-level security"),
            database.tenant(FIRST, FIRST_CLIENT) as connection,
        ):
            connection.execute(
                text("INSERT INTO targets (agency_id, id, client_id, name, address) VALUES (:a, :i, :c, '', '')"),
                {"a": agency, "i": CALL, "c": client},
            )

    def test_given_a_row_when_moved_to_another_agency_then_refused(self, database):
        with (
            pytest.raises(sqlalchemy.exc.ProgrammingError, match="row-level security"),
            database.tenant(FIRST) as connection,
        ):
            connection.execute(
                text("UPDATE targets SET agency_id = :a, client_id = :c"), {"a": SECOND, "c": FOREIGN_CLIENT}
            )

    def test_given_a_client_then_it_reads_its_agency_and_cannot_change_it(self, database):
        with database.tenant(FIRST, FIRST_CLIENT) as connection:
            assert ids(connection, "agencies") == [FIRST]
        with (
            pytest.raises(sqlalchemy.exc.ProgrammingError, match="row-level security"),
            database.tenant(FIRST, FIRST_CLIENT) as connection,
        ):
            connection.exec_driver_sql("UPDATE agencies SET name = 'mine'")


def refused(database, statement):
    with (
        pytest.raises(sqlalchemy.exc.ProgrammingError, match="permission denied"),
        database.tenant(FIRST) as connection,
    ):
        connection.exec_driver_sql(statement)


@pytest.mark.parametrize("table", sorted(REFERENCE - {"nodes"}))
@pytest.mark.parametrize(
    "statement",
    ["SELECT * FROM {}", "DELETE FROM {}", "UPDATE {} SET {} = NULL", "INSERT INTO {} DEFAULT VALUES"],
)
def test_given_the_application_when_it_touches_a_reference_table_then_refused(database, table, statement):
    refused(database, statement.format(table, metadata.tables[table].columns.keys()[0]))


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE events SET position = 7",
        "UPDATE events SET type = 'x'",
        "DELETE FROM events",
        f"INSERT INTO events (agency_id, id, type, occurred_at, position) VALUES ('{FIRST}', '{CALL}', 'x', now(), 1)",
        "INSERT INTO event_sequences DEFAULT VALUES",
        "UPDATE event_sequences SET last_position = 0",
        "DELETE FROM calls",
        "TRUNCATE calls",
        "SELECT dialtrace_check_agency(NULL)",
        "ALTER TABLE calls DISABLE ROW LEVEL SECURITY",
    ],
)
def test_given_the_application_when_it_goes_beyond_its_grants_then_refused(database, statement):
    with (
        pytest.raises(sqlalchemy.exc.ProgrammingError, match=r"permission denied|must be owner"),
        database.tenant(FIRST) as connection,
    ):
        connection.exec_driver_sql(statement)


def test_given_a_partition_then_nobody_but_the_owner_has_a_grant_on_it(owner_engine):
    query = text(
        "SELECT c.relname, r.rolname, p.privilege FROM pg_class c, pg_roles r,"
        " (VALUES ('SELECT'), ('INSERT'), ('UPDATE'), ('DELETE'), ('TRUNCATE')) p (privilege)"
        " WHERE c.relispartition AND c.relkind = 'r' AND r.rolname IN ('dialtrace_app', 'dialtrace_system')"
        " AND has_table_privilege(r.oid, c.oid, p.privilege)"
    )
    with owner_engine.connect() as connection:
        assert connection.execute(query).all() == []
        assert connection.execute(text("SELECT count(*) FROM pg_class WHERE relispartition")).scalar_one() >= 12


def test_given_a_partition_when_the_application_reads_it_directly_then_refused(database):
    refused(database, "SELECT * FROM calls_default")


def test_given_every_tenant_table_then_security_is_on_and_forced(owner_engine):
    query = text(
        "SELECT relname FROM pg_class WHERE relkind IN ('r', 'p') AND NOT relispartition"
        " AND relnamespace = 'public'::regnamespace AND relrowsecurity AND relforcerowsecurity"
    )
    with owner_engine.connect() as connection:
        assert set(connection.execute(query).scalars()) == set(TENANT)
    assert set(metadata.tables) == set(TENANT) | REFERENCE


def test_given_all_tables_and_functions_then_the_owner_role_has_them(owner_engine):
    query = text(
        "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'S')"
        " AND pg_get_userbyid(relowner) <> 'dialtrace_owner' UNION ALL SELECT proname FROM pg_proc"
        " WHERE pronamespace = 'public'::regnamespace AND pg_get_userbyid(proowner) <> 'dialtrace_owner'"
    )
    with owner_engine.connect() as connection:
        assert connection.execute(query).scalars().all() == []


def test_given_a_function_that_runs_in_the_owners_name_then_its_path_is_pinned_and_the_public_has_no_right(
    owner_engine,
):
    query = text(
        "SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace AND prosecdef AND ("
        " NOT coalesce(proconfig @> ARRAY['search_path=pg_catalog, public, pg_temp'], false)"
        " OR has_function_privilege('dialtrace_system', oid, 'EXECUTE'))"
    )
    counting = text("SELECT count(*) FROM pg_proc WHERE pronamespace = 'public'::regnamespace AND prosecdef")
    with owner_engine.connect() as connection:
        assert connection.execute(query).scalars().all() == []
        assert connection.execute(counting).scalar_one() >= 7


def test_given_the_roles_then_none_can_log_in_or_pass_by_security(owner_engine):
    query = text(
        "SELECT rolname FROM pg_roles WHERE rolname LIKE 'dialtrace\\_%' AND NOT rolcanlogin AND NOT rolbypassrls"
        " AND NOT rolsuper ORDER BY 1"
    )
    with owner_engine.connect() as connection:
        assert connection.execute(query).scalars().all() == ["dialtrace_app", "dialtrace_owner", "dialtrace_system"]


@pytest.mark.usefixtures("tenants")
class TestTheSystemRole:
    def test_given_a_listed_table_then_it_reads_across_tenants(self, database):
        with database.system() as connection:
            assert set(ids(connection, "agencies")) == {OPERATOR_AGENCY, FIRST, SECOND}
            assert len(ids(connection, "events")) == 3

    @pytest.mark.parametrize("table", sorted(set(metadata.tables) - SYSTEM_READS))
    def test_given_any_other_table_then_refused(self, database, table):
        with pytest.raises(sqlalchemy.exc.ProgrammingError, match="permission denied"), database.system() as connection:
            connection.exec_driver_sql(f"SELECT count(*) FROM {table}")

    @pytest.mark.parametrize("table", sorted(SYSTEM_READS))
    def test_given_a_listed_table_then_it_cannot_write(self, database, table):
        with pytest.raises(sqlalchemy.exc.ProgrammingError, match="permission denied"), database.system() as connection:
            connection.exec_driver_sql(f"DELETE FROM {table}")

    def test_given_the_transaction_is_over_then_the_connection_is_the_applications_again(self, database):
        with database.system() as connection:
            assert connection.exec_driver_sql("SELECT current_user").scalar() == "dialtrace_system"
        with database.directory() as connection:
            assert connection.exec_driver_sql("SELECT current_user").scalar() == "dialtrace_app"
