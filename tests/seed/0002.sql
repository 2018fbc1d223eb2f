INSERT INTO webhooks (id, url, owner_kind, owner_id, secret) VALUES
  ('01900000-0000-7000-8000-000000000201', 'https://shop.example/hooks', 'agent',
   '01900000-0000-7000-8000-000000000002', 's');
INSERT INTO webhook_cursors (webhook_id, seq) VALUES ('01900000-0000-7000-8000-000000000201', 0);
INSERT INTO webhook_deliveries (id, webhook_id, seq, type) VALUES
  ('01900000-0000-7000-8000-000000000202', '01900000-0000-7000-8000-000000000201', 1, 'ticket.created');
