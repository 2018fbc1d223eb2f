"""People who write: contacts and their identities, how contacts were merged, and what was erased of them."""

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    LargeBinary,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from omnidesk.db.tables.columns import EMPTY_OBJECT, Moment, key, metadata, moment, version

contacts = Table(
    "contacts",
    metadata,
    key(),
    Column("name", Text, nullable=False, server_default=""),
    Column("language", Text),
    Column("zone", Text),
    Column("tier", Text),  # of service: vip …; chooses rows of the SLA table
    Column("note", Text, nullable=False, server_default=""),  # what colleagues should know; never leaves the desk
    Column("preferred_identity_id", Uuid),  # where answers go first; counts while the identity is this contact's
    Column("creator", Text),  # `str(Actor)` of who made it by hand, and sees it before it has a ticket
    Column("merged_into", Uuid, ForeignKey("contacts.id")),
    Column("erased_at", Moment),
    version(),
    moment("created_at"),
    moment("updated_at"),
    Index("ix_contacts_updated_at", "updated_at", "id"),
    Index("ix_contacts_words", text("to_tsvector('simple'::regconfig, name)"), postgresql_using="gin"),
    Index("ix_contacts_merged_into", "merged_into", postgresql_where=text("merged_into IS NOT NULL")),
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
    Index("ix_identities_address", "address", postgresql_ops={"address": "text_pattern_ops"}),  # also how it begins
)

contact_merges = Table(
    "contact_merges",
    metadata,
    key(),
    Column("source_id", Uuid, ForeignKey("contacts.id"), nullable=False),
    Column("survivor_id", Uuid, ForeignKey("contacts.id"), nullable=False),
    Column("moved", JSONB, nullable=False),  # ids of the identities that came along
    Column("filled", JSONB, nullable=False, server_default=EMPTY_OBJECT),  # what the survivor took over, by field
    Column("actor", Text, nullable=False),
    moment("created_at"),
    Column("undone_at", Moment),
    Column("undone_by", Text),
    Index("uq_contact_merges_standing", "source_id", unique=True, postgresql_where=text("undone_at IS NULL")),
    Index("ix_contact_merges_source_id", "source_id", "id"),
    Index("ix_contact_merges_survivor_id", "survivor_id", "id"),
)

erasures = Table(  # that a person was forgotten, and how much it was; nothing of the person
    "erasures",
    metadata,
    key(),
    Column("contact_id", Uuid, ForeignKey("contacts.id"), nullable=False, unique=True),
    Column("state", Text, nullable=False, server_default="running"),  # running | done
    Column("step", Text, nullable=False, server_default=""),  # what is being erased
    Column("position", Text, nullable=False, server_default=""),  # how far that got
    Column("counts", JSONB, nullable=False, server_default=EMPTY_OBJECT),  # rows by what they were
    Column("keys", JSONB, nullable=False, server_default=EMPTY_OBJECT),  # what to look for; emptied when it is done
    Column("actor", Text, nullable=False),
    moment("created_at"),
    Column("done_at", Moment),
    CheckConstraint("state IN ('running','done')", name="state"),
)

erased_refs = Table(  # provider's ids of messages that were erased: fetched again, they stay away
    "erased_refs",
    metadata,
    Column("digest", LargeBinary, primary_key=True),  # SHA-256 of realm, id and variant
    moment("created_at"),
)
