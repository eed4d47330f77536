ALTER TABLE targets ADD CONSTRAINT uq_targets_agency_id_client_id_id UNIQUE (agency_id, client_id, id);

-- A target of the client's own: the key holds the client's id.
ALTER TABLE clients ADD COLUMN backup_target_id uuid;
ALTER TABLE clients ADD CONSTRAINT fk_clients_agency_id_id_backup_target_id
    FOREIGN KEY (agency_id, id, backup_target_id) REFERENCES targets (agency_id, client_id, id);
