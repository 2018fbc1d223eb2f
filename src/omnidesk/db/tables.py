"""Every table of the desk. Unique keys do the deduplication; partial indexes serve what is open.

In short: an *arrival* becomes *messages* of a *conversation* (one
provider thread of one inbox) that belongs to a *ticket*. Rows point to an *identity* and reach the
*contact* only through it. Times are `timestamptz`; ids are UUIDv7 made by the desk.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    DateTime,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Sequence,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

Moment = DateTime(timezone=True)
EMPTY_OBJECT = text("'{}'::jsonb")
EMPTY_TEXTS = text("'{}'::text[]")
NOW = text("now()")


def key() -> Column[object]:
    return Column("id", Uuid, primary_key=True)


def version() -> Column[int]:
    """Rises with anything that the resource's representation shows; its ETag."""
    return Column("version", Integer, nullable=False, server_default="1")


def moment(name: str, *, optional: bool = False) -> Column[object]:
    return Column(name, Moment, nullable=optional, server_default=None if optional else NOW)


# --- the desk itself ------------------------------------------------------------------------------

settings = Table(
    "settings",
    metadata,
    Column("name", Text, primary_key=True),
    Column("value", JSONB, nullable=False),
)

leases = Table(  # what must be single: planner, watches of inboxes, sequencer of timers
    "leases",
    metadata,
    Column("name", Text, primary_key=True),
    Column("holder", Uuid),
    Column("until", Moment, nullable=False, server_default=text("'-infinity'")),
    Column("token", BigInteger, nullable=False, server_default="0"),
)

calendars = Table(
    "calendars",
    metadata,
    key(),
    Column("name", Text, nullable=False, unique=True),
    Column("country", Text, nullable=False, server_default=""),  # whose holidays are filled in
    Column("hours", JSONB, nullable=False),  # zone, week, holidays, workdays, exceptions: all dates as data
    version(),
    moment("created_at"),
    moment("updated_at"),
)

policies = Table(
    "policies",
    metadata,
    Column("version", Integer, Identity(), primary_key=True),
    Column("policy", JSONB, nullable=False),
    moment("created_at"),
)

# --- people who work here -------------------------------------------------------------------------

agents = Table(
    "agents",
    metadata,
    key(),
    Column("email", Text, nullable=False, unique=True),  # lower case
    Column("name", Text, nullable=False),
    Column("role", Text, nullable=False, server_default="agent"),  # agent | senior | supervisor | admin
    Column("password_hash", Text),
    Column("language", Text, nullable=False, server_default="ru"),
    Column("skills", JSONB, nullable=False, server_default=EMPTY_OBJECT),  # name -> level
    Column("channels", ARRAY(Text), nullable=False, server_default=EMPTY_TEXTS),  # empty: all of them
    Column("capacity", Integer, nullable=False, server_default="6"),  # units at once; 0 takes none
    Column("status", Text, nullable=False, server_default="offline"),  # online | away | offline
    Column("status_since", Moment, nullable=False, server_default=NOW),
    Column("seen_at", Moment),
    Column("last_assigned_at", Moment),
    Column("misses", Integer, nullable=False, server_default="0"),
    Column("disabled_at", Moment),
    version(),
    moment("created_at"),
    moment("updated_at"),
    CheckConstraint("capacity >= 0", name="capacity"),
)

queues = Table(
    "queues",
    metadata,
    key(),
    Column("name", Text, nullable=False, unique=True),
    Column("position", Integer, nullable=False, server_default="0"),  # rules are asked in this order
    Column("match", Text, nullable=False, server_default=""),  # a rule; empty: only by name or default
    Column("require", ARRAY(Text), nullable=False, server_default=EMPTY_TEXTS),
    Column("prefer", ARRAY(Text), nullable=False, server_default=EMPTY_TEXTS),
    Column("steps", JSONB, nullable=False, server_default=text("'[]'::jsonb")),
    Column("calendar_id", Uuid, ForeignKey("calendars.id"), nullable=False),
    Column("reply_days", Integer, nullable=False, server_default="1"),  # promised working days to a first reply
    Column("is_default", Boolean, nullable=False, server_default=text("false")),
    Column("needs_handoff", Boolean, nullable=False, server_default=text("false")),  # a card with each transfer
    Column("archived_at", Moment),
    version(),
    moment("created_at"),
    moment("updated_at"),
    Index("uq_queues_default", "is_default", unique=True, postgresql_where=text("is_default")),
)

