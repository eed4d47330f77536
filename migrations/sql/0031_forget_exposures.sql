-- Exposures go with the visits whose time is over.

GRANT DELETE ON exposures TO dialtrace_app;
CREATE INDEX ix_exposures_agency_id_client_id_shown_at ON exposures (agency_id, client_id, shown_at);
