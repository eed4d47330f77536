"""Runs the migrations over the connection that `dialtrace.db.migrate` hands in; there is no other way to start them.

Must not know any setting or address: who may connect, in which role and with which time-outs is decided before.
"""

from alembic import context

from dialtrace.db.tables import metadata

connection = context.config.attributes.get("connection")
if connection is None:
    raise RuntimeError("run migrations with `dialtrace db upgrade`, not with alembic itself")

context.configure(connection=connection, target_metadata=metadata, transaction_per_migration=True)
with context.begin_transaction():
    context.run_migrations()