queue_agents = Table(
    "queue_agents",
    metadata,
    Column("queue_id", Uuid, ForeignKey("queues.id", ondelete="CASCADE"), primary_key=True),
    Column("agent_id", Uuid, ForeignKey("agents.id", ondelete="CASCADE"), primary_key=True),
    Index("ix_queue_agents_agent_id", "agent_id"),
)

sessions = Table(
    "sessions",
    metadata,
    Column("token_hash", LargeBinary, primary_key=True),
    Column("agent_id", Uuid, ForeignKey("agents.id", ondelete="CASCADE"), nullable=False),
    moment("created_at"),
    moment("seen_at"),
    Column("expires_at", Moment, nullable=False),
    Index("ix_sessions_agent_id", "agent_id"),
)

login_links = Table(  # one-time links: the first administrator, a forgotten password
    "login_links",
    metadata,
    Column("token_hash", LargeBinary, primary_key=True),
    Column("agent_id", Uuid, ForeignKey("agents.id", ondelete="CASCADE")),  # null: makes the first administrator
    moment("created_at"),
    Column("expires_at", Moment, nullable=False),
    Column("used_at", Moment),
)

api_keys = Table(
    "api_keys",
    metadata,
    key(),
    Column("public_id", Text, nullable=False, unique=True),  # the part of the key that may be logged
    Column("name", Text, nullable=False),
    Column("hash", LargeBinary, nullable=False),  # SHA-256 of the whole key
    Column("scopes", ARRAY(Text), nullable=False),
    Column("agent_id", Uuid, ForeignKey("agents.id", ondelete="CASCADE")),  # a personal key acts as this agent
    Column("inbox_ids", ARRAY(Uuid), nullable=False, server_default=text("'{}'::uuid[]")),  # empty: all
    Column("queue_ids", ARRAY(Uuid), nullable=False, server_default=text("'{}'::uuid[]")),  # empty: all
    Column("expires_at", Moment),
    Column("last_used_at", Moment),
    Column("revoked_at", Moment),
    version(),
    moment("created_at"),
)

idempotency_keys = Table(
    "idempotency_keys",
    metadata,
    Column("owner", Text, primary_key=True),
    Column("route", Text, primary_key=True),  # method and path
    Column("key", Text, primary_key=True),
    Column("body_hash", LargeBinary, nullable=False),
    Column("status", SmallInteger, nullable=False),
    Column("headers", JSONB, nullable=False, server_default=EMPTY_OBJECT),
    Column("body", LargeBinary, nullable=False),
    moment("created_at"),
    Index("ix_idempotency_keys_created_at", "created_at"),
)

rate_limits = Table(  # token buckets shared by all processes: outgoing limit keys, API keys, addresses
    "rate_limits",
    metadata,
    Column("name", Text, primary_key=True),
    Column("tokens", Integer, nullable=False),  # thousandths
    Column("updated_at", Moment, nullable=False),
)

# --- channels -------------------------------------------------------------------------------------

