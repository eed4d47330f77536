-- White label: under which name, colours, domain and language an agency's people see the platform.
CREATE TABLE brands (
    agency_id uuid NOT NULL,
    name text NOT NULL,
    colour text NOT NULL,
    accent text NOT NULL,
    language text NOT NULL,
    domain text,
    mail_from text,
    logo bytea,
    updated_at timestamptz DEFAULT now() NOT NULL,
    version integer DEFAULT 1 NOT NULL,
    CONSTRAINT pk_brands PRIMARY KEY (agency_id),
    CONSTRAINT fk_brands_agency_id FOREIGN KEY(agency_id) REFERENCES agencies (agency_id),
    CONSTRAINT ck_brands_language CHECK (language IN ('en', 'ru'))
);
ALTER TABLE brands ENABLE ROW LEVEL SECURITY;
ALTER TABLE brands FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_read ON brands FOR SELECT USING (agency_id = dialtrace_agency());
CREATE POLICY tenant_insert ON brands FOR INSERT
    WITH CHECK (agency_id = dialtrace_agency() AND dialtrace_client() IS NULL);
CREATE POLICY tenant_update ON brands FOR UPDATE USING (agency_id = dialtrace_agency() AND dialtrace_client() IS NULL)
    WITH CHECK (agency_id = dialtrace_agency() AND dialtrace_client() IS NULL);
GRANT SELECT, INSERT, UPDATE ON brands TO dialtrace_app;

-- Whose domain it is, before the tenant is known.
CREATE TABLE brand_domains (
    domain text NOT NULL,
    agency_id uuid NOT NULL,
    CONSTRAINT pk_brand_domains PRIMARY KEY (domain),
    CONSTRAINT uq_brand_domains_agency_id UNIQUE (agency_id)
);

-- Copies an agency's domain into the directory. One that another agency has is a unique violation.
CREATE FUNCTION dialtrace_brand_put(p_agency uuid) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    PERFORM dialtrace_check_agency(p_agency);
    DELETE FROM brand_domains d WHERE d.agency_id = p_agency;
    INSERT INTO brand_domains (domain, agency_id)
        SELECT b.domain, b.agency_id FROM brands b WHERE b.agency_id = p_agency AND b.domain IS NOT NULL;
END $$;

-- The brand of a domain: nothing of it is secret, it is what anybody who opens the page sees.
CREATE FUNCTION dialtrace_brand(p_domain text) RETURNS SETOF brands
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    v_agency uuid;
BEGIN
    SELECT d.agency_id INTO v_agency FROM brand_domains d WHERE d.domain = p_domain;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    PERFORM set_config('dialtrace.agency', v_agency::text, true);
    RETURN QUERY SELECT * FROM brands b WHERE b.agency_id = v_agency;
    PERFORM set_config('dialtrace.agency', '', true);
END $$;
REVOKE ALL ON FUNCTION dialtrace_brand_put(uuid), dialtrace_brand(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION dialtrace_brand_put(uuid), dialtrace_brand(text) TO dialtrace_app;

SELECT dialtrace_audit_table('brands', 'brand', 'agency_id', '');
