"""Keep corrections, the skills that one ticket needs, and the category of an inbox.

Revision: 0005, after 0004.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

NO_TEXTS = sa.text("'{}'::text[]")
MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "corrections",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("ticket_id", sa.Uuid(), nullable=False),
        sa.Column("field", sa.Text(), nullable=False),
        sa.Column("old", sa.Text(), server_default="", nullable=False),
        sa.Column("new", sa.Text(), server_default="", nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), server_default="", nullable=False),
        sa.Column("created_at", MOMENT, server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["ticket_id"], ["tickets.id"], name=op.f("fk_corrections_ticket_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_corrections")),
    )
    op.create_index("ix_corrections_ticket_id", "corrections", ["ticket_id", "id"])
    for name in ("required", "preferred"):
        op.add_column("tickets", sa.Column(name, postgresql.ARRAY(sa.Text()), server_default=NO_TEXTS, nullable=False))
    op.add_column("inboxes", sa.Column("category", sa.Text(), nullable=True))


def downgrade() -> None:
    op.drop_column("inboxes", "category")
    for name in ("preferred", "required"):
        op.drop_column("tickets", name)
    op.drop_table("corrections")
