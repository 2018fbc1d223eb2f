"""Tickets and how they belong together."""

from sqlalchemy import (
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    Sequence,
    SmallInteger,
    Table,
    Text,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from omnidesk.db.tables.columns import EMPTY_OBJECT, EMPTY_TEXTS, Moment, key, metadata, moment, version

_STATED = "(facts ->> '{}'::text) IS NOT NULL"  # by the customer

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
    Column("required", ARRAY(Text), nullable=False, server_default=EMPTY_TEXTS),  # skills, beside those of its queue
    Column("preferred", ARRAY(Text), nullable=False, server_default=EMPTY_TEXTS),  # while a step keeps them
    Column("asked_for", ARRAY(Text), nullable=False, server_default=EMPTY_TEXTS),  # facts: pending until he answers
    Column("reminded_at", Moment),  # that we wait for his answer
    Column("explained_at", Moment),  # why it takes so long
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
    Index("ix_tickets_order", text("(facts ->> 'order'::text)"), "id", postgresql_where=text(_STATED.format("order"))),
    Index("ix_tickets_phone", text("(facts ->> 'phone'::text)"), "id", postgresql_where=text(_STATED.format("phone"))),
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
