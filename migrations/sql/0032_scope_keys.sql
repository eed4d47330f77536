-- What a key may do, from where, and which key it took over from.
ALTER TABLE api_keys
    ADD COLUMN scopes text[],
    ADD COLUMN networks text[],
    ADD COLUMN last_used_from text,
    ADD COLUMN rotated_from uuid;
