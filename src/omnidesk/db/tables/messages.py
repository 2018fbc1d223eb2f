"""Conversations, what is said in them, by whom, and the files that came along."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    LargeBinary,
    SmallInteger,
    Table,
    Text,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY

from omnidesk.db.tables.columns import EMPTY_TEXTS, Moment, key, metadata, moment, version

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
    version(),
    moment("created_at"),
    CheckConstraint("(conversation_id IS NULL) <> (ticket_id IS NULL)", name="home"),
    CheckConstraint("direction IN ('in','out','note')", name="direction"),
    Index("ix_messages_conversation_id", "conversation_id", "at", "id"),
    Index("ix_messages_group", "conversation_id", "group_key", postgresql_where=text("group_key IS NOT NULL")),
    Index("ix_messages_ticket_id", "ticket_id", "at", "id", postgresql_where=text("ticket_id IS NOT NULL")),
    Index("ix_messages_identity_id", "identity_id", postgresql_where=text("identity_id IS NOT NULL")),
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
    Column("actor", Text),  # whose change took its place; null: the customer's
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
    Column(
        "state", Text, nullable=False, server_default="stored"
    ),  # stored | pending | failed | skipped | deleted | erased
    Column("source_url", Text),
    Column("error", Text),
    Column("uploader", Text),  # who uploaded it, until it is used
    moment("created_at"),
    Index("ix_attachments_message_id", "message_id"),
    Index("ix_attachments_sha256", "sha256"),
    Index("ix_attachments_unused", "created_at", postgresql_where=text("message_id IS NULL")),
)
