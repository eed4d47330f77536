-- People who sign in: their roles, sessions and the links that let them in.

CREATE TABLE roles (
    agency_id uuid NOT NULL,
    id uuid NOT NULL,
    name text NOT NULL,
    permissions text[] NOT NULL,
    created_at timestamptz DEFAULT now() NOT NULL,
    updated_at timestamptz DEFAULT now() NOT NULL,
    version integer DEFAULT 1 NOT NULL,
    CONSTRAINT pk_roles PRIMARY KEY (agency_id, id),
    CONSTRAINT uq_roles_agency_id_name UNIQUE (agency_id, name),
    CONSTRAINT fk_roles_agency_id FOREIGN KEY(agency_id) REFERENCES agencies (agency_id)
);

CREATE TABLE users (
    agency_id uuid NOT NULL,
    id uuid NOT NULL,
    client_id uuid,
    email text NOT NULL,
    name text NOT NULL,
    role text,
    role_id uuid,
    state text DEFAULT 'invited' NOT NULL,
    language text,
    password_hash text,
    totp_sealed bytea,
    totp_confirmed_at timestamptz,
    totp_last_step bigint,
    recovery_hashes bytea[] DEFAULT '{}' NOT NULL,
    last_sign_in_at timestamptz,
    created_at timestamptz DEFAULT now() NOT NULL,
    updated_at timestamptz DEFAULT now() NOT NULL,
    version integer DEFAULT 1 NOT NULL,
    CONSTRAINT pk_users PRIMARY KEY (agency_id, id),
    CONSTRAINT uq_users_agency_id_email UNIQUE (agency_id, email),
    CONSTRAINT fk_users_agency_id FOREIGN KEY(agency_id) REFERENCES agencies (agency_id),
    CONSTRAINT fk_users_agency_id_client_id FOREIGN KEY(agency_id, client_id) REFERENCES clients (agency_id, id),
    CONSTRAINT fk_users_agency_id_role_id FOREIGN KEY(agency_id, role_id) REFERENCES roles (agency_id, id),
    CONSTRAINT ck_users_state CHECK (state IN ('invited', 'active', 'disabled')),
    CONSTRAINT ck_users_one_role CHECK (num_nonnulls(role, role_id) = 1),
    CONSTRAINT ck_users_active_has_password CHECK (state <> 'active' OR password_hash IS NOT NULL)
);
CREATE INDEX ix_users_agency_id_role_id ON users (agency_id, role_id);

CREATE TABLE user_links (
    agency_id uuid NOT NULL,
    id uuid NOT NULL,
    client_id uuid,
    user_id uuid NOT NULL,
    kind text NOT NULL,
    secret_hash bytea NOT NULL,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    used_at timestamptz,
    CONSTRAINT pk_user_links PRIMARY KEY (agency_id, id),
    CONSTRAINT fk_user_links_agency_id_user_id FOREIGN KEY(agency_id, user_id) REFERENCES users (agency_id, id) ON DELETE CASCADE,
    CONSTRAINT ck_user_links_kind CHECK (kind IN ('invitation', 'reset'))
);
CREATE INDEX ix_user_links_agency_id_user_id ON user_links (agency_id, user_id);

CREATE TABLE sessions (
    agency_id uuid NOT NULL,
    id uuid NOT NULL,
    client_id uuid,
    user_id uuid NOT NULL,
    secret_hash bytea NOT NULL,
    created_at timestamptz NOT NULL,
    last_seen_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    address text,
    browser text DEFAULT '' NOT NULL,
    CONSTRAINT pk_sessions PRIMARY KEY (agency_id, id),
    CONSTRAINT fk_sessions_agency_id_user_id FOREIGN KEY(agency_id, user_id) REFERENCES users (agency_id, id) ON DELETE CASCADE
);
CREATE INDEX ix_sessions_agency_id_user_id ON sessions (agency_id, user_id);

-- Found before the tenant is known: e-mail address -> users. Reached through the functions below only.
CREATE TABLE sign_in_directory (
    email text NOT NULL,
    agency_id uuid NOT NULL,
    user_id uuid NOT NULL,
    CONSTRAINT pk_sign_in_directory PRIMARY KEY (email, agency_id)
);
-- How often somebody tried to get in; the keys are keyed hashes.
CREATE TABLE sign_in_tries (
    key bytea NOT NULL,
    tries integer NOT NULL,
    since timestamptz NOT NULL,
    CONSTRAINT pk_sign_in_tries PRIMARY KEY (key)
);
CREATE INDEX ix_sign_in_tries_since ON sign_in_tries (since);

DO $$
DECLARE
    tenant_table text;
    allowed text := 'agency_id = dialtrace_agency() AND (dialtrace_client() IS NULL OR client_id = dialtrace_client())';
BEGIN
    FOREACH tenant_table IN ARRAY ARRAY['users', 'user_links', 'sessions'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', tenant_table);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', tenant_table);
        EXECUTE format('CREATE POLICY tenant ON %I USING (%s) WITH CHECK (%s)', tenant_table, allowed, allowed);
        EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %I TO dialtrace_app', tenant_table);
    END LOOP;
