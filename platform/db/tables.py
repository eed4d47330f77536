"""Every table of Dialtrace, in SQLAlchemy Core. The migrations make them; `tests/integration/db` compares the two.

Shape (DESIGN, Data): a tenant table's primary key begins with ``agency_id``; ``client_id`` stands on everything that a
client owns; row-level security is forced on every tenant table. Tables listed in REFERENCE hold what must be found
before the tenant is known; they have no row-level security and the application reaches them only through the narrow
functions of the migrations. `calls` and `legs` are partitioned by month of the call's start, which a replayed CDR file
repeats exactly, so their unique keys hold it too.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Computed,
    Date,
    DateTime,
    Double,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    Numeric,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from .columns import Xid8, metadata, stamp

#: Owns calls to numbers that nobody has, and the operator's own keys. Made by the first migration.
OPERATOR_AGENCY = "00000000-0000-7000-8000-000000000001"
OPERATOR_CLIENT = "00000000-0000-7000-8000-000000000002"

agencies = Table(
    "agencies",
    metadata,
    Column("agency_id", Uuid, nullable=False),
    Column("name", Text, nullable=False),
    Column("status", Text, nullable=False, server_default="active"),
    stamp("created_at", default_now=True),
    stamp("updated_at", default_now=True),
    Column("version", Integer, nullable=False, server_default="1"),
    # Whether whoever signs in needs one.
    Column("second_factor_required", Boolean, nullable=False, server_default="false"),
    PrimaryKeyConstraint("agency_id"),
    CheckConstraint("status IN ('active', 'suspended')", name="status"),
)

clients = Table(
    "clients",
    metadata,
    Column("agency_id", Uuid, nullable=False),
    Column("id", Uuid, nullable=False),
    Column("name", Text, nullable=False),
    Column("time_zone", Text, nullable=False, server_default="UTC"),
    Column("status", Text, nullable=False, server_default="active"),
    stamp("created_at", default_now=True),
    stamp("updated_at", default_now=True),
    Column("version", Integer, nullable=False, server_default="1"),
    # Rung once when a flow has rung all its targets in vain.
    Column("backup_target_id", Uuid),
    PrimaryKeyConstraint("agency_id", "id"),
    ForeignKeyConstraint(["agency_id"], ["agencies.agency_id"]),
    ForeignKeyConstraint(
        ["agency_id", "id", "backup_target_id"],
        ["targets.agency_id", "targets.client_id", "targets.id"],
        name="fk_clients_agency_id_id_backup_target_id",
        use_alter=True,
    ),
    CheckConstraint("status IN ('active', 'suspended')", name="status"),
)

api_keys = Table(
    "api_keys",
    metadata,
    Column("agency_id", Uuid, nullable=False),
    Column("id", Uuid, nullable=False),
    # Empty: the key acts for the whole agency; else for this one client.
    Column("client_id", Uuid),
    Column("name", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("secret_hash", LargeBinary, nullable=False),
    stamp("created_at", default_now=True),
    stamp("last_used_at"),
    stamp("expires_at"),
    stamp("revoked_at"),
    # Whether it may hear recordings.
    Column("may_listen", Boolean, nullable=False, server_default=text("true")),
    # What it may do (tenancy/permissions.py); empty: everything within its reach.
    Column("scopes", ARRAY(Text)),
    # Networks that it may be used from; empty: anywhere.
    Column("networks", ARRAY(Text)),
    Column("last_used_from", Text),
    # The key that it took over from.
    Column("rotated_from", Uuid),
    PrimaryKeyConstraint("agency_id", "id"),
    ForeignKeyConstraint(["agency_id"], ["agencies.agency_id"]),
    ForeignKeyConstraint(["agency_id", "client_id"], ["clients.agency_id", "clients.id"]),
    CheckConstraint("role IN ('operator', 'agency', 'client')", name="role"),
    CheckConstraint("(role = 'client') = (client_id IS NOT NULL)", name="client_role_has_client"),
    CheckConstraint(f"role <> 'operator' OR agency_id = '{OPERATOR_AGENCY}'", name="operator_role_is_the_operators"),
)

targets = Table(
    "targets",
    metadata,
    Column("agency_id", Uuid, nullable=False),
    Column("id", Uuid, nullable=False),
    Column("client_id", Uuid, nullable=False),
    Column("name", Text, nullable=False),
    # A SIP URI or a telephone number (tel:), checked by calls.model before it comes here.
    Column("address", Text, nullable=False),
    Column("ring_timeout_s", Integer, nullable=False, server_default="20"),
    stamp("created_at", default_now=True),
    stamp("updated_at", default_now=True),
    Column("version", Integer, nullable=False, server_default="1"),
    PrimaryKeyConstraint("agency_id", "id"),
    # What a client's backup points at: a target of its own.
    UniqueConstraint("agency_id", "client_id", "id"),
    ForeignKeyConstraint(["agency_id", "client_id"], ["clients.agency_id", "clients.id"]),
    CheckConstraint("ring_timeout_s BETWEEN 1 AND 300", name="ring_timeout"),
)

flows = Table(
    "flows",
    metadata,
    Column("agency_id", Uuid, nullable=False),
    Column("id", Uuid, nullable=False),
    Column("client_id", Uuid, nullable=False),
    Column("name", Text, nullable=False),
    Column("document", JSONB, nullable=False),
    stamp("created_at", default_now=True),
    stamp("updated_at", default_now=True),
    Column("version", Integer, nullable=False, server_default="1"),
    PrimaryKeyConstraint("agency_id", "id"),
    # What a number's foreign key points at: a number takes only a flow of its own client.
    UniqueConstraint("agency_id", "client_id", "id"),
    ForeignKeyConstraint(["agency_id", "client_id"], ["clients.agency_id", "clients.id"]),
)

#: Hours that flows share.
schedules = Table(
    "schedules",
    metadata,
    Column("agency_id", Uuid, nullable=False),
    Column("id", Uuid, nullable=False),
    Column("client_id", Uuid, nullable=False),
    Column("name", Text, nullable=False),
    # calls.flow_hours.OpenHours.
    Column("hours", JSONB, nullable=False),
    stamp("created_at", default_now=True),
    stamp("updated_at", default_now=True),
    Column("version", Integer, nullable=False, server_default="1"),
    PrimaryKeyConstraint("agency_id", "id"),
    ForeignKeyConstraint(["agency_id", "client_id"], ["clients.agency_id", "clients.id"]),
)

numbers = Table(
    "numbers",
    metadata,
    Column("agency_id", Uuid, nullable=False),
    Column("id", Uuid, nullable=False),
    Column("client_id", Uuid, nullable=False),
    Column("e164", Text, nullable=False),
    Column("kind", Text, nullable=False, server_default="static"),
    Column("status", Text, nullable=False, server_default="active"),
    Column("label", Text, nullable=False, server_default=""),
    Column("flow_id", Uuid),
    stamp("created_at", default_now=True),
    stamp("updated_at", default_now=True),
    stamp("released_at"),
    Column("version", Integer, nullable=False, server_default="1"),
    # Of a number in a pool.
    Column("pool_id", Uuid),
    # Where its callers take it to be; free words of the agency's, compared as they are.
    Column("region", Text),
    # Where it stands in the inventory (numbers.model.STATES), since when, and why if that needs saying.
    Column("state", Text, nullable=False, server_default="free"),
    stamp("state_at", default_now=True),
    Column("state_reason", Text),
    # A number that rests is not used again before that.
    stamp("free_from"),
    # What a static number stands for.
    Column("channel", Text),
    Column("source", Text),
    Column("medium", Text),
    Column("campaign", Text),
    Column("content", Text),
    Column("keyword", Text),
    # Which carrier it came from; empty: of no carrier that the platform knows.
    Column("carrier_id", Uuid),
    PrimaryKeyConstraint("agency_id", "id"),
    ForeignKeyConstraint(["agency_id", "client_id"], ["clients.agency_id", "clients.id"]),
    ForeignKeyConstraint(["agency_id", "client_id", "flow_id"], ["flows.agency_id", "flows.client_id", "flows.id"]),
    CheckConstraint("kind IN ('static', 'dynamic')", name="kind"),
    CheckConstraint("status IN ('active', 'suspended', 'released')", name="status"),
    CheckConstraint("e164 ~ '^\\+[1-9][0-9]{4,14}$'", name="e164"),
    CheckConstraint(
        "state IN ('free', 'soaking', 'in_pool', 'static', 'resting', 'quarantined', 'released')", name="state"
    ),
    CheckConstraint("(state = 'in_pool') = (pool_id IS NOT NULL)", name="in_pool"),
    Index("ix_numbers_agency_id_e164", "agency_id", "e164"),
    Index("ix_numbers_agency_id_pool_id", "agency_id", "pool_id", postgresql_where=text("pool_id IS NOT NULL")),
    Index("ix_numbers_agency_id_client_id_state", "agency_id", "client_id", "state"),
)

#: What was last proven of each number by a call of our own (`dialtrace number prove`).
number_proofs = Table(
    "number_proofs",
    metadata,
    Column("agency_id", Uuid, nullable=False),
    Column("number_id", Uuid, nullable=False),
    Column("client_id", Uuid, nullable=False),
    Column("outcome", Text, nullable=False),
    stamp("tried_at", nullable=False),
    # When it succeeded last; empty: never.
    stamp("proven_at"),
    Column("call_id", Uuid),
    Column("node", Text),
    Column("total_ms", BigInteger, nullable=False),
    Column("steps", JSONB, nullable=False),
    PrimaryKeyConstraint("agency_id", "number_id"),
    ForeignKeyConstraint(["agency_id", "number_id"], ["numbers.agency_id", "numbers.id"]),
    ForeignKeyConstraint(["agency_id", "client_id"], ["clients.agency_id", "clients.id"]),
    CheckConstraint("outcome IN ('proven', 'failed')", name="outcome"),
)

#: Sounds that nodes play: texts rendered ahead, named after their content, and the operator's announcements.
prompts = Table(
    "prompts",
    metadata,
    Column("agency_id", Uuid, nullable=False),
    Column("name", Text, nullable=False),
    Column("kind", Text, nullable=False),
    # Of a rendered text; the text itself stands in the flow that says it.
    Column("language", Text),
    Column("voice", Text),
    Column("text_sha256", LargeBinary),
    # 8 kHz, one channel, 16 bit: what every node plays as it is.
    Column("wav", LargeBinary, nullable=False),
    Column("sha256", LargeBinary, nullable=False),
    Column("duration_ms", Integer, nullable=False),
    stamp("created_at", default_now=True),
    # Of one that an agency has uploaded: what people call it.
    Column("label", Text),
    PrimaryKeyConstraint("agency_id", "name"),
    ForeignKeyConstraint(["agency_id"], ["agencies.agency_id"]),
    CheckConstraint("kind IN ('say', 'file', 'told', 'upload')", name="kind"),
    # A node looks for a text by its name alone: every agency's is the same.
    Index("ix_prompts_name", "name"),
)

# --- Reference tables: found before the tenant is known. No row-level security; narrow functions only. ---

#: One row per telephone number that is ours: who has it and which flow answers it.
directory = Table(
    "directory",
    metadata,
    Column("e164", Text, nullable=False),
    Column("agency_id", Uuid, nullable=False),
    Column("client_id", Uuid, nullable=False),
    Column("number_id", Uuid, nullable=False),
    # active | suspended | released: a released number stays, so that its callers are refused by its last holder's name
    # and every follower hears of the change.
    Column("status", Text, nullable=False),
    # suspended when the agency or the client is; kept here so that the call plane reads one table.
    Column("tenant_status", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("flow_id", Uuid),
    Column("version", Integer, nullable=False),
    Column("changed_xid", Xid8, nullable=False, server_default=text("pg_current_xact_id()")),
    # What a static number stands for, for whispers that tell it.
    Column("source", Text),
    Column("campaign", Text),
    PrimaryKeyConstraint("e164"),
    CheckConstraint("status IN ('active', 'suspended', 'released')", name="status"),
    CheckConstraint("tenant_status IN ('active', 'suspended')", name="tenant_status"),
    CheckConstraint("kind IN ('static', 'dynamic')", name="kind"),
    Index("ix_directory_agency_id_e164", "agency_id", "e164"),
    Index("ix_directory_changed_xid", "changed_xid"),
    Index("ix_directory_flow_id", "flow_id"),
)

#: A flow with its targets resolved, as workers and fallback plans need it (calls.flows.compile_flow makes it).
published_flows = Table(
    "published_flows",
    metadata,
    Column("flow_id", Uuid, nullable=False),
    Column("agency_id", Uuid, nullable=False),
    Column("version", Integer, nullable=False),
    Column("compiled", JSONB, nullable=False),
    # Whether trunks are to be named with it.
    Column(
        "telephones",
        Boolean,
        Computed("jsonb_path_exists(compiled, '$.**.address ? (@ starts with \"tel:\")')", persisted=True),
    ),
    Column("changed_xid", Xid8, nullable=False, server_default=text("pg_current_xact_id()")),
    # Whether a whisper of it tells where callers come from.
    Column(
        "tells",
        Boolean,
        Computed("jsonb_path_exists(compiled, '$.steps.*.whisper ? (@.kind == \"told\")')", persisted=True),
    ),
    PrimaryKeyConstraint("flow_id"),
    Index("ix_published_flows_changed_xid", "changed_xid"),
)

#: When block lists and limits changed, for the nodes' monitors. Written by triggers only.
rule_changes = Table(
    "rule_changes",
    metadata,
    Column("scope_id", Uuid, nullable=False),
    Column("agency_id", Uuid, nullable=False),
    Column("changed_xid", Xid8, nullable=False, server_default=text("pg_current_xact_id()")),
    PrimaryKeyConstraint("scope_id"),
    Index("ix_rule_changes_changed_xid", "changed_xid"),
)

#: The operator's switches. Written by each node's monitor.
nodes = Table(
    "nodes",
    metadata,
    Column("name", Text, nullable=False),
    Column("sip_address", Text, nullable=False),
    Column("kind", Text, nullable=False, server_default="freeswitch"),
    # unknown: the monitor cannot ask. It never ends a call (peers.md 4).
    Column("state", Text, nullable=False, server_default="unknown"),
    Column("core_uuid", Uuid),
    Column("switch_version", Text),
    Column("sessions", Integer),
    Column("max_sessions", Integer),
    Column("weight", Integer, nullable=False, server_default="100"),
    stamp("last_seen_at"),
    stamp("created_at", default_now=True),
    # What the operator wants; the state is what the node's monitor has made of it.
    stamp("drain_asked_at"),
    # What it still holds, counted by its monitor while it drains.
    Column("waits", JSONB),
    PrimaryKeyConstraint("name"),
    CheckConstraint("state IN ('up', 'down', 'unknown', 'draining', 'drained')", name="state"),
)

#: The newest word of each process to those who watch, under the name of a node or a machine.
watch_notes = Table(
    "watch_notes",
    metadata,
    Column("name", Text, nullable=False),
    stamp("told_at", nullable=False, default_now=True),
    Column("data", JSONB, nullable=False),
    PrimaryKeyConstraint("name"),
    prefixes=["UNLOGGED"],
)

#: Calls of each node minute by minute, for the NOC's curves: figures, no records.
node_minutes = Table(
    "node_minutes",
    metadata,
    Column("node", Text, nullable=False),
    stamp("minute", nullable=False),
    Column("begun", Integer, nullable=False, server_default="0"),
    Column("ended", Integer, nullable=False, server_default="0"),
    Column("answered", Integer, nullable=False, server_default="0"),
    Column("delivered", Integer, nullable=False, server_default="0"),
    Column("talk_ms", BigInteger, nullable=False, server_default=text("0")),
    PrimaryKeyConstraint("node", "minute"),
    Index("ix_node_minutes_minute", "minute"),
)

# --- Records. ---

calls = Table(
    "calls",
    metadata,
    Column("agency_id", Uuid, nullable=False),
    # The A-leg's channel UUID.
    Column("id", Uuid, nullable=False),
    # The switch's channel-created stamp, to the microsecond: the partition key.
    Column("started_at", DateTime(timezone=True), nullable=False),
    Column("client_id", Uuid, nullable=False),
    Column("number_id", Uuid),
    # What the caller dialled, E.164 where it could be read so, raw otherwise.
    Column("number", Text, nullable=False),
    # E.164, or empty where the caller withheld it; raw text as received beside it.
    Column("caller", Text),
    Column("caller_raw", Text),
    Column("caller_name", Text),
    Column("node", Text, nullable=False),
    Column("core_uuid", Uuid),
    Column("flow_id", Uuid),
    Column("flow_version", Integer),
    # worker | fallback | none: who made the plan that ran.
    Column("decided_by", Text, nullable=False),
    Column("fallback_reason", Text),
    Column("outcome", Text, nullable=False),
    stamp("ringing_at"),
    stamp("answered_at"),
    stamp("connected_at"),
    stamp("ended_at"),
    Column("duration_ms", BigInteger),
    Column("ring_ms", BigInteger),
    Column("talk_ms", BigInteger),
    Column("billed_ms", BigInteger),
    Column("target_id", Uuid),
    Column("hangup_cause", Text),
    Column("cause_q850", Integer),
    Column("sip_status", Integer),
    # caller | target | platform | unknown
    Column("hangup_side", Text, nullable=False, server_default="unknown"),
    Column("codec", Text),
    Column("sip_call_id", Text),
    Column("should_record", Boolean, nullable=False, server_default="false"),
    Column("legs_expected", Integer, nullable=False, server_default="0"),
    # Further facts of the CDR that have no column of their own (media statistics, the trail, …).
    Column("facts", JSONB, nullable=False, server_default="{}"),
    # SHA-256 of the facts that this row was made from: the same file again changes nothing.
    Column("digest", LargeBinary, nullable=False),
    Column("revision", Integer, nullable=False, server_default="1"),
    stamp("created_at", default_now=True),
    stamp("updated_at", default_now=True),
    # A call that the installation placed itself, to prove a number: kept out of reports and bills.
    Column("is_test", Boolean, nullable=False, server_default="false"),
    Column("pdd_ms", BigInteger),
    Column("hold_ms", BigInteger),
    Column("queue_ms", BigInteger),
    # What came from the caller's side: loss as counted, R and MOS of ITU-T G.107.
    Column("loss_percent", Double),
    Column("jitter_ms", Double),
    Column("r_factor", Double),
    Column("mos", Double),
    Column("verstat", Text),
    Column("attestation", Text),
    Column("attested_by", Text),
    Column("diversion", Text),
    Column("diverted_from", Text),
    Column("spam_score", Integer),
    # Written by billing, which rates calls; empty until then.
    Column("cost", Numeric(18, 6)),
    Column("cost_currency", Text),
    Column("cost_revision", Integer),
    # What is left of the caller's number once it is anonymised: the agency's keyed hash of it, or nothing.
    Column("caller_key", LargeBinary),
    stamp("anonymised_at"),
    PrimaryKeyConstraint("agency_id", "id", "started_at"),
    Index("ix_calls_agency_id_started_at_id", "agency_id", "started_at", "id"),
    Index("ix_calls_agency_id_client_id_started_at", "agency_id", "client_id", "started_at", "id"),
    Index("ix_calls_agency_id_number_started_at", "agency_id", "number", "started_at"),
    Index("ix_calls_agency_id_caller_started_at", "agency_id", "caller", "started_at"),
    # Repeat callers and their last operator; the last talk of a target (dialtrace_decide).
    Index(
        "ix_calls_agency_id_client_id_caller_started_at",
        "agency_id",
        "client_id",
        "caller",
        "started_at",
        postgresql_where=text("caller IS NOT NULL"),
    ),
    Index(
        "ix_calls_agency_id_target_id_started_at",
        "agency_id",
        "target_id",
        "started_at",
        postgresql_where=text("target_id IS NOT NULL"),
    ),
    Index(
        "ix_calls_agency_id_caller_key",
        "agency_id",
        "caller_key",
        postgresql_where=text("caller_key IS NOT NULL"),
    ),
    CheckConstraint("decided_by IN ('worker', 'fallback', 'none')", name="decided_by"),
    CheckConstraint("hangup_side IN ('caller', 'target', 'platform', 'unknown')", name="hangup_side"),
    postgresql_partition_by="RANGE (started_at)",
)

legs = Table(
    "legs",
    metadata,
    Column("agency_id", Uuid, nullable=False),
    # The leg's own channel UUID.
    Column("id", Uuid, nullable=False),
    Column("call_started_at", DateTime(timezone=True), nullable=False),
    Column("call_id", Uuid, nullable=False),
    Column("client_id", Uuid, nullable=False),
    Column("target_id", Uuid),
    Column("address", Text),
    Column("outcome", Text, nullable=False),
    stamp("started_at"),
    stamp("ringing_at"),
    stamp("answered_at"),
    stamp("connected_at"),
    stamp("ended_at"),
    Column("ring_ms", BigInteger),
    Column("talk_ms", BigInteger),
    Column("hangup_cause", Text),
    Column("cause_q850", Integer),
    Column("sip_status", Integer),
    Column("codec", Text),
    Column("sip_call_id", Text),
    Column("facts", JSONB, nullable=False, server_default="{}"),
    Column("digest", LargeBinary, nullable=False),
    Column("revision", Integer, nullable=False, server_default="1"),
    stamp("created_at", default_now=True),
    stamp("updated_at", default_now=True),
    Column("hangup_side", Text),
    Column("trunk", Text),
    Column("pdd_ms", BigInteger),
    Column("hold_ms", BigInteger),
    # What came from the target's side.
    Column("loss_percent", Double),
    Column("jitter_ms", Double),
    Column("r_factor", Double),
    Column("mos", Double),
    PrimaryKeyConstraint("agency_id", "id", "call_started_at"),
    Index("ix_legs_agency_id_call_id", "agency_id", "call_id"),
    postgresql_partition_by="RANGE (call_started_at)",
)

#: The ledger: where each recording is at this moment, or why there is none.
recordings = Table(
    "recordings",
    metadata,
    Column("agency_id", Uuid, nullable=False),
    Column("id", Uuid, nullable=False),
    Column("client_id", Uuid, nullable=False),
    Column("call_id", Uuid, nullable=False),
    Column("call_started_at", DateTime(timezone=True), nullable=False),
    # 1, 2, …: a call that stops and starts recording writes a segment each time (call-setup.md).
    Column("segment", Integer, nullable=False),
    Column("state", Text, nullable=False),
    Column("absence_reason", Text),
    Column("node", Text, nullable=False),
    Column("node_path", Text),
    Column("object_name", Text),
    Column("size_bytes", BigInteger),
    Column("sha256", LargeBinary),
    Column("duration_ms", BigInteger),
    Column("channels", Integer),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("last_error", Text),
    stamp("created_at", default_now=True),
    stamp("updated_at", default_now=True),
    stamp("stored_at"),
    # Empty: the platform's own store.
    Column("store_id", Uuid),
    Column("format", Text, nullable=False, server_default="wav"),
    Column("sample_rate", Integer),
    # Least and greatest sample of each channel for every so many frames, one byte each (recording/peaks.py).
    Column("peaks", LargeBinary),
    Column("peak_frames", Integer),
    # What the store must say of the object; of one that is encrypted by us, other than of the recording.
    Column("object_bytes", BigInteger),
    Column("object_checksum", Text),
    # The object's own key, wrapped under one of the agency's; without it the object cannot be read.
    Column("key_id", Uuid),
    Column("data_key", LargeBinary),
    # What it is yet to be made into, and what it was before.
    Column("convert_to", Text),
    Column("original_name", Text),
    Column("original_bytes", BigInteger),
    Column("original_sha256", LargeBinary),
    Column("original_key", LargeBinary),
    PrimaryKeyConstraint("agency_id", "id"),
    UniqueConstraint("agency_id", "call_id", "segment"),
    Index(
        "ix_recordings_open",
        "node",
        "created_at",
        postgresql_where=text("state IN ('expected', 'writing', 'on_node', 'uploading', 'stored')"),
    ),
    Index("ix_recordings_agency_id_client_id_call_started_at", "agency_id", "client_id", "call_started_at", "id"),
    CheckConstraint(
        "state IN ('expected', 'writing', 'on_node', 'uploading', 'stored', 'verified', 'absent')", name="state"
    ),
    CheckConstraint("(state = 'absent') = (absence_reason IS NOT NULL)", name="absence_has_reason"),
    CheckConstraint("format IN ('wav', 'opus', 'mp3')", name="format"),
    CheckConstraint("convert_to IN ('opus', 'mp3')", name="convert_to"),
    CheckConstraint("data_key IS NULL OR key_id IS NOT NULL", name="data_key_has_key"),
)

#: Buckets of agencies' own; the secret is sealed. One takes new recordings, the others keep what they have.
recording_stores = Table(
    "recording_stores",
    metadata,
    Column("agency_id", Uuid, nullable=False),
    Column("id", Uuid, nullable=False),
    Column("bucket", Text, nullable=False),
    Column("prefix", Text, nullable=False, server_default=""),
    Column("region", Text, nullable=False),
    Column("endpoint_url", Text),
    Column("access_key_id", Text, nullable=False),
    Column("secret", LargeBinary, nullable=False),
    Column("encryption", Text, nullable=False, server_default="none"),
    Column("is_current", Boolean, nullable=False, server_default=text("true")),
    stamp("created_at", default_now=True),
    stamp("updated_at", default_now=True),
    PrimaryKeyConstraint("agency_id", "id"),
    ForeignKeyConstraint(["agency_id"], ["agencies.agency_id"]),
    Index("ix_recording_stores_current", "agency_id", unique=True, postgresql_where=text("is_current")),
)

#: Keys that wrap the keys of recordings, sealed under the master keys; destroyed ones open nothing any more.
recording_keys = Table(
    "recording_keys",
    metadata,
    Column("agency_id", Uuid, nullable=False),
    Column("id", Uuid, nullable=False),
    Column("sealed", LargeBinary),
    Column("is_current", Boolean, nullable=False, server_default=text("true")),
    stamp("made_at", default_now=True),
    stamp("destroyed_at"),
    PrimaryKeyConstraint("agency_id", "id"),
    ForeignKeyConstraint(["agency_id"], ["agencies.agency_id"]),
    Index("ix_recording_keys_current", "agency_id", unique=True, postgresql_where=text("is_current")),
    CheckConstraint("(sealed IS NULL) = (destroyed_at IS NOT NULL)", name="destroyed"),
    CheckConstraint("NOT is_current OR sealed IS NOT NULL", name="current_is_there"),
)

#: In which form recordings are kept: of a client, or of an agency for clients that say nothing.
recording_settings = Table(
    "recording_settings",
    metadata,
    Column("agency_id", Uuid, nullable=False),
    # The client's id or, for a whole agency, the agency's.
    Column("scope_id", Uuid, nullable=False),
    Column("client_id", Uuid),
    Column("format", Text, nullable=False, server_default="wav"),
    Column("keep_original", Boolean, nullable=False, server_default=text("false")),
    stamp("updated_at", default_now=True),
    PrimaryKeyConstraint("agency_id", "scope_id"),
    ForeignKeyConstraint(["agency_id"], ["agencies.agency_id"]),
    ForeignKeyConstraint(["agency_id", "client_id"], ["clients.agency_id", "clients.id"]),
    CheckConstraint("format IN ('wav', 'opus', 'mp3')", name="format"),
    CheckConstraint("scope_id = coalesce(client_id, agency_id)", name="scope"),
)

#: The event log. `position` is given after commit by the sequencer, gapless per agency.
events = Table(
    "events",
    metadata,
    Column("agency_id", Uuid, nullable=False),
    Column("id", Uuid, nullable=False),
    Column("client_id", Uuid),
    Column("type", Text, nullable=False),
    Column("call_id", Uuid),
    # Rank within the call; with `type` it makes a replay harmless.
    Column("revision", Integer, nullable=False, server_default="1"),
    stamp("occurred_at", nullable=False),
    Column("position", BigInteger),
    # Ids only, no personal values (DESIGN, Data).
    Column("data", JSONB, nullable=False, server_default="{}"),
    stamp("recorded_at", default_now=True),
    PrimaryKeyConstraint("agency_id", "id"),
    UniqueConstraint("agency_id", "call_id", "type", "revision"),
    Index("ix_events_agency_id_position", "agency_id", "position", unique=True),
    Index("ix_events_unsequenced", "agency_id", "recorded_at", postgresql_where=text("position IS NULL")),
)

#: The last position given in each agency's event log. Only the sequencer's function touches it; its row is the lock.
event_sequences = Table(
    "event_sequences",
    metadata,
    Column("agency_id", Uuid, nullable=False),
    Column("last_position", BigInteger, nullable=False, server_default=text("0")),
    PrimaryKeyConstraint("agency_id"),
)

#: Endpoints that are told what happens. `position`: how far in the agency's log messages were made for it.
webhooks = Table(
    "webhooks",
    metadata,
    Column("agency_id", Uuid, nullable=False),
    Column("id", Uuid, nullable=False),
    Column("client_id", Uuid),
    Column("url", Text, nullable=False),
    # Name and port, by which requests to one machine are counted.
    Column("host", Text, nullable=False),
    Column("description", Text, nullable=False, server_default=""),
    Column("event_types", ARRAY(Text), nullable=False, server_default="{}"),
    Column("client_ids", ARRAY(Uuid), nullable=False, server_default="{}"),
    Column("state", Text, nullable=False, server_default="active"),
    Column("reason", Text),
    stamp("state_at", default_now=True),
    Column("position", BigInteger, nullable=False),
    stamp("failing_since"),
    stamp("rest_until"),
    stamp("last_success_at"),
    stamp("last_failure_at"),
    Column("last_fault", Text),
    stamp("created_at", default_now=True),
    stamp("updated_at", default_now=True),
    Column("version", Integer, nullable=False, server_default="1"),
    PrimaryKeyConstraint("agency_id", "id"),
    ForeignKeyConstraint(["agency_id"], ["agencies.agency_id"]),
    ForeignKeyConstraint(["agency_id", "client_id"], ["clients.agency_id", "clients.id"]),
    CheckConstraint("state IN ('active', 'paused', 'disabled', 'deleted')", name="state"),
    CheckConstraint("reason IN ('asked', 'failing', 'gone')", name="reason"),
    CheckConstraint("state IN ('active', 'deleted') OR reason IS NOT NULL", name="stopped_has_reason"),
)

#: What signs an endpoint's messages, sealed; the one before the current one signs too until it expires.
webhook_secrets = Table(
    "webhook_secrets",
    metadata,
    Column("agency_id", Uuid, nullable=False),
    Column("id", Uuid, nullable=False),
    Column("client_id", Uuid),
    Column("webhook_id", Uuid, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    stamp("made_at", default_now=True),
    stamp("expires_at"),
    PrimaryKeyConstraint("agency_id", "id"),
    ForeignKeyConstraint(["agency_id", "webhook_id"], ["webhooks.agency_id", "webhooks.id"]),
    Index(
        "ix_webhook_secrets_current",
        "agency_id",
        "webhook_id",
        unique=True,
        postgresql_where=text("expires_at IS NULL"),
    ),
)

#: A message on its way to an endpoint, or what became of it: ids only, the body is rendered when it is sent. Answers
#: stand sealed in `attempts`.
webhook_deliveries = Table(
    "webhook_deliveries",
    metadata,
    Column("agency_id", Uuid, nullable=False),
    Column("id", Uuid, nullable=False),
    Column("client_id", Uuid),
    Column("webhook_id", Uuid, nullable=False),
    # The event's id, or a test's own.
    Column("message_id", Uuid, nullable=False),
    Column("type", Text, nullable=False),
    Column("call_id", Uuid),
    # With `revision` the order of a call's events.
    Column("rank", SmallInteger, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("position", BigInteger),
    stamp("occurred_at", nullable=False),
    Column("state", Text, nullable=False),
    Column("tries", Integer, nullable=False, server_default="0"),
    # Its next try is a receiver's that is back, and does not count.
    Column("is_pulled", Boolean, nullable=False, server_default=text("false")),
    stamp("due_at", default_now=True),
    Column("claim", Uuid),
    stamp("claimed_until"),
    stamp("created_at", default_now=True),
    stamp("first_try_at"),
    stamp("settled_at"),
    Column("replays", Integer, nullable=False, server_default="0"),
    Column("attempts", JSONB, nullable=False, server_default="[]"),
    PrimaryKeyConstraint("agency_id", "id"),
    UniqueConstraint("agency_id", "webhook_id", "message_id"),
    ForeignKeyConstraint(["agency_id", "webhook_id"], ["webhooks.agency_id", "webhooks.id"]),
    CheckConstraint("state IN ('waiting', 'blocked', 'sending', 'delivered', 'failed')", name="state"),
    CheckConstraint(
        "(state = 'sending') = (claim IS NOT NULL AND claimed_until IS NOT NULL)", name="sending_is_claimed"
    ),
    CheckConstraint("(state IN ('delivered', 'failed')) = (settled_at IS NOT NULL)", name="settled"),
    Index(
        "ix_webhook_deliveries_waiting", "agency_id", "webhook_id", "due_at", postgresql_where=text("state = 'waiting'")
    ),
    Index("ix_webhook_deliveries_sending", "claimed_until", postgresql_where=text("state = 'sending'")),
    Index(
        "ix_webhook_deliveries_open",
        "agency_id",
        "webhook_id",
        "call_id",
        "rank",
        "revision",
        postgresql_where=text("state IN ('waiting', 'blocked', 'sending')"),
    ),
    Index("ix_webhook_deliveries_listed", "agency_id", "webhook_id", "created_at", "id"),
    Index("ix_webhook_deliveries_settled", "settled_at", postgresql_where=text("settled_at IS NOT NULL")),
)

#: Other systems that are told of a client's calls. `position`: how far in the agency's log deliveries were made for it.
integrations = Table(
    "integrations",
    metadata,
    Column("agency_id", Uuid, nullable=False),
    Column("id", Uuid, nullable=False),
    Column("client_id", Uuid, nullable=False),
    Column("system", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("settings", JSONB, nullable=False),
    # Its secrets (platform/secrets_box); empty once it is deleted.
    Column("sealed", LargeBinary, nullable=False),
    # By which requests to one account of the vendor are counted (vendor_accounts).
    Column("account", Text, nullable=False),
    Column("event_types", ARRAY(Text), nullable=False),
    Column("state", Text, nullable=False, server_default="active"),
    Column("reason", Text),
    Column("detail", Text),
    stamp("state_at", default_now=True),
    Column("position", BigInteger, nullable=False),
    stamp("failing_since"),
    stamp("last_success_at"),
    stamp("last_failure_at"),
    Column("last_fault", Text),
    stamp("created_at", default_now=True),
    stamp("updated_at", default_now=True),
    Column("version", Integer, nullable=False, server_default="1"),
    # So many of its deliveries go in one request.
    Column("most_together", Integer, nullable=False, server_default="1"),
    PrimaryKeyConstraint("agency_id", "id"),
    ForeignKeyConstraint(["agency_id", "client_id"], ["clients.agency_id", "clients.id"]),
    CheckConstraint("state IN ('active', 'paused', 'broken', 'deleted')", name="state"),
    CheckConstraint("most_together >= 1", name="most_together"),
    CheckConstraint("state <> 'broken' OR reason IS NOT NULL", name="broken_has_reason"),
)

#: One thing that an integration is to be told of one call, or what became of it. What was said stands sealed in
#: `attempts`.
integration_deliveries = Table(
    "integration_deliveries",
    metadata,
    Column("agency_id", Uuid, nullable=False),
    Column("id", Uuid, nullable=False),
    Column("client_id", Uuid, nullable=False),
    Column("integration_id", Uuid, nullable=False),
    Column("call_id", Uuid, nullable=False),
    Column("type", Text, nullable=False),
    # With `revision` the order of a call's events.
    Column("rank", SmallInteger, nullable=False),
    Column("revision", Integer, nullable=False),
    stamp("occurred_at", nullable=False),
    # Of a back-fill.
    Column("is_late", Boolean, nullable=False, server_default=text("false")),
    # sent: a request has left and nobody knows whether it was carried out.
    Column("state", Text, nullable=False),
    Column("reason", Text),
    Column("detail", Text),
    Column("tries", Integer, nullable=False, server_default="0"),
    stamp("due_at", default_now=True),
    Column("claim", Uuid),
    stamp("claimed_until"),
    stamp("created_at", default_now=True),
    stamp("first_try_at"),
    stamp("settled_at"),
    Column("attempts", JSONB, nullable=False, server_default="[]"),
    PrimaryKeyConstraint("agency_id", "id"),
    UniqueConstraint(
        "agency_id", "integration_id", "call_id", "type", "revision", name="uq_integration_deliveries_once"
    ),
    ForeignKeyConstraint(["agency_id", "integration_id"], ["integrations.agency_id", "integrations.id"]),
    CheckConstraint("state IN ('due', 'blocked', 'sending', 'sent', 'done', 'given_up')", name="state"),
    CheckConstraint(
        "(state = 'sending') = (claim IS NOT NULL AND claimed_until IS NOT NULL)", name="sending_is_claimed"
    ),
    CheckConstraint("(state IN ('done', 'given_up')) = (settled_at IS NOT NULL)", name="settled"),
    CheckConstraint("state <> 'given_up' OR reason IS NOT NULL", name="given_up_has_reason"),
    Index(
        "ix_integration_deliveries_next",
        "agency_id",
        "integration_id",
        "is_late",
        "due_at",
        postgresql_where=text("state IN ('due', 'sent')"),
    ),
    Index(
        "ix_integration_deliveries_open",
        "agency_id",
        "integration_id",
        "is_late",
        postgresql_where=text("settled_at IS NULL"),
    ),
    Index("ix_integration_deliveries_sending", "claimed_until", postgresql_where=text("state = 'sending'")),
    Index("ix_integration_deliveries_call", "agency_id", "call_id", "integration_id", "rank", "revision"),
    Index("ix_integration_deliveries_listed", "agency_id", "integration_id", "created_at", "id"),
    Index("ix_integration_deliveries_settled", "settled_at", postgresql_where=text("settled_at IS NOT NULL")),
)

#: What was made in the other system for a call; written before the request leaves (`sent`) and after (`made`).
integration_objects = Table(
    "integration_objects",
    metadata,
    Column("agency_id", Uuid, nullable=False),
    Column("integration_id", Uuid, nullable=False),
    Column("call_id", Uuid, nullable=False),
    Column("name", Text, nullable=False),
    Column("client_id", Uuid, nullable=False),
    Column("state", Text, nullable=False),
    Column("remote_id", Text),
    Column("data", JSONB, nullable=False, server_default="{}"),
    stamp("begun_at", default_now=True),
    stamp("made_at"),
    PrimaryKeyConstraint("agency_id", "integration_id", "call_id", "name"),
    ForeignKeyConstraint(["agency_id", "integration_id"], ["integrations.agency_id", "integrations.id"]),
    CheckConstraint("state IN ('sent', 'made')", name="state"),
    Index("ix_integration_objects_call", "agency_id", "call_id"),
    Index(
        "ix_integration_objects_origin", "agency_id", "integration_id", "name", "remote_id",
        postgresql_where=text("state = 'made'"),
    ),
)  # fmt: skip

#: Up to where what changed in another system was read, and when it is looked at again.
integration_readings = Table(
    "integration_readings",
    metadata,
    Column("agency_id", Uuid, nullable=False),
    Column("integration_id", Uuid, nullable=False),
    Column("client_id", Uuid, nullable=False),
    Column("mark", JSONB, nullable=False),
    stamp("due_at", default_now=True),
    Column("claim", Uuid),
    stamp("claimed_until"),
    stamp("read_at"),
    Column("fault", Text),
    Column("detail", Text),
    PrimaryKeyConstraint("agency_id", "integration_id"),
    ForeignKeyConstraint(
        ["agency_id", "integration_id"], ["integrations.agency_id", "integrations.id"], ondelete="CASCADE"
    ),
    CheckConstraint("(claim IS NULL) = (claimed_until IS NULL)", name="claimed"),
    Index("ix_integration_readings_due", "due_at"),
)

#: How fast each account of a vendor may be asked, by all processes together; `account` is a hash and tells nothing.
vendor_accounts = Table(
    "vendor_accounts",
    metadata,
    Column("account", Text, nullable=False),
    stamp("next_at", default_now=True),
    stamp("rest_until"),
    PrimaryKeyConstraint("account"),
)

#: Answers kept for `Idempotency-Key` (72 h): the same key and body gets the same answer again.
idempotency_keys = Table(
    "idempotency_keys",
    metadata,
    Column("agency_id", Uuid, nullable=False),
    Column("key_id", Uuid, nullable=False),
    Column("key", Text, nullable=False),
    Column("request", Text, nullable=False),
    Column("body_digest", LargeBinary, nullable=False),
    Column("status", Integer),
    Column("answer", JSONB),
    stamp("created_at", default_now=True),
    PrimaryKeyConstraint("agency_id", "key_id", "key"),
)

#: Requests of the current minute, of a key or (``subject_id`` is the agency's id) of a whole agency.
request_windows = Table(
    "request_windows",
    metadata,
    Column("agency_id", Uuid, nullable=False),
    Column("subject_id", Uuid, nullable=False),
    stamp("began_at", nullable=False),
    Column("taken", Integer, nullable=False),
    # How many of them the last statement took.
    Column("granted", Integer, nullable=False),
    PrimaryKeyConstraint("agency_id", "subject_id"),
    prefixes=["UNLOGGED"],
)

#: Who may not call: a list of the operator (for everybody), of an agency or of one client.
blocks = Table(
    "blocks",
    metadata,
    Column("agency_id", Uuid, nullable=False),
    Column("id", Uuid, nullable=False),
    Column("client_id", Uuid),
    # The client's id or, for a whole agency, the agency's: what a unique key can hold.
    Column("scope_id", Uuid, nullable=False),
    Column("kind", Text, nullable=False),
    Column("pattern", Text, nullable=False, server_default=""),
    Column("note", Text, nullable=False, server_default=""),
    stamp("created_at", default_now=True),
    PrimaryKeyConstraint("agency_id", "id"),
    UniqueConstraint("agency_id", "scope_id", "kind", "pattern", name="uq_blocks_agency_id_scope_id_kind_pattern"),
    ForeignKeyConstraint(["agency_id"], ["agencies.agency_id"]),
    ForeignKeyConstraint(["agency_id", "client_id"], ["clients.agency_id", "clients.id"]),
    CheckConstraint("kind IN ('number', 'prefix', 'withheld')", name="kind"),
    CheckConstraint(
        "CASE kind WHEN 'number' THEN pattern ~ '^\\+[1-9][0-9]{4,14}$' "
        "WHEN 'prefix' THEN pattern ~ '^\\+[1-9][0-9]{0,13}$' ELSE pattern = '' END",
        name="pattern",
    ),
    CheckConstraint("scope_id = coalesce(client_id, agency_id)", name="scope"),
)

#: Whose turn it is in a flow: counts the plans that began at a step. Only dialtrace_decide touches it.
rotations = Table(
    "rotations",
    metadata,
    Column("agency_id", Uuid, nullable=False),
    Column("flow_id", Uuid, nullable=False),
    Column("step", Text, nullable=False),
    Column("turn", BigInteger, nullable=False, server_default=text("0")),
    PrimaryKeyConstraint("agency_id", "flow_id", "step"),
    prefixes=["UNLOGGED"],
)

#: What clients' web hooks are to decide for calls that wait at a step. Kept for a day; the body, which names the
#: caller, only until the question is settled.
decisions = Table(
    "decisions",
    metadata,
    Column("agency_id", Uuid, nullable=False),
    Column("id", Uuid, nullable=False),
    Column("client_id", Uuid, nullable=False),
    Column("call_id", Uuid, nullable=False),
    Column("node", Text, nullable=False),
    Column("step", Text, nullable=False),
    Column("url", Text, nullable=False),
    Column("choices", ARRAY(Text), nullable=False),
    Column("body", JSONB, nullable=False),
    stamp("asked_at", default_now=True),
    stamp("deadline_at", nullable=False),
    Column("state", Text, nullable=False, server_default="waiting"),
    Column("answer", Text),
    Column("fault", Text),
    stamp("settled_at"),
    # When the monitor woke the call with it.
    stamp("woken_at"),
    PrimaryKeyConstraint("agency_id", "id"),
    UniqueConstraint("agency_id", "call_id", "step"),
    CheckConstraint("state IN ('waiting', 'asking', 'answered', 'failed')", name="state"),
    CheckConstraint("(state = 'answered') = (answer IS NOT NULL)", name="answered_has_answer"),
    CheckConstraint("(state = 'failed') = (fault IS NOT NULL)", name="failed_has_fault"),
    Index("ix_decisions_asked_at", "asked_at"),
    Index("ix_decisions_open", "deadline_at", postgresql_where=text("state IN ('waiting', 'asking')")),
    Index("ix_decisions_node", "node", "deadline_at", postgresql_where=text("woken_at IS NULL")),
)

#: What signs the questions to a client's web hooks. One secret is current; the one before it signs too until it
#: expires.
hook_secrets = Table(
    "hook_secrets",
    metadata,
    Column("agency_id", Uuid, nullable=False),
    Column("id", Uuid, nullable=False),
    Column("client_id", Uuid, nullable=False),
    Column("secret", LargeBinary, nullable=False),
    stamp("made_at", default_now=True),
    stamp("expires_at"),
    PrimaryKeyConstraint("agency_id", "id"),
    ForeignKeyConstraint(["agency_id", "client_id"], ["clients.agency_id", "clients.id"]),
    CheckConstraint("octet_length(secret) BETWEEN 24 AND 64", name="secret"),
    Index(
        "ix_hook_secrets_current", "agency_id", "client_id", unique=True, postgresql_where=text("expires_at IS NULL")
    ),
)

#: Calls that stand at this moment, as their nodes' monitors hear them. Written by the monitors' functions only.
live_calls = Table(
    "live_calls",
    metadata,
    Column("agency_id", Uuid, nullable=False),
    Column("call_id", Uuid, nullable=False),
    Column("client_id", Uuid, nullable=False),
    Column("node", Text, nullable=False),
    Column("number_id", Uuid),
    Column("number", Text, nullable=False),
    Column("caller", Text),
    Column("flow_id", Uuid),
    Column("state", Text, nullable=False),
    stamp("started_at", nullable=False),
    stamp("ringing_at"),
    stamp("answered_at"),
    stamp("connected_at"),
    # The target that the caller is connected with: nobody else is offered it.
    Column("target_id", Uuid),
    Column("source", JSONB, nullable=False, server_default="{}"),
    # When the node's monitor last spoke for it: older than half a minute, nobody knows whether it still stands.
    stamp("seen_at", default_now=True),
    # A call of the installation's own, to prove a number.
    Column("is_test", Boolean, nullable=False, server_default=text("false")),
    PrimaryKeyConstraint("agency_id", "call_id"),
    CheckConstraint("state IN ('started', 'ringing', 'answered', 'held')", name="state"),
    Index("ix_live_calls_agency_id_client_id", "agency_id", "client_id"),
    Index("ix_live_calls_agency_id_started_at", "agency_id", "started_at"),
    Index(
        "ix_live_calls_agency_id_target_id", "agency_id", "target_id", postgresql_where=text("target_id IS NOT NULL")
    ),
    Index("ix_live_calls_node", "node"),
    prefixes=["UNLOGGED"],
)

#: How many of them stand on each node, of an agency and of each of its clients (`scope_id`). Written with the rows, so
#: that a decision counts nothing.
live_counts = Table(
    "live_counts",
    metadata,
    Column("agency_id", Uuid, nullable=False),
    Column("scope_id", Uuid, nullable=False),
    Column("node", Text, nullable=False),
    Column("calls", Integer, nullable=False),
    stamp("heard_at", nullable=False),
    PrimaryKeyConstraint("agency_id", "scope_id", "node"),
    Index("ix_live_counts_node", "node"),
    prefixes=["UNLOGGED"],
)

#: Callers who wait for a target, whatever node they are on. Written by the queue's functions only.
queue_entries = Table(
    "queue_entries",
    metadata,
    Column("agency_id", Uuid, nullable=False),
    Column("call_id", Uuid, nullable=False),
    Column("client_id", Uuid, nullable=False),
    Column("flow_id", Uuid, nullable=False),
    Column("step", Text, nullable=False),
    Column("node", Text, nullable=False),
    Column("targets", ARRAY(Uuid), nullable=False),
    # For how long an offer holds its target at most.
    Column("reserve_s", Integer, nullable=False),
    stamp("joined_at", default_now=True),
    Column("state", Text, nullable=False, server_default="waiting"),
    Column("target_id", Uuid),
    stamp("reserved_until"),
    stamp("woken_at"),
    # A caller who could not be moved is not tried again before this.
    stamp("held_until"),
    Column("offers", Integer, nullable=False, server_default="0"),
    PrimaryKeyConstraint("agency_id", "call_id"),
    CheckConstraint("state IN ('waiting', 'offered', 'left')", name="state"),
    CheckConstraint(
        "(state = 'offered') = (target_id IS NOT NULL AND reserved_until IS NOT NULL)", name="offered_has_target"
    ),
    CheckConstraint("reserve_s BETWEEN 1 AND 600", name="reserve"),
    # Never two callers to one target.
    Index(
        "ix_queue_entries_offered", "agency_id", "target_id", unique=True, postgresql_where=text("state = 'offered'")
    ),
    Index(
        "ix_queue_entries_waiting",
        "agency_id",
        "flow_id",
        "step",
        "joined_at",
        postgresql_where=text("state = 'waiting'"),
    ),
    Index("ix_queue_entries_node", "node", "state"),
)

#: When a target was offered a caller last, and until when it rests because it did not take one.
queue_targets = Table(
    "queue_targets",
    metadata,
    Column("agency_id", Uuid, nullable=False),
    Column("target_id", Uuid, nullable=False),
    stamp("offered_at", nullable=False),
    stamp("rest_until"),
    PrimaryKeyConstraint("agency_id", "target_id"),
)

#: How many calls an agency or a client may have at a time and begin within a second; NULL: as many as come.
call_limits = Table(
    "call_limits",
    metadata,
    Column("agency_id", Uuid, nullable=False),
    # The client's id or, for a whole agency, the agency's.
    Column("scope_id", Uuid, nullable=False),
    Column("client_id", Uuid),
    Column("max_calls", Integer),
    Column("max_calls_per_s", Integer),
    stamp("updated_at", default_now=True),
    PrimaryKeyConstraint("agency_id", "scope_id"),
    ForeignKeyConstraint(["agency_id"], ["agencies.agency_id"]),
    ForeignKeyConstraint(["agency_id", "client_id"], ["clients.agency_id", "clients.id"]),
    CheckConstraint("scope_id = coalesce(client_id, agency_id)", name="scope"),
    CheckConstraint("max_calls BETWEEN 0 AND 100000", name="max_calls"),
    CheckConstraint("max_calls_per_s BETWEEN 0 AND 10000", name="max_calls_per_s"),
)

#: Calls that were let in during the last seconds, of agencies that have limits. Only dialtrace_decide touches it.
admissions = Table(
    "admissions",
    metadata,
    Column("agency_id", Uuid, nullable=False),
    Column("call_id", Uuid, nullable=False),
    Column("client_id", Uuid, nullable=False),
    stamp("admitted_at", nullable=False),
    # Its monitor has told of it: it counts among the live calls.
    Column("told", Boolean, nullable=False, server_default="false"),
    PrimaryKeyConstraint("agency_id", "call_id"),
    Index("ix_admissions_agency_id_admitted_at", "agency_id", "admitted_at"),
    prefixes=["UNLOGGED"],
)

#: Prefixes to which an agency's calls may be forwarded by telephone; none: nowhere. The operator sets them.
destinations = Table(
    "destinations",
    metadata,
    Column("agency_id", Uuid, nullable=False),
    Column("prefix", Text, nullable=False),
    PrimaryKeyConstraint("agency_id", "prefix"),
    ForeignKeyConstraint(["agency_id"], ["agencies.agency_id"]),
    CheckConstraint("prefix ~ '^\\+[1-9][0-9]{0,13}$'", name="prefix"),
)

#: Who has telephone numbers for the platform: the operator's.
carriers = Table(
    "carriers",
    metadata,
    Column("agency_id", Uuid, nullable=False),
    Column("id", Uuid, nullable=False),
    Column("name", Text, nullable=False),
    Column("adapter", Text, nullable=False),
    Column("file", Text),
    Column("base_url", Text),
    # Under the master keys, for this row only (secrets_box).
    Column("sealed_token", LargeBinary),
    Column("enabled", Boolean, nullable=False, server_default="true"),
    stamp("created_at", default_now=True),
    stamp("updated_at", default_now=True),
    Column("version", Integer, nullable=False, server_default="1"),
    PrimaryKeyConstraint("agency_id", "id"),
    UniqueConstraint("agency_id", "name"),
    ForeignKeyConstraint(["agency_id"], ["agencies.agency_id"]),
    CheckConstraint(f"agency_id = '{OPERATOR_AGENCY}'", name="operators"),
    CheckConstraint("adapter IN ('inventory', 'http')", name="adapter"),
)

#: What was asked of carriers: a number of theirs, or one to be brought over from another carrier.
number_orders = Table(
    "number_orders",
    metadata,
    Column("agency_id", Uuid, nullable=False),
    Column("id", Uuid, nullable=False),
    Column("client_id", Uuid, nullable=False),
    Column("carrier_id", Uuid, nullable=False),
    Column("kind", Text, nullable=False),
    Column("e164", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("number_kind", Text, nullable=False, server_default="static"),
    Column("flow_id", Uuid),
    Column("label", Text, nullable=False, server_default=""),
    # Of a port: what the losing carrier must be told.
    Column("details", JSONB, nullable=False, server_default="{}"),
    Column("reference", Text),
    Column("reason", Text),
    Column("scheduled_for", Date),
    Column("number_id", Uuid),
    stamp("created_at", default_now=True),
    stamp("updated_at", default_now=True),
    Column("version", Integer, nullable=False, server_default="1"),
    PrimaryKeyConstraint("agency_id", "id"),
    ForeignKeyConstraint(["agency_id", "client_id"], ["clients.agency_id", "clients.id"]),
    ForeignKeyConstraint(
        ["agency_id", "client_id", "flow_id"], ["flows.agency_id", "flows.client_id", "flows.id"]
    ),
    CheckConstraint("kind IN ('purchase', 'port_in')", name="kind"),
    CheckConstraint(
        "state IN ('draft', 'requested', 'submitted', 'accepted', 'scheduled', 'active', 'rejected', 'cancelled')",
        name="state",
    ),
    CheckConstraint("number_kind IN ('static', 'dynamic')", name="number_kind"),
    CheckConstraint("(state = 'active') = (number_id IS NOT NULL)", name="number"),
    Index("ix_number_orders_updated_at", "updated_at", postgresql_where=text(
        "state IN ('requested', 'submitted', 'accepted', 'scheduled')"
    )),
)  # fmt: skip

#: Released numbers on their way back to their carriers (carriers.returning).
number_returns = Table(
    "number_returns",
    metadata,
    Column("agency_id", Uuid, nullable=False),
    Column("number_id", Uuid, nullable=False),
    Column("client_id", Uuid, nullable=False),
    Column("carrier_id", Uuid, nullable=False),
    Column("e164", Text, nullable=False),
    Column("state", Text, nullable=False, server_default="resting"),
    Column("reason", Text),
    # The carrier is not asked before that.
    stamp("due_at", nullable=False),
    # How often it was asked in vain, one time after another.
    Column("tries", Integer, nullable=False, server_default="0"),
    stamp("given_back_at"),
    stamp("created_at", default_now=True),
    stamp("updated_at", default_now=True),
    Column("version", Integer, nullable=False, server_default="1"),
    PrimaryKeyConstraint("agency_id", "number_id"),
    ForeignKeyConstraint(["agency_id", "number_id"], ["numbers.agency_id", "numbers.id"]),
    ForeignKeyConstraint(["agency_id", "client_id"], ["clients.agency_id", "clients.id"]),
    CheckConstraint("state IN ('resting', 'leaving', 'given_back', 'refused', 'kept')", name="state"),
    Index("ix_number_returns_due_at", "due_at", postgresql_where=text("state IN ('resting', 'leaving')")),
    Index("ix_number_returns_e164", "e164", postgresql_where=text("state IN ('resting', 'leaving', 'refused')")),
)

#: Who carries calls to telephone numbers. Every row is the operator's; a password stands here sealed only.
trunks = Table(
    "trunks",
    metadata,
    Column("agency_id", Uuid, nullable=False),
    Column("id", Uuid, nullable=False),
    Column("name", Text, nullable=False),
    Column("host", Text, nullable=False),
    Column("port", Integer),
    # address: the trunk knows us by it; digest: by a password that stands in a file on the nodes.
    Column("authentication", Text, nullable=False, server_default="address"),
    Column("username", Text, nullable=False, server_default=""),
    # Under the master keys, for this row only (secrets_box).
    Column("sealed_password", LargeBinary),
    Column("dial_prefix", Text, nullable=False, server_default=""),
    Column("number_form", Text, nullable=False, server_default="e164"),
    Column("priority", Integer, nullable=False, server_default="100"),
    # On each node.
    Column("max_calls", Integer),
    Column("max_calls_per_s", Integer),
    Column("currency", Text, nullable=False, server_default="USD"),
    # Prefix → price of a minute as a decimal text; the longest prefix counts.
    Column("costs", JSONB, nullable=False, server_default="{}"),
    Column("enabled", Boolean, nullable=False, server_default="true"),
    stamp("created_at", default_now=True),
    stamp("updated_at", default_now=True),
    Column("version", Integer, nullable=False, server_default="1"),
    PrimaryKeyConstraint("agency_id", "id"),
    UniqueConstraint("agency_id", "name"),
    ForeignKeyConstraint(["agency_id"], ["agencies.agency_id"]),
    CheckConstraint(f"agency_id = '{OPERATOR_AGENCY}'", name="operators"),
    CheckConstraint("name ~ '^[a-z][a-z0-9-]{0,31}$'", name="name"),
    CheckConstraint("port BETWEEN 1 AND 65535", name="port"),
    CheckConstraint("authentication IN ('address', 'digest')", name="authentication"),
    CheckConstraint("number_form IN ('e164', 'digits')", name="number_form"),
    CheckConstraint("max_calls BETWEEN 0 AND 100000", name="max_calls"),
    CheckConstraint("max_calls_per_s BETWEEN 1 AND 10000", name="max_calls_per_s"),
    CheckConstraint(
        "CASE authentication WHEN 'digest' THEN username <> '' AND sealed_password IS NOT NULL"
        " ELSE username = '' AND sealed_password IS NULL END",
        name="digest",
    ),
)

#: Objects that hold copies of records: partitions as Parquet, exports, what a person asked for. Who stores one lists it
#: in the same transaction as what it follows from; an erasure rewrites it without the person (privacy.copies).
export_objects = Table(
    "export_objects",
    metadata,
    Column("agency_id", Uuid, nullable=False),
    Column("id", Uuid, nullable=False),
    # Empty: of several clients of the agency.
    Column("client_id", Uuid),
    Column("kind", Text, nullable=False),
    Column("format", Text, nullable=False),
    # The table, or the report, whose rows it holds.
    Column("content", Text, nullable=False, server_default="calls"),
    # Empty: the installation's own object store; else the id of the agency's own bucket.
    Column("place", Text, nullable=False, server_default=""),
    Column("object_name", Text, nullable=False),
    Column("state", Text, nullable=False, server_default="stored"),
    # The span of time that its rows are of; empty: unknown, so it is looked into always.
    stamp("from_at"),
    stamp("until_at"),
    Column("row_count", BigInteger),
    Column("size_bytes", BigInteger),
    Column("sha256", LargeBinary),
    stamp("made_at", default_now=True),
    stamp("rewritten_at"),
    stamp("expires_at"),
    stamp("deleted_at"),
    # The export that it is a file of, if it is one.
    Column("export_id", Uuid),
    PrimaryKeyConstraint("agency_id", "id"),
    UniqueConstraint("agency_id", "place", "object_name"),
    ForeignKeyConstraint(["agency_id"], ["agencies.agency_id"]),
    CheckConstraint("kind IN ('partition', 'export', 'subject')", name="kind"),
    CheckConstraint("format IN ('parquet', 'csv', 'ndjson', 'zip')", name="format"),
    CheckConstraint("state IN ('stored', 'deleted')", name="state"),
    CheckConstraint("(state = 'deleted') = (deleted_at IS NOT NULL)", name="deleted"),
    Index("ix_export_objects_stored", "agency_id", "from_at", postgresql_where=text("state = 'stored'")),
    Index(
        "ix_export_objects_agency_id_export_id",
        "agency_id",
        "export_id",
        postgresql_where=text("export_id IS NOT NULL"),
    ),
)

#: What was asked to be exported, and how far that is. Its files are in `export_objects`.
exports = Table(
    "exports",
    metadata,
    Column("agency_id", Uuid, nullable=False),
    Column("id", Uuid, nullable=False),
    # Empty: a file for each client of the agency.
    Column("client_id", Uuid),
    Column("schedule_id", Uuid),
    Column("content", Text, nullable=False),
    Column("format", Text, nullable=False),
    stamp("from_at", nullable=False),
    stamp("until_at", nullable=False),
    # Revisions since then of calls that began before `from_at` are in it too.
    stamp("late_since"),
    # Of calls, by the names of GET /v1/calls; never a caller.
    Column("filters", JSONB, nullable=False, server_default="{}"),
    Column("bom", Boolean, nullable=False, server_default="false"),
    Column("columns", ARRAY(Text)),
    Column("state", Text, nullable=False, server_default="waiting"),
    # The database's time before its first row was read.
    stamp("cut_at"),
    Column("row_count", BigInteger),
    Column("error", Text),
    stamp("created_at", default_now=True),
    stamp("finished_at"),
    stamp("expires_at", nullable=False),
    PrimaryKeyConstraint("agency_id", "id"),
    ForeignKeyConstraint(["agency_id"], ["agencies.agency_id"]),
    CheckConstraint("content IN ('calls', 'events', 'audit')", name="content"),
    CheckConstraint("format IN ('csv', 'ndjson', 'parquet')", name="format"),
    CheckConstraint("state IN ('waiting', 'running', 'done', 'failed')", name="state"),
    Index("ix_exports_agency_id_created_at_id", "agency_id", "created_at", "id"),
)

export_schedules = Table(
    "export_schedules",
    metadata,
    Column("agency_id", Uuid, nullable=False),
    Column("id", Uuid, nullable=False),
    Column("client_id", Uuid),
    Column("name", Text, nullable=False),
    Column("content", Text, nullable=False),
    Column("format", Text, nullable=False),
    Column("every", Text, nullable=False),
    Column("hour", Integer, nullable=False),
    Column("weekday", Integer),
    Column("day", Integer),
    Column("time_zone", Text, nullable=False),
    Column("bom", Boolean, nullable=False, server_default="false"),
    Column("enabled", Boolean, nullable=False, server_default="true"),
    # Where the span of the next run begins.
    stamp("covered_until", nullable=False),
    stamp("last_cut_at"),
    stamp("next_run_at", nullable=False),
    Column("last_export_id", Uuid),
    stamp("created_at", default_now=True),
    stamp("updated_at", default_now=True),
    Column("version", Integer, nullable=False, server_default="1"),
    PrimaryKeyConstraint("agency_id", "id"),
    ForeignKeyConstraint(["agency_id"], ["agencies.agency_id"]),
    CheckConstraint("every IN ('daily', 'weekly', 'monthly')", name="every"),
    CheckConstraint("hour BETWEEN 0 AND 23", name="hour"),
    CheckConstraint("(weekday BETWEEN 1 AND 7) OR weekday IS NULL", name="weekday"),
    CheckConstraint("(day BETWEEN 1 AND 28) OR day IS NULL", name="day"),
    Index("ix_export_schedules_next_run_at", "next_run_at", postgresql_where=text("enabled")),
)

#: The columns that a client's exports have; empty: all.
export_columns = Table(
    "export_columns",
    metadata,
    Column("agency_id", Uuid, nullable=False),
    Column("client_id", Uuid, nullable=False),
    Column("calls", ARRAY(Text)),
    Column("events", ARRAY(Text)),
    Column("audit", ARRAY(Text)),
    stamp("updated_at", default_now=True),
    PrimaryKeyConstraint("agency_id", "client_id"),
    ForeignKeyConstraint(["agency_id", "client_id"], ["clients.agency_id", "clients.id"]),
)

#: What is known of a caller over all tenants, under a keyed hash of the number (admission/spam.py).
caller_patterns = Table(
    "caller_patterns",
    metadata,
    Column("caller_key", LargeBinary, nullable=False),
    stamp("hour_began", nullable=False),
    Column("calls", Integer, nullable=False),
    Column("short_calls", Integer, nullable=False),
    Column("clients", ARRAY(LargeBinary), nullable=False),
    Column("calls_before", Integer, nullable=False),
    Column("short_calls_before", Integer, nullable=False),
    Column("clients_before", ARRAY(LargeBinary), nullable=False),
    Column("score", Integer, nullable=False, server_default=text("0")),
    Column("rules", Text, nullable=False, server_default=""),
    stamp("updated_at", nullable=False),
    PrimaryKeyConstraint("caller_key"),
    CheckConstraint("score BETWEEN 0 AND 100", name="score"),
    Index("ix_caller_patterns_updated_at", "updated_at"),
    prefixes=["UNLOGGED"],
)

#: Callers of whom an agency has said that they are no spam; only dialtrace_welcome_caller touches it.
welcome_callers = Table(
    "welcome_callers",
    metadata,
    Column("agency_id", Uuid, nullable=False),
    Column("caller_key", LargeBinary, nullable=False),
    Column("call_id", Uuid, nullable=False),
    stamp("said_at", default_now=True),
    PrimaryKeyConstraint("agency_id", "caller_key"),
)

#: The key of the callers' hashes. One row, made by its migration and read by narrow functions only.
caller_secret = Table(
    "caller_secret",
    metadata,
    Column("id", Integer, nullable=False, autoincrement=False),
    Column("inner_key", LargeBinary, nullable=False),
    Column("outer_key", LargeBinary, nullable=False),
    PrimaryKeyConstraint("id"),
    CheckConstraint("id = 1", name="only_one"),
)

#: Who did what to which thing. The application adds and reads, and may change nothing.
audit_log = Table(
    "audit_log",
    metadata,
    Column("agency_id", Uuid, nullable=False),
    Column("id", Uuid, nullable=False),
    stamp("at", default_now=True),
    # Whose thing it was, if a client's.
    Column("client_id", Uuid),
    Column("actor_kind", Text, nullable=False),
    Column("actor_id", Uuid),
    Column("actor_name", Text),
    Column("address", Text),
    Column("request_id", Text),
    Column("action", Text, nullable=False),
    Column("object_kind", Text, nullable=False),
    Column("object_id", Uuid),
    # Ids and words only, no personal values: nobody can erase them.
    Column("details", JSONB, nullable=False, server_default="{}"),
    PrimaryKeyConstraint("agency_id", "id"),
    Index("ix_audit_log_agency_id_at_id", "agency_id", "at", "id"),
    Index("ix_audit_log_agency_id_client_id_at_id", "agency_id", "client_id", "at", "id"),
    Index("ix_audit_log_agency_id_object_id_at", "agency_id", "object_id", "at"),
    Index("ix_audit_log_agency_id_actor_id_at", "agency_id", "actor_id", "at"),
    CheckConstraint("actor_kind IN ('key', 'link', 'user', 'platform')", name="actor_kind"),
    CheckConstraint("actor_id IS NOT NULL OR actor_name IS NOT NULL", name="somebody"),
)

#: How long what is kept: an agency's default and its clients' own; NULL: as the level above says.
retention_rules = Table(
    "retention_rules",
    metadata,
    Column("agency_id", Uuid, nullable=False),
    # The client's id or, for a whole agency, the agency's.
    Column("scope_id", Uuid, nullable=False),
    Column("client_id", Uuid),
    Column("cdr_days", Integer),
    Column("recording_days", Integer),
    Column("caller_days", Integer),
    Column("visit_days", Integer),
    # What is left of a caller's number: a keyed hash, or nothing.
    Column("caller_becomes", Text),
    stamp("updated_at", default_now=True),
    PrimaryKeyConstraint("agency_id", "scope_id"),
    ForeignKeyConstraint(["agency_id"], ["agencies.agency_id"]),
    ForeignKeyConstraint(["agency_id", "client_id"], ["clients.agency_id", "clients.id"]),
    CheckConstraint("scope_id = coalesce(client_id, agency_id)", name="scope"),
    CheckConstraint(
        "least(cdr_days, recording_days, caller_days, visit_days) >= 1 "
        "AND greatest(cdr_days, recording_days, caller_days, visit_days) <= 36500",
        name="days",
    ),
    CheckConstraint("caller_becomes IN ('key', 'nothing')", name="caller_becomes"),
)

#: Within which days an agency may choose. The operator's.
retention_bounds = Table(
    "retention_bounds",
    metadata,
    Column("agency_id", Uuid, nullable=False),
    Column("data_class", Text, nullable=False),
    Column("least_days", Integer),
    Column("most_days", Integer),
    PrimaryKeyConstraint("agency_id", "data_class"),
    ForeignKeyConstraint(["agency_id"], ["agencies.agency_id"]),
    CheckConstraint("data_class IN ('cdr', 'recording', 'caller', 'visit')", name="data_class"),
    CheckConstraint("least_days >= 1 AND most_days <= 36500 AND least_days <= most_days", name="days"),
)

#: What nobody may delete as long as it stands: a call, a caller (under the agency's hash), a client.
legal_holds = Table(
    "legal_holds",
    metadata,
    Column("agency_id", Uuid, nullable=False),
    Column("id", Uuid, nullable=False),
    Column("client_id", Uuid),
    Column("kind", Text, nullable=False),
    Column("call_id", Uuid),
    Column("person_key", LargeBinary),
    Column("hint", Text, nullable=False, server_default=""),
    Column("reason", Text, nullable=False),
    Column("placed_by", Text, nullable=False),
    stamp("placed_at", default_now=True),
    Column("lifted_by", Text),
    stamp("lifted_at"),
    PrimaryKeyConstraint("agency_id", "id"),
    ForeignKeyConstraint(["agency_id"], ["agencies.agency_id"]),
    ForeignKeyConstraint(["agency_id", "client_id"], ["clients.agency_id", "clients.id"]),
    CheckConstraint(
        "CASE kind WHEN 'call' THEN call_id IS NOT NULL AND person_key IS NULL "
        "WHEN 'caller' THEN person_key IS NOT NULL AND call_id IS NULL "
        "WHEN 'client' THEN client_id IS NOT NULL AND call_id IS NULL AND person_key IS NULL ELSE false END",
        name="kind",
    ),
    CheckConstraint("(lifted_at IS NULL) = (lifted_by IS NULL)", name="lifted"),
    Index("ix_legal_holds_standing", "agency_id", postgresql_where=text("lifted_at IS NULL")),
)

#: What a person has asked for. The number is kept until it is done, and not a moment longer.
subject_requests = Table(
    "subject_requests",
    metadata,
    Column("agency_id", Uuid, nullable=False),
    Column("id", Uuid, nullable=False),
    Column("client_id", Uuid),
    Column("scope_id", Uuid, nullable=False),
    Column("kind", Text, nullable=False),
    Column("phone", Text),
    Column("person_key", LargeBinary, nullable=False),
    Column("hint", Text, nullable=False),
    Column("state", Text, nullable=False, server_default="waiting"),
    Column("phase", Text, nullable=False, server_default="find"),
    Column("counts", JSONB, nullable=False, server_default="{}"),
    Column("waits", JSONB, nullable=False, server_default="{}"),
    Column("requested_by", Text, nullable=False),
    stamp("requested_at", default_now=True),
    # What began later is not concerned.
    stamp("before_at"),
    # The transaction that put the person on the erasure list: writers from before it are waited for.
    Column("listed_xid", Xid8),
    stamp("claimed_until"),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("fault", Text),
    Column("object_id", Uuid),
    Column("receipt_id", Uuid),
    stamp("finished_at"),
    PrimaryKeyConstraint("agency_id", "id"),
    ForeignKeyConstraint(["agency_id"], ["agencies.agency_id"]),
    ForeignKeyConstraint(["agency_id", "client_id"], ["clients.agency_id", "clients.id"]),
    CheckConstraint("scope_id = coalesce(client_id, agency_id)", name="scope"),
    CheckConstraint("kind IN ('export', 'erase')", name="kind"),
    CheckConstraint("state IN ('waiting', 'running', 'held', 'done')", name="state"),
    CheckConstraint("(state = 'done') = (phone IS NULL) AND (state = 'done') = (finished_at IS NOT NULL)", name="done"),
    # The same person asks once at a time.
    Index(
        "ix_subject_requests_open",
        "agency_id",
        "scope_id",
        "person_key",
        "kind",
        unique=True,
        postgresql_where=text("state <> 'done'"),
    ),
)

#: The calls that a person's request is about: ids alone, kept as what was erased.
subject_calls = Table(
    "subject_calls",
    metadata,
    Column("agency_id", Uuid, nullable=False),
    Column("request_id", Uuid, nullable=False),
    Column("call_id", Uuid, nullable=False),
    stamp("call_started_at", nullable=False),
    Column("client_id", Uuid, nullable=False),
    PrimaryKeyConstraint("agency_id", "request_id", "call_id"),
    Index("ix_subject_calls_agency_id_call_id", "agency_id", "call_id"),
)

#: The erasure list: what began before that moment and comes late is stored without the person.
erased_people = Table(
    "erased_people",
    metadata,
    Column("agency_id", Uuid, nullable=False),
    # The request's.
    Column("id", Uuid, nullable=False),
    Column("client_id", Uuid),
    Column("person_key", LargeBinary, nullable=False),
    stamp("before_at", nullable=False),
    stamp("listed_at", default_now=True),
    PrimaryKeyConstraint("agency_id", "id"),
    Index("ix_erased_people_agency_id_person_key", "agency_id", "person_key"),
)

#: Which node has looked through its disk for which entry of the list.
erasure_sweeps = Table(
    "erasure_sweeps",
    metadata,
    Column("agency_id", Uuid, nullable=False),
    Column("erasure_id", Uuid, nullable=False),
    Column("node", Text, nullable=False),
    stamp("swept_at", default_now=True),
    PrimaryKeyConstraint("agency_id", "erasure_id", "node"),
)

#: Proofs of what was deleted: the signed text, byte for byte. It only grows.
privacy_receipts = Table(
    "privacy_receipts",
    metadata,
    Column("agency_id", Uuid, nullable=False),
    Column("id", Uuid, nullable=False),
    Column("client_id", Uuid),
    Column("kind", Text, nullable=False),
    Column("request_id", Uuid),
    Column("document", Text, nullable=False),
    Column("signature", LargeBinary, nullable=False),
    Column("key_id", Text, nullable=False),
    stamp("made_at", default_now=True),
    PrimaryKeyConstraint("agency_id", "id"),
    ForeignKeyConstraint(["agency_id"], ["agencies.agency_id"]),
    CheckConstraint("kind IN ('retention', 'erase', 'export')", name="kind"),
)

#: Public keys of receipts, for ever; the private half is sealed by the master keys.
receipt_keys = Table(
    "receipt_keys",
    metadata,
    Column("key_id", Text, nullable=False),
    Column("public_key", LargeBinary, nullable=False),
    Column("sealed_private_key", LargeBinary, nullable=False),
    stamp("made_at", default_now=True),
    PrimaryKeyConstraint("key_id"),
    CheckConstraint("octet_length(public_key) = 32", name="public_key"),
)

#: What each version of a flow plays to callers; a trigger of `published_flows` writes it.
flow_notices = Table(
    "flow_notices",
    metadata,
    Column("agency_id", Uuid, nullable=False),
    Column("flow_id", Uuid, nullable=False),
    Column("version", Integer, nullable=False),
    Column("record", Boolean, nullable=False),
    Column("steps", JSONB, nullable=False),
    PrimaryKeyConstraint("agency_id", "flow_id", "version"),
)

#: How a call's caller came to be recorded: which notice was played when, and what was answered.
consents = Table(
    "consents",
    metadata,
    Column("agency_id", Uuid, nullable=False),
    Column("call_id", Uuid, nullable=False),
    stamp("call_started_at", nullable=False),
    Column("client_id", Uuid, nullable=False),
    Column("rule", Text, nullable=False),
    Column("step", Text),
    Column("notice", Text),
    Column("notice_sha256", LargeBinary),
    stamp("played_at"),
    Column("answer", Text, nullable=False),
    stamp("answered_at"),
    Column("flow_id", Uuid),
    Column("flow_version", Integer),
    stamp("noted_at", default_now=True),
    PrimaryKeyConstraint("agency_id", "call_id"),
    CheckConstraint("rule IN ('ask', 'notice', 'none', 'off')", name="rule"),
    CheckConstraint("answer IN ('given', 'refused', 'not_asked', 'not_answered')", name="answer"),
)

#: The nodes that serve a number, the one to try first in front: what edges route by. The pool manager writes it.
placements = Table(
    "placements",
    metadata,
    Column("e164", Text, nullable=False),
    Column("nodes", ARRAY(Text), nullable=False),
    Column("changed_xid", Xid8, nullable=False, server_default=text("pg_current_xact_id()")),
    PrimaryKeyConstraint("e164"),
    Index("ix_placements_changed_xid", "changed_xid"),
)

#: What a pool has seen in an hour: visits that came, those that found no number of their own by rung, how long numbers
#: were held in all (tail and rest included), and how many numbers there were.
pool_hours = Table(
    "pool_hours",
    metadata,
    Column("agency_id", Uuid, nullable=False),
    Column("pool_id", Uuid, nullable=False),
    stamp("hour", nullable=False),
    Column("client_id", Uuid, nullable=False),
    Column("visits", Integer, nullable=False),
    Column("shared", Integer, nullable=False),
    Column("source", Integer, nullable=False),
    Column("site", Integer, nullable=False),
    Column("held_s", Double, nullable=False),
    Column("numbers", Integer, nullable=False),
    PrimaryKeyConstraint("agency_id", "pool_id", "hour"),
    ForeignKeyConstraint(["agency_id", "pool_id"], ["pools.agency_id", "pools.id"]),
)

#: A set of dynamic numbers of one client that visits are given in turn.
pools = Table(
    "pools",
    metadata,
    Column("agency_id", Uuid, nullable=False),
    Column("id", Uuid, nullable=False),
    Column("client_id", Uuid, nullable=False),
    # Empty: for any site of the client.
    Column("site_id", Uuid),
    # What answers its numbers.
    Column("flow_id", Uuid),
    Column("name", Text, nullable=False),
    # Where new numbers are to be, and whether a visit prefers numbers of its own region.
    Column("region", Text),
    Column("match_region", Boolean, nullable=False, server_default="false"),
    # Whether a number that is held may be shown to a second visit when none is free.
    Column("shares", Boolean, nullable=False, server_default="true"),
    # How long a number stays its visit's after the last sign of life, and how long it then rests.
    Column("tail_s", Integer, nullable=False, server_default="1200"),
    Column("rest_s", Integer, nullable=False, server_default="60"),
    # The share of visits that may find no number of their own in the worst hour.
    Column("loss_target", Double, nullable=False, server_default=text("0.01")),
    Column("fewest_numbers", Integer, nullable=False, server_default="0"),
    Column("most_numbers", Integer),
    Column("grows", Boolean, nullable=False, server_default="false"),
    # Of one number, a month.
    Column("number_price", Numeric),
    Column("monthly_budget", Numeric),
    Column("currency", Text),
    Column("status", Text, nullable=False, server_default="active"),
    stamp("created_at", default_now=True),
    stamp("updated_at", default_now=True),
    Column("version", Integer, nullable=False, server_default="1"),
    PrimaryKeyConstraint("agency_id", "id"),
    ForeignKeyConstraint(["agency_id", "client_id"], ["clients.agency_id", "clients.id"]),
    ForeignKeyConstraint(["agency_id", "client_id", "flow_id"], ["flows.agency_id", "flows.client_id", "flows.id"]),
    CheckConstraint("tail_s BETWEEN 1 AND 86400", name="tail_s"),
    CheckConstraint("rest_s BETWEEN 0 AND 2592000", name="rest_s"),
    CheckConstraint("loss_target > 0 AND loss_target < 1", name="loss_target"),
    CheckConstraint("fewest_numbers >= 0 AND (most_numbers IS NULL OR most_numbers >= fewest_numbers)", name="numbers"),
    CheckConstraint(
        "(number_price IS NULL OR number_price >= 0) AND (monthly_budget IS NULL OR monthly_budget >= 0)"
        " AND (currency IS NOT NULL OR (number_price IS NULL AND monthly_budget IS NULL))",
        name="budget",
    ),
    CheckConstraint("status IN ('active', 'closed')", name="status"),
    Index("ix_pools_agency_id_client_id", "agency_id", "client_id"),
)

#: What a lease takes a row of: one for each number that may be leased at this moment or later.
pool_numbers = Table(
    "pool_numbers",
    metadata,
    Column("agency_id", Uuid, nullable=False),
    Column("number_id", Uuid, nullable=False),
    Column("client_id", Uuid, nullable=False),
    Column("pool_id", Uuid, nullable=False),
    Column("region", Text),
    # The node that serves it first; '': not placed yet.
    Column("first_node", Text, nullable=False, server_default=""),
    # When tail and rest of whoever had it last are over.
    stamp("free_from", nullable=False),
    # Until then somebody is taken to look at it; and until when somebody shares it.
    stamp("live_until"),
    stamp("shared_until"),
    # Who had it last: the visit, and what the visitor is known by (the visit itself, where consent was refused).
    Column("visit_id", Uuid),
    Column("visitor", Text),
    PrimaryKeyConstraint("agency_id", "number_id"),
    Index("ix_pool_numbers_free", "agency_id", "pool_id", "first_node", "free_from"),
    Index(
        "ix_pool_numbers_region",
        "agency_id",
        "pool_id",
        "region",
        "first_node",
        "free_from",
        postgresql_where=text("region IS NOT NULL"),
    ),
    Index(
        "ix_pool_numbers_visitor",
        "agency_id",
        "visitor",
        "pool_id",
        postgresql_where=text("visitor IS NOT NULL"),
    ),
)

#: Which number a visit of a source is shown when its pool has none left; source '': of any.
pool_reserves = Table(
    "pool_reserves",
    metadata,
    Column("agency_id", Uuid, nullable=False),
    Column("pool_id", Uuid, nullable=False),
    Column("source", Text, nullable=False),
    Column("client_id", Uuid, nullable=False),
    Column("number_id", Uuid, nullable=False),
    PrimaryKeyConstraint("agency_id", "pool_id", "source"),
    ForeignKeyConstraint(["agency_id", "pool_id"], ["pools.agency_id", "pools.id"]),
    ForeignKeyConstraint(["agency_id", "number_id"], ["numbers.agency_id", "numbers.id"]),
)

#: Every number that a visit was shown, and for how long: what calls are matched on. No foreign key to `visits`, which
#: is partitioned, nor to `pools`, whose row every lease would lock.
exposures = Table(
    "exposures",
    metadata,
    Column("agency_id", Uuid, nullable=False),
    Column("id", Uuid, nullable=False),
    Column("client_id", Uuid, nullable=False),
    Column("site_id", Uuid),
    Column("pool_id", Uuid),
    # Empty: the page kept the site's own number.
    Column("number_id", Uuid),
    Column("visit_id", Uuid, nullable=False),
    stamp("visit_started_at", nullable=False),
    Column("visitor_id", Text),
    Column("rung", Text, nullable=False),
    stamp("shown_at", nullable=False),
    # The last sign of life, and the end of the tail after it.
    stamp("seen_until", nullable=False),
    stamp("held_until", nullable=False),
    Column("tail_s", Integer, nullable=False),
    stamp("clicked_at"),
    PrimaryKeyConstraint("agency_id", "id"),
    CheckConstraint("rung IN ('exclusive', 'shared', 'source', 'site', 'static')", name="rung"),
    CheckConstraint("number_id IS NOT NULL OR rung = 'site'", name="number"),
    CheckConstraint("shown_at <= seen_until AND seen_until <= held_until", name="times"),
    Index("ix_exposures_agency_id_visit_id", "agency_id", "visit_id"),
    Index("ix_exposures_agency_id_number_id_shown_at", "agency_id", "number_id", "shown_at"),
    Index("ix_exposures_agency_id_pool_id_shown_at", "agency_id", "pool_id", "shown_at"),
    Index("ix_exposures_agency_id_client_id_shown_at", "agency_id", "client_id", "shown_at"),
)

# What a call or a leg said before a revision took its place; written by a trigger alone.
call_revisions = Table(
    "call_revisions",
    metadata,
    Column("agency_id", Uuid, nullable=False),
    Column("id", Uuid, nullable=False, server_default=text("gen_random_uuid()")),
    Column("call_started_at", DateTime(timezone=True), nullable=False),
    Column("call_id", Uuid, nullable=False),
    Column("client_id", Uuid, nullable=False),
    # Empty: the call's own record.
    Column("leg_id", Uuid),
    Column("revision", Integer, nullable=False),
    stamp("replaced_at", default_now=True),
    # The members that changed, as they were.
    Column("before", JSONB, nullable=False),
    PrimaryKeyConstraint("agency_id", "id", "call_started_at"),
    Index("ix_call_revisions_agency_id_call_id", "agency_id", "call_id"),
    postgresql_partition_by="RANGE (call_started_at)",
)

# --- Money. Charges, ledger, editions, usage and statements only grow. ---

#: A list of prices. side client: what a client pays its agency; side agency: what the agency pays the operator.
price_books = Table(
    "price_books",
    metadata,
    Column("agency_id", Uuid, nullable=False),
    Column("id", Uuid, nullable=False),
    Column("side", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("currency", Text, nullable=False),
    # The last edition.
    Column("edition", Integer, nullable=False, server_default="0"),
    stamp("created_at", default_now=True),
    stamp("updated_at", default_now=True),
    Column("version", Integer, nullable=False, server_default="1"),
    PrimaryKeyConstraint("agency_id", "id"),
    ForeignKeyConstraint(["agency_id"], ["agencies.agency_id"]),
    CheckConstraint("side IN ('client', 'agency')", name="side"),
    CheckConstraint("currency ~ '^[A-Z]{3}$'", name="currency"),
)

#: The prices of a book from a moment on.
price_editions = Table(
    "price_editions",
    metadata,
    Column("agency_id", Uuid, nullable=False),
    Column("book_id", Uuid, nullable=False),
    Column("edition", Integer, nullable=False),
    stamp("valid_from", nullable=False),
    # To how many places each charge is rounded, and how.
    Column("places", SmallInteger, nullable=False),
    Column("rounding", Text, nullable=False),
    Column("monthly_minimum", Numeric(18, 6), nullable=False, server_default=text("0")),
    stamp("made_at", default_now=True),
    PrimaryKeyConstraint("agency_id", "book_id", "edition"),
    ForeignKeyConstraint(["agency_id", "book_id"], ["price_books.agency_id", "price_books.id"]),
    CheckConstraint("places BETWEEN 0 AND 6", name="places"),
    CheckConstraint("rounding IN ('half_up', 'half_even', 'up', 'down')", name="rounding"),
    CheckConstraint("monthly_minimum >= 0", name="monthly_minimum"),
)

price_rates = Table(
    "price_rates",
    metadata,
    Column("agency_id", Uuid, nullable=False),
    Column("book_id", Uuid, nullable=False),
    Column("edition", Integer, nullable=False),
    Column("meter", Text, nullable=False),
    Column("direction", Text, nullable=False, server_default=""),
    # Of the number; the longest that fits counts.
    Column("prefix", Text, nullable=False, server_default=""),
    Column("amount", Numeric(18, 6), nullable=False),
    Column("setup", Numeric(18, 6), nullable=False, server_default=text("0")),
    Column("minimum", Numeric(18, 6), nullable=False, server_default=text("0")),
    Column("initial_s", Integer, nullable=False, server_default="60"),
    Column("increment_s", Integer, nullable=False, server_default="60"),
    Column("proration", Text, nullable=False, server_default="daily"),
    Column("package", Text),
    PrimaryKeyConstraint("agency_id", "book_id", "edition", "meter", "direction", "prefix"),
    ForeignKeyConstraint(
        ["agency_id", "book_id", "edition"],
        ["price_editions.agency_id", "price_editions.book_id", "price_editions.edition"],
    ),
    CheckConstraint("meter ~ '^[a-z][a-z0-9_.-]{0,63}$'", name="meter"),
    CheckConstraint(
        "CASE meter WHEN 'minute' THEN direction IN ('inbound', 'outbound') ELSE direction = '' END", name="direction"
    ),
    CheckConstraint("prefix ~ '^(\\+[1-9]?[0-9]{0,13})?$'", name="prefix"),
    CheckConstraint("amount >= 0 AND setup >= 0 AND minimum >= 0", name="amounts"),
    CheckConstraint("initial_s BETWEEN 0 AND 3600 AND increment_s BETWEEN 1 AND 3600", name="seconds"),
    CheckConstraint("proration IN ('daily', 'whole')", name="proration"),
)

#: What is free within a calendar month: seconds of calls, or pieces.
price_packages = Table(
    "price_packages",
    metadata,
    Column("agency_id", Uuid, nullable=False),
    Column("book_id", Uuid, nullable=False),
    Column("edition", Integer, nullable=False),
    Column("name", Text, nullable=False),
    Column("quantity", BigInteger, nullable=False),
    PrimaryKeyConstraint("agency_id", "book_id", "edition", "name"),
    ForeignKeyConstraint(
        ["agency_id", "book_id", "edition"],
        ["price_editions.agency_id", "price_editions.book_id", "price_editions.edition"],
    ),
    CheckConstraint("quantity > 0", name="quantity"),
)

#: Who pays: a client or, for a whole agency, the agency. balance and entries are written by the ledger's trigger alone.
billing_accounts = Table(
    "billing_accounts",
    metadata,
    Column("agency_id", Uuid, nullable=False),
    Column("scope_id", Uuid, nullable=False),
    Column("client_id", Uuid),
    Column("currency", Text, nullable=False),
    Column("time_zone", Text, nullable=False),
    Column("price_book_id", Uuid),
    Column("mode", Text, nullable=False, server_default="postpaid"),
    # Below it a prepaid account is overdue.
    Column("lowest_balance", Numeric(18, 6), nullable=False, server_default=text("0")),
    Column("alarms", ARRAY(Numeric(18, 6)), nullable=False, server_default="{}"),
    Column("due_days", Integer, nullable=False, server_default="14"),
    Column("grace_days", Integer, nullable=False, server_default="14"),
    Column("then_action", Text, nullable=False, server_default="keep"),
    Column("state", Text, nullable=False, server_default="good"),
    stamp("state_at", default_now=True),
    Column("balance", Numeric(18, 6), nullable=False, server_default=text("0")),
    Column("entries", BigInteger, nullable=False, server_default=text("0")),
    # The first local day whose stocks are not counted yet, the first month that is not closed.
    Column("metered_until", Date, nullable=False),
    Column("closed_until", Date, nullable=False),
    stamp("created_at", default_now=True),
    stamp("updated_at", default_now=True),
    Column("version", Integer, nullable=False, server_default="1"),
    PrimaryKeyConstraint("agency_id", "scope_id"),
    ForeignKeyConstraint(["agency_id"], ["agencies.agency_id"]),
    ForeignKeyConstraint(["agency_id", "client_id"], ["clients.agency_id", "clients.id"]),
    ForeignKeyConstraint(["agency_id", "price_book_id"], ["price_books.agency_id", "price_books.id"]),
    CheckConstraint("scope_id = coalesce(client_id, agency_id)", name="scope"),
    CheckConstraint("currency ~ '^[A-Z]{3}$'", name="currency"),
    CheckConstraint("mode IN ('prepaid', 'postpaid')", name="mode"),
    CheckConstraint("due_days BETWEEN 0 AND 365 AND grace_days BETWEEN 0 AND 365", name="days"),
    CheckConstraint("then_action IN ('keep', 'suspend')", name="then_action"),
    CheckConstraint("state IN ('good', 'overdue', 'stopped')", name="state"),
    CheckConstraint("date_trunc('month', closed_until) = closed_until", name="closed_until"),
)

#: Every movement of money. Place and balance are set by a trigger; nobody may change an entry.
ledger_entries = Table(
    "ledger_entries",
    metadata,
    Column("agency_id", Uuid, nullable=False),
    Column("scope_id", Uuid, nullable=False),
    # Counts from 1 without a gap.
    Column("place", BigInteger, nullable=False),
    Column("client_id", Uuid),
    Column("kind", Text, nullable=False),
    # In the account's zone.
    Column("day", Date, nullable=False),
    Column("amount", Numeric(18, 6), nullable=False),
    Column("balance", Numeric(18, 6), nullable=False),
    Column("currency", Text, nullable=False),
    # The same movement twice is one.
    Column("reference", Text, nullable=False),
    Column("batch", Uuid),
    Column("lines", JSONB, nullable=False, server_default="[]"),
    Column("note", Text, nullable=False, server_default=""),
    stamp("posted_at", default_now=True),
    PrimaryKeyConstraint("agency_id", "scope_id", "place"),
    UniqueConstraint("agency_id", "scope_id", "reference"),
    ForeignKeyConstraint(["agency_id", "scope_id"], ["billing_accounts.agency_id", "billing_accounts.scope_id"]),
    CheckConstraint("kind IN ('calls', 'month', 'payment', 'credit', 'correction')", name="kind"),
    CheckConstraint("place >= 1", name="place"),
    Index("ix_ledger_entries_agency_id_scope_id_day", "agency_id", "scope_id", "day", "place"),
)

#: What the parts of calls cost. Another price is a reversal and a new charge: sums over all rows are what holds.
call_charges = Table(
    "call_charges",
    metadata,
    Column("agency_id", Uuid, nullable=False),
    Column("call_id", Uuid, nullable=False),
    Column("side", Text, nullable=False),
    Column("rating", Integer, nullable=False),
    Column("kind", Text, nullable=False),
    Column("part", SmallInteger, nullable=False),
    Column("client_id", Uuid, nullable=False),
    stamp("call_started_at", nullable=False),
    Column("call_revision", Integer, nullable=False),
    Column("meter", Text, nullable=False),
    Column("direction", Text, nullable=False),
    # Empty: the book has no price for it.
    Column("prefix", Text),
    Column("price", Numeric(18, 6)),
    Column("quantity", BigInteger, nullable=False),
    Column("free", BigInteger, nullable=False),
    Column("package", Text),
    Column("amount", Numeric(18, 6), nullable=False),
    Column("currency", Text, nullable=False),
    Column("book_id", Uuid, nullable=False),
    Column("edition", Integer, nullable=False),
    # Of the ledger's entries that moved it.
    Column("batch", Uuid, nullable=False),
    stamp("rated_at", default_now=True),
    PrimaryKeyConstraint("agency_id", "call_id", "side", "rating", "kind", "part"),
    CheckConstraint("side IN ('client', 'agency')", name="side"),
    CheckConstraint("kind IN ('charge', 'reversal')", name="kind"),
    CheckConstraint(
        "CASE kind WHEN 'charge' THEN amount >= 0 AND quantity >= 0 AND free >= 0"
        " ELSE amount <= 0 AND quantity <= 0 AND free <= 0 END",
        name="sign",
    ),
)

#: How far in its event log an agency's calls are rated.
rating_places = Table(
    "rating_places",
    metadata,
    Column("agency_id", Uuid, nullable=False),
    Column("position", BigInteger, nullable=False),
    stamp("rated_at", default_now=True),
    PrimaryKeyConstraint("agency_id"),
    ForeignKeyConstraint(["agency_id"], ["agencies.agency_id"]),
)

#: How much of a free package calls have used in a month: what call_charges say, summed up.
package_use = Table(
    "package_use",
    metadata,
    Column("agency_id", Uuid, nullable=False),
    Column("scope_id", Uuid, nullable=False),
    Column("book_id", Uuid, nullable=False),
    Column("package", Text, nullable=False),
    Column("month", Date, nullable=False),
    Column("used", BigInteger, nullable=False),
    PrimaryKeyConstraint("agency_id", "scope_id", "book_id", "package", "month"),
)

#: What was used besides calls: stocks that are counted once a day, and what somebody reports.
usage_records = Table(
    "usage_records",
    metadata,
    Column("agency_id", Uuid, nullable=False),
    Column("id", Uuid, nullable=False),
    Column("client_id", Uuid, nullable=False),
    Column("day", Date, nullable=False),
    Column("meter", Text, nullable=False),
    Column("quantity", Numeric(24, 6), nullable=False),
    Column("source", Text, nullable=False),
    Column("reference", Text, nullable=False),
    Column("note", Text, nullable=False, server_default=""),
    stamp("noted_at", default_now=True),
    PrimaryKeyConstraint("agency_id", "id"),
    UniqueConstraint("agency_id", "client_id", "reference"),
    ForeignKeyConstraint(["agency_id", "client_id"], ["clients.agency_id", "clients.id"]),
    CheckConstraint("meter ~ '^[a-z][a-z0-9_.-]{0,63}$'", name="meter"),
    CheckConstraint("source IN ('platform', 'reported')", name="source"),
    Index("ix_usage_records_agency_id_client_id_day", "agency_id", "client_id", "day"),
)

#: Months that are closed, as they were told.
statements = Table(
    "statements",
    metadata,
    Column("agency_id", Uuid, nullable=False),
    Column("scope_id", Uuid, nullable=False),
    Column("month", Date, nullable=False),
    Column("client_id", Uuid),
    # The last entry of the ledger that it knows.
    Column("place", BigInteger, nullable=False),
    Column("currency", Text, nullable=False),
    Column("total", Numeric(18, 6), nullable=False),
    Column("closing_balance", Numeric(18, 6), nullable=False),
    Column("document", JSONB, nullable=False),
    stamp("made_at", default_now=True),
    stamp("due_at", nullable=False),
    PrimaryKeyConstraint("agency_id", "scope_id", "month"),
    ForeignKeyConstraint(["agency_id", "scope_id"], ["billing_accounts.agency_id", "billing_accounts.scope_id"]),
)

#: Calls that were asked to be rated anew.
reratings = Table(
    "reratings",
    metadata,
    Column("agency_id", Uuid, nullable=False),
    Column("id", Uuid, nullable=False),
    # Empty: of every client.
    Column("client_id", Uuid),
    Column("side", Text, nullable=False),
    # Empty: by the books that the accounts have.
    Column("price_book_id", Uuid),
    stamp("from_at", nullable=False),
    stamp("until_at", nullable=False),
    Column("dry_run", Boolean, nullable=False),
    Column("state", Text, nullable=False, server_default="waiting"),
    Column("calls", BigInteger, nullable=False, server_default=text("0")),
    Column("changed", BigInteger, nullable=False, server_default=text("0")),
    # Side and currency → by how much the charges change.
    Column("difference", JSONB, nullable=False, server_default="{}"),
    Column("done_clients", ARRAY(Uuid), nullable=False, server_default="{}"),
    Column("fault", Text),
    stamp("created_at", default_now=True),
    stamp("finished_at"),
    PrimaryKeyConstraint("agency_id", "id"),
    ForeignKeyConstraint(["agency_id"], ["agencies.agency_id"]),
    ForeignKeyConstraint(["agency_id", "price_book_id"], ["price_books.agency_id", "price_books.id"]),
    CheckConstraint("side IN ('client', 'agency', 'both')", name="side"),
    CheckConstraint("state IN ('waiting', 'running', 'done', 'failed')", name="state"),
    CheckConstraint("from_at < until_at", name="span"),
)

# Months of partitioned tables that have gone to the object store, or are on their way (archive).
retired_months = Table(
    "retired_months",
    metadata,
    Column("parent", Text, nullable=False),
    Column("month", Date, nullable=False),
    # 1, 2, …: what came after its month had gone goes later, as a further part.
    Column("part", Integer, nullable=False),
    Column("row_count", BigInteger),
    stamp("begun_at", default_now=True),
    stamp("retired_at"),
    PrimaryKeyConstraint("parent", "month", "part"),
    CheckConstraint("date_trunc('month', month) = month", name="month"),
)

# --- Sites and the visits to them. ---

#: A web site of a client, with what its snippet does: the rules that are live and those being drafted.
sites = Table(
    "sites",
    metadata,
    Column("agency_id", Uuid, nullable=False),
    Column("id", Uuid, nullable=False),
    Column("client_id", Uuid, nullable=False),
    Column("name", Text, nullable=False),
    # What the snippet names; anybody who looks at the page reads it.
    Column("token", Text, nullable=False),
    Column("domains", ARRAY(Text), nullable=False),
    Column("settings", JSONB, nullable=False, server_default="{}"),
    Column("rules_draft", JSONB),
    Column("rules_live", JSONB, nullable=False, server_default="{}"),
    # Counts the publications.
    Column("rules_version", Integer, nullable=False, server_default="0"),
    Column("status", Text, nullable=False, server_default="active"),
    stamp("created_at", default_now=True),
    stamp("updated_at", default_now=True),
    Column("version", Integer, nullable=False, server_default="1"),
    PrimaryKeyConstraint("agency_id", "id"),
    UniqueConstraint("agency_id", "client_id", "id"),
    ForeignKeyConstraint(["agency_id", "client_id"], ["clients.agency_id", "clients.id"]),
    CheckConstraint("status IN ('active', 'suspended', 'deleted')", name="status"),
)

#: Finds the agency of a snippet's token.
site_directory = Table(
    "site_directory",
    metadata,
    Column("token", Text, nullable=False),
    Column("agency_id", Uuid, nullable=False),
    Column("client_id", Uuid, nullable=False),
    Column("site_id", Uuid, nullable=False),
    PrimaryKeyConstraint("token"),
)

#: A client's own rules for telling sources, before the general ones.
source_rules = Table(
    "source_rules",
    metadata,
    Column("agency_id", Uuid, nullable=False),
    Column("client_id", Uuid, nullable=False),
    Column("rules", JSONB, nullable=False),
    stamp("updated_at", default_now=True),
    Column("version", Integer, nullable=False, server_default="1"),
    PrimaryKeyConstraint("agency_id", "client_id"),
    ForeignKeyConstraint(["agency_id", "client_id"], ["clients.agency_id", "clients.id"]),
)

#: A browsing session. Its id is a UUIDv7 whose time is started_at: whoever knows the id knows the partition.
visits = Table(
    "visits",
    metadata,
    Column("agency_id", Uuid, nullable=False),
    Column("id", Uuid, nullable=False),
    stamp("started_at", nullable=False),
    Column("client_id", Uuid, nullable=False),
    Column("site_id", Uuid, nullable=False),
    # Of a visitor who refused: of this page alone.
    Column("visitor_id", Uuid, nullable=False),
    # Without parameters that tell nothing of the source.
    Column("landing_page", Text, nullable=False),
    Column("referrer", Text),
    Column("channel", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("medium", Text),
    Column("campaign", Text),
    Column("content", Text),
    Column("keyword", Text),
    Column("click_ids", JSONB, nullable=False, server_default="{}"),
    # Which rule told the source.
    Column("classified_by", Text, nullable=False),
    Column("rules_version", Integer, nullable=False, server_default="0"),
    Column("device", Text, nullable=False),
    Column("region", Text),
    # By the site's policy a network, or a keyed hash, or neither.
    Column("address", Text),
    Column("address_hash", LargeBinary),
    Column("consent", Text, nullable=False),
    Column("pages", Integer, nullable=False, server_default="1"),
    stamp("last_seen_at", nullable=False),
    stamp("left_at"),
    Column("is_bot", Boolean, nullable=False, server_default=text("false")),
    # With rules that are a draft.
    Column("is_preview", Boolean, nullable=False, server_default=text("false")),
    # Who the visitor is to analytics systems, of whom consents to it.
    Column("analytics_ids", JSONB, nullable=False, server_default="{}"),
    PrimaryKeyConstraint("agency_id", "id", "started_at"),
    CheckConstraint("consent IN ('given', 'refused', 'not_asked')", name="consent"),
    CheckConstraint("device IN ('desktop', 'mobile', 'tablet', 'bot', 'other')", name="device"),
    Index("ix_visits_agency_id_visitor_id_started_at", "agency_id", "visitor_id", "started_at"),
    Index("ix_visits_agency_id_client_id_started_at", "agency_id", "client_id", "started_at"),
    postgresql_partition_by="RANGE (started_at)",
)

#: A visitor pressed a telephone link; number_id empty: of a number that is not ours.
tel_clicks = Table(
    "tel_clicks",
    metadata,
    Column("agency_id", Uuid, nullable=False),
    Column("id", Uuid, nullable=False),
    Column("client_id", Uuid, nullable=False),
    Column("visit_id", Uuid, nullable=False),
    stamp("visit_started_at", nullable=False),
    Column("number_id", Uuid),
    stamp("clicked_at", nullable=False),
    PrimaryKeyConstraint("agency_id", "id"),
    Index("ix_tel_clicks_agency_id_number_id_clicked_at", "agency_id", "number_id", "clicked_at"),
    Index("ix_tel_clicks_agency_id_visit_id", "agency_id", "visit_id"),
    Index("ix_tel_clicks_agency_id_client_id_visit_started_at", "agency_id", "client_id", "visit_started_at"),
)


def _source() -> list[Column[str]]:
    """The six words of where somebody came from."""
    return [Column(name, Text) for name in ("channel", "source", "medium", "campaign", "content", "keyword")]


attributions = Table(
    "attributions",
    metadata,
    Column("agency_id", Uuid, nullable=False),
    Column("call_id", Uuid, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("client_id", Uuid, nullable=False),
    stamp("call_started_at", nullable=False),
    stamp("made_at", default_now=True),
    Column("method", Text, nullable=False),
    Column("rung", Text),
    Column("visit_id", Uuid),
    stamp("visit_started_at"),
    Column("visitor_id", Text),
    Column("probability", Double),
    # That it is none of the candidates.
    Column("nobody", Double),
    *_source(),
    Column("source_probability", Double),
    Column("candidates", JSONB, nullable=False, server_default="[]"),
    # The row of attribution_fits by which it was matched; empty: nothing had been learnt.
    Column("curve_id", Uuid),
    Column("digest", LargeBinary, nullable=False),
    PrimaryKeyConstraint("agency_id", "call_id", "revision"),
    CheckConstraint("method IN ('manual', 'promo_code', 'visit', 'number', 'self_reported', 'unknown')", name="method"),
    CheckConstraint("revision >= 1", name="revision"),
    CheckConstraint("(visit_id IS NULL) = (visit_started_at IS NULL)", name="visit"),
    Index(
        "ix_attributions_agency_id_client_id_call_started_at", "agency_id", "client_id", "call_started_at", "call_id"
    ),
    Index("ix_attributions_agency_id_visit_id", "agency_id", "visit_id", postgresql_where=text("visit_id IS NOT NULL")),
)

touches = Table(
    "touches",
    metadata,
    Column("agency_id", Uuid, nullable=False),
    Column("call_id", Uuid, nullable=False),
    # Of the attribution that found them.
    Column("revision", Integer, nullable=False),
    Column("path", SmallInteger, nullable=False),
    Column("place", SmallInteger, nullable=False),
    Column("client_id", Uuid, nullable=False),
    stamp("call_started_at", nullable=False),
    # Of the path: that this visitor is the caller.
    Column("probability", Double, nullable=False),
    Column("kind", Text, nullable=False),
    stamp("touched_at", nullable=False),
    Column("is_lead", Boolean, nullable=False, server_default="false"),
    Column("visit_id", Uuid),
    Column("visitor_id", Text),
    *_source(),
    PrimaryKeyConstraint("agency_id", "call_id", "revision", "path", "place"),
    CheckConstraint("kind IN ('visit', 'impression')", name="kind"),
    Index(
        "ix_touches_agency_id_visitor_id",
        "agency_id",
        "visitor_id",
        "call_started_at",
        postgresql_where=text("visitor_id IS NOT NULL"),
    ),
)

corrections = Table(
    "corrections",
    metadata,
    Column("agency_id", Uuid, nullable=False),
    Column("id", Uuid, nullable=False),
    Column("client_id", Uuid, nullable=False),
    Column("call_id", Uuid, nullable=False),
    stamp("call_started_at", nullable=False),
    Column("kind", Text, nullable=False),
    stamp("said_at", default_now=True),
    # The key by which it was said.
    Column("said_by", Uuid),
    Column("visit_id", Uuid),
    stamp("visit_started_at"),
    Column("code", Text),
    *_source(),
    Column("note", Text),
    PrimaryKeyConstraint("agency_id", "id"),
    CheckConstraint("kind IN ('manual', 'withdrawn', 'promo_code', 'self_reported')", name="kind"),
    CheckConstraint("(visit_id IS NULL) = (visit_started_at IS NULL)", name="visit"),
    Index("ix_corrections_agency_id_call_id", "agency_id", "call_id", "said_at"),
)

#: What people and their systems say of calls.
call_assessments = Table(
    "call_assessments",
    metadata,
    Column("agency_id", Uuid, nullable=False),
    Column("call_id", Uuid, nullable=False),
    Column("client_id", Uuid, nullable=False),
    stamp("call_started_at", nullable=False),
    Column("tags", ARRAY(Text), nullable=False),
    Column("note", Text),
    Column("score", SmallInteger),
    Column("value_amount", Numeric(16, 4)),
    Column("value_currency", Text),
    Column("sale_amount", Numeric(16, 4)),
    Column("sale_currency", Text),
    stamp("sold_at"),
    Column("sale_reference", Text),
    Column("version", Integer, nullable=False),
    stamp("updated_at", nullable=False),
    PrimaryKeyConstraint("agency_id", "call_id"),
    CheckConstraint("score BETWEEN 0 AND 100", name="score"),
    CheckConstraint("(value_amount IS NULL) = (value_currency IS NULL)", name="value"),
    CheckConstraint("(sale_amount IS NULL) = (sale_currency IS NULL)", name="sale"),
)

#: What a client's reports go by; nobody has set anything where there is no row.
report_settings = Table(
    "report_settings",
    metadata,
    Column("agency_id", Uuid, nullable=False),
    Column("client_id", Uuid, nullable=False),
    Column("target_answered", Boolean, nullable=False),
    Column("target_min_talk_s", Integer, nullable=False),
    Column("target_min_score", SmallInteger),
    Column("target_tags_any", ARRAY(Text), nullable=False),
    Column("target_tags_none", ARRAY(Text), nullable=False),
    Column("target_without_spam", Boolean, nullable=False),
    Column("answer_norm_s", Integer, nullable=False),
    Column("confidence", Double, nullable=False),
    Column("spam_from", SmallInteger, nullable=False),
    Column("currency", Text, nullable=False),
    Column("version", Integer, nullable=False),
    stamp("updated_at", nullable=False),
    PrimaryKeyConstraint("agency_id", "client_id"),
    ForeignKeyConstraint(["agency_id", "client_id"], ["clients.agency_id", "clients.id"]),
    CheckConstraint("currency ~ '^[A-Z]{3}$'", name="currency"),
)

#: What advertising of one kind cost on one day, as it was told. ``digest``: of its words and its currency.
ad_spend = Table(
    "ad_spend",
    metadata,
    Column("agency_id", Uuid, nullable=False),
    Column("client_id", Uuid, nullable=False),
    Column("day", Date, nullable=False),
    Column("digest", LargeBinary, nullable=False),
    *_source(),
    Column("impressions", BigInteger, nullable=False),
    Column("clicks", BigInteger, nullable=False),
    Column("cost", Numeric(16, 4), nullable=False),
    Column("currency", Text, nullable=False),
    stamp("imported_at", nullable=False),
    PrimaryKeyConstraint("agency_id", "client_id", "day", "digest"),
    ForeignKeyConstraint(["agency_id", "client_id"], ["clients.agency_id", "clients.id"]),
    CheckConstraint("impressions >= 0 AND clicks >= 0 AND cost >= 0", name="counts"),
    CheckConstraint("currency ~ '^[A-Z]{3}$'", name="currency"),
)

#: Until when a client's days are summed up, and by which rules.
report_coverage = Table(
    "report_coverage",
    metadata,
    Column("agency_id", Uuid, nullable=False),
    Column("client_id", Uuid, nullable=False),
    Column("edition", Integer, nullable=False),
    Column("time_zone", Text, nullable=False),
    Column("settings_version", Integer, nullable=False),
    stamp("covered_until", nullable=False),
    stamp("updated_at", nullable=False),
    #: Where the archive ended when they were made.
    stamp("archived_until"),
    PrimaryKeyConstraint("agency_id", "client_id"),
    ForeignKeyConstraint(["agency_id", "client_id"], ["clients.agency_id", "clients.id"]),
)

#: A span in which records have changed since they were summed up; triggers add it.
report_changes = Table(
    "report_changes",
    metadata,
    Column("agency_id", Uuid, nullable=False),
    Column("id", Uuid, nullable=False, server_default=text("gen_random_uuid()")),
    Column("client_id", Uuid, nullable=False),
    stamp("from_at", nullable=False),
    stamp("until_at", nullable=False),
    stamp("noted_at", default_now=True),
    PrimaryKeyConstraint("agency_id", "id"),
    Index("ix_report_changes_agency_id_client_id", "agency_id", "client_id"),
)

#: One row a day or month, cut and group (`reports.rollup_model`); ``day`` is a month's first.
report_sums = Table(
    "report_sums",
    metadata,
    Column("agency_id", Uuid, nullable=False),
    Column("client_id", Uuid, nullable=False),
    Column("cut", Text, nullable=False),
    Column("day", Date, nullable=False),
    Column("family", Text, nullable=False),
    Column("place", Integer, nullable=False),
    Column("hour", SmallInteger),
    *_source(),
    Column("number", Text),
    Column("flow", Text),
    Column("target", Text),
    Column("outcome", Text),
    Column("sale_currency", Text),
    *(
        Column(name, Numeric() if name == "revenue" else BigInteger, nullable=False)
        for name in (
            "calls", "first_calls", "repeat_calls", "answered", "missed", "blocked", "answer_ms", "slow_answers",
            "talk_ms", "target_calls", "leads", "sales", "revenue", "spam_calls", "confident_calls", "visits",
        )
    ),
    Column("span", Text, nullable=False),
    PrimaryKeyConstraint("agency_id", "client_id", "cut", "span", "day", "family", "place"),
    CheckConstraint("span IN ('day', 'month')", name="span"),
)  # fmt: skip

#: How many callers of a day or month had last called on which day, or in which month.
report_callers = Table(
    "report_callers",
    metadata,
    Column("agency_id", Uuid, nullable=False),
    Column("client_id", Uuid, nullable=False),
    Column("cut", Text, nullable=False),
    Column("day", Date, nullable=False),
    Column("place", Integer, nullable=False),
    Column("channel", Text),
    Column("source", Text),
    Column("previous_day", Date, nullable=False),
    Column("callers", BigInteger, nullable=False),
    Column("span", Text, nullable=False),
    Column("previous_span", Text, nullable=False),
    PrimaryKeyConstraint("agency_id", "client_id", "cut", "span", "day", "previous_span", "previous_day", "place"),
    CheckConstraint("span IN ('day', 'month')", name="span"),
    CheckConstraint("previous_span IN ('day', 'month')", name="previous_span"),
)

#: Who gets which report by e-mail.
report_subscriptions = Table(
    "report_subscriptions",
    metadata,
    Column("agency_id", Uuid, nullable=False),
    Column("id", Uuid, nullable=False),
    Column("user_id", Uuid, nullable=False),
    # Empty: of all clients of the agency.
    Column("client_id", Uuid),
    Column("kind", Text, nullable=False),
    Column("hour", SmallInteger, nullable=False),
    Column("time_zone", Text, nullable=False),
    Column("language", Text),
    Column("files", ARRAY(Text), nullable=False, server_default="{}"),
    Column("enabled", Boolean, nullable=False, server_default=text("true")),
    # Stands in every letter and opens nothing but the way out.
    Column("secret", Text, nullable=False),
    stamp("next_at", nullable=False),
    stamp("last_sent_at"),
    stamp("created_at", default_now=True),
    stamp("updated_at", default_now=True),
    Column("version", Integer, nullable=False, server_default="1"),
    PrimaryKeyConstraint("agency_id", "id"),
    ForeignKeyConstraint(["agency_id", "user_id"], ["users.agency_id", "users.id"], ondelete="CASCADE"),
    ForeignKeyConstraint(["agency_id", "client_id"], ["clients.agency_id", "clients.id"]),
    CheckConstraint("kind IN ('daily', 'weekly', 'monthly')", name="kind"),
    CheckConstraint("hour BETWEEN 0 AND 23", name="hour"),
    Index("ix_report_subscriptions_next_at", "next_at", postgresql_where=text("enabled")),
)

promo_codes = Table(
    "promo_codes",
    metadata,
    Column("agency_id", Uuid, nullable=False),
    Column("client_id", Uuid, nullable=False),
    Column("code", Text, nullable=False),
    Column("visit_id", Uuid, nullable=False),
    stamp("visit_started_at", nullable=False),
    stamp("given_at", default_now=True),
    stamp("expires_at", nullable=False),
    PrimaryKeyConstraint("agency_id", "client_id", "code"),
    Index("ix_promo_codes_agency_id_visit_id", "agency_id", "visit_id"),
)

impressions = Table(
    "impressions",
    metadata,
    Column("agency_id", Uuid, nullable=False),
    Column("client_id", Uuid, nullable=False),
    # What the advertising system calls it: the same one twice is one.
    Column("reference", Text, nullable=False),
    Column("visitor_id", Text, nullable=False),
    stamp("shown_at", nullable=False),
    stamp("imported_at", default_now=True),
    *_source(),
    PrimaryKeyConstraint("agency_id", "client_id", "reference"),
    Index("ix_impressions_agency_id_visitor_id_shown_at", "agency_id", "visitor_id", "shown_at"),
)

attribution_fits = Table(
    "attribution_fits",
    metadata,
    Column("agency_id", Uuid, nullable=False),
    Column("id", Uuid, nullable=False),
    Column("client_id", Uuid, nullable=False),
    Column("site_id", Uuid),
    Column("kind", Text, nullable=False),
    stamp("fitted_at", default_now=True),
    stamp("from_at", nullable=False),
    stamp("until_at", nullable=False),
    Column("calls", Integer, nullable=False),
    Column("parameters", JSONB, nullable=False),
    PrimaryKeyConstraint("agency_id", "id"),
    CheckConstraint("kind IN ('recency', 'channels')", name="kind"),
    ForeignKeyConstraint(["agency_id", "client_id"], ["clients.agency_id", "clients.id"]),
    Index("ix_attribution_fits_agency_id_client_id_kind_fitted_at", "agency_id", "client_id", "kind", "fitted_at"),
)

attribution_due = Table(
    "attribution_due",
    metadata,
    Column("agency_id", Uuid, nullable=False),
    Column("call_id", Uuid, nullable=False),
    Column("what", Text, nullable=False),
    Column("client_id", Uuid, nullable=False),
    stamp("call_started_at", nullable=False),
    stamp("due_since", default_now=True),
    Column("tries", Integer, nullable=False, server_default="0"),
    PrimaryKeyConstraint("agency_id", "call_id", "what"),
    CheckConstraint("what IN ('match', 'touches')", name="what"),
    Index("ix_attribution_due_due_since", "due_since"),
)

roles = Table(
    "roles",
    metadata,
    Column("agency_id", Uuid, nullable=False),
    Column("id", Uuid, nullable=False),
    Column("name", Text, nullable=False),
    Column("permissions", ARRAY(Text), nullable=False),
    stamp("created_at", default_now=True),
    stamp("updated_at", default_now=True),
    Column("version", Integer, nullable=False, server_default="1"),
    PrimaryKeyConstraint("agency_id", "id"),
    UniqueConstraint("agency_id", "name"),
    ForeignKeyConstraint(["agency_id"], ["agencies.agency_id"]),
)

#: Somebody who signs in.
users = Table(
    "users",
    metadata,
    Column("agency_id", Uuid, nullable=False),
    Column("id", Uuid, nullable=False),
    # Empty: acts for the whole agency; else for this one client.
    Column("client_id", Uuid),
    # In small letters.
    Column("email", Text, nullable=False),
    Column("name", Text, nullable=False),
    # A built-in role's name (tenancy/permissions.py), or one of the agency's own.
    Column("role", Text),
    Column("role_id", Uuid),
    Column("state", Text, nullable=False, server_default="invited"),
    Column("language", Text),
    # argon2id; empty until the invitation is accepted.
    Column("password_hash", Text),
    # The second factor's secret, sealed by the platform's box; it counts once it was confirmed.
    Column("totp_sealed", LargeBinary),
    stamp("totp_confirmed_at"),
    # A code opens once.
    Column("totp_last_step", BigInteger),
    Column("recovery_hashes", ARRAY(LargeBinary), nullable=False, server_default="{}"),
    stamp("last_sign_in_at"),
    stamp("created_at", default_now=True),
    stamp("updated_at", default_now=True),
    Column("version", Integer, nullable=False, server_default="1"),
    PrimaryKeyConstraint("agency_id", "id"),
    UniqueConstraint("agency_id", "email"),
    ForeignKeyConstraint(["agency_id"], ["agencies.agency_id"]),
    ForeignKeyConstraint(["agency_id", "client_id"], ["clients.agency_id", "clients.id"]),
    ForeignKeyConstraint(["agency_id", "role_id"], ["roles.agency_id", "roles.id"]),
    CheckConstraint("state IN ('invited', 'active', 'disabled')", name="state"),
    CheckConstraint("num_nonnulls(role, role_id) = 1", name="one_role"),
    CheckConstraint("state <> 'active' OR password_hash IS NOT NULL", name="active_has_password"),
    Index("ix_users_agency_id_role_id", "agency_id", "role_id"),
)

#: What lets somebody set a password, once: an invitation or a reset.
user_links = Table(
    "user_links",
    metadata,
    Column("agency_id", Uuid, nullable=False),
    Column("id", Uuid, nullable=False),
    Column("client_id", Uuid),
    Column("user_id", Uuid, nullable=False),
    Column("kind", Text, nullable=False),
    Column("secret_hash", LargeBinary, nullable=False),
    stamp("created_at", nullable=False),
    stamp("expires_at", nullable=False),
    stamp("used_at"),
    PrimaryKeyConstraint("agency_id", "id"),
    ForeignKeyConstraint(["agency_id", "user_id"], ["users.agency_id", "users.id"], ondelete="CASCADE"),
    CheckConstraint("kind IN ('invitation', 'reset')", name="kind"),
    Index("ix_user_links_agency_id_user_id", "agency_id", "user_id"),
)

sessions = Table(
    "sessions",
    metadata,
    Column("agency_id", Uuid, nullable=False),
    Column("id", Uuid, nullable=False),
    Column("client_id", Uuid),
    Column("user_id", Uuid, nullable=False),
    Column("secret_hash", LargeBinary, nullable=False),
    stamp("created_at", nullable=False),
    stamp("last_seen_at", nullable=False),
    stamp("expires_at", nullable=False),
    Column("address", Text),
    Column("browser", Text, nullable=False, server_default=""),
    PrimaryKeyConstraint("agency_id", "id"),
    ForeignKeyConstraint(["agency_id", "user_id"], ["users.agency_id", "users.id"], ondelete="CASCADE"),
    Index("ix_sessions_agency_id_user_id", "agency_id", "user_id"),
)

#: Where somebody may sign in, before the tenant is known.
sign_in_directory = Table(
    "sign_in_directory",
    metadata,
    Column("email", Text, nullable=False),
    Column("agency_id", Uuid, nullable=False),
    Column("user_id", Uuid, nullable=False),
    PrimaryKeyConstraint("email", "agency_id"),
)

#: Tries to sign in, under keyed hashes of e-mail and IP addresses.
sign_in_tries = Table(
    "sign_in_tries",
    metadata,
    Column("key", LargeBinary, nullable=False),
    Column("tries", Integer, nullable=False),
    stamp("since", nullable=False),
    PrimaryKeyConstraint("key"),
    Index("ix_sign_in_tries_since", "since"),
)

brands = Table(
    "brands",
    metadata,
    Column("agency_id", Uuid, nullable=False),
    Column("name", Text, nullable=False),
    Column("colour", Text, nullable=False),
    Column("accent", Text, nullable=False),
    Column("language", Text, nullable=False),
    # Where its people open the console.
    Column("domain", Text),
    Column("mail_from", Text),
    # PNG.
    Column("logo", LargeBinary),
    stamp("updated_at", default_now=True),
    Column("version", Integer, nullable=False, server_default="1"),
    PrimaryKeyConstraint("agency_id"),
    ForeignKeyConstraint(["agency_id"], ["agencies.agency_id"]),
    CheckConstraint("language IN ('en', 'ru')", name="language"),
)

#: Whose domain it is, before the tenant is known.
brand_domains = Table(
    "brand_domains",
    metadata,
    Column("domain", Text, nullable=False),
    Column("agency_id", Uuid, nullable=False),
    PrimaryKeyConstraint("domain"),
    UniqueConstraint("agency_id"),
)

#: Tables that belong to a tenant: row-level security is forced on each. Name → column that holds the client, if any.
TENANT: dict[str, str | None] = {
    "agencies": None,
    "clients": "id",
    "api_keys": "client_id",
    "targets": "client_id",
    "flows": "client_id",
    "schedules": "client_id",
    "numbers": "client_id",
    "calls": "client_id",
    "legs": "client_id",
    "call_revisions": "client_id",
    "recordings": "client_id",
    "events": "client_id",
    "event_sequences": None,
    "webhooks": "client_id",
    "webhook_secrets": "client_id",
    "webhook_deliveries": "client_id",
    "integrations": "client_id",
    "integration_deliveries": "client_id",
    "integration_objects": "client_id",
    "integration_readings": "client_id",
    "prompts": None,
    "call_assessments": "client_id",
    "report_settings": "client_id",
    "ad_spend": "client_id",
    "report_coverage": "client_id",
    "report_changes": "client_id",
    "report_sums": "client_id",
    "report_callers": "client_id",
    "report_subscriptions": "client_id",
    "number_orders": "client_id",
    "number_returns": "client_id",
    "carriers": None,
    "request_windows": None,
    "idempotency_keys": None,
    "live_calls": "client_id",
    "live_counts": None,
    "queue_entries": "client_id",
    "queue_targets": None,
    "number_proofs": "client_id",
    "decisions": "client_id",
    "hook_secrets": "client_id",
    "blocks": "client_id",
    "rotations": None,
    "call_limits": "client_id",
    "admissions": "client_id",
    "destinations": None,
    "trunks": None,
    "welcome_callers": None,
    "export_objects": "client_id",
    "audit_log": "client_id",
    "recording_stores": None,
    "recording_keys": None,
    "recording_settings": None,
    "retention_rules": "client_id",
    "retention_bounds": None,
    "legal_holds": "client_id",
    "subject_requests": "client_id",
    "subject_calls": "client_id",
    "erased_people": "client_id",
    "erasure_sweeps": None,
    "privacy_receipts": "client_id",
    "flow_notices": None,
    "consents": "client_id",
    "exports": "client_id",
    "export_schedules": "client_id",
    "export_columns": "client_id",
    "pools": "client_id",
    "pool_numbers": "client_id",
    "pool_reserves": "client_id",
    "exposures": "client_id",
    "sites": "client_id",
    "source_rules": "client_id",
    "visits": "client_id",
    "tel_clicks": "client_id",
    "pool_hours": "client_id",
    "price_books": None,
    "price_editions": None,
    "price_rates": None,
    "price_packages": None,
    "billing_accounts": "client_id",
    "ledger_entries": "client_id",
    "call_charges": "client_id",
    "rating_places": None,
    "package_use": None,
    "usage_records": "client_id",
    "statements": "client_id",
    "reratings": "client_id",
    "attributions": "client_id",
    "touches": "client_id",
    "corrections": "client_id",
    "promo_codes": "client_id",
    "impressions": "client_id",
    "attribution_fits": "client_id",
    "attribution_due": "client_id",
    "roles": None,
    "users": "client_id",
    "user_links": "client_id",
    "sessions": "client_id",
    "brands": None,
}

#: Tables outside row-level security (see the module's text).
REFERENCE = frozenset(
    {
        "directory",
        "published_flows",
        "nodes",
        "placements",
        "caller_patterns",
        "caller_secret",
        "receipt_keys",
        "retired_months",
        "rule_changes",
        "site_directory",
        "sign_in_directory",
        "sign_in_tries",
        "brand_domains",
        "watch_notes",
        "node_minutes",
        "vendor_accounts",
    }
)

#: What the role dialtrace_system may read across tenants, and nothing else (DESIGN, Data).
SYSTEM_READS = frozenset(
    {
        "agencies",
        "attribution_due",
        "billing_accounts",
        "event_sequences",
        "events",
        "export_objects",
        "export_schedules",
        "live_calls",
        "nodes",
        "number_orders",
        "number_proofs",
        "number_returns",
        "pools",
        "prompts",
        "queue_entries",
        "rating_places",
        "recordings",
        "report_subscriptions",
    }
)
