"""The desk itself: settings, leases, calendars, versions of the policy."""

from sqlalchemy import BigInteger, Column, Identity, Integer, Table, Text, Uuid, text
from sqlalchemy.dialects.postgresql import JSONB

from omnidesk.db.tables.columns import Moment, key, metadata, moment, version

settings = Table(
    "settings",
    metadata,
    Column("name", Text, primary_key=True),
    Column("value", JSONB, nullable=False),
)

leases = Table(  # what must be single: planner, watches of inboxes, sequencer of timers
    "leases",
    metadata,
    Column("name", Text, primary_key=True),
    Column("holder", Uuid),
    Column("until", Moment, nullable=False, server_default=text("'-infinity'")),
    Column("token", BigInteger, nullable=False, server_default="0"),
)

calendars = Table(
    "calendars",
    metadata,
    key(),
    Column("name", Text, nullable=False, unique=True),
    Column("country", Text, nullable=False, server_default=""),  # whose holidays are filled in
    Column("hours", JSONB, nullable=False),  # zone, week, holidays, workdays, exceptions: all dates as data
    version(),
    moment("created_at"),
    moment("updated_at"),
)

policies = Table(
    "policies",
    metadata,
    Column("version", Integer, Identity(), primary_key=True),
    Column("policy", JSONB, nullable=False),
    moment("created_at"),
)
