"""Long work that somebody asked for: how far it is, and its result in pieces."""

from sqlalchemy import (
    BigInteger,
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
from sqlalchemy.dialects.postgresql import JSONB

from omnidesk.db.tables.columns import Moment, key, metadata, moment, version

jobs = Table(
    "jobs",
    metadata,
    key(),
    Column("kind", Text, nullable=False),  # tickets.export | tickets.update
    Column("params", JSONB, nullable=False),
    Column("owner_kind", Text, nullable=False),  # agent | key: for whom, and with whose rights
    Column("owner_id", Uuid, nullable=False),
    Column("state", Text, nullable=False, server_default="queued"),
    Column("total", Integer),  # as counted when it began; null: not yet
    Column("done", Integer, nullable=False, server_default="0"),
    Column("failed", Integer, nullable=False, server_default="0"),  # of those done
    Column("position", JSONB),  # where the next batch begins
    Column("error", Text),  # code of what ended it
    Column("attempts", SmallInteger, nullable=False, server_default="0"),  # since it last got on
    Column("due_at", Moment, nullable=False, server_default=text("now()")),  # whose turn it is: the longest without one
    Column("holder", Uuid),
    Column("until", Moment),
    Column("token", BigInteger, nullable=False, server_default="0"),
    Column("request_id", Text),
    Column("started_at", Moment),
    Column("finished_at", Moment),
    Column("expired_at", Moment),  # its result was removed
    version(),
    moment("created_at"),
    CheckConstraint("state IN ('queued','running','done','failed','cancelled')", name="state"),
    CheckConstraint("owner_kind IN ('agent','key')", name="owner_kind"),
    Index("ix_jobs_owner", "owner_kind", "owner_id", "id"),
    Index("ix_jobs_open", "due_at", "id", postgresql_where=text("state IN ('queued','running')")),
    Index("ix_jobs_kept", "finished_at", postgresql_where=text("finished_at IS NOT NULL")),
    postgresql_with={"fillfactor": "70"},
)

job_parts = Table(  # a result is its pieces in order, each written with the position behind it
    "job_parts",
    metadata,
    Column("job_id", Uuid, ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
    Column("n", Integer, primary_key=True),
    Column("sha256", LargeBinary, ForeignKey("files.sha256"), nullable=False),
    Column("size", Integer, nullable=False),
    Index("ix_job_parts_sha256", "sha256"),
)
