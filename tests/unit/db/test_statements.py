"""What counts as a statement that one shard can answer (tests/statements.py)."""

import pytest

from dialtrace.db.distribution import COLUMN

from ...statements import crossing


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT * FROM numbers WHERE agency_id = %(agency)s AND id = %(id)s",
        "SELECT * FROM numbers n JOIN flows f ON f.agency_id = n.agency_id AND f.id = n.flow_id WHERE n.agency_id = %s",
        "SELECT * FROM numbers n JOIN flows f USING (id) WHERE n.agency_id = %s AND f.agency_id = n.agency_id",
        "SELECT targets.id FROM targets WHERE targets.agency_id = dialtrace_agency() AND targets.id = %(id_1)s::UUID",
        "INSERT INTO clients (agency_id, id) VALUES (%s, %s) RETURNING clients.id",
        "INSERT INTO clients (agency_id, id) VALUES (%s, %s) ON CONFLICT (agency_id, id) DO UPDATE SET name = 'x'",
        "UPDATE calls c SET facts = w.facts FROM json_to_recordset(%s::json) AS w (id uuid, facts jsonb)"
        " WHERE c.agency_id = %s AND c.id = w.id",
        "DELETE FROM blocks WHERE blocks.agency_id = %s AND EXISTS (SELECT FROM calls c"
        " WHERE c.agency_id = blocks.agency_id)",
        "WITH some AS (SELECT agency_id, id FROM calls WHERE agency_id = %s LIMIT 5)"
        " DELETE FROM calls c USING some WHERE c.agency_id = some.agency_id AND c.id = some.id",
        "SELECT * FROM directory WHERE e164 = %s",
        "SELECT * FROM dialtrace_route(%s)",
        "SET LOCAL dialtrace.agency = 'x'",
        "PREPARE x (uuid) AS SELECT * FROM numbers WHERE agency_id = $1",
    ],
)
def test_given_a_statement_that_names_its_agency_when_read_then_one_shard_answers_it(statement: str) -> None:
    assert crossing(statement) == []


@pytest.mark.parametrize(
    ("statement", "table"),
    [
        ("SELECT * FROM numbers WHERE id = %(id)s", "numbers"),
        ("SELECT * FROM numbers n JOIN flows f ON f.id = n.flow_id WHERE n.agency_id = %s", "flows"),
        ("UPDATE calls SET facts = %s WHERE id = %s", "calls"),
        ("DELETE FROM blocks WHERE agency_id = %s AND EXISTS (SELECT FROM calls c WHERE c.id = blocks.id)", "calls"),
        ("SELECT * FROM numbers WHERE agency_id = ANY (%s)", "numbers"),
        ("SELECT * FROM calls WHERE agency_id IN (SELECT agency_id FROM nodes)", "calls"),
        ("INSERT INTO clients (id) VALUES (%s)", "clients"),
        ("WITH some AS (SELECT id FROM calls) SELECT * FROM some", "calls"),
    ],
)
def test_given_a_statement_that_every_shard_would_be_asked_when_read_then_the_table_is_named(
    statement: str, table: str
) -> None:
    assert crossing(statement) == [f"{table} without its {COLUMN}"]
