UPDATE agents SET calendar_id = (SELECT id FROM calendars LIMIT 1);
