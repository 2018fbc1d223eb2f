INSERT INTO jobs (id, kind, params, owner_kind, owner_id) VALUES
  ('01900000-0000-7000-8000-000000000301', 'tickets.export', '{}', 'agent', '01900000-0000-7000-8000-000000000002');
INSERT INTO job_parts (job_id, n, sha256, size) VALUES ('01900000-0000-7000-8000-000000000301', 0, 'f', 1);
