"""Merge and forget people; find them by what they say; keep who changed a message.

Revision: 0003, after 0002.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

EMPTY = sa.text("'{}'::jsonb")


def upgrade() -> None:
    _contacts()
    op.create_table(
        "contact_merges",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("source_id", sa.Uuid(), nullable=False),
        sa.Column("survivor_id", sa.Uuid(), nullable=False),
        sa.Column("moved", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("filled", postgresql.JSONB(astext_type=sa.Text()), server_default=EMPTY, nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("undone_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("undone_by", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["source_id"], ["contacts.id"], name=op.f("fk_contact_merges_source_id")),
        sa.ForeignKeyConstraint(["survivor_id"], ["contacts.id"], name=op.f("fk_contact_merges_survivor_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_contact_merges")),
    )
    standing = sa.text("undone_at IS NULL")
    op.create_index(
        "uq_contact_merges_standing", "contact_merges", ["source_id"], unique=True, postgresql_where=standing
    )
    op.create_index("ix_contact_merges_source_id", "contact_merges", ["source_id", "id"])
    op.create_index("ix_contact_merges_survivor_id", "contact_merges", ["survivor_id", "id"])
    op.create_table(
        "erasures",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("contact_id", sa.Uuid(), nullable=False),
        sa.Column("state", sa.Text(), server_default="running", nullable=False),
        sa.Column("step", sa.Text(), server_default="", nullable=False),
        sa.Column("position", sa.Text(), server_default="", nullable=False),
        sa.Column("counts", postgresql.JSONB(astext_type=sa.Text()), server_default=EMPTY, nullable=False),
        sa.Column("keys", postgresql.JSONB(astext_type=sa.Text()), server_default=EMPTY, nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("done_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("state IN ('running','done')", name=op.f("ck_erasures_state")),
        sa.ForeignKeyConstraint(["contact_id"], ["contacts.id"], name=op.f("fk_erasures_contact_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_erasures")),
        sa.UniqueConstraint("contact_id", name=op.f("uq_erasures_contact_id")),
    )
    op.create_table(
        "erased_refs",
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_erased_refs")),
    )
    _messages()


def _contacts() -> None:
    op.add_column("contacts", sa.Column("note", sa.Text(), server_default="", nullable=False))
    op.add_column("contacts", sa.Column("preferred_identity_id", sa.Uuid(), nullable=True))
    op.add_column("contacts", sa.Column("creator", sa.Text(), nullable=True))
    op.add_column("contacts", sa.Column("merged_into", sa.Uuid(), nullable=True))
    op.add_column("contacts", sa.Column("erased_at", sa.DateTime(timezone=True), nullable=True))
    op.create_foreign_key(op.f("fk_contacts_merged_into"), "contacts", "contacts", ["merged_into"], ["id"])
    op.create_index("ix_contacts_updated_at", "contacts", ["updated_at", "id"])
    words = sa.text("to_tsvector('simple'::regconfig, name)")
    op.create_index("ix_contacts_words", "contacts", [words], postgresql_using="gin")
    merged = sa.text("merged_into IS NOT NULL")
    op.create_index("ix_contacts_merged_into", "contacts", ["merged_into"], postgresql_where=merged)
    op.drop_index("ix_identities_address", table_name="identities")
    op.create_index("ix_identities_address", "identities", ["address"], postgresql_ops={"address": "text_pattern_ops"})


def _messages() -> None:
    op.add_column("messages", sa.Column("version", sa.Integer(), server_default="1", nullable=False))
    written = sa.text("identity_id IS NOT NULL")
    op.create_index("ix_messages_identity_id", "messages", ["identity_id"], postgresql_where=written)
    op.add_column("message_revisions", sa.Column("actor", sa.Text(), nullable=True))
    troubled = sa.text("state IN ('unknown','rejected','bounced')")
    op.create_index("ix_deliveries_troubled", "deliveries", ["updated_at", "id"], postgresql_where=troubled)
    for fact in ("order", "phone"):
        stated = sa.text(f"(facts ->> '{fact}'::text)")
        op.create_index(
            f"ix_tickets_{fact}",
            "tickets",
            [stated, "id"],
            postgresql_where=sa.text(f"(facts ->> '{fact}'::text) IS NOT NULL"),
        )


def downgrade() -> None:
    for name in ("order", "phone"):
        op.drop_index(f"ix_tickets_{name}", table_name="tickets")
    op.drop_index("ix_deliveries_troubled", table_name="deliveries")
    op.drop_column("message_revisions", "actor")
    op.drop_index("ix_messages_identity_id", table_name="messages")
    op.drop_column("messages", "version")
    for table in ("erased_refs", "erasures", "contact_merges"):
        op.drop_table(table)
    op.drop_index("ix_identities_address", table_name="identities")
    op.create_index("ix_identities_address", "identities", ["address"])
    for name in ("merged_into", "words", "updated_at"):
        op.drop_index(f"ix_contacts_{name}", table_name="contacts")
    for name in ("erased_at", "merged_into", "creator", "preferred_identity_id", "note"):
        op.drop_column("contacts", name)
