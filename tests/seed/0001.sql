INSERT INTO settings (name, value) VALUES ('number_key', '"00"');
INSERT INTO leases (name) VALUES ('planner');
INSERT INTO calendars (id, name, country, hours) VALUES
  ('01900000-0000-7000-8000-000000000001', 'Office', 'RU', '{"zone": "Europe/Moscow", "week": "mon-fri 09:00-18:00"}');
INSERT INTO policies (policy) VALUES ('{}');
INSERT INTO agents (id, email, name) VALUES ('01900000-0000-7000-8000-000000000002', 'olena@desk.example', 'Olena');
INSERT INTO queues (id, name, calendar_id, is_default) VALUES
  ('01900000-0000-7000-8000-000000000003', 'Support', '01900000-0000-7000-8000-000000000001', true);
INSERT INTO queue_agents (queue_id, agent_id) VALUES
  ('01900000-0000-7000-8000-000000000003', '01900000-0000-7000-8000-000000000002');
INSERT INTO sessions (token_hash, agent_id, expires_at) VALUES ('s', '01900000-0000-7000-8000-000000000002', now());
INSERT INTO login_links (token_hash, expires_at) VALUES ('l', now());
INSERT INTO api_keys (id, public_id, name, hash, scopes) VALUES
  ('01900000-0000-7000-8000-000000000004', 'abc', 'shop', 'h', '{tickets:read}');
INSERT INTO idempotency_keys (owner, route, key, body_hash, status, body) VALUES ('o', 'POST /', 'k', 'b', 201, '{}');
INSERT INTO rate_limits (name, tokens, updated_at) VALUES ('r', 1, now());
INSERT INTO inboxes (id, channel, name) VALUES ('01900000-0000-7000-8000-000000000005', 'email', 'Support');
INSERT INTO inbox_addresses (address, inbox_id) VALUES ('support@desk.example', '01900000-0000-7000-8000-000000000005');
INSERT INTO arrivals (id, inbox_id, dedupe_key, order_key, lane, size, day) VALUES
  ('01900000-0000-7000-8000-000000000006', '01900000-0000-7000-8000-000000000005', 'd', 'o', 1, 3, '2026-11-22');
INSERT INTO arrival_bodies (arrival_id, day, body) VALUES
  ('01900000-0000-7000-8000-000000000006', '2026-11-22', 'raw');
INSERT INTO contacts (id, name) VALUES ('01900000-0000-7000-8000-000000000007', 'Ivan');
INSERT INTO identities (id, kind, address, contact_id) VALUES
  ('01900000-0000-7000-8000-000000000008', 'email', 'ivan@example.net', '01900000-0000-7000-8000-000000000007');
INSERT INTO tickets (id, number, channel, requester_id, queue_id) VALUES
  ('01900000-0000-7000-8000-000000000009', '123456789', 'email', '01900000-0000-7000-8000-000000000008',
   '01900000-0000-7000-8000-000000000003'),
  ('01900000-0000-7000-8000-00000000000a', '987654321', 'email', '01900000-0000-7000-8000-000000000008',
   '01900000-0000-7000-8000-000000000003');
INSERT INTO ticket_links (ticket_id, kind, other_id) VALUES
  ('01900000-0000-7000-8000-00000000000a', 'follows', '01900000-0000-7000-8000-000000000009');
INSERT INTO merges (id, source_id, survivor_id, moved, actor) VALUES
  ('01900000-0000-7000-8000-00000000000b', '01900000-0000-7000-8000-000000000009',
   '01900000-0000-7000-8000-00000000000a', '{}', 'system');
INSERT INTO conversations (id, inbox_id, thread_key, ticket_id, requester_id, token) VALUES
  ('01900000-0000-7000-8000-00000000000c', '01900000-0000-7000-8000-000000000005', 't',
   '01900000-0000-7000-8000-000000000009', '01900000-0000-7000-8000-000000000008', 'aaaaaaaaaaaaaaaa');
INSERT INTO participants (conversation_id, identity_id, role) VALUES
  ('01900000-0000-7000-8000-00000000000c', '01900000-0000-7000-8000-000000000008', 'requester');
INSERT INTO messages (id, conversation_id, direction, author, text, at) VALUES
  ('01900000-0000-7000-8000-00000000000d', '01900000-0000-7000-8000-00000000000c', 'in', 'requester', 'Hi', now());
INSERT INTO message_refs (realm, external_id, message_id) VALUES
  ('mail', 'm@example.net', '01900000-0000-7000-8000-00000000000d');
INSERT INTO message_revisions (id, message_id, text) VALUES
  ('01900000-0000-7000-8000-00000000000e', '01900000-0000-7000-8000-00000000000d', 'H');
INSERT INTO files (sha256, size) VALUES ('f', 1);
INSERT INTO attachments (id, message_id, sha256, name, content_type, size) VALUES
  ('01900000-0000-7000-8000-00000000000f', '01900000-0000-7000-8000-00000000000d', 'f', 'a.txt', 'text/plain', 1);
INSERT INTO promises (id, ticket_id, kind, due_at) VALUES
  ('01900000-0000-7000-8000-000000000010', '01900000-0000-7000-8000-000000000009', 'first_reply', now());
INSERT INTO clocks (id, ticket_id, kind, calendar_id, policy_version, target_ms, started_at) VALUES
  ('01900000-0000-7000-8000-000000000013', '01900000-0000-7000-8000-000000000009', 'first_reply',
   '01900000-0000-7000-8000-000000000001', 0, 1000, now());
INSERT INTO handoffs (id, ticket_id, from_queue_id, to_queue_id, actor) VALUES
  ('01900000-0000-7000-8000-000000000014', '01900000-0000-7000-8000-000000000009',
   '01900000-0000-7000-8000-000000000003', '01900000-0000-7000-8000-000000000003', 'system');
INSERT INTO offers (ticket_id, agent_id, expires_at) VALUES
  ('01900000-0000-7000-8000-000000000009', '01900000-0000-7000-8000-000000000002', now());
INSERT INTO decisions (id, ticket_id, kind, reason, policy_version) VALUES
  ('01900000-0000-7000-8000-000000000011', '01900000-0000-7000-8000-000000000009', 'queued', 'fallback', 0);
INSERT INTO events (type, ticket_id) VALUES ('ticket.created', '01900000-0000-7000-8000-000000000009');
INSERT INTO deliveries (id, message_id, conversation_id, to_ids, message_ref) VALUES
  ('01900000-0000-7000-8000-000000000012', '01900000-0000-7000-8000-00000000000d',
   '01900000-0000-7000-8000-00000000000c', '{01900000-0000-7000-8000-000000000008}', 'r@desk.example');
INSERT INTO outbox (kind, order_key, endpoint, subject_id) VALUES
  ('message', 'c', 'i', '01900000-0000-7000-8000-000000000012');
INSERT INTO circuits (endpoint) VALUES ('i');
INSERT INTO timers (kind, subject_id, due_at) VALUES ('close', '01900000-0000-7000-8000-000000000009', now());
