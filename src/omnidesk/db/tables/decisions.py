"""What was promised, measured, decided and offered."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    SmallInteger,
    Table,
    Text,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from omnidesk.db.tables.columns import EMPTY_OBJECT, Moment, key, metadata, moment

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

corrections = Table(  # what people changed of what was decided about a ticket; only ever added to
    "corrections",
    metadata,
    key(),
    Column("ticket_id", Uuid, ForeignKey("tickets.id"), nullable=False),
    Column("field", Text, nullable=False),  # category | urgency | queue
    Column("old", Text, nullable=False, server_default=""),
    Column("new", Text, nullable=False, server_default=""),
    Column("actor", Text, nullable=False),
    Column("reason", Text, nullable=False, server_default=""),
    moment("created_at"),
    Index("ix_corrections_ticket_id", "ticket_id", "id"),
)

proposals = Table(  # other solutions that customers were offered
    "proposals",
    metadata,
    key(),
    Column("ticket_id", Uuid, ForeignKey("tickets.id"), nullable=False),
    Column("message_id", Uuid, ForeignKey("messages.id"), nullable=False),  # that told him
    Column("text", Text, nullable=False),
    Column("state", Text, nullable=False, server_default="open"),  # open | accepted | declined | withdrawn
    Column("agent_id", Uuid, ForeignKey("agents.id")),  # whose it is
    Column("comment", Text, nullable=False, server_default=""),
    Column("actor", Text, nullable=False, server_default=""),  # who answered or withdrew it
    moment("created_at"),
    Column("settled_at", Moment),
    CheckConstraint("state IN ('open','accepted','declined','withdrawn')", name="state"),
    Index("ix_proposals_ticket_id", "ticket_id", "id"),
    Index("uq_proposals_open", "ticket_id", unique=True, postgresql_where=text("state = 'open'")),
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
