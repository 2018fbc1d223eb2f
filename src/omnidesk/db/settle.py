"""Calls that end, or begin again, by other means than their answer: a lapsed lease, a proof, an agent's word."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from omnidesk.db.session import Tx

TRIES_LAST = "interval '2 days'"


@dataclass(frozen=True, slots=True)
class Lapsed:
    id: int
    kind: str
    subject_id: UUID
    endpoint: str
    state: str  # what became of it


async def find_lapsed(tx: Tx, limit: int = 200) -> list[tuple[int, UUID]]:
    """(id, subject) of rows whose holder went silent."""
    records = await tx.driver.fetch(
        """
        SELECT id, subject_id FROM outbox WHERE state IN ('claimed','calling') AND until < now()
         ORDER BY until LIMIT $1
        """,
        limit,
    )
    return [(record["id"], record["subject_id"]) for record in records]


async def lapse(tx: Tx, row_ids: Sequence[int]) -> list[Lapsed]:
    """What becomes of lapsed rows: not called yet, or repeats safely: queued again; else unknown.

    One that never came to its call in many tries over two days (it may be killing its holder) is rejected.
    """
    records = await tx.driver.fetch(
        f"""
        WITH gone AS (
            SELECT id, CASE WHEN state = 'calling' AND NOT repeats THEN 'unknown'
                            WHEN attempts >= 5 AND tried_at < now() - {TRIES_LAST} THEN 'rejected'
                            ELSE 'queued' END AS state
              FROM outbox
             WHERE id = ANY($1::bigint[]) AND state IN ('claimed','calling') AND until < now()
             ORDER BY id FOR UPDATE SKIP LOCKED
        )
        UPDATE outbox AS o
           SET state = gone.state, holder = NULL, until = NULL,
               error = CASE gone.state WHEN 'unknown' THEN 'The call was begun and its answer was lost.'
                                       WHEN 'rejected' THEN 'Nobody came to make this call for two days.' END,
               done_at = CASE gone.state WHEN 'rejected' THEN clock_timestamp() END,
               due_at = CASE gone.state WHEN 'queued'
                        THEN clock_timestamp() + make_interval(secs => least(600, 2 ^ least(o.attempts - 1, 10) - 1))
                        ELSE o.due_at END
          FROM gone WHERE o.id = gone.id
        RETURNING o.id, o.kind, o.subject_id, o.endpoint, o.state
        """,  # noqa: S608 - our own interval
        row_ids,
    )
    return [Lapsed(**dict(record)) for record in records]


async def settle(tx: Tx, subject_ids: Sequence[UUID], external_ids: Sequence[str]) -> set[UUID]:
    """These subjects are proven to have been sent: for each proof, the oldest call that was begun is `sent`.

    Also a row that waits for another try, and one just claimed, whose holder is then told to let go. An id that
    a sent call already has proves nothing new; a proof without an id counts only where there is one call.
    Returns the subjects of which a row was settled.
    """
    records = await tx.driver.fetch(
        """
        WITH proof AS (
            SELECT subject_id, external_id, row_number() OVER (PARTITION BY subject_id ORDER BY n) AS nth
              FROM unnest($1::uuid[], $2::text[]) WITH ORDINALITY AS p (subject_id, external_id, n)
             WHERE CASE p.external_id
                   WHEN '' THEN (SELECT count(*) FROM outbox AS o WHERE o.subject_id = p.subject_id) = 1
                   ELSE NOT EXISTS (SELECT FROM outbox AS o WHERE o.subject_id = p.subject_id
                                       AND o.state = 'sent' AND o.external_id = p.external_id) END
        ), begun AS (
            SELECT o.id, o.subject_id,
                   row_number() OVER (PARTITION BY o.subject_id
                                          ORDER BY o.state NOT IN ('calling','unknown'), o.id) AS nth
              FROM outbox AS o
             WHERE o.subject_id = ANY($1::uuid[]) AND
                   (o.state IN ('calling','unknown') OR (o.state IN ('queued','claimed','deferred') AND o.attempts > 0))
        )
        UPDATE outbox AS o
           SET state = 'sent', error = NULL, external_id = coalesce(nullif(proof.external_id, ''), o.external_id),
               done_at = clock_timestamp(), token = token + 1, holder = NULL, until = NULL
          FROM begun JOIN proof USING (subject_id, nth)
         WHERE o.id = begun.id AND o.state NOT IN ('sent','rejected')
        RETURNING o.subject_id
        """,
        list(subject_ids),
        list(external_ids),
    )
    return {record["subject_id"] for record in records}


async def requeue(tx: Tx, subject_id: UUID) -> int:
    """An agent says: again. Rows that ended badly are due now, with two fresh days; how many they were."""
    tag = await tx.driver.execute(
        """
        UPDATE outbox SET state = 'queued', error = NULL, attempts = 0, tried_at = NULL, due_at = clock_timestamp(),
               done_at = NULL, holder = NULL, until = NULL, token = token + 1
         WHERE subject_id = $1 AND state IN ('unknown','rejected')
        """,
        subject_id,
    )
    return int(tag.split()[-1])


async def repeat(tx: Tx, subject_id: UUID) -> int:
    """The calls of a subject once more, as new rows: what was taken and then came back undelivered."""
    tag = await tx.driver.execute(
        """
        INSERT INTO outbox (kind, order_key, limit_key, endpoint, subject_id, inbox_id, part, repeats)
        SELECT kind, order_key, limit_key, endpoint, subject_id, inbox_id, part, repeats
          FROM (SELECT DISTINCT ON (part) * FROM outbox WHERE subject_id = $1 ORDER BY part, id) AS o
         ORDER BY id
        """,
        subject_id,
    )
    return int(tag.split()[-1])


async def arrived(tx: Tx, subject_id: UUID) -> int:
    """An agent says: it arrived. How many unknown rows that settled."""
    tag = await tx.driver.execute(
        """
        UPDATE outbox SET state = 'sent', error = NULL, done_at = clock_timestamp(), token = token + 1
         WHERE subject_id = $1 AND state = 'unknown'
        """,
        subject_id,
    )
    return int(tag.split()[-1])


async def release_inbox(tx: Tx, inbox_id: UUID) -> None:
    """The rows of an inbox that works again are due at once, with two fresh days."""
    await tx.driver.execute(
        """
        UPDATE outbox SET due_at = least(due_at, clock_timestamp()), attempts = 0, tried_at = NULL
         WHERE id IN (SELECT id FROM outbox WHERE inbox_id = $1 AND state IN ('queued','deferred')
                       ORDER BY id FOR UPDATE)
        """,
        inbox_id,
    )
