-- Sites, the visits to them, clicks on their telephone links, own rules for sources, and the source of a static number.

-- What a static number stands for: a call to it comes from there, whatever the visits say.
ALTER TABLE numbers
    ADD COLUMN channel text,
    ADD COLUMN source text,
    ADD COLUMN medium text,
    ADD COLUMN campaign text,
    ADD COLUMN content text,
    ADD COLUMN keyword text;

CREATE TABLE sites (
    agency_id uuid NOT NULL,
    id uuid NOT NULL,
    client_id uuid NOT NULL,
    name text NOT NULL,
    token text NOT NULL,
    domains text[] NOT NULL,
    settings jsonb DEFAULT '{}' NOT NULL,
    rules_draft jsonb,
    rules_live jsonb DEFAULT '{}' NOT NULL,
    rules_version integer DEFAULT 0 NOT NULL,
    status text DEFAULT 'active' NOT NULL,
    created_at timestamptz DEFAULT now() NOT NULL,
    updated_at timestamptz DEFAULT now() NOT NULL,
    version integer DEFAULT 1 NOT NULL,
    CONSTRAINT pk_sites PRIMARY KEY (agency_id, id),
    CONSTRAINT uq_sites_agency_id_client_id_id UNIQUE (agency_id, client_id, id),
    CONSTRAINT fk_sites_agency_id_client_id FOREIGN KEY(agency_id, client_id) REFERENCES clients (agency_id, id),
    CONSTRAINT ck_sites_status CHECK (status IN ('active', 'suspended', 'deleted'))
);

-- Finds the agency of a snippet's token before the tenant is known. A reference table, read through dialtrace_site only.
CREATE TABLE site_directory (
    token text NOT NULL,
    agency_id uuid NOT NULL,
    client_id uuid NOT NULL,
    site_id uuid NOT NULL,
    CONSTRAINT pk_site_directory PRIMARY KEY (token)
);

CREATE TABLE source_rules (
    agency_id uuid NOT NULL,
    client_id uuid NOT NULL,
    rules jsonb NOT NULL,
    updated_at timestamptz DEFAULT now() NOT NULL,
    version integer DEFAULT 1 NOT NULL,
    CONSTRAINT pk_source_rules PRIMARY KEY (agency_id, client_id),
    CONSTRAINT fk_source_rules_agency_id_client_id FOREIGN KEY(agency_id, client_id) REFERENCES clients (agency_id, id)
);

-- A visit's id is a UUIDv7 whose time is started_at: whoever knows the id knows the partition.
CREATE TABLE visits (
    agency_id uuid NOT NULL,
    id uuid NOT NULL,
    started_at timestamptz NOT NULL,
    client_id uuid NOT NULL,
    site_id uuid NOT NULL,
    visitor_id uuid NOT NULL,
    landing_page text NOT NULL,
    referrer text,
    channel text NOT NULL,
    source text NOT NULL,
    medium text,
    campaign text,
    content text,
    keyword text,
    click_ids jsonb DEFAULT '{}' NOT NULL,
    classified_by text NOT NULL,
    rules_version integer DEFAULT 0 NOT NULL,
    device text NOT NULL,
    region text,
    address text,
    address_hash bytea,
    consent text NOT NULL,
    pages integer DEFAULT 1 NOT NULL,
    last_seen_at timestamptz NOT NULL,
    left_at timestamptz,
    is_bot boolean DEFAULT false NOT NULL,
    is_preview boolean DEFAULT false NOT NULL,
    CONSTRAINT pk_visits PRIMARY KEY (agency_id, id, started_at),
    CONSTRAINT ck_visits_consent CHECK (consent IN ('given', 'refused', 'not_asked')),
    CONSTRAINT ck_visits_device CHECK (device IN ('desktop', 'mobile', 'tablet', 'bot', 'other'))
) PARTITION BY RANGE (started_at);
CREATE INDEX ix_visits_agency_id_visitor_id_started_at ON visits (agency_id, visitor_id, started_at);
CREATE INDEX ix_visits_agency_id_client_id_started_at ON visits (agency_id, client_id, started_at);

