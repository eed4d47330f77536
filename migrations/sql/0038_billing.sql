-- What calls and everything else cost: price books, accounts, charges of calls, the ledger that money moves in.
-- Charges, ledger, editions of price books, usage and statements only grow: the application may add and read.

-- A list of prices. side client: what an agency's client pays; side agency: what the agency pays the operator.
CREATE TABLE price_books (
    agency_id uuid NOT NULL,
    id uuid NOT NULL,
    side text NOT NULL,
    name text NOT NULL,
    currency text NOT NULL,
    edition integer DEFAULT 0 NOT NULL,
    created_at timestamptz DEFAULT now() NOT NULL,
    updated_at timestamptz DEFAULT now() NOT NULL,
    version integer DEFAULT 1 NOT NULL,
    CONSTRAINT pk_price_books PRIMARY KEY (agency_id, id),
    CONSTRAINT fk_price_books_agency_id FOREIGN KEY(agency_id) REFERENCES agencies (agency_id),
    CONSTRAINT ck_price_books_side CHECK (side IN ('client', 'agency')),
    CONSTRAINT ck_price_books_currency CHECK (currency ~ '^[A-Z]{3}$')
);

-- The prices of a book from a moment on. An edition never changes: another one takes its place.
CREATE TABLE price_editions (
    agency_id uuid NOT NULL,
    book_id uuid NOT NULL,
    edition integer NOT NULL,
    valid_from timestamptz NOT NULL,
    places smallint NOT NULL,
    rounding text NOT NULL,
    monthly_minimum numeric(18, 6) DEFAULT 0 NOT NULL,
    made_at timestamptz DEFAULT now() NOT NULL,
    CONSTRAINT pk_price_editions PRIMARY KEY (agency_id, book_id, edition),
    CONSTRAINT fk_price_editions_agency_id_book_id FOREIGN KEY(agency_id, book_id) REFERENCES price_books (agency_id, id),
    CONSTRAINT ck_price_editions_places CHECK (places BETWEEN 0 AND 6),
    CONSTRAINT ck_price_editions_rounding CHECK (rounding IN ('half_up', 'half_even', 'up', 'down')),
    CONSTRAINT ck_price_editions_monthly_minimum CHECK (monthly_minimum >= 0)
);

CREATE TABLE price_rates (
    agency_id uuid NOT NULL,
    book_id uuid NOT NULL,
    edition integer NOT NULL,
    meter text NOT NULL,
    direction text DEFAULT '' NOT NULL,
    prefix text DEFAULT '' NOT NULL,
    amount numeric(18, 6) NOT NULL,
    setup numeric(18, 6) DEFAULT 0 NOT NULL,
    minimum numeric(18, 6) DEFAULT 0 NOT NULL,
    initial_s integer DEFAULT 60 NOT NULL,
    increment_s integer DEFAULT 60 NOT NULL,
    proration text DEFAULT 'daily' NOT NULL,
    package text,
    CONSTRAINT pk_price_rates PRIMARY KEY (agency_id, book_id, edition, meter, direction, prefix),
    CONSTRAINT fk_price_rates_agency_id_book_id_edition FOREIGN KEY(agency_id, book_id, edition)
        REFERENCES price_editions (agency_id, book_id, edition),
    CONSTRAINT ck_price_rates_meter CHECK (meter ~ '^[a-z][a-z0-9_.-]{0,63}$'),
    CONSTRAINT ck_price_rates_direction CHECK (
        CASE meter WHEN 'minute' THEN direction IN ('inbound', 'outbound') ELSE direction = '' END),
    CONSTRAINT ck_price_rates_prefix CHECK (prefix ~ '^(\+[1-9]?[0-9]{0,13})?$'),
    CONSTRAINT ck_price_rates_amounts CHECK (amount >= 0 AND setup >= 0 AND minimum >= 0),
    CONSTRAINT ck_price_rates_seconds CHECK (initial_s BETWEEN 0 AND 3600 AND increment_s BETWEEN 1 AND 3600),
    CONSTRAINT ck_price_rates_proration CHECK (proration IN ('daily', 'whole'))
);

