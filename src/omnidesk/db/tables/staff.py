"""People who work here, where they work, and how they and programs get in."""

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    Table,
    Text,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from omnidesk.db.tables.columns import EMPTY_OBJECT, EMPTY_TEXTS, NOW, Moment, key, metadata, moment, version

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
    Column("calendar_id", Uuid, ForeignKey("calendars.id")),  # working hours; null: whenever he is online
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
