-- Every table of the spine. Row-level security, grants and functions follow in files of their own.

CREATE TABLE agencies (
    agency_id uuid NOT NULL,
    name text NOT NULL,
    status text DEFAULT 'active' NOT NULL,
    created_at timestamptz DEFAULT now() NOT NULL,
    updated_at timestamptz DEFAULT now() NOT NULL,
    version integer DEFAULT 1 NOT NULL,
    CONSTRAINT pk_agencies PRIMARY KEY (agency_id),
    CONSTRAINT ck_agencies_status CHECK (status IN ('active', 'suspended'))
);

CREATE TABLE clients (
    agency_id uuid NOT NULL,
    id uuid NOT NULL,
    name text NOT NULL,
    time_zone text DEFAULT 'UTC' NOT NULL,
    status text DEFAULT 'active' NOT NULL,
    created_at timestamptz DEFAULT now() NOT NULL,
    updated_at timestamptz DEFAULT now() NOT NULL,
    version integer DEFAULT 1 NOT NULL,
    CONSTRAINT pk_clients PRIMARY KEY (agency_id, id),
    CONSTRAINT fk_clients_agency_id FOREIGN KEY(agency_id) REFERENCES agencies (agency_id),
    CONSTRAINT ck_clients_status CHECK (status IN ('active', 'suspended'))
);

CREATE TABLE api_keys (
    agency_id uuid NOT NULL,
    id uuid NOT NULL,
    client_id uuid,
    name text NOT NULL,
    role text NOT NULL,
    secret_hash bytea NOT NULL,
    created_at timestamptz DEFAULT now() NOT NULL,
    last_used_at timestamptz,
    expires_at timestamptz,
    revoked_at timestamptz,
    CONSTRAINT pk_api_keys PRIMARY KEY (agency_id, id),
    CONSTRAINT fk_api_keys_agency_id FOREIGN KEY(agency_id) REFERENCES agencies (agency_id),
    CONSTRAINT fk_api_keys_agency_id_client_id FOREIGN KEY(agency_id, client_id) REFERENCES clients (agency_id, id),
    CONSTRAINT ck_api_keys_role CHECK (role IN ('operator', 'agency', 'client')),
    CONSTRAINT ck_api_keys_client_role_has_client CHECK ((role = 'client') = (client_id IS NOT NULL)),
    CONSTRAINT ck_api_keys_operator_role_is_the_operators
        CHECK (role <> 'operator' OR agency_id = '00000000-0000-7000-8000-000000000001')
);

CREATE TABLE targets (
    agency_id uuid NOT NULL,
    id uuid NOT NULL,
    client_id uuid NOT NULL,
    name text NOT NULL,
    address text NOT NULL,
    ring_timeout_s integer DEFAULT 20 NOT NULL,
    created_at timestamptz DEFAULT now() NOT NULL,
    updated_at timestamptz DEFAULT now() NOT NULL,
    version integer DEFAULT 1 NOT NULL,
    CONSTRAINT pk_targets PRIMARY KEY (agency_id, id),
    CONSTRAINT fk_targets_agency_id_client_id FOREIGN KEY(agency_id, client_id) REFERENCES clients (agency_id, id),
    CONSTRAINT ck_targets_ring_timeout CHECK (ring_timeout_s BETWEEN 1 AND 300)
);

CREATE TABLE flows (
    agency_id uuid NOT NULL,
    id uuid NOT NULL,
    client_id uuid NOT NULL,
    name text NOT NULL,
    document jsonb NOT NULL,
    created_at timestamptz DEFAULT now() NOT NULL,
    updated_at timestamptz DEFAULT now() NOT NULL,
    version integer DEFAULT 1 NOT NULL,
    CONSTRAINT pk_flows PRIMARY KEY (agency_id, id),
    CONSTRAINT uq_flows_agency_id_client_id_id UNIQUE (agency_id, client_id, id),
    CONSTRAINT fk_flows_agency_id_client_id FOREIGN KEY(agency_id, client_id) REFERENCES clients (agency_id, id)
);

