"""The three database roles. They belong to the server, not to one database, so they are no migration: every upgrade
makes sure of them, also after a database was moved to another server. Must not know any table.
"""

from sqlalchemy import Connection

OWNER_ROLE = "dialtrace_owner"

# Another database of the same server may be making the same roles at this moment: "exists already" is fine.
_MAKE = """
DO $$
DECLARE
    v_role text;
BEGIN
    FOREACH v_role IN ARRAY ARRAY['dialtrace_owner', 'dialtrace_app', 'dialtrace_system'] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = v_role) THEN
            BEGIN
                EXECUTE format('CREATE ROLE %I NOLOGIN NOSUPERUSER NOBYPASSRLS', v_role);
            EXCEPTION WHEN duplicate_object OR unique_violation THEN
                NULL;
            END;
        END IF;
        IF NOT pg_has_role(session_user, v_role, 'MEMBER') THEN
            EXECUTE format('GRANT %I TO %I', v_role, session_user);
        END IF;
    END LOOP;
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
    there already."""
    connection.exec_driver_sql(_MAKE, execution_options={"no_parameters": True})
