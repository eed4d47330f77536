-- Every lease leaves behind an entry of an index that later ones walk over until the table is vacuumed: soon, then, and
-- without pauses, whatever the table's size.
ALTER TABLE pool_numbers SET (
    autovacuum_vacuum_scale_factor = 0.02,
    autovacuum_vacuum_threshold = 5000,
    autovacuum_vacuum_cost_delay = 0
);