CREATE TABLE numbers (
    agency_id uuid NOT NULL,
    id uuid NOT NULL,
    client_id uuid NOT NULL,
    e164 text NOT NULL,
    kind text DEFAULT 'static' NOT NULL,
    status text DEFAULT 'active' NOT NULL,
    label text DEFAULT '' NOT NULL,
    flow_id uuid,
    created_at timestamptz DEFAULT now() NOT NULL,
    updated_at timestamptz DEFAULT now() NOT NULL,
    released_at timestamptz,
    version integer DEFAULT 1 NOT NULL,
    CONSTRAINT pk_numbers PRIMARY KEY (agency_id, id),
    CONSTRAINT fk_numbers_agency_id_client_id FOREIGN KEY(agency_id, client_id) REFERENCES clients (agency_id, id),
    CONSTRAINT fk_numbers_agency_id_client_id_flow_id FOREIGN KEY(agency_id, client_id, flow_id) REFERENCES flows (agency_id, client_id, id),
    CONSTRAINT ck_numbers_kind CHECK (kind IN ('static', 'dynamic')),
    CONSTRAINT ck_numbers_status CHECK (status IN ('active', 'suspended', 'released')),
    CONSTRAINT ck_numbers_e164 CHECK (e164 ~ '^\+[1-9][0-9]{4,14}$')
);
CREATE INDEX ix_numbers_agency_id_e164 ON numbers (agency_id, e164);

CREATE TABLE directory (
    e164 text NOT NULL,
    agency_id uuid NOT NULL,
    client_id uuid NOT NULL,
    number_id uuid NOT NULL,
    status text NOT NULL,
    tenant_status text NOT NULL,
    kind text NOT NULL,
    flow_id uuid,
    version integer NOT NULL,
    changed_xid xid8 DEFAULT pg_current_xact_id() NOT NULL,
    CONSTRAINT pk_directory PRIMARY KEY (e164),
    CONSTRAINT ck_directory_status CHECK (status IN ('active', 'suspended', 'released')),
    CONSTRAINT ck_directory_tenant_status CHECK (tenant_status IN ('active', 'suspended')),
    CONSTRAINT ck_directory_kind CHECK (kind IN ('static', 'dynamic'))
);
CREATE INDEX ix_directory_agency_id ON directory (agency_id);
CREATE INDEX ix_directory_changed_xid ON directory (changed_xid);
CREATE INDEX ix_directory_flow_id ON directory (flow_id);

CREATE TABLE published_flows (
    flow_id uuid NOT NULL,
    agency_id uuid NOT NULL,
    version integer NOT NULL,
    compiled jsonb NOT NULL,
    changed_xid xid8 DEFAULT pg_current_xact_id() NOT NULL,
    CONSTRAINT pk_published_flows PRIMARY KEY (flow_id)
);
CREATE INDEX ix_published_flows_changed_xid ON published_flows (changed_xid);

CREATE TABLE nodes (
    name text NOT NULL,
    sip_address text NOT NULL,
    kind text DEFAULT 'freeswitch' NOT NULL,
    state text DEFAULT 'unknown' NOT NULL,
    core_uuid uuid,
    switch_version text,
    sessions integer,
    max_sessions integer,
    weight integer DEFAULT 100 NOT NULL,
    last_seen_at timestamptz,
    created_at timestamptz DEFAULT now() NOT NULL,
    CONSTRAINT pk_nodes PRIMARY KEY (name),
    CONSTRAINT ck_nodes_state CHECK (state IN ('up', 'down', 'unknown', 'draining'))
);

CREATE TABLE calls (
    agency_id uuid NOT NULL,
    id uuid NOT NULL,
    started_at timestamptz NOT NULL,
    client_id uuid NOT NULL,
    number_id uuid,
    number text NOT NULL,
    caller text,
    caller_raw text,
    caller_name text,
    node text NOT NULL,
    core_uuid uuid,
    flow_id uuid,
    flow_version integer,
    decided_by text NOT NULL,
    fallback_reason text,
    outcome text NOT NULL,
    ringing_at timestamptz,
    answered_at timestamptz,
    connected_at timestamptz,
    ended_at timestamptz,
    duration_ms bigint,
    ring_ms bigint,
    talk_ms bigint,
    billed_ms bigint,
    target_id uuid,
    hangup_cause text,
    cause_q850 integer,
    sip_status integer,
    hangup_side text DEFAULT 'unknown' NOT NULL,
    codec text,
    sip_call_id text,
    should_record boolean DEFAULT false NOT NULL,
    legs_expected integer DEFAULT 0 NOT NULL,
    facts jsonb DEFAULT '{}' NOT NULL,
    digest bytea NOT NULL,
    revision integer DEFAULT 1 NOT NULL,
    created_at timestamptz DEFAULT now() NOT NULL,
    updated_at timestamptz DEFAULT now() NOT NULL,
    CONSTRAINT pk_calls PRIMARY KEY (agency_id, id, started_at),
    CONSTRAINT ck_calls_decided_by CHECK (decided_by IN ('worker', 'fallback', 'none')),
    CONSTRAINT ck_calls_hangup_side CHECK (hangup_side IN ('caller', 'target', 'platform', 'unknown'))
) PARTITION BY RANGE (started_at);
CREATE INDEX ix_calls_agency_id_caller_started_at ON calls (agency_id, caller, started_at);
CREATE INDEX ix_calls_agency_id_client_id_started_at ON calls (agency_id, client_id, started_at, id);
CREATE INDEX ix_calls_agency_id_number_started_at ON calls (agency_id, number, started_at);
CREATE INDEX ix_calls_agency_id_started_at_id ON calls (agency_id, started_at, id);

