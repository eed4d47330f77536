"""Every hot statement names the agency of every tenant's table it touches, so that on Citus it stays on one shard.

Hot is what is prepared: leases, signs of life, records. Each table's alias must be held to ``agency_id``, and what is
inserted must carry it.
"""

import importlib
import re
from pathlib import Path

import pytest

import dialtrace.db.engine
from dialtrace.db.prepared import Prepared
from dialtrace.db.tables import TENANT
from dialtrace.pool.lease_store import HOT

SOURCE = Path(dialtrace.db.engine.__file__).parents[1]
_TOUCHED = re.compile(r"\b(FROM|JOIN|UPDATE)\s+([a-z_]+)(?:\s+(?:AS\s+)?([a-z_]+))?", re.IGNORECASE)
_INSERTED = re.compile(r"\bINSERT INTO\s+([a-z_]+)(?:\s+(?:AS\s+)?([a-z_]+))?\s*\(([^)]*)\)", re.IGNORECASE)
_NO_ALIAS = {"set", "where", "on", "cross", "join", "left", "order", "group", "for", "using", "limit", "union", "as"}


def faults_of(statement):
    """Tables of tenants that the statement touches without naming their agency."""
    found = []
    for _, table, alias in _TOUCHED.findall(statement):
        if table not in TENANT:
            continue
        name = alias if alias and alias.lower() not in _NO_ALIAS else table
        if not re.search(rf"\b{name}\.agency_id\s*=|=\s*{name}\.agency_id\b", statement):
            found.append(f"{table} {name}")
    found += [
        table for table, _, columns in _INSERTED.findall(statement) if table in TENANT and "agency_id" not in columns
    ]
    return found


def prepared_statements():
    for file in sorted(SOURCE.rglob("*.py")):
        if "Prepared(" in file.read_text(encoding="utf-8") and file.name != "prepared.py":
            name = ".".join(("dialtrace", *file.relative_to(SOURCE).with_suffix("").parts))
            for value in vars(importlib.import_module(name)).values():
                if isinstance(value, Prepared):
                    yield value


STATEMENTS = {one.name: one for one in prepared_statements()}


def test_given_the_statements_that_visitors_wait_for_then_they_are_among_the_hot_ones():
    assert {one.name for one in HOT} <= set(STATEMENTS)
    assert len(STATEMENTS) > len(HOT)


@pytest.mark.parametrize("name", sorted(STATEMENTS))
def test_given_a_hot_statement_then_it_names_the_agency_of_every_table(name):
    assert faults_of(STATEMENTS[name].statement) == []


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT * FROM numbers WHERE id = $1",
        "SELECT * FROM pools p JOIN numbers n ON n.pool_id = p.id WHERE p.agency_id = $1",
        "UPDATE exposures e SET tail_s = 1 FROM pools p WHERE p.agency_id = $1",
        "INSERT INTO exposures (id, rung) VALUES ($1, $2)",
    ],
)
def test_given_a_statement_that_forgets_it_then_the_check_says_so(statement):
    assert faults_of(statement)
