-- Who gets which report by e-mail, and when. The secret stands in every letter and opens nothing but the way out.
CREATE TABLE report_subscriptions (
    agency_id uuid NOT NULL,
    id uuid NOT NULL,
    user_id uuid NOT NULL,
    client_id uuid,
    kind text NOT NULL,
    hour smallint NOT NULL,
    time_zone text NOT NULL,
    language text,
    files text[] DEFAULT '{}' NOT NULL,
    enabled boolean DEFAULT true NOT NULL,
    secret text NOT NULL,
    next_at timestamptz NOT NULL,
    last_sent_at timestamptz,
    created_at timestamptz DEFAULT now() NOT NULL,
    updated_at timestamptz DEFAULT now() NOT NULL,
    version integer DEFAULT 1 NOT NULL,
    CONSTRAINT pk_report_subscriptions PRIMARY KEY (agency_id, id),
    CONSTRAINT fk_report_subscriptions_agency_id_user_id FOREIGN KEY(agency_id, user_id)
        REFERENCES users (agency_id, id) ON DELETE CASCADE,
    CONSTRAINT fk_report_subscriptions_agency_id_client_id FOREIGN KEY(agency_id, client_id)
        REFERENCES clients (agency_id, id),
    CONSTRAINT ck_report_subscriptions_kind CHECK (kind IN ('daily', 'weekly', 'monthly')),
    CONSTRAINT ck_report_subscriptions_hour CHECK (hour BETWEEN 0 AND 23)
);
CREATE INDEX ix_report_subscriptions_next_at ON report_subscriptions (next_at) WHERE enabled;

ALTER TABLE report_subscriptions ENABLE ROW LEVEL SECURITY;
ALTER TABLE report_subscriptions FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON report_subscriptions
    USING (agency_id = dialtrace_agency() AND (dialtrace_client() IS NULL OR client_id = dialtrace_client()))
    WITH CHECK (agency_id = dialtrace_agency() AND (dialtrace_client() IS NULL OR client_id = dialtrace_client()));
GRANT SELECT, INSERT, UPDATE, DELETE ON report_subscriptions TO dialtrace_app;

-- The job that finds whose hour has come: of every agency, and no secret.
CREATE POLICY system_read ON report_subscriptions FOR SELECT TO dialtrace_system USING (true);
GRANT SELECT (agency_id, id, enabled, next_at) ON report_subscriptions TO dialtrace_system;

SELECT dialtrace_audit_table('report_subscriptions', 'report_subscription', 'id', 'secret');