CREATE TABLE tel_clicks (
    agency_id uuid NOT NULL,
    id uuid NOT NULL,
    client_id uuid NOT NULL,
    visit_id uuid NOT NULL,
    visit_started_at timestamptz NOT NULL,
    number_id uuid,
    clicked_at timestamptz NOT NULL,
    CONSTRAINT pk_tel_clicks PRIMARY KEY (agency_id, id)
);
CREATE INDEX ix_tel_clicks_agency_id_number_id_clicked_at ON tel_clicks (agency_id, number_id, clicked_at);
CREATE INDEX ix_tel_clicks_agency_id_visit_id ON tel_clicks (agency_id, visit_id);
CREATE INDEX ix_tel_clicks_agency_id_client_id_visit_started_at ON tel_clicks (agency_id, client_id, visit_started_at);

DO $$
DECLARE
    tenant_table text;
    allowed text := 'agency_id = dialtrace_agency() AND (dialtrace_client() IS NULL OR client_id = dialtrace_client())';
BEGIN
    FOREACH tenant_table IN ARRAY ARRAY['sites', 'source_rules', 'visits', 'tel_clicks'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', tenant_table);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', tenant_table);
        EXECUTE format('CREATE POLICY tenant ON %I USING (%s) WITH CHECK (%s)', tenant_table, allowed, allowed);
    END LOOP;
END $$;
GRANT SELECT, INSERT, UPDATE ON sites TO dialtrace_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON source_rules, visits, tel_clicks TO dialtrace_app;

-- Whose snippet this token is. No row: nobody's, or a site that was deleted.
CREATE FUNCTION dialtrace_site(p_token text) RETURNS TABLE (agency_id uuid, client_id uuid, site_id uuid)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    RETURN QUERY SELECT d.agency_id, d.client_id, d.site_id FROM site_directory d WHERE d.token = p_token;
END $$;

-- Carries one of the tenant's sites over to where its token is looked for; one that was deleted goes from there.
CREATE FUNCTION dialtrace_site_put(p_agency uuid, p_site uuid) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    v_site sites%ROWTYPE;
BEGIN
    PERFORM dialtrace_check_agency(p_agency);
    SELECT * INTO v_site FROM sites s WHERE s.agency_id = p_agency AND s.id = p_site;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'site % is not there', p_site USING ERRCODE = 'no_data_found';
    END IF;
    DELETE FROM site_directory d WHERE d.agency_id = p_agency AND d.site_id = p_site
        AND (d.token <> v_site.token OR v_site.status = 'deleted');
    IF v_site.status <> 'deleted' THEN
        -- A token that another site has is refused by the key.
        INSERT INTO site_directory AS d (token, agency_id, client_id, site_id)
        VALUES (v_site.token, p_agency, v_site.client_id, p_site)
        ON CONFLICT (token) DO UPDATE SET client_id = excluded.client_id
            WHERE d.agency_id = excluded.agency_id AND d.site_id = excluded.site_id;
        IF NOT FOUND THEN
            RAISE EXCEPTION 'the token is taken' USING ERRCODE = 'unique_violation', CONSTRAINT = 'pk_site_directory';
        END IF;
    END IF;
END $$;

REVOKE ALL ON FUNCTION dialtrace_site(text), dialtrace_site_put(uuid, uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION dialtrace_site(text), dialtrace_site_put(uuid, uuid) TO dialtrace_app;

-- A visit of any month finds a place, even if nobody has made a partition for it.
CREATE TABLE visits_default PARTITION OF visits DEFAULT;
SELECT dialtrace_make_partitions((date_trunc('month', now() AT TIME ZONE 'UTC') - interval '1 month')::date, 5);
