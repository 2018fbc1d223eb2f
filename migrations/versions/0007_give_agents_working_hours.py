"""Give agents working hours.

Revision: 0007, after 0006.
"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("agents", sa.Column("calendar_id", sa.Uuid(), nullable=True))
    op.create_foreign_key(op.f("fk_agents_calendar_id"), "agents", "calendars", ["calendar_id"], ["id"])


def downgrade() -> None:
    op.drop_constraint(op.f("fk_agents_calendar_id"), "agents", type_="foreignkey")
    op.drop_column("agents", "calendar_id")
