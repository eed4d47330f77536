"""The three database roles. They belong to the server, not to one database, so they are no migration: every upgrade
makes sure of them, also after a database was moved to another server. Must not know any table.
"""

from sqlalchemy import Connection
from sqlalchemy.exc import ProgrammingError

from .errors import LoginTooWeak

OWNER_ROLE = "dialtrace_owner"
INSUFFICIENT_PRIVILEGE = "42501"

# Another database of the same server may be making the same roles at this moment: "exists already" is fine.
_MAKE = """
DO $$
DECLARE
    v_role text;
    -- Since PostgreSQL 16 who makes a role may give it away, but not take it on, until he has granted it to himself.
    v_right text := CASE WHEN current_setting('server_version_num')::integer >= 160000 THEN 'SET' ELSE 'MEMBER' END;
BEGIN
    FOREACH v_role IN ARRAY ARRAY['dialtrace_owner', 'dialtrace_app', 'dialtrace_system'] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = v_role) THEN
            BEGIN
                EXECUTE format('CREATE ROLE %I NOLOGIN NOSUPERUSER NOBYPASSRLS', v_role);
            EXCEPTION WHEN duplicate_object OR unique_violation THEN
                NULL;
            END;
        END IF;
        IF NOT pg_has_role(session_user, v_role, v_right) THEN
            BEGIN
                EXECUTE format('GRANT %I TO %I', v_role, session_user);
            EXCEPTION WHEN unique_violation THEN
                NULL;
            END;
        END IF;
    END LOOP;
    -- A database that began before PostgreSQL 15 lets everybody make objects here, beside those that our functions use.
    IF has_schema_privilege('dialtrace_app', 'public', 'CREATE') THEN
        REVOKE CREATE ON SCHEMA public FROM PUBLIC;
    END IF;
    IF NOT (has_schema_privilege('dialtrace_owner', 'public', 'CREATE')
            AND has_schema_privilege('dialtrace_owner', 'public', 'USAGE')) THEN
        GRANT CREATE, USAGE ON SCHEMA public TO dialtrace_owner;
    END IF;
    IF NOT (has_schema_privilege('dialtrace_app', 'public', 'USAGE')
            AND has_schema_privilege('dialtrace_system', 'public', 'USAGE')) THEN
        GRANT USAGE ON SCHEMA public TO dialtrace_app, dialtrace_system;
    END IF;
END $$
"""


def ensure_roles(connection: Connection) -> None:
    """Make what is missing and grant it to the current login. A login that may not do so is fine where everything is
    there already. Raises LoginTooWeak."""
    try:
        connection.exec_driver_sql(_MAKE, execution_options={"no_parameters": True})
    except ProgrammingError as error:
        if getattr(error.orig, "pgcode", None) != INSUFFICIENT_PRIVILEGE:
            raise
        raise LoginTooWeak from error
