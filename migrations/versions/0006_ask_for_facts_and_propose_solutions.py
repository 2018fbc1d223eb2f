"""Ask customers for facts, remind them, tell them why it takes so long, and propose other solutions.

Revision: 0006, after 0005.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

NO_TEXTS = sa.text("'{}'::text[]")
MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.add_column(
        "tickets", sa.Column("asked_for", postgresql.ARRAY(sa.Text()), server_default=NO_TEXTS, nullable=False)
    )
    for name in ("reminded_at", "explained_at"):
        op.add_column("tickets", sa.Column(name, MOMENT, nullable=True))
    op.create_table(
        "proposals",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("ticket_id", sa.Uuid(), nullable=False),
        sa.Column("message_id", sa.Uuid(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), server_default="open", nullable=False),
        sa.Column("agent_id", sa.Uuid(), nullable=True),
        sa.Column("comment", sa.Text(), server_default="", nullable=False),
        sa.Column("actor", sa.Text(), server_default="", nullable=False),
        sa.Column("created_at", MOMENT, server_default=sa.text("now()"), nullable=False),
        sa.Column("settled_at", MOMENT, nullable=True),
        sa.CheckConstraint("state IN ('open','accepted','declined','withdrawn')", name=op.f("ck_proposals_state")),
        sa.ForeignKeyConstraint(["ticket_id"], ["tickets.id"], name=op.f("fk_proposals_ticket_id")),
        sa.ForeignKeyConstraint(["message_id"], ["messages.id"], name=op.f("fk_proposals_message_id")),
        sa.ForeignKeyConstraint(["agent_id"], ["agents.id"], name=op.f("fk_proposals_agent_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_proposals")),
    )
    op.create_index("ix_proposals_ticket_id", "proposals", ["ticket_id", "id"])
    op.create_index(
        "uq_proposals_open", "proposals", ["ticket_id"], unique=True, postgresql_where=sa.text("state = 'open'")
    )


def downgrade() -> None:
    op.drop_table("proposals")
    for name in ("explained_at", "reminded_at", "asked_for"):
        op.drop_column("tickets", name)
