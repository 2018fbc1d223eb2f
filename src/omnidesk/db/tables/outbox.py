"""Facts that happened, calls to the outside, and what is due at a moment."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Identity,
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

from omnidesk.db.tables.columns import EMPTY_OBJECT, NOW, Moment, key, metadata, moment

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
    Index(
        "ix_deliveries_troubled",
        "updated_at",
        "id",
        postgresql_where=text("state IN ('unknown','rejected','bounced')"),
    ),
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