-- What is free within a calendar month.
CREATE TABLE price_packages (
    agency_id uuid NOT NULL,
    book_id uuid NOT NULL,
    edition integer NOT NULL,
    name text NOT NULL,
    quantity bigint NOT NULL,
    CONSTRAINT pk_price_packages PRIMARY KEY (agency_id, book_id, edition, name),
    CONSTRAINT fk_price_packages_agency_id_book_id_edition FOREIGN KEY(agency_id, book_id, edition)
        REFERENCES price_editions (agency_id, book_id, edition),
    CONSTRAINT ck_price_packages_quantity CHECK (quantity > 0)
);

-- Who pays: a client (its agency) or an agency (the operator); scope_id is the payer. balance and entries are the
-- ledger's: only its trigger writes them.
CREATE TABLE billing_accounts (
    agency_id uuid NOT NULL,
    scope_id uuid NOT NULL,
    client_id uuid,
    currency text NOT NULL,
    time_zone text NOT NULL,
    price_book_id uuid,
    mode text DEFAULT 'postpaid' NOT NULL,
    lowest_balance numeric(18, 6) DEFAULT 0 NOT NULL,
    alarms numeric(18, 6)[] DEFAULT '{}' NOT NULL,
    due_days integer DEFAULT 14 NOT NULL,
    grace_days integer DEFAULT 14 NOT NULL,
    then_action text DEFAULT 'keep' NOT NULL,
    state text DEFAULT 'good' NOT NULL,
    state_at timestamptz DEFAULT now() NOT NULL,
    balance numeric(18, 6) DEFAULT 0 NOT NULL,
    entries bigint DEFAULT 0 NOT NULL,
    -- Local days that are over and whose stocks were counted; months that are closed.
    metered_until date NOT NULL,
    closed_until date NOT NULL,
    created_at timestamptz DEFAULT now() NOT NULL,
    updated_at timestamptz DEFAULT now() NOT NULL,
    version integer DEFAULT 1 NOT NULL,
    CONSTRAINT pk_billing_accounts PRIMARY KEY (agency_id, scope_id),
    CONSTRAINT fk_billing_accounts_agency_id FOREIGN KEY(agency_id) REFERENCES agencies (agency_id),
    CONSTRAINT fk_billing_accounts_agency_id_client_id FOREIGN KEY(agency_id, client_id) REFERENCES clients (agency_id, id),
    CONSTRAINT fk_billing_accounts_agency_id_price_book_id FOREIGN KEY(agency_id, price_book_id)
        REFERENCES price_books (agency_id, id),
    CONSTRAINT ck_billing_accounts_scope CHECK (scope_id = coalesce(client_id, agency_id)),
    CONSTRAINT ck_billing_accounts_currency CHECK (currency ~ '^[A-Z]{3}$'),
    CONSTRAINT ck_billing_accounts_mode CHECK (mode IN ('prepaid', 'postpaid')),
    CONSTRAINT ck_billing_accounts_days CHECK (due_days BETWEEN 0 AND 365 AND grace_days BETWEEN 0 AND 365),
    CONSTRAINT ck_billing_accounts_then_action CHECK (then_action IN ('keep', 'suspend')),
    CONSTRAINT ck_billing_accounts_state CHECK (state IN ('good', 'overdue', 'stopped')),
    CONSTRAINT ck_billing_accounts_closed_until CHECK (date_trunc('month', closed_until) = closed_until)
);

-- Every movement of money, in order. place counts from 1 without a gap; balance is what the account then has.
CREATE TABLE ledger_entries (
    agency_id uuid NOT NULL,
    scope_id uuid NOT NULL,
    place bigint NOT NULL,
    client_id uuid,
    kind text NOT NULL,
    -- In the account's own zone: to which day, and so to which month, it belongs.
    day date NOT NULL,
    amount numeric(18, 6) NOT NULL,
    balance numeric(18, 6) NOT NULL,
    currency text NOT NULL,
    -- The same movement twice is one.
    reference text NOT NULL,
    batch uuid,
    -- What it is made of: meter, direction, prefix, quantity, free, count, amount.
    lines jsonb DEFAULT '[]' NOT NULL,
    note text DEFAULT '' NOT NULL,
    posted_at timestamptz DEFAULT now() NOT NULL,
    CONSTRAINT pk_ledger_entries PRIMARY KEY (agency_id, scope_id, place),
    CONSTRAINT uq_ledger_entries_agency_id_scope_id_reference UNIQUE (agency_id, scope_id, reference),
    CONSTRAINT fk_ledger_entries_agency_id_scope_id FOREIGN KEY(agency_id, scope_id)
        REFERENCES billing_accounts (agency_id, scope_id),
    CONSTRAINT ck_ledger_entries_kind CHECK (kind IN ('calls', 'month', 'payment', 'credit', 'correction')),
    CONSTRAINT ck_ledger_entries_place CHECK (place >= 1)
);
CREATE INDEX ix_ledger_entries_agency_id_scope_id_day ON ledger_entries (agency_id, scope_id, day, place);

