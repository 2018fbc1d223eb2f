"""What every table is made with: the metadata that holds them all, and the columns that recur."""

from sqlalchemy import Column, DateTime, Integer, MetaData, Uuid, text

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

Moment = DateTime(timezone=True)
EMPTY_OBJECT = text("'{}'::jsonb")
EMPTY_TEXTS = text("'{}'::text[]")
NOW = text("now()")


def key() -> Column[object]:
    return Column("id", Uuid, primary_key=True)


def version() -> Column[int]:
    """Rises with anything that the resource's representation shows; its ETag."""
    return Column("version", Integer, nullable=False, server_default="1")


def moment(name: str, *, optional: bool = False) -> Column[object]:
    return Column(name, Moment, nullable=optional, server_default=None if optional else NOW)