CREATE TABLE legs (
    agency_id uuid NOT NULL,
    id uuid NOT NULL,
    call_started_at timestamptz NOT NULL,
    call_id uuid NOT NULL,
    client_id uuid NOT NULL,
    target_id uuid,
    address text,
    outcome text NOT NULL,
    started_at timestamptz,
    ringing_at timestamptz,
    answered_at timestamptz,
    connected_at timestamptz,
    ended_at timestamptz,
    ring_ms bigint,
    talk_ms bigint,
    hangup_cause text,
    cause_q850 integer,
    sip_status integer,
    codec text,
    sip_call_id text,
    facts jsonb DEFAULT '{}' NOT NULL,
    digest bytea NOT NULL,
    revision integer DEFAULT 1 NOT NULL,
    created_at timestamptz DEFAULT now() NOT NULL,
    updated_at timestamptz DEFAULT now() NOT NULL,
    CONSTRAINT pk_legs PRIMARY KEY (agency_id, id, call_started_at)
) PARTITION BY RANGE (call_started_at);
CREATE INDEX ix_legs_agency_id_call_id ON legs (agency_id, call_id);

CREATE TABLE recordings (
    agency_id uuid NOT NULL,
    id uuid NOT NULL,
    client_id uuid NOT NULL,
    call_id uuid NOT NULL,
    call_started_at timestamptz NOT NULL,
    segment integer NOT NULL,
    state text NOT NULL,
    absence_reason text,
    node text NOT NULL,
    node_path text,
    object_name text,
    size_bytes bigint,
    sha256 bytea,
    duration_ms bigint,
    channels integer,
    attempts integer DEFAULT 0 NOT NULL,
    last_error text,
    created_at timestamptz DEFAULT now() NOT NULL,
    updated_at timestamptz DEFAULT now() NOT NULL,
    stored_at timestamptz,
    CONSTRAINT pk_recordings PRIMARY KEY (agency_id, id),
    CONSTRAINT uq_recordings_agency_id_call_id_segment UNIQUE (agency_id, call_id, segment),
    CONSTRAINT ck_recordings_state CHECK (state IN ('on_node', 'stored', 'absent')),
    CONSTRAINT ck_recordings_absence_has_reason CHECK ((state = 'absent') = (absence_reason IS NOT NULL))
);

CREATE TABLE events (
    agency_id uuid NOT NULL,
    id uuid NOT NULL,
    client_id uuid,
    type text NOT NULL,
    call_id uuid,
    revision integer DEFAULT 1 NOT NULL,
    occurred_at timestamptz NOT NULL,
    position bigint,
    data jsonb DEFAULT '{}' NOT NULL,
    recorded_at timestamptz DEFAULT now() NOT NULL,
    CONSTRAINT pk_events PRIMARY KEY (agency_id, id),
    CONSTRAINT uq_events_agency_id_call_id_type_revision UNIQUE (agency_id, call_id, type, revision)
);
CREATE UNIQUE INDEX ix_events_agency_id_position ON events (agency_id, position);
CREATE INDEX ix_events_unsequenced ON events (agency_id, recorded_at) WHERE position IS NULL;

CREATE TABLE event_sequences (
    agency_id uuid NOT NULL,
    last_position bigint DEFAULT 0 NOT NULL,
    CONSTRAINT pk_event_sequences PRIMARY KEY (agency_id)
);

CREATE TABLE idempotency_keys (
    agency_id uuid NOT NULL,
    key_id uuid NOT NULL,
    key text NOT NULL,
    request text NOT NULL,
    body_digest bytea NOT NULL,
    status integer,
    answer jsonb,
    created_at timestamptz DEFAULT now() NOT NULL,
    CONSTRAINT pk_idempotency_keys PRIMARY KEY (agency_id, key_id, key)
);
