-- Who a visitor is to analytics systems (Google Analytics, Yandex.Metrica), as their cookies say, with consent only: an
-- offline event that names it belongs to the same visit there. A default that is constant rewrites no row.
ALTER TABLE visits ADD COLUMN analytics_ids jsonb DEFAULT '{}' NOT NULL;
