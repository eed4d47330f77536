"""Turns a Citus cluster into the store: which table lies where, and the statements that bring it there.

- **distributed** by ``agency_id``, all beside each other (co-located): whatever belongs to a tenant. An agency's rows
  lie on one node, so a statement that names the agency is answered there, joins and foreign keys included.
- **reference**, a copy on every node: what is found before the tenant is known, and the operator's own small tables.
- **local** to the coordinator: the job queue and Alembic's table.

The plan is read off `tables` and pure; `distribute` carries it out, and may be run again after an upgrade has brought
new tables. Foreign keys are taken off and put back: Citus wants their two ends to lie right before it takes them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import sqlalchemy.exc
from sqlalchemy import Connection, Table, create_engine
from sqlalchemy.pool import NullPool

from .columns import metadata
from .engine import driver_url
from .errors import DatabaseNotReady, NoCluster, translate
from .migrate import status
from .roles import OWNER_ROLE
from .tables import REFERENCE

Kind = Literal["distributed", "reference"]

#: Every other tenant table lies where its agency's row does.
FIRST = "agencies"
COLUMN = "agency_id"
#: What a session needs that works on a distributed Dialtrace, and why.
SETTINGS = {
    # The literals that name the tenant (SET LOCAL) travel to the nodes, where the policies read them.
    "citus.propagate_set_commands": "local",
    # Revisions are kept by triggers, which touch rows of the same agency only: those of the same node.
    "citus.enable_unsafe_triggers": "on",
}


@dataclass(frozen=True)
class Placed:
    """Where one table lies."""

    table: str
    kind: Kind

    @property
    def statement(self) -> str:
        """Brings it there."""
        if self.kind == "reference":
            return f"SELECT create_reference_table('{self.table}')"
        beside = "" if self.table == FIRST else f", colocate_with => '{FIRST}'"
        return f"SELECT create_distributed_table('{self.table}', '{COLUMN}'{beside})"


@dataclass(frozen=True)
class ForeignKey:
    """One that stands in the database, as its own catalogue writes it."""

    table: str
    name: str
    definition: str


def placements() -> list[Placed]:
    """Every table of ours: reference tables first, which others point at, then agencies, then what lies beside them."""
    kinds = [(kind_of(table), table) for table in metadata.sorted_tables]
    order = sorted(kinds, key=lambda found: (found[0] == "distributed", found[1].name != FIRST))
    return [Placed(table.name, kind) for kind, table in order]


def kind_of(table: Table) -> Kind:
    """A tenant's table is one whose primary key begins with the agency."""
    first = next(iter(table.primary_key.columns), None)
    if table.name not in REFERENCE and first is not None and first.name == COLUMN:
        return "distributed"
    return "reference"


def distribute(url: str, *, tell: Callable[[str], None]) -> list[Placed]:
    """Brings every table where it belongs that is not there yet; what was done. One transaction: all or nothing. The
    login must own the tables or be a superuser. Raises NoCluster, DatabaseNotReady and the errors of `db.errors`."""
    found = status(url)
    if found.pending:
        raise DatabaseNotReady("the database is not at this release: run `dialtrace db upgrade` first")
    engine = create_engine(driver_url(url), poolclass=NullPool, connect_args={"connect_timeout": 5})
    try:
        with engine.begin() as connection:
            _check_cluster(connection)
            return list(_carry_out(connection, tell))
    except sqlalchemy.exc.SQLAlchemyError as error:
        raise translate(error) or error from error
    finally:
        engine.dispose()


def _check_cluster(connection: Connection) -> None:
    version = connection.exec_driver_sql("SELECT extversion FROM pg_extension WHERE extname = 'citus'").scalar()
    if version is None:
        raise NoCluster("it has no extension citus; see docs/howto/scale-out.md")


def _carry_out(connection: Connection, tell: Callable[[str], None]) -> Iterator[Placed]:
    for name, value in SETTINGS.items():
        connection.exec_driver_sql(f"SET LOCAL {name} = '{value}'")
    lying = set(connection.exec_driver_sql("SELECT logicalrelid::text FROM pg_dist_partition").scalars())
    waiting = [placed for placed in placements() if placed.table not in lying]
    keys = _foreign_keys(connection, [placed.table for placed in waiting])
    if connection.exec_driver_sql("SHOW is_superuser").scalar() != "on":
        # A superuser stays one: Citus makes on other nodes, as whoever asks, what a table leans on. Shards belong to
        # the table's owner in any case.
        connection.exec_driver_sql(f"SET LOCAL ROLE {OWNER_ROLE}")
    for key in keys:
        connection.exec_driver_sql(f'ALTER TABLE {key.table} DROP CONSTRAINT "{key.name}"')
    for placed in waiting:
        tell(f"{placed.table}: {placed.kind}")
        connection.exec_driver_sql(placed.statement)
        yield placed
    for key in keys:
        connection.exec_driver_sql(f'ALTER TABLE {key.table} ADD CONSTRAINT "{key.name}" {key.definition}')


def _foreign_keys(connection: Connection, tables: Sequence[str]) -> list[ForeignKey]:
    """Of these tables, and of others to them; a partition's own come with its parent's."""
    rows = connection.exec_driver_sql(
        "SELECT k.conrelid::regclass::text, k.conname, pg_get_constraintdef(k.oid) FROM pg_constraint k"
        " WHERE k.contype = 'f' AND k.conparentid = 0"
        " AND (k.conrelid::regclass::text = ANY (%s) OR k.confrelid::regclass::text = ANY (%s))",
        (list(tables), list(tables)),
    )
    return [ForeignKey(*row) for row in rows]
