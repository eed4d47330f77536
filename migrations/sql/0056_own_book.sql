-- Which price book a client's transaction may read, as a function: Citus takes no policy with a query in it.
CREATE FUNCTION dialtrace_own_book() RETURNS uuid
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    RETURN (SELECT a.price_book_id FROM billing_accounts a
            WHERE a.agency_id = dialtrace_agency() AND a.scope_id = dialtrace_client());
END $$;
REVOKE ALL ON FUNCTION dialtrace_own_book() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION dialtrace_own_book() TO dialtrace_app, dialtrace_system;

ALTER POLICY own_prices ON price_books USING (agency_id = dialtrace_agency() AND id = dialtrace_own_book());
ALTER POLICY own_prices ON price_editions USING (agency_id = dialtrace_agency() AND book_id = dialtrace_own_book());
ALTER POLICY own_prices ON price_rates USING (agency_id = dialtrace_agency() AND book_id = dialtrace_own_book());
ALTER POLICY own_prices ON price_packages USING (agency_id = dialtrace_agency() AND book_id = dialtrace_own_book());