END $$;
-- An agency's roles: its clients see them (a user of theirs may have one), only the agency as a whole changes them.
ALTER TABLE roles ENABLE ROW LEVEL SECURITY;
ALTER TABLE roles FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_read ON roles FOR SELECT USING (agency_id = dialtrace_agency());
CREATE POLICY tenant_insert ON roles FOR INSERT
    WITH CHECK (agency_id = dialtrace_agency() AND dialtrace_client() IS NULL);
CREATE POLICY tenant_update ON roles FOR UPDATE USING (agency_id = dialtrace_agency() AND dialtrace_client() IS NULL)
    WITH CHECK (agency_id = dialtrace_agency() AND dialtrace_client() IS NULL);
CREATE POLICY tenant_delete ON roles FOR DELETE USING (agency_id = dialtrace_agency() AND dialtrace_client() IS NULL);
GRANT SELECT, INSERT, UPDATE, DELETE ON roles TO dialtrace_app;

-- Copies a user into the directory, or takes him out of it when he is gone.
CREATE FUNCTION dialtrace_sign_in_put(p_agency uuid, p_user uuid) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    PERFORM dialtrace_check_agency(p_agency);
    DELETE FROM sign_in_directory d WHERE d.agency_id = p_agency AND d.user_id = p_user;
    INSERT INTO sign_in_directory (email, agency_id, user_id)
        SELECT u.email, u.agency_id, u.id FROM users u WHERE u.agency_id = p_agency AND u.id = p_user;
END $$;

-- Where somebody with this e-mail address may sign in; a few at most.
CREATE FUNCTION dialtrace_sign_in(p_email text) RETURNS TABLE (agency_id uuid, user_id uuid)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    RETURN QUERY SELECT d.agency_id, d.user_id FROM sign_in_directory d WHERE d.email = p_email
                 ORDER BY d.agency_id LIMIT 5;
END $$;

-- Counts a try under each key, before anything is checked: tries that come at the same time are all counted. Returns 0,
-- or the seconds to wait where one key has had its most within the window; then nothing is counted.
CREATE FUNCTION dialtrace_sign_in_try(p_keys bytea[], p_most integer[], p_window_s integer) RETURNS integer
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    v_window interval := make_interval(secs => p_window_s);
    v_row sign_in_tries%ROWTYPE;
    v_wait integer := 0;
    v_place integer;
BEGIN
    -- In the order of the keys, so that two who lock the same ones do not wait for each other.
    FOR v_place IN SELECT k.place FROM unnest(p_keys) WITH ORDINALITY k (key, place) ORDER BY k.key LOOP
        INSERT INTO sign_in_tries (key, tries, since) VALUES (p_keys[v_place], 0, now()) ON CONFLICT DO NOTHING;
        SELECT * INTO STRICT v_row FROM sign_in_tries t WHERE t.key = p_keys[v_place] FOR UPDATE;
        IF v_row.since <= now() - v_window THEN
            UPDATE sign_in_tries t SET tries = 0, since = now() WHERE t.key = v_row.key;
        ELSIF v_row.tries >= p_most[v_place] THEN
            v_wait := greatest(v_wait, ceil(extract(epoch FROM v_row.since + v_window - now()))::integer, 1);
        END IF;
    END LOOP;
    IF v_wait = 0 THEN
        UPDATE sign_in_tries t SET tries = t.tries + 1 WHERE t.key = ANY (p_keys);
        DELETE FROM sign_in_tries t WHERE t.key IN (
            SELECT o.key FROM sign_in_tries o WHERE o.since <= now() - 2 * v_window LIMIT 100 FOR UPDATE SKIP LOCKED);
    END IF;
    RETURN v_wait;
END $$;

-- He got in: his own tries are forgotten.
CREATE FUNCTION dialtrace_sign_in_forget(p_keys bytea[]) RETURNS void
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    DELETE FROM sign_in_tries t WHERE t.key = ANY (p_keys);
$$;

REVOKE ALL ON FUNCTION dialtrace_sign_in_put(uuid, uuid), dialtrace_sign_in(text),
    dialtrace_sign_in_try(bytea[], integer[], integer), dialtrace_sign_in_forget(bytea[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION dialtrace_sign_in_put(uuid, uuid), dialtrace_sign_in(text),
    dialtrace_sign_in_try(bytea[], integer[], integer), dialtrace_sign_in_forget(bytea[]) TO dialtrace_app;

SELECT dialtrace_audit_table('roles', 'role', 'id', '');
SELECT dialtrace_audit_table('users', 'user', 'id', 'password_hash totp_sealed totp_last_step recovery_hashes');
SELECT dialtrace_audit_table('user_links', 'user_link', 'user_id', 'secret_hash');
SELECT dialtrace_audit_table('sessions', 'session', 'id', 'secret_hash last_seen_at');
