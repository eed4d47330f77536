-- The reserved agency: it owns the calls to numbers that nobody has, and the operator's own keys.
SET LOCAL dialtrace.agency = '00000000-0000-7000-8000-000000000001';
SET LOCAL dialtrace.client = '';
INSERT INTO agencies (agency_id, name) VALUES ('00000000-0000-7000-8000-000000000001', 'Operator');
INSERT INTO clients (agency_id, id, name)
VALUES ('00000000-0000-7000-8000-000000000001', '00000000-0000-7000-8000-000000000002', 'Calls to unknown numbers');
SET LOCAL dialtrace.agency = '';
