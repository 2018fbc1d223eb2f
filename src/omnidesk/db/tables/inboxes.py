"""Inboxes: the accounts of channels."""

from sqlalchemy import Boolean, Column, ForeignKey, Index, LargeBinary, Table, Text, Uuid, text
from sqlalchemy.dialects.postgresql import JSONB

from omnidesk.db.tables.columns import EMPTY_OBJECT, Moment, key, metadata, moment, version

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
    Column("category", Text),  # of what comes from here; null: by its rules
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
