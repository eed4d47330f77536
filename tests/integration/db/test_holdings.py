"""Nobody adds a column in which a person could hide: every one of the catalogue is declared, personal or not."""

import sqlite3

from sqlalchemy import text

from dialtrace.journal.store import Journal
from dialtrace.privacy.holdings import HOLDINGS, MEND, NODE_HOLDINGS, faults
from dialtrace.workers.route_copy import RouteCopyFile, route_copy_path

COLUMNS = """
SELECT CASE n.nspname WHEN 'public' THEN c.relname ELSE n.nspname || '.' || c.relname END, a.attname
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
WHERE c.relkind IN ('r', 'p', 'm', 'f') AND NOT c.relispartition AND c.relname <> 'alembic_version'
  AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast') AND n.nspname NOT LIKE 'pg_temp%'
"""


def gathered(rows):
    found = {}
    for table, column in rows:
        found.setdefault(table, set()).add(column)
    return {table: frozenset(columns) for table, columns in found.items()}


def test_given_every_column_of_the_database_then_somebody_has_said_whether_it_is_personal(owner_engine):
    with owner_engine.connect() as connection:
        found = gathered(connection.execute(text(COLUMNS)).tuples())
    assert "calls" in found
    told = faults(found, HOLDINGS)
    assert not told, "\n".join([*told, MEND])


def test_given_the_files_beside_a_node_then_their_columns_are_declared_too(tmp_path):
    Journal(tmp_path / "journal.db").close()
    routes = RouteCopyFile(route_copy_path(tmp_path))
    routes.keep({}, whole=True, synced_at_s=0.0)
    routes.close()
    rows = []
    for path in (tmp_path / "journal.db", route_copy_path(tmp_path)):
        connection = sqlite3.connect(path)
        for (table,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
            columns = connection.execute("SELECT name FROM pragma_table_info(?)", (table,)).fetchall()
            rows += [(f"{path.name}/{table}", column) for (column,) in columns]
        connection.close()
    told = faults(gathered(rows), NODE_HOLDINGS)
    assert not told, "\n".join([*told, MEND])
