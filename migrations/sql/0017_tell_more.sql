-- What a record tells beyond times and causes. Every column may be empty and has no default, so that no row is
-- rewritten, and none has a check, for which all rows would be read under the lock.

ALTER TABLE calls
    ADD COLUMN pdd_ms bigint,
    ADD COLUMN hold_ms bigint,
    ADD COLUMN queue_ms bigint,
    ADD COLUMN loss_percent double precision,
    ADD COLUMN jitter_ms double precision,
    ADD COLUMN r_factor double precision,
    ADD COLUMN mos double precision,
    ADD COLUMN verstat text,
    ADD COLUMN attestation text,
    ADD COLUMN attested_by text,
    ADD COLUMN diversion text,
    ADD COLUMN diverted_from text,
    ADD COLUMN spam_score integer,
    -- Written by whoever prices calls, never by the interpreter of files: empty until then.
    ADD COLUMN cost numeric(18, 6),
    ADD COLUMN cost_currency text,
    ADD COLUMN cost_revision integer;

ALTER TABLE legs
    ADD COLUMN hangup_side text,
    ADD COLUMN trunk text,
    ADD COLUMN pdd_ms bigint,
    ADD COLUMN hold_ms bigint,
    ADD COLUMN loss_percent double precision,
    ADD COLUMN jitter_ms double precision,
    ADD COLUMN r_factor double precision,
    ADD COLUMN mos double precision;
