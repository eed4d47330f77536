-- An agency may want a second factor of everybody who signs in.
ALTER TABLE agencies ADD COLUMN second_factor_required boolean DEFAULT false NOT NULL;
