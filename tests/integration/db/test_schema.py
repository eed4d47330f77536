"""The migrations make exactly what tables.py says, on any server, however often and from wherever they are run."""

import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy.exc
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import create_engine, make_url, text
from sqlalchemy.pool import NullPool

from dialtrace.db.columns import Xid8
from dialtrace.db.engine import Database, driver_url
from dialtrace.db.errors import DatabaseNotReady, DatabaseRefuses, LoginTooWeak, MigrationBusy, MigrationUnknown
from dialtrace.db.migrate import MigrationStatus, status, upgrade
from dialtrace.db.tables import metadata

SHAPE = """
SELECT 'column', c.relname, a.attname, concat_ws(' ', format_type(a.atttypid, a.atttypmod), a.attnotnull,
       pg_get_expr(d.adbin, d.adrelid))
FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
UNION ALL
SELECT 'constraint', c.relname, k.conname, pg_get_constraintdef(k.oid)
FROM pg_class c JOIN pg_constraint k ON k.conrelid = c.oid
WHERE c.relnamespace = 'public'::regnamespace AND NOT c.relispartition AND k.contype <> 'n'
UNION ALL
SELECT 'index', c.relname, i.relname, pg_get_indexdef(i.oid)
FROM pg_class c JOIN pg_index x ON x.indrelid = c.oid JOIN pg_class i ON i.oid = x.indexrelid
WHERE c.relnamespace = 'public'::regnamespace AND NOT c.relispartition
UNION ALL
SELECT 'partitioned', c.relname, '', pg_get_partkeydef(c.oid) FROM pg_class c WHERE c.relkind = 'p'
"""


def administer(server, *statements):
    engine = create_engine(driver_url(server), poolclass=NullPool, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)


@pytest.fixture
def empty_url(database_server):
    """A database without anything in it."""
    name = f"dialtrace_empty_{uuid.uuid4().hex}"
    administer(database_server, f"CREATE DATABASE {name}")
    yield make_url(database_server).set(database=name).render_as_string(hide_password=False)
    administer(database_server, f"DROP DATABASE {name} WITH (FORCE)")


def shape_of(url):
    engine = create_engine(driver_url(url), poolclass=NullPool)
    with engine.connect() as connection:
        rows = [tuple(row) for row in connection.exec_driver_sql(SHAPE)]
        return {row for row in rows if row[1] != "alembic_version" and not row[1].startswith("procrastinate_")}


def is_ours(object_, name, type_, reflected, compare_to):
    """Partitions are made by a function, and the tables of Alembic and of procrastinate are theirs."""
    others = ("calls_", "legs_", "call_revisions_", "visits_", "procrastinate_")
    return not (type_ == "table" and (name == "alembic_version" or name.startswith(others)))


def test_given_a_migrated_database_then_alembic_finds_no_difference_to_the_tables(owner_engine):
    owner_engine.dialect.ischema_names = {**owner_engine.dialect.ischema_names, "xid8": Xid8}
    with owner_engine.connect() as connection:
        context = MigrationContext.configure(
            connection,
            opts={"include_object": is_ours, "compare_type": True, "compare_server_default": True},
        )
        assert compare_metadata(context, metadata) == []


def test_given_a_migrated_database_then_its_catalogue_is_that_of_the_tables(database_url, empty_url):
    """Alembic compares neither checks nor partitioning nor the columns of an index's condition."""
    engine = create_engine(driver_url(empty_url), poolclass=NullPool)
    metadata.create_all(engine)
    assert shape_of(database_url) == shape_of(empty_url)


def test_given_an_empty_database_when_upgraded_then_the_status_says_so_before_and_after(empty_url):
    before = status(empty_url)
    assert (before.current, before.pending[-1]) == (None, before.head)
    assert upgrade(empty_url) == MigrationStatus(current=before.head, head=before.head, pending=[])
    assert status(empty_url) == upgrade(empty_url)


def test_given_two_upgrades_at_once_then_both_end_well(empty_url):
    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(upgrade, [empty_url, empty_url]))
    assert found[0] == found[1] == status(empty_url)
    assert found[0].pending == []


