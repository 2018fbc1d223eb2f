INSERT INTO ticket_search (ticket_id, words) VALUES ('01900000-0000-7000-8000-000000000009', '''возврат'':1A');
INSERT INTO ticket_search_due (ticket_id) VALUES ('01900000-0000-7000-8000-000000000009');
