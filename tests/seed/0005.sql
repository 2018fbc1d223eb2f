INSERT INTO corrections (id, ticket_id, field, old, new, actor) VALUES
  ('01900000-0000-7000-8000-000000000501', '01900000-0000-7000-8000-000000000009', 'category', '', 'payment', 'system');
