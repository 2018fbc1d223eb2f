"""Programs that are told of events: where, of what, and the log of each call."""

from sqlalchemy import BigInteger, CheckConstraint, Column, ForeignKey, Index, LargeBinary, Table, Text, Uuid, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from omnidesk.db.tables.columns import EMPTY_TEXTS, Moment, key, metadata, moment, version

_NO_IDS = text("'{}'::uuid[]")

webhooks = Table(
    "webhooks",
    metadata,
    key(),
    Column("url", Text, nullable=False),
    Column("description", Text, nullable=False, server_default=""),
    Column("types", ARRAY(Text), nullable=False, server_default=EMPTY_TEXTS),  # of events; empty: all of them
    Column("queue_ids", ARRAY(Uuid), nullable=False, server_default=_NO_IDS),  # empty: all that its owner sees
    Column("inbox_ids", ARRAY(Uuid), nullable=False, server_default=_NO_IDS),
    Column("owner_kind", Text, nullable=False),  # agent | key: whose eyes it sees with
    Column("owner_id", Uuid, nullable=False),
    Column("secret", LargeBinary, nullable=False),  # sealed
    Column("old_secret", LargeBinary),  # sealed; signs beside the new one while a rotation overlaps
    Column("old_secret_until", Moment),
    Column("disabled_at", Moment),
    Column("disabled_reason", Text),  # by_hand | failing | gone | owner_gone
    Column("failing_since", Moment),  # nothing but failures since
    Column("failed_at", Moment),  # the last of them, to the minute
    Column("last_error", Text),
    Column("deleted_at", Moment),  # the row goes when the last call of its log has
    version(),
    moment("created_at"),
    moment("updated_at"),
    CheckConstraint("owner_kind IN ('agent','key')", name="owner_kind"),
)

webhook_cursors = (
    Table(  # how far each webhook has been told; a row of its own, so that telling never touches the above
        "webhook_cursors",
        metadata,
        Column("webhook_id", Uuid, ForeignKey("webhooks.id", ondelete="CASCADE"), primary_key=True),
        Column("seq", BigInteger, nullable=False),
    )
)

webhook_deliveries = Table(
    "webhook_deliveries",
    metadata,
    key(),  # the webhook-id of the call, the same at every try
    Column("webhook_id", Uuid, ForeignKey("webhooks.id"), nullable=False),
    Column("seq", BigInteger),  # the event's; null: a test
    Column("type", Text, nullable=False),
    Column("ticket_id", Uuid),
    Column("state", Text, nullable=False, server_default="waiting"),  # waiting | delivered | failed
    Column("tries", JSONB, nullable=False, server_default=text("'[]'::jsonb")),  # at, code, latency_ms, error, answer
    moment("created_at"),
    Column("done_at", Moment),
    CheckConstraint("state IN ('waiting','delivered','failed')", name="state"),
    Index("uq_webhook_deliveries_webhook_id_seq", "webhook_id", "seq", unique=True),
    Index("ix_webhook_deliveries_webhook_id", "webhook_id", "id"),
    Index("ix_webhook_deliveries_waiting", "webhook_id", "created_at", postgresql_where=text("state = 'waiting'")),
    Index("ix_webhook_deliveries_failed", "webhook_id", "id", postgresql_where=text("state = 'failed'")),
    Index("ix_webhook_deliveries_done_at", "done_at", postgresql_where=text("state <> 'waiting'")),
    postgresql_with={"fillfactor": "80"},
)
