-- Requests of the current minute: what the quotas of keys and agencies are counted in. A crash may empty it.
CREATE UNLOGGED TABLE request_windows (
    agency_id uuid NOT NULL,
    subject_id uuid NOT NULL,
    began_at timestamptz NOT NULL,
    taken integer NOT NULL,
    granted integer NOT NULL,
    CONSTRAINT pk_request_windows PRIMARY KEY (agency_id, subject_id)
);
ALTER TABLE request_windows ENABLE ROW LEVEL SECURITY;
ALTER TABLE request_windows FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON request_windows
    USING (agency_id = dialtrace_agency()) WITH CHECK (agency_id = dialtrace_agency());
GRANT SELECT, INSERT, UPDATE, DELETE ON request_windows TO dialtrace_app;