-- The place of an entry and the balance after it are the ledger's own: whoever adds one says only what moves. The
-- account's row is the lock, so entries of one account stand one after another.
CREATE FUNCTION dialtrace_post_entry() RETURNS trigger
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    v_currency text;
BEGIN
    PERFORM dialtrace_check_agency(NEW.agency_id);
    UPDATE billing_accounts a SET balance = a.balance + NEW.amount, entries = a.entries + 1
    WHERE a.agency_id = NEW.agency_id AND a.scope_id = NEW.scope_id
    RETURNING a.balance, a.entries, a.currency, a.client_id INTO NEW.balance, NEW.place, v_currency, NEW.client_id;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'there is no account %', NEW.scope_id USING ERRCODE = 'foreign_key_violation';
    ELSIF v_currency <> NEW.currency THEN
        RAISE EXCEPTION 'the account is in %, the entry in %', v_currency, NEW.currency USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER post_entry BEFORE INSERT ON ledger_entries FOR EACH ROW EXECUTE FUNCTION dialtrace_post_entry();
REVOKE ALL ON FUNCTION dialtrace_post_entry() FROM PUBLIC;

-- What the parts of calls cost. Another price is a reversal of the old one and a new charge: sums over all rows are
-- what holds. Rows of the side agency are hidden from the agency's clients.
CREATE TABLE call_charges (
    agency_id uuid NOT NULL,
    call_id uuid NOT NULL,
    side text NOT NULL,
    rating integer NOT NULL,
    kind text NOT NULL,
    part smallint NOT NULL,
    client_id uuid NOT NULL,
    call_started_at timestamptz NOT NULL,
    call_revision integer NOT NULL,
    meter text NOT NULL,
    direction text NOT NULL,
    -- Of the rate that was found; NULL: the book has no price for it.
    prefix text,
    price numeric(18, 6),
    quantity bigint NOT NULL,
    free bigint NOT NULL,
    package text,
    amount numeric(18, 6) NOT NULL,
    currency text NOT NULL,
    book_id uuid NOT NULL,
    edition integer NOT NULL,
    -- Of the ledger's entries that moved it.
    batch uuid NOT NULL,
    rated_at timestamptz DEFAULT now() NOT NULL,
    CONSTRAINT pk_call_charges PRIMARY KEY (agency_id, call_id, side, rating, kind, part),
    CONSTRAINT ck_call_charges_side CHECK (side IN ('client', 'agency')),
    CONSTRAINT ck_call_charges_kind CHECK (kind IN ('charge', 'reversal')),
    CONSTRAINT ck_call_charges_sign CHECK (CASE kind WHEN 'charge' THEN amount >= 0 AND quantity >= 0 AND free >= 0
        ELSE amount <= 0 AND quantity <= 0 AND free <= 0 END)
);

-- How far in its event log an agency's calls are rated; the row is the lock.
CREATE TABLE rating_places (
    agency_id uuid NOT NULL,
    position bigint NOT NULL,
    rated_at timestamptz DEFAULT now() NOT NULL,
    CONSTRAINT pk_rating_places PRIMARY KEY (agency_id),
    CONSTRAINT fk_rating_places_agency_id FOREIGN KEY(agency_id) REFERENCES agencies (agency_id)
);

