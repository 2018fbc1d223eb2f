"""The way in: arrivals, their bodies, the lanes that keep their order."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)

from omnidesk.db.tables.columns import Moment, key, metadata, moment

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
