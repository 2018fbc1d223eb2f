"""Every table of the desk. Unique keys do the deduplication; partial indexes serve what is open.

In short: an *arrival* becomes *messages* of a *conversation* (one
provider thread of one inbox) that belongs to a *ticket*. Rows point to an *identity* and reach the
*contact* only through it. Times are `timestamptz`; ids are UUIDv7 made by the desk.
"""

from omnidesk.db.tables.arrivals import arrival_bodies, arrivals, lanes
from omnidesk.db.tables.columns import metadata
from omnidesk.db.tables.contacts import contact_merges, contacts, erased_refs, erasures, identities
from omnidesk.db.tables.decisions import clocks, corrections, decisions, handoffs, offers, promises, proposals
from omnidesk.db.tables.desk import calendars, leases, policies, settings
from omnidesk.db.tables.inboxes import inbox_addresses, inboxes
from omnidesk.db.tables.jobs import job_parts, jobs
from omnidesk.db.tables.messages import (
    attachments,
    conversations,
    files,
    message_refs,
    message_revisions,
    messages,
    participants,
)
from omnidesk.db.tables.outbox import circuits, deliveries, event_ids, events, outbox, timers
from omnidesk.db.tables.search import ticket_search, ticket_search_due
from omnidesk.db.tables.staff import (
    agents,
    api_keys,
    idempotency_keys,
    login_links,
    queue_agents,
    queues,
    rate_limits,
    sessions,
)
from omnidesk.db.tables.tickets import merges, ticket_links, ticket_numbers, tickets
from omnidesk.db.tables.webhooks import webhook_cursors, webhook_deliveries, webhooks

__all__ = [
    "agents",
    "api_keys",
    "arrival_bodies",
    "arrivals",
    "attachments",
    "calendars",
    "circuits",
    "clocks",
    "contact_merges",
    "contacts",
    "conversations",
    "corrections",
    "decisions",
    "deliveries",
    "erased_refs",
    "erasures",
    "event_ids",
    "events",
    "files",
    "handoffs",
    "idempotency_keys",
    "identities",
    "inbox_addresses",
    "inboxes",
    "job_parts",
    "jobs",
    "lanes",
    "leases",
    "login_links",
    "merges",
    "message_refs",
    "message_revisions",
    "messages",
    "metadata",
    "offers",
    "outbox",
    "participants",
    "policies",
    "promises",
    "proposals",
    "queue_agents",
    "queues",
    "rate_limits",
    "sessions",
    "settings",
    "ticket_links",
    "ticket_numbers",
    "ticket_search",
    "ticket_search_due",
    "tickets",
    "timers",
    "webhook_cursors",
    "webhook_deliveries",
    "webhooks",
]
