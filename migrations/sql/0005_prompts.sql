-- Sounds that nodes play: texts that flows say, rendered ahead, and the operator's announcements.

CREATE TABLE prompts (
    agency_id uuid NOT NULL,
    name text NOT NULL,
    kind text NOT NULL,
    language text,
    voice text,
    text_sha256 bytea,
    wav bytea NOT NULL,
    sha256 bytea NOT NULL,
    duration_ms integer NOT NULL,
    created_at timestamptz DEFAULT now() NOT NULL,
    CONSTRAINT pk_prompts PRIMARY KEY (agency_id, name),
    CONSTRAINT fk_prompts_agency_id FOREIGN KEY(agency_id) REFERENCES agencies (agency_id),
    CONSTRAINT ck_prompts_kind CHECK (kind IN ('say', 'file'))
);
CREATE INDEX ix_prompts_name ON prompts (name);
-- Sound does not get smaller by the server's compression: it is kept as it is, apart from the row.
ALTER TABLE prompts ALTER COLUMN wav SET STORAGE EXTERNAL;

ALTER TABLE prompts ENABLE ROW LEVEL SECURITY;
ALTER TABLE prompts FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON prompts
    USING (agency_id = dialtrace_agency()) WITH CHECK (agency_id = dialtrace_agency());
-- The nodes' monitors and workers bring the files of every agency.
CREATE POLICY system_read ON prompts FOR SELECT TO dialtrace_system USING (true);
GRANT SELECT ON prompts TO dialtrace_system;
GRANT SELECT, INSERT, UPDATE ON prompts TO dialtrace_app;
