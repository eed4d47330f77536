-- What a client's reports go by, and what its advertising cost.
CREATE TABLE report_settings (
    agency_id uuid NOT NULL,
    client_id uuid NOT NULL,
    target_answered boolean NOT NULL,
    target_min_talk_s integer NOT NULL,
    target_min_score smallint,
    target_tags_any text[] NOT NULL,
    target_tags_none text[] NOT NULL,
    target_without_spam boolean NOT NULL,
    answer_norm_s integer NOT NULL,
    confidence double precision NOT NULL,
    spam_from smallint NOT NULL,
    currency text NOT NULL,
    version integer NOT NULL,
    updated_at timestamptz NOT NULL,
    CONSTRAINT pk_report_settings PRIMARY KEY (agency_id, client_id),
    CONSTRAINT fk_report_settings_agency_id_client_id FOREIGN KEY(agency_id, client_id)
        REFERENCES clients (agency_id, id),
    CONSTRAINT ck_report_settings_currency CHECK (currency ~ '^[A-Z]{3}$')
);
CREATE TABLE ad_spend (
    agency_id uuid NOT NULL,
    client_id uuid NOT NULL,
    day date NOT NULL,
    digest bytea NOT NULL,
    channel text,
    source text,
    medium text,
    campaign text,
    content text,
    keyword text,
    impressions bigint NOT NULL,
    clicks bigint NOT NULL,
    cost numeric(16, 4) NOT NULL,
    currency text NOT NULL,
    imported_at timestamptz NOT NULL,
    CONSTRAINT pk_ad_spend PRIMARY KEY (agency_id, client_id, day, digest),
    CONSTRAINT fk_ad_spend_agency_id_client_id FOREIGN KEY(agency_id, client_id) REFERENCES clients (agency_id, id),
    CONSTRAINT ck_ad_spend_counts CHECK (impressions >= 0 AND clicks >= 0 AND cost >= 0),
    CONSTRAINT ck_ad_spend_currency CHECK (currency ~ '^[A-Z]{3}$')
);

ALTER TABLE report_settings ENABLE ROW LEVEL SECURITY;
ALTER TABLE report_settings FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON report_settings
    USING (agency_id = dialtrace_agency() AND (dialtrace_client() IS NULL OR client_id = dialtrace_client()))
    WITH CHECK (agency_id = dialtrace_agency() AND (dialtrace_client() IS NULL OR client_id = dialtrace_client()));
ALTER TABLE ad_spend ENABLE ROW LEVEL SECURITY;
ALTER TABLE ad_spend FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON ad_spend
    USING (agency_id = dialtrace_agency() AND (dialtrace_client() IS NULL OR client_id = dialtrace_client()))
    WITH CHECK (agency_id = dialtrace_agency() AND (dialtrace_client() IS NULL OR client_id = dialtrace_client()));
GRANT SELECT, INSERT, UPDATE, DELETE ON report_settings TO dialtrace_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON ad_spend TO dialtrace_app;
SELECT dialtrace_audit_table('report_settings', 'report_settings', 'client_id', '');