def test_given_an_upgrade_that_does_not_end_then_the_next_one_gives_up(empty_url):
    engine = create_engine(driver_url(empty_url), poolclass=NullPool)
    with engine.connect() as connection:
        connection.exec_driver_sql(f"SELECT pg_advisory_lock({0x6469616C74726163})")
        with pytest.raises(MigrationBusy, match="another upgrade"):
            upgrade(empty_url, wait_s=0.2)
    assert status(empty_url).current is None


def test_given_a_database_of_a_newer_release_then_it_is_left_alone(empty_url):
    upgrade(empty_url)
    engine = create_engine(driver_url(empty_url), poolclass=NullPool)
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    for ask in (status, upgrade):
        with pytest.raises(MigrationUnknown, match="9999"):
            ask(empty_url)


def test_given_an_empty_database_when_the_application_asks_then_it_says_what_to_do(empty_url):
    database = Database(empty_url, pool_size=1)
    with pytest.raises(DatabaseNotReady, match="dialtrace db upgrade"), database.directory() as connection:
        connection.exec_driver_sql("SELECT * FROM dialtrace_route('+442079460001')")
    database.dispose()


def test_given_a_server_without_our_roles_when_the_application_connects_then_it_says_what_to_do(empty_url):
    database = Database(empty_url, role="dialtrace_absent", pool_size=1)
    with pytest.raises(DatabaseNotReady, match="dialtrace db upgrade"), database.directory():
        pass
    database.dispose()


def test_given_a_database_that_is_not_there_then_the_settings_name_is_in_the_message(empty_url):
    absent = make_url(empty_url).set(database="dialtrace_absent").render_as_string(hide_password=False)
    with pytest.raises(DatabaseRefuses, match="DIALTRACE_DATABASE_URL"):
        upgrade(absent)


def test_given_a_database_where_everybody_may_make_objects_when_upgraded_then_nobody_may(empty_url):
    administer(empty_url, "GRANT CREATE ON SCHEMA public TO PUBLIC")
    upgrade(empty_url)
    database = Database(empty_url, pool_size=1)
    with (
        pytest.raises(sqlalchemy.exc.ProgrammingError, match="permission denied for schema public"),
        database.directory() as connection,
    ):
        connection.exec_driver_sql("CREATE TABLE public.mine ()")
    database.dispose()


@pytest.fixture
def plain_login(database_server, empty_url):
    """A login that owns nothing but its database; an administrator has granted it the three roles."""
    name = f"dialtrace_login_{uuid.uuid4().hex[:8]}"
    database = make_url(empty_url).database
    administer(
        database_server,
        f"CREATE ROLE {name} LOGIN PASSWORD 'p@ss/w:rd'",
        f"GRANT dialtrace_owner, dialtrace_app, dialtrace_system TO {name}",
        f"ALTER DATABASE {database} OWNER TO {name}",
    )
    yield make_url(empty_url).set(username=name, password="p@ss/w:rd").render_as_string(hide_password=False)
    administer(
        database_server,
        f"ALTER DATABASE {database} OWNER TO CURRENT_USER",
        f"DROP OWNED BY {name}",
        f"DROP ROLE {name}",
    )


@pytest.mark.usefixtures("template_database")
def test_given_a_login_that_was_granted_nothing_then_the_message_says_what_it_needs(database_server, plain_login):
    name = make_url(plain_login).username
    administer(database_server, f"REVOKE dialtrace_owner, dialtrace_app, dialtrace_system FROM {name}")
    with pytest.raises(LoginTooWeak, match="CREATEROLE"):
        upgrade(plain_login)
    assert status(plain_login).current is None


@pytest.mark.usefixtures("template_database")
def test_given_a_login_without_powers_then_it_upgrades_and_serves(plain_login):
    assert upgrade(plain_login).pending == []
    database = Database(plain_login, pool_size=1)
    with database.system() as connection:
        assert connection.execute(text("SELECT name FROM agencies")).scalars().all() == ["Operator"]
    with database.tenant("018f0000-0000-7000-8000-0000000000a1") as connection:
        assert connection.execute(text("SELECT count(*) FROM agencies")).scalar_one() == 0
    database.dispose()
