"""Tell who loses sight of a ticket, and who gains it.

Revision: 0009, after 0008.
"""

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

TELL = """
CREATE FUNCTION tell_of_move() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (OLD.queue_id, OLD.inbox_id) IS DISTINCT FROM (NEW.queue_id, NEW.inbox_id)
       OR (EXISTS (SELECT FROM queue_agents WHERE queue_id = NEW.queue_id)
           AND EXISTS (SELECT FROM unnest(ARRAY[OLD.assignee_id, NEW.assignee_id]) AS a (id)
                        WHERE id IS NOT NULL AND NOT EXISTS (
                              SELECT FROM queue_agents AS m WHERE m.queue_id = NEW.queue_id AND m.agent_id = a.id)))
    THEN
        INSERT INTO events (type, ticket_id, data)
        VALUES ('ticket.moved', NEW.id, jsonb_build_object(
            'from', jsonb_build_array(OLD.queue_id, OLD.inbox_id, OLD.assignee_id),
            'to', jsonb_build_array(NEW.queue_id, NEW.inbox_id, NEW.assignee_id)));
    END IF;
    RETURN NULL;
END $$
"""


def upgrade() -> None:
    op.execute(TELL)
    op.execute(
        """
        CREATE TRIGGER tell_of_move AFTER UPDATE OF queue_id, inbox_id, assignee_id ON tickets FOR EACH ROW
        WHEN ((OLD.queue_id, OLD.inbox_id, OLD.assignee_id)
              IS DISTINCT FROM (NEW.queue_id, NEW.inbox_id, NEW.assignee_id))
        EXECUTE FUNCTION tell_of_move()
        """
    )


def downgrade() -> None:
    op.execute("DROP TRIGGER tell_of_move ON tickets")
    op.execute("DROP FUNCTION tell_of_move()")
    op.execute("DELETE FROM events WHERE type = 'ticket.moved'")
