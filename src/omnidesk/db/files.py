"""Stored files by the hash of their content, and the attachments that point to them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from omnidesk.db.session import Tx


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """A file that somebody brought and that no message uses yet."""

    id: UUID
    sha256: bytes
    name: str
    content_type: str
    size: int
    uploader: str  # `str(Actor)`


async def note(tx: Tx, files: Sequence[tuple[bytes, int]]) -> None:
    """(sha256, size) of files that are stored now. Noting one again makes it young, so that no sweep takes it."""
    ordered = sorted(dict(files).items())
    await tx.driver.execute(
        """
        INSERT INTO files (sha256, size) SELECT * FROM unnest($1::bytea[], $2::bigint[])
        ON CONFLICT (sha256) DO UPDATE SET created_at = now()
        """,
        [sha256 for sha256, _ in ordered],
        [size for _, size in ordered],
    )


async def add_upload(tx: Tx, upload: Upload) -> None:
    """Note an uploaded file as an attachment without a message."""
    await note(tx, [(upload.sha256, upload.size)])
    await tx.driver.execute(
        """
        INSERT INTO attachments (id, sha256, name, content_type, size, uploader) VALUES ($1, $2, $3, $4, $5, $6)
        """,
        upload.id,
        upload.sha256,
        upload.name,
        upload.content_type,
        upload.size,
        upload.uploader,
    )


async def read(tx: Tx, attachment_id: UUID) -> dict[str, Any] | None:
    """An attachment with the ticket of its message (null while unused); None when there is none."""
    row = await tx.driver.fetchrow(
        """
        SELECT a.*, coalesce(m.ticket_id, c.ticket_id) AS ticket_id
          FROM attachments AS a
          LEFT JOIN messages AS m ON m.id = a.message_id
          LEFT JOIN conversations AS c ON c.id = m.conversation_id
         WHERE a.id = $1
        """,
        attachment_id,
    )
    return dict(row) if row else None


async def drop_unused(tx: Tx, days: int, limit: int = 1_000) -> int:
    """Forget uploads that no message took for so many days; how many."""
    tag = await tx.driver.execute(
        """
        DELETE FROM attachments WHERE id IN (
            SELECT id FROM attachments WHERE message_id IS NULL AND created_at < now() - make_interval(days => $1)
             ORDER BY created_at LIMIT $2 FOR UPDATE SKIP LOCKED)
        """,
        days,
        limit,
    )
    return int(tag.split()[-1])


async def take_unreferenced(tx: Tx, days: int, limit: int = 1_000) -> list[bytes]:
    """Drop the rows of files that nothing points to for so many days; their hashes.

    The rows stay locked until the transaction ends: remove the bytes before that, and a writer of the same
    content waits, then stores it anew.
    """
    rows = await tx.driver.fetch(
        """
        DELETE FROM files WHERE sha256 IN (
            SELECT f.sha256 FROM files AS f
             WHERE f.created_at < now() - make_interval(days => $1)
               AND NOT EXISTS (SELECT FROM attachments AS a WHERE a.sha256 = f.sha256)
               AND NOT EXISTS (SELECT FROM job_parts AS p WHERE p.sha256 = f.sha256)
             ORDER BY f.created_at LIMIT $2 FOR UPDATE OF f SKIP LOCKED)
        RETURNING sha256
        """,
        days,
        limit,
    )
    return [row["sha256"] for row in rows]


async def let_go(tx: Tx, message_ids: Sequence[UUID]) -> None:
    """The files of deleted messages: their bytes are swept when nothing else points to them."""
    await tx.driver.execute(
        """
        UPDATE attachments SET state = 'deleted', sha256 = NULL, source_url = NULL
         WHERE message_id = ANY($1::uuid[]) AND state <> 'erased'
        """,
        list(message_ids),
    )


async def take_free(tx: Tx, hashes: Sequence[bytes]) -> list[bytes]:
    """Drop the rows of those files that nothing points to any more, however young; their hashes.

    The rows stay locked until the transaction ends: set the bytes aside before that.
    """
    if not hashes:
        return []
    rows = await tx.driver.fetch(
        """
        DELETE FROM files WHERE sha256 IN (
            SELECT f.sha256 FROM files AS f
             WHERE f.sha256 = ANY($1::bytea[])
               AND NOT EXISTS (SELECT FROM attachments AS a WHERE a.sha256 = f.sha256)
               AND NOT EXISTS (SELECT FROM job_parts AS p WHERE p.sha256 = f.sha256)
             ORDER BY f.sha256 FOR UPDATE OF f)
        RETURNING sha256
        """,
        list(hashes),
    )
    return [row["sha256"] for row in rows]


async def known(tx: Tx, hashes: Sequence[bytes]) -> set[bytes]:
    rows = await tx.driver.fetch("SELECT sha256 FROM files WHERE sha256 = ANY($1::bytea[])", list(hashes))
    return {row["sha256"] for row in rows}