inboxes = Table(
    "inboxes",
    metadata,
    key(),
    Column("channel", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("realm", Text, nullable=False, server_default=""),  # the account at the platform
    Column("config", JSONB, nullable=False, server_default=EMPTY_OBJECT),
    Column("secrets", LargeBinary),  # the secret fields of the config, encrypted as one JSON
    Column("queue_id", Uuid, ForeignKey("queues.id")),
    Column("language", Text, nullable=False, server_default="ru"),  # when the customer's is unknown
    Column("acknowledge", Boolean, nullable=False, server_default=text("true")),
    Column("paused_at", Moment),
    Column("receive_state", Text, nullable=False, server_default="ok"),  # ok | failing | needs_reauth
    Column("receive_error", Text),
    Column("received_at", Moment),  # the last time that fetching or a delivery to us worked
    Column("send_state", Text, nullable=False, server_default="ok"),
    Column("send_error", Text),
    Column("sent_at", Moment),
    Column("cursor", JSONB, nullable=False, server_default=EMPTY_OBJECT),
    version(),
    moment("created_at"),
    moment("updated_at"),
    Index("uq_inboxes_channel_realm", "channel", "realm", unique=True, postgresql_where=text("realm <> ''")),
)

inbox_addresses = Table(  # e-mail addresses that belong to us: recipients at the door, never participants
    "inbox_addresses",
    metadata,
    Column("address", Text, primary_key=True),  # lower case
    Column("inbox_id", Uuid, ForeignKey("inboxes.id", ondelete="CASCADE"), nullable=False),
    Index("ix_inbox_addresses_inbox_id", "inbox_id"),
)

# --- the way in -----------------------------------------------------------------------------------

arrivals = Table(
    "arrivals",
    metadata,
    key(),
    Column("seq", BigInteger, Identity(), nullable=False),
    Column("inbox_id", Uuid, ForeignKey("inboxes.id"), nullable=False),
    Column("dedupe_key", Text, nullable=False),
    Column("order_key", Text, nullable=False),
    Column("lane", SmallInteger, nullable=False),
    Column("state", Text, nullable=False, server_default="new"),
    # new | done | ignored | failed | unreadable | held
    Column("attempts", SmallInteger, nullable=False, server_default="0"),
    Column("size", Integer, nullable=False),  # bytes of the body
    Column("day", Date, nullable=False),  # the partition of its body
    Column("reason", Text),  # why ignored or held
    Column("error", Text),  # class and our own words, never data
    Column("waits_for", Text),  # held until this message (realm and id) is here: an edit that overtook it
    Column("ticket_id", Uuid),  # where it landed
    Column(
        "released", Boolean, nullable=False, server_default=text("false")
    ),  # a person let it through: no acknowledgement
    moment("received_at"),
    Column("done_at", Moment),
    UniqueConstraint("inbox_id", "dedupe_key"),
    CheckConstraint("lane >= 0 AND lane < 64", name="lane"),
    CheckConstraint("state IN ('new','done','ignored','failed','unreadable','held')", name="state"),
    Index("ix_arrivals_waiting", "lane", "seq", postgresql_where=text("state = 'new'")),
    Index("ix_arrivals_parked", "state", "id", postgresql_where=text("state IN ('failed','unreadable','held')")),
    Index("ix_arrivals_received_at", "received_at"),
    Index("ix_arrivals_overtaken", "waits_for", postgresql_where=text("waits_for IS NOT NULL AND state = 'held'")),
    postgresql_with={"fillfactor": "70"},
)

arrival_bodies = Table(
    "arrival_bodies",
    metadata,
    Column("arrival_id", Uuid, primary_key=True),
    Column("day", Date, primary_key=True),
    Column("body", LargeBinary, nullable=False),  # encrypted: meta and body
    postgresql_partition_by="RANGE (day)",
)

lanes = Table(
    "lanes",
    metadata,
    Column("lane", SmallInteger, primary_key=True),
    Column("holder", Uuid),
    Column("until", Moment, nullable=False, server_default=text("'-infinity'")),
    Column("token", BigInteger, nullable=False, server_default="0"),
    postgresql_with={"fillfactor": "20"},
)

# --- people who write -----------------------------------------------------------------------------

contacts = Table(
    "contacts",
    metadata,
    key(),
    Column("name", Text, nullable=False, server_default=""),
    Column("language", Text),
    Column("zone", Text),
    Column("tier", Text),  # of service: vip …; chooses rows of the SLA table
    version(),
    moment("created_at"),
    moment("updated_at"),
)

identities = Table(
    "identities",
    metadata,
    key(),
    Column("kind", Text, nullable=False),
    Column("realm", Text, nullable=False, server_default=""),
    Column("address", Text, nullable=False),
    Column("contact_id", Uuid, ForeignKey("contacts.id", deferrable=True, initially="DEFERRED"), nullable=False),
    Column("name", Text, nullable=False, server_default=""),
    Column("verified", Boolean, nullable=False, server_default=text("false")),
    Column("unreachable_at", Moment),
    Column("unreachable_reason", Text),
    Column("acks", SmallInteger, nullable=False, server_default="0"),  # acknowledgements in the hour that began
    Column("acks_since", Moment),
    moment("created_at"),
    UniqueConstraint("kind", "realm", "address"),
    Index("ix_identities_contact_id", "contact_id"),
    Index("ix_identities_address", "address"),
)

# --- tickets --------------------------------------------------------------------------------------

ticket_numbers = Sequence("ticket_numbers", metadata=metadata)

tickets = Table(
    "tickets",
    metadata,
    key(),
    Column("number", Text, nullable=False, unique=True),
    Column("status", Text, nullable=False, server_default="new"),
    Column("status_before_spam", Text),
    Column("subject", Text, nullable=False, server_default=""),
    Column("category", Text),
    Column("urgency", Text, nullable=False, server_default="normal"),
    Column("language", Text, nullable=False, server_default="ru"),
    Column("channel", Text, nullable=False),  # where it began
    Column("inbox_id", Uuid, ForeignKey("inboxes.id")),
    Column("requester_id", Uuid, ForeignKey("identities.id"), nullable=False),
    Column("queue_id", Uuid, ForeignKey("queues.id"), nullable=False),
    Column("assignee_id", Uuid, ForeignKey("agents.id")),
    Column("assigned_at", Moment),
    Column("queued_at", Moment),  # came into its present queue, where the steps begin; null: when the waiting began
    Column("waiting_since", Moment),  # the customer waits for us since; null: we do not owe an answer
    Column("units", SmallInteger),  # of an agent's capacity; null: by the channel, as the policy says
    Column("facts", JSONB, nullable=False, server_default=EMPTY_OBJECT),
    Column("attention", Text),  # why an agent should look now
    Column("level", SmallInteger, nullable=False, server_default="0"),  # 1: with a senior, 2: with a supervisor
    Column("transfers", SmallInteger, nullable=False, server_default="0"),  # hand-offs from one to another
    Column("chaser_count", Integer, nullable=False, server_default="0"),  # messages while the answer was owed
    Column("merged_into", Uuid, ForeignKey("tickets.id")),
    Column("first_reply_at", Moment),
    Column("last_inbound_at", Moment),
    Column("last_outbound_at", Moment),
    Column("resolved_at", Moment),
    Column("closed_at", Moment),
    version(),
    moment("created_at"),
    moment("updated_at"),
    CheckConstraint("status IN ('new','open','pending','resolved','closed','spam')", name="status"),
    CheckConstraint("urgency IN ('low','normal','high','critical')", name="urgency"),
    Index(
        "ix_tickets_waiting",
        "queue_id",
        "waiting_since",
        postgresql_where=text("assignee_id IS NULL AND status IN ('new','open')"),
    ),
    Index(
        "ix_tickets_assigned",
        "assignee_id",
        "updated_at",
        "id",
        postgresql_where=text("status IN ('new','open','pending')"),
    ),
    Index("ix_tickets_updated_at", "updated_at", "id"),
    Index("ix_tickets_created_at", "created_at", "id"),
    Index("ix_tickets_status_updated", "status", "updated_at", "id"),
    Index("ix_tickets_queue_updated", "queue_id", "updated_at", "id"),
    Index("ix_tickets_requester_id", "requester_id", "id"),
    postgresql_with={"fillfactor": "80"},
)

ticket_links = Table(
    "ticket_links",
    metadata,
    Column("ticket_id", Uuid, ForeignKey("tickets.id"), primary_key=True),
    Column("kind", Text, primary_key=True),  # follows | repeat_of | duplicate_of
    Column("other_id", Uuid, ForeignKey("tickets.id"), primary_key=True),
    moment("created_at"),
    Index("ix_ticket_links_other_id", "other_id"),
)

merges = Table(
    "merges",
    metadata,
    key(),
    Column("source_id", Uuid, ForeignKey("tickets.id"), nullable=False),
    Column("survivor_id", Uuid, ForeignKey("tickets.id"), nullable=False),
    Column("moved", JSONB, nullable=False),  # conversation ids, and the states and clocks of both
    Column("actor", Text, nullable=False),
    moment("created_at"),
    Column("undone_at", Moment),
    Index("ix_merges_source_id", "source_id"),
    Index("ix_merges_survivor_id", "survivor_id"),
)

conversations = Table(
    "conversations",
    metadata,
    key(),
    Column("inbox_id", Uuid, ForeignKey("inboxes.id"), nullable=False),
    Column("thread_key", Text, nullable=False),
    Column("ticket_id", Uuid, ForeignKey("tickets.id"), nullable=False),
    Column("requester_id", Uuid, ForeignKey("identities.id"), nullable=False),
    Column("receives", Boolean, nullable=False, server_default=text("true")),
    Column("private", Boolean, nullable=False, server_default=text("true")),
    Column("token", Text, nullable=False, unique=True),  # of its reply address
    Column("token_revoked_at", Moment),
    Column("subject", Text, nullable=False, server_default=""),
    Column("last_inbound_at", Moment),
    moment("created_at"),
    Index("uq_conversations_receiving", "inbox_id", "thread_key", unique=True, postgresql_where=text("receives")),
    Index("ix_conversations_ticket_id", "ticket_id"),
    Index("ix_conversations_thread", "inbox_id", "thread_key", "id"),
)

participants = Table(
    "participants",
    metadata,
    Column("conversation_id", Uuid, ForeignKey("conversations.id"), primary_key=True),
    Column("identity_id", Uuid, ForeignKey("identities.id"), primary_key=True),
    Column("role", Text, nullable=False),  # requester | participant
    moment("created_at"),
    Index("ix_participants_identity_id", "identity_id"),
)

messages = Table(
    "messages",
    metadata,
    key(),
    Column("conversation_id", Uuid, ForeignKey("conversations.id")),
    Column("ticket_id", Uuid, ForeignKey("tickets.id")),  # only notes belong to the ticket itself
    Column("direction", Text, nullable=False),  # in | out | note
    Column("kind", Text, nullable=False, server_default="text"),  # text | call
    Column("author", Text, nullable=False),
    Column("identity_id", Uuid, ForeignKey("identities.id")),
    Column("agent_id", Uuid, ForeignKey("agents.id")),
    Column("subject", Text, nullable=False, server_default=""),
    Column("text", Text, nullable=False),
    Column("quoted", Text, nullable=False, server_default=""),
    Column("html", Text, nullable=False, server_default=""),
    Column("hints", ARRAY(Text), nullable=False, server_default=EMPTY_TEXTS),
    Column("automatic", Boolean, nullable=False, server_default=text("false")),
    Column("group_key", Text),
    Column("arrival_id", Uuid, unique=True),
    Column("at", Moment, nullable=False),  # the platform's time, never later than the arrival's
    Column("edited_at", Moment),
    Column("deleted_at", Moment),
    moment("created_at"),
    CheckConstraint("(conversation_id IS NULL) <> (ticket_id IS NULL)", name="home"),
    CheckConstraint("direction IN ('in','out','note')", name="direction"),
    Index("ix_messages_conversation_id", "conversation_id", "at", "id"),
    Index("ix_messages_group", "conversation_id", "group_key", postgresql_where=text("group_key IS NOT NULL")),
    Index("ix_messages_ticket_id", "ticket_id", "at", "id", postgresql_where=text("ticket_id IS NOT NULL")),
)

message_refs = Table(
    "message_refs",
    metadata,
    Column("realm", Text, primary_key=True),
    Column("external_id", Text, primary_key=True),
    Column("variant", Text, primary_key=True, server_default=""),
    Column("message_id", Uuid, ForeignKey("messages.id"), nullable=False),
    Column("digest", LargeBinary),  # of the content that came under this id
    Index("ix_message_refs_message_id", "message_id"),
)

message_revisions = Table(
    "message_revisions",
    metadata,
    key(),
    Column("message_id", Uuid, ForeignKey("messages.id"), nullable=False),
    Column("text", Text, nullable=False),
    Column("html", Text, nullable=False, server_default=""),
    moment("created_at"),
    Index("ix_message_revisions_message_id", "message_id"),
)

files = Table(
    "files",
    metadata,
    Column("sha256", LargeBinary, primary_key=True),
    Column("size", BigInteger, nullable=False),
    moment("created_at"),
)

attachments = Table(
    "attachments",
    metadata,
    key(),
    Column("message_id", Uuid, ForeignKey("messages.id")),  # null: uploaded, not used yet
    Column("sha256", LargeBinary, ForeignKey("files.sha256")),  # null: still to be fetched
    Column("name", Text, nullable=False),
    Column("content_type", Text, nullable=False),  # sniffed
    Column("size", BigInteger, nullable=False),
    Column("cid", Text, nullable=False, server_default=""),
    Column("position", SmallInteger, nullable=False, server_default="0"),
    Column("state", Text, nullable=False, server_default="stored"),  # stored | pending | failed | skipped
    Column("source_url", Text),
    Column("error", Text),
    Column("uploader", Text),  # who uploaded it, until it is used
    moment("created_at"),
    Index("ix_attachments_message_id", "message_id"),
    Index("ix_attachments_sha256", "sha256"),
    Index("ix_attachments_unused", "created_at", postgresql_where=text("message_id IS NULL")),
)

# --- what was promised and why --------------------------------------------------------------------

promises = Table(
    "promises",
    metadata,
    key(),
    Column("ticket_id", Uuid, ForeignKey("tickets.id"), nullable=False),
    Column("kind", Text, nullable=False),  # first_reply | …
    Column("due_at", Moment, nullable=False),
    Column("calendar_id", Uuid, ForeignKey("calendars.id")),
    Column("calendar_version", Integer),
    Column("arithmetic", JSONB, nullable=False, server_default=EMPTY_OBJECT),
    Column("message_id", Uuid),  # the message that told the customer
    Column("state", Text, nullable=False, server_default="open"),  # open | kept | broken | renegotiated
    moment("created_at"),
    Column("settled_at", Moment),
    Column("replaced_by", Uuid),
    Index("ix_promises_ticket_id", "ticket_id"),
    Index("ix_promises_open", "due_at", postgresql_where=text("state = 'open'")),
)

clocks = Table(  # how much open time was used of what was agreed
    "clocks",
    metadata,
    key(),
    Column("ticket_id", Uuid, ForeignKey("tickets.id"), nullable=False),
    Column("kind", Text, nullable=False),  # first_reply | next_reply | resolution
    Column("calendar_id", Uuid, ForeignKey("calendars.id"), nullable=False),  # of the queue where it started
    Column("policy_version", Integer, nullable=False),  # whose target it is
    Column("target_ms", BigInteger, nullable=False),
    Column("state", Text, nullable=False, server_default="running"),  # running | paused | met | breached
    Column("started_at", Moment, nullable=False),
    Column("runs_since", Moment),  # null: it stands
    Column("paused_at", Moment),
    Column("due_at", Moment),  # null: it stands, or its calendar never opens
    Column("consumed_ms", BigInteger, nullable=False, server_default="0"),  # open time up to runs_since
    Column("warned", SmallInteger, nullable=False, server_default="0"),  # per cent of the last warning
    Column("settled_at", Moment),
    CheckConstraint("state IN ('running','paused','met','breached')", name="state"),
    Index("ix_clocks_ticket_id", "ticket_id"),
    Index("uq_clocks_going", "ticket_id", "kind", unique=True, postgresql_where=text("settled_at IS NULL")),
)

decisions = Table(
    "decisions",
    metadata,
    key(),
    Column("ticket_id", Uuid, ForeignKey("tickets.id"), nullable=False),
    Column("kind", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("agent_id", Uuid),
    Column("policy_version", Integer, nullable=False),
    Column("detail", JSONB, nullable=False, server_default=EMPTY_OBJECT),
    moment("created_at"),
    Index("ix_decisions_ticket_id", "ticket_id", "id"),
)

handoffs = Table(  # what the next one must know
    "handoffs",
    metadata,
    key(),
    Column("ticket_id", Uuid, ForeignKey("tickets.id"), nullable=False),
    Column("from_agent_id", Uuid, ForeignKey("agents.id")),
    Column("from_queue_id", Uuid, ForeignKey("queues.id"), nullable=False),
    Column("to_agent_id", Uuid, ForeignKey("agents.id")),  # null: whoever the queue gives it to
    Column("to_queue_id", Uuid, ForeignKey("queues.id"), nullable=False),
    Column("details", Text, nullable=False, server_default=""),
    Column("steps_tried", Text, nullable=False, server_default=""),
    Column("expected_result", Text, nullable=False, server_default=""),
    Column("actor", Text, nullable=False),
    moment("created_at"),
    Index("ix_handoffs_ticket_id", "ticket_id", "id"),
)

offers = Table(  # who was asked to take a ticket; the newest answer of each agent
    "offers",
    metadata,
    Column("ticket_id", Uuid, ForeignKey("tickets.id"), primary_key=True),
    Column("agent_id", Uuid, ForeignKey("agents.id"), primary_key=True),
    moment("offered_at"),
    Column("expires_at", Moment, nullable=False),
    Column("outcome", Text),  # accepted | declined | missed | withdrawn; null: not answered yet
    Column("excluded_until", Moment),  # not asked again until then, or until another agent was
    Index("uq_offers_open", "ticket_id", unique=True, postgresql_where=text("outcome IS NULL")),
    Index("ix_offers_agent_id", "agent_id", postgresql_where=text("outcome IS NULL")),
)

# --- facts, and calls to the outside --------------------------------------------------------------

event_ids = Sequence("event_ids", metadata=metadata)

events = Table(
    "events",
    metadata,
    Column("id", BigInteger, event_ids, server_default=event_ids.next_value(), primary_key=True),
    Column("seq", BigInteger),  # stamped by the sequencer after the commit; what readers follow
    Column("type", Text, nullable=False),
    Column("ticket_id", Uuid),
    Column("subject_id", Uuid),
    Column("actor", Text, nullable=False, server_default="system"),  # agent:…, key:…, contact, system
    Column("data", JSONB, nullable=False, server_default=EMPTY_OBJECT),
    Column("request_id", Text),
    moment("at"),
    Index("ix_events_unnumbered", "id", postgresql_where=text("seq IS NULL")),
    Index("uq_events_seq", "seq", unique=True),
    Index("ix_events_ticket_id", "ticket_id", "id"),
)

deliveries = Table(
    "deliveries",
    metadata,
    key(),
    Column("message_id", Uuid, ForeignKey("messages.id"), nullable=False),
    Column("conversation_id", Uuid, ForeignKey("conversations.id"), nullable=False),
    Column("to_ids", ARRAY(Uuid), nullable=False),
    Column("cc_ids", ARRAY(Uuid), nullable=False, server_default=text("'{}'::uuid[]")),
    Column("message_ref", Text, nullable=False),  # our Message-ID or correlation key
    Column("state", Text, nullable=False, server_default="queued"),
    # queued | sent | delivered | read | deferred | rejected | unknown | bounced
    Column("error", Text),
    Column("sent_at", Moment),
    moment("created_at"),
    moment("updated_at"),
    Index("ix_deliveries_message_id", "message_id"),
    Index("ix_deliveries_message_ref", "message_ref", unique=True),
)

outbox = Table(
    "outbox",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),  # also the order within an order key
    Column("kind", Text, nullable=False),  # message | webhook | file | call
    Column("order_key", Text, nullable=False),
    Column("limit_key", Text, nullable=False, server_default=""),
    Column("endpoint", Text, nullable=False),  # whose circuit it is: inbox or address
    Column("subject_id", Uuid, nullable=False),  # the delivery, attachment …
    Column("inbox_id", Uuid),
    Column("part", JSONB, nullable=False, server_default=EMPTY_OBJECT),
    Column("state", Text, nullable=False, server_default="queued"),
    # queued | claimed | calling | deferred | unknown | sent | rejected
    Column("repeats", Boolean, nullable=False, server_default=text("false")),  # the other side takes our key
    Column("attempts", SmallInteger, nullable=False, server_default="0"),
    Column("tried_at", Moment),  # when the tries of these two days began
    Column("due_at", Moment, nullable=False, server_default=NOW),
    Column("holder", Uuid),
    Column("until", Moment),
    Column("token", BigInteger, nullable=False, server_default="0"),
    Column("error", Text),
    Column("external_id", Text),
    moment("created_at"),
    Column("done_at", Moment),
    CheckConstraint("state IN ('queued','claimed','calling','deferred','unknown','sent','rejected')", name="state"),
    Index("ix_outbox_due", "due_at", "id", postgresql_where=text("state IN ('queued','deferred')")),
    Index(
        "ix_outbox_unfinished",
        "order_key",
        "id",
        postgresql_where=text("state IN ('queued','claimed','calling','deferred','unknown')"),
    ),
    Index("ix_outbox_leased", "until", postgresql_where=text("state IN ('claimed','calling')")),
    Index("ix_outbox_subject_id", "subject_id"),
    Index("ix_outbox_done_at", "done_at", postgresql_where=text("state IN ('sent','rejected')")),
    postgresql_with={"fillfactor": "70"},
)

circuits = Table(  # an endpoint that keeps failing gets one probe at a time
    "circuits",
    metadata,
    Column("endpoint", Text, primary_key=True),
    Column("failures", Integer, nullable=False, server_default="0"),
    Column("open_until", Moment),
    Column("probing_until", Moment),
)

timers = Table(
    "timers",
    metadata,
    Column("kind", Text, primary_key=True),
    Column("subject_id", Uuid, primary_key=True),
    Column("due_at", Moment, nullable=False),
    Column("attempts", SmallInteger, nullable=False, server_default="0"),
    Column("data", JSONB, nullable=False, server_default=EMPTY_OBJECT),
    Column("error", Text),  # why it was put off the last time: class and our own words
    Index("ix_timers_due", "kind", "due_at"),
)
