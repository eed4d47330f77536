"""SQL of what bodies are made of: calls, calls that stand, recordings; a whole batch in one statement each."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

Row = Mapping[str, Any]

_CALL = (
    "id, revision, number_id, number, caller, caller_name, outcome, started_at, ringing_at, answered_at, connected_at,"
    " ended_at, duration_ms, ring_ms, talk_ms, billed_ms, target_id, hangup_side, hangup_cause, cause_q850, sip_status,"
    " flow_id, flow_version, decided_by, fallback_reason, node, codec, sip_call_id, should_record, is_test, facts,"
    " pdd_ms, hold_ms, queue_ms, mos, verstat, attestation, attested_by, diverted_from, spam_score"
)
# One text whatever the number of ids: nothing is compiled for each batch.
_CALLS = (
    f"SELECT {_CALL} FROM calls WHERE agency_id = %s AND id = ANY (%s::uuid[])"  # noqa: S608 (our own columns)
    " AND started_at BETWEEN %s AND %s"
)
_LIVE = (
    "SELECT call_id, number_id, number, caller, flow_id, target_id, node FROM live_calls"
    " WHERE agency_id = %s AND call_id = ANY (%s::uuid[])"
)
_RECORDINGS = (
    "SELECT id, call_id, segment, size_bytes, sha256, duration_ms, channels, stored_at FROM recordings"
    " WHERE agency_id = %s AND id = ANY (%s::uuid[])"
)

_ATTRIBUTIONS = (
    "SELECT call_id, revision, method, rung, visit_id, probability, source_probability, channel, source, medium,"
    " campaign, content, keyword FROM attributions WHERE agency_id = %s AND call_id = ANY (%s::uuid[])"
)


def find_calls(
    connection: Connection, agency_id: UUID, ids: Collection[UUID], *, since: datetime, until: datetime
) -> dict[UUID, Row]:
    """Records by id, of calls that began in that span: it names the partitions."""
    values = (agency_id, _texts(ids), since, until)
    return {row["id"]: row for row in _rows(connection, _CALLS, values)} if ids else {}


def find_live_calls(connection: Connection, agency_id: UUID, ids: Collection[UUID]) -> dict[UUID, Row]:
    return {row["call_id"]: row for row in _rows(connection, _LIVE, (agency_id, _texts(ids)))} if ids else {}


def find_recordings(connection: Connection, agency_id: UUID, ids: Collection[UUID]) -> dict[UUID, Row]:
    return {row["id"]: row for row in _rows(connection, _RECORDINGS, (agency_id, _texts(ids)))} if ids else {}


def find_attributions(connection: Connection, agency_id: UUID, ids: Collection[UUID]) -> dict[UUID, dict[int, Row]]:
    """Of each call: revision → attribution."""
    found: dict[UUID, dict[int, Row]] = {}
    for row in _rows(connection, _ATTRIBUTIONS, (agency_id, _texts(ids))) if ids else ():
        found.setdefault(row["call_id"], {})[row["revision"]] = row
    return found


def _texts(ids: Collection[UUID]) -> list[str]:
    return [str(one) for one in ids]


def _rows(connection: Connection, statement: str, values: tuple[Any, ...]) -> list[Row]:
    return [dict(row) for row in connection.exec_driver_sql(statement, values).mappings()]
