INSERT INTO events (type, ticket_id, data) VALUES
  ('ticket.moved', '01900000-0000-7000-8000-000000000009', '{"from": [null, null, null], "to": [null, null, null]}');
