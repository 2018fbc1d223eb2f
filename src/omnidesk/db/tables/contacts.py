"""People who write: contacts and their identities."""

from sqlalchemy import Boolean, Column, ForeignKey, Index, SmallInteger, Table, Text, UniqueConstraint, Uuid, text

from omnidesk.db.tables.columns import Moment, key, metadata, moment, version

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