-- How much of a free package calls have used in a month; what call_charges say, summed up.
CREATE TABLE package_use (
    agency_id uuid NOT NULL,
    scope_id uuid NOT NULL,
    book_id uuid NOT NULL,
    package text NOT NULL,
    month date NOT NULL,
    used bigint NOT NULL,
    CONSTRAINT pk_package_use PRIMARY KEY (agency_id, scope_id, book_id, package, month)
);

-- What was used besides calls: stocks that are counted once a day, and what somebody reports.
CREATE TABLE usage_records (
    agency_id uuid NOT NULL,
    id uuid NOT NULL,
    client_id uuid NOT NULL,
    day date NOT NULL,
    meter text NOT NULL,
    quantity numeric(24, 6) NOT NULL,
    source text NOT NULL,
    reference text NOT NULL,
    note text DEFAULT '' NOT NULL,
    noted_at timestamptz DEFAULT now() NOT NULL,
    CONSTRAINT pk_usage_records PRIMARY KEY (agency_id, id),
    CONSTRAINT uq_usage_records_agency_id_client_id_reference UNIQUE (agency_id, client_id, reference),
    CONSTRAINT fk_usage_records_agency_id_client_id FOREIGN KEY(agency_id, client_id) REFERENCES clients (agency_id, id),
    CONSTRAINT ck_usage_records_meter CHECK (meter ~ '^[a-z][a-z0-9_.-]{0,63}$'),
    CONSTRAINT ck_usage_records_source CHECK (source IN ('platform', 'reported'))
);
CREATE INDEX ix_usage_records_agency_id_client_id_day ON usage_records (agency_id, client_id, day);

-- A month that is closed, as it was told.
CREATE TABLE statements (
    agency_id uuid NOT NULL,
    scope_id uuid NOT NULL,
    month date NOT NULL,
    client_id uuid,
    -- The last entry of the ledger that it knows.
    place bigint NOT NULL,
    currency text NOT NULL,
    total numeric(18, 6) NOT NULL,
    closing_balance numeric(18, 6) NOT NULL,
    document jsonb NOT NULL,
    made_at timestamptz DEFAULT now() NOT NULL,
    due_at timestamptz NOT NULL,
    CONSTRAINT pk_statements PRIMARY KEY (agency_id, scope_id, month),
    CONSTRAINT fk_statements_agency_id_scope_id FOREIGN KEY(agency_id, scope_id)
        REFERENCES billing_accounts (agency_id, scope_id)
);

-- Calls that were asked to be rated anew.
CREATE TABLE reratings (
    agency_id uuid NOT NULL,
    id uuid NOT NULL,
    client_id uuid,
    side text NOT NULL,
    price_book_id uuid,
    from_at timestamptz NOT NULL,
    until_at timestamptz NOT NULL,
    dry_run boolean NOT NULL,
    state text DEFAULT 'waiting' NOT NULL,
    calls bigint DEFAULT 0 NOT NULL,
    changed bigint DEFAULT 0 NOT NULL,
    difference jsonb DEFAULT '{}' NOT NULL,
    done_clients uuid[] DEFAULT '{}' NOT NULL,
    fault text,
    created_at timestamptz DEFAULT now() NOT NULL,
    finished_at timestamptz,
    CONSTRAINT pk_reratings PRIMARY KEY (agency_id, id),
    CONSTRAINT fk_reratings_agency_id FOREIGN KEY(agency_id) REFERENCES agencies (agency_id),
    CONSTRAINT fk_reratings_agency_id_price_book_id FOREIGN KEY(agency_id, price_book_id)
        REFERENCES price_books (agency_id, id),
    CONSTRAINT ck_reratings_side CHECK (side IN ('client', 'agency', 'both')),
    CONSTRAINT ck_reratings_state CHECK (state IN ('waiting', 'running', 'done', 'failed')),
    CONSTRAINT ck_reratings_span CHECK (from_at < until_at)
);

DO $$
DECLARE
    tenant_table text;
    of_agency text := 'agency_id = dialtrace_agency() AND dialtrace_client() IS NULL';
    of_client text := 'agency_id = dialtrace_agency() AND (dialtrace_client() IS NULL OR client_id = dialtrace_client())';
