"""What tickets are found by."""

from sqlalchemy import Column, ForeignKey, Index, Table, Uuid
from sqlalchemy.dialects.postgresql import TSVECTOR

from omnidesk.db.tables.columns import metadata

ticket_search = Table(
    "ticket_search",
    metadata,
    Column("ticket_id", Uuid, ForeignKey("tickets.id", ondelete="CASCADE"), primary_key=True),
    Column("words", TSVECTOR, nullable=False),
    Index(
        "ix_ticket_search_words",
        "words",
        postgresql_using="gin",
        postgresql_with={"gin_pending_list_limit": "256"},  # KB; each search reads the pending ones, too
    ),
    postgresql_with={"toast_tuple_target": "128"},  # words lie apart: a page holds the rows of a hundred tickets
)

ticket_search_due = Table(  # rows to be made anew for what no event of the ticket tells
    "ticket_search_due",
    metadata,
    Column("ticket_id", Uuid, ForeignKey("tickets.id", ondelete="CASCADE"), primary_key=True),
)