BEGIN
    FOREACH tenant_table IN ARRAY ARRAY[
        'price_books', 'price_editions', 'price_rates', 'price_packages', 'billing_accounts', 'ledger_entries',
        'call_charges', 'rating_places', 'package_use', 'usage_records', 'statements', 'reratings'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', tenant_table);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', tenant_table);
    END LOOP;
    -- Prices of the agency's own are nobody else's business; a client learns its own from its statements.
    FOREACH tenant_table IN ARRAY ARRAY[
        'price_books', 'price_editions', 'price_rates', 'price_packages', 'rating_places', 'package_use', 'reratings'] LOOP
        EXECUTE format('CREATE POLICY tenant ON %I USING (%s) WITH CHECK (%s)', tenant_table, of_agency, of_agency);
    END LOOP;
    FOREACH tenant_table IN ARRAY ARRAY['billing_accounts', 'ledger_entries', 'usage_records', 'statements'] LOOP
        EXECUTE format('CREATE POLICY tenant ON %I USING (%s) WITH CHECK (%s)', tenant_table, of_client, of_client);
    END LOOP;
    EXECUTE format('CREATE POLICY tenant ON call_charges USING (%s) WITH CHECK (%s)',
        of_client || ' AND (side = ''client'' OR dialtrace_client() IS NULL)', of_agency);
END $$;
-- What a client pays it may read: the book of its own account.
CREATE POLICY own_prices ON price_books FOR SELECT USING (agency_id = dialtrace_agency() AND id = (
    SELECT a.price_book_id FROM billing_accounts a WHERE a.agency_id = dialtrace_agency() AND a.scope_id = dialtrace_client()));
DO $$
DECLARE
    tenant_table text;
BEGIN
    FOREACH tenant_table IN ARRAY ARRAY['price_editions', 'price_rates', 'price_packages'] LOOP
        EXECUTE format('CREATE POLICY own_prices ON %I FOR SELECT USING (agency_id = dialtrace_agency() AND book_id = ('
            'SELECT a.price_book_id FROM billing_accounts a WHERE a.agency_id = dialtrace_agency()'
            ' AND a.scope_id = dialtrace_client()))', tenant_table);
    END LOOP;
END $$;
CREATE POLICY functions ON billing_accounts TO dialtrace_owner USING (true) WITH CHECK (true);

GRANT SELECT, INSERT, UPDATE ON price_books, reratings TO dialtrace_app;
-- What is said is said.
GRANT SELECT, INSERT ON price_editions, price_rates, price_packages, ledger_entries, call_charges, usage_records, statements
    TO dialtrace_app;
GRANT SELECT, INSERT, UPDATE ON rating_places, package_use TO dialtrace_app;
GRANT SELECT ON billing_accounts TO dialtrace_app;
GRANT INSERT (agency_id, scope_id, client_id, currency, time_zone, price_book_id, mode, lowest_balance, alarms, due_days,
              grace_days, then_action, metered_until, closed_until, created_at, updated_at, state_at) ON billing_accounts
    TO dialtrace_app;
GRANT UPDATE (price_book_id, mode, lowest_balance, alarms, due_days, grace_days, then_action, state, state_at,
              metered_until, closed_until, updated_at, version) ON billing_accounts TO dialtrace_app;

-- Which agencies there is something to do for.
CREATE POLICY system_read ON billing_accounts FOR SELECT TO dialtrace_system USING (true);
CREATE POLICY system_read ON rating_places FOR SELECT TO dialtrace_system USING (true);
CREATE POLICY system_read ON event_sequences FOR SELECT TO dialtrace_system USING (true);
GRANT SELECT ON billing_accounts, rating_places, event_sequences TO dialtrace_system;

SELECT dialtrace_audit_table(found.name, found.kind, found.id, found.hidden) FROM (VALUES
    ('price_books', 'price_book', 'id', ''),
    ('price_editions', 'price_edition', 'book_id', ''),
    ('billing_accounts', 'billing_account', 'scope_id', ''),
    ('ledger_entries', 'ledger_entry', 'scope_id', 'lines note'),
    ('usage_records', 'usage', 'client_id', 'note'),
    ('reratings', 'rerating', 'id', '')
) AS found (name, kind, id, hidden);
