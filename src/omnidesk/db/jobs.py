"""Jobs: who works on which, how far each is, and the pieces of its result. Leases go by the database's clock."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from omnidesk.db.bulk import as_json
from omnidesk.db.session import Tx

OPEN = "('queued','running')"  # as the partial index says it


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    id: UUID
    kind: str
    params: Mapping[str, Any]
    owner_kind: str  # agent | key
    owner_id: UUID
    state: str = "queued"  # queued | running | done | failed | cancelled
    total: int | None = None
    done: int = 0
    failed: int = 0
    position: Any = None  # where the next batch begins
    error: str | None = None
    attempts: int = 0
    token: int = 0
    request_id: str | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    expired_at: datetime | None = None
    version: int = 1
    created_at: datetime


_COLUMNS = ", ".join(Job.__dataclass_fields__)


async def insert(tx: Tx, job: Job) -> None:
    await tx.driver.execute(
        """
        INSERT INTO jobs (id, kind, params, owner_kind, owner_id, request_id, created_at)
        VALUES ($1, $2, $3::jsonb, $4, $5, $6, $7)
        """,
        job.id,
        job.kind,
        as_json(job.params),
        job.owner_kind,
        job.owner_id,
        job.request_id,
        job.created_at,
    )


async def unfinished(tx: Tx, owner: tuple[str, UUID]) -> int:
    """How many jobs of this owner are not over."""
    return int(
        await tx.driver.fetchval(
            f"SELECT count(*) FROM jobs WHERE owner_kind = $1 AND owner_id = $2 AND state IN {OPEN}",  # noqa: S608
            *owner,
        )
    )


async def read(tx: Tx, job_id: UUID) -> Job | None:
    row = await tx.driver.fetchrow(f"SELECT {_COLUMNS} FROM jobs WHERE id = $1", job_id)  # noqa: S608
    return Job(**dict(row)) if row else None


async def page(
    tx: Tx, *, owner: tuple[str, UUID] | None, state: str | None, before: UUID | None, limit: int
) -> list[Job]:
    """Newest first; all of them, or those of one owner."""
    rows = await tx.driver.fetch(
        f"""
        SELECT {_COLUMNS} FROM jobs
         WHERE ($1::text IS NULL OR (owner_kind = $1 AND owner_id = $2)) AND ($3::text IS NULL OR state = $3)
           AND ($4::uuid IS NULL OR id < $4)
         ORDER BY id DESC LIMIT $5
        """,  # noqa: S608 - our own columns
        owner[0] if owner else None,
        owner[1] if owner else None,
        state,
        before,
        limit,
    )
    return [Job(**dict(row)) for row in rows]


# --- working --------------------------------------------------------------------------------------


async def claim(tx: Tx, holder: UUID, lease_s: float) -> Job | None:
    """Take the job that has waited longest for its turn; None when none is free."""
    row = await tx.driver.fetchrow(
        f"""
        UPDATE jobs SET state = 'running', holder = $1, until = clock_timestamp() + make_interval(secs => $2),
               token = token + 1, attempts = attempts + 1, started_at = coalesce(started_at, clock_timestamp()),
               version = version + CASE WHEN state = 'queued' THEN 1 ELSE 0 END
         WHERE id = (SELECT id FROM jobs
                      WHERE state IN {OPEN} AND due_at <= clock_timestamp()
                        AND (until IS NULL OR until < clock_timestamp())
                      ORDER BY due_at, id LIMIT 1 FOR UPDATE SKIP LOCKED)
        RETURNING {_COLUMNS}
        """,  # noqa: S608 - our own columns
        holder,
        lease_s,
    )
    return Job(**dict(row)) if row else None


async def hold(tx: Tx, job: Job) -> bool:
    """Whether the job is still ours and not cancelled; locks its row."""
    return bool(
        await tx.driver.fetchval(
            "SELECT true FROM jobs WHERE id = $1 AND token = $2 AND state = 'running' FOR NO KEY UPDATE",
            job.id,
            job.token,
        )
    )


async def set_total(tx: Tx, job: Job, total: int) -> None:
    await tx.driver.execute(
        "UPDATE jobs SET total = $3, version = version + 1 WHERE id = $1 AND token = $2", job.id, job.token, total
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A piece of a result that is stored."""

    sha256: bytes
    size: int


async def advance(
    tx: Tx, job: Job, *, position: Any, done: int, failed: int, part: Part | None, lease_s: float
) -> Job | None:
    """A batch is done: its piece and where the next one begins, together; None when the job is no longer ours."""
    row = await tx.driver.fetchrow(
        f"""
        UPDATE jobs SET position = $3::jsonb, done = done + $4, failed = failed + $5, attempts = 0,
               total = greatest(total, done + $4), until = clock_timestamp() + make_interval(secs => $6),
               version = version + 1
         WHERE id = $1 AND token = $2 AND state = 'running' RETURNING {_COLUMNS}
        """,  # noqa: S608 - our own columns
        job.id,
        job.token,
        as_json(position),
        done,
        failed,
        lease_s,
    )
    if row is not None and part is not None:
        await tx.driver.execute(
            """
            INSERT INTO job_parts (job_id, n, sha256, size)
            SELECT $1, coalesce(max(n), -1) + 1, $2, $3 FROM job_parts WHERE job_id = $1
            """,
            job.id,
            part.sha256,
            part.size,
        )
    return Job(**dict(row)) if row else None


async def give_back(tx: Tx, job: Job, *, after_s: float = 0.0) -> None:
    """The others first; not before so many seconds."""
    await tx.driver.execute(
        """
        UPDATE jobs SET holder = NULL, until = NULL, due_at = clock_timestamp() + make_interval(secs => $3)
         WHERE id = $1 AND token = $2 AND state = 'running'
        """,
        job.id,
        job.token,
        after_s,
    )


async def finish(tx: Tx, job: Job, state: str, error: str | None = None) -> bool:
    """It is over: done or failed; False when it was no longer ours."""
    tag = await tx.driver.execute(
        """
        UPDATE jobs SET state = $3, error = $4, finished_at = clock_timestamp(), holder = NULL, until = NULL,
               total = CASE WHEN $3 = 'done' THEN done ELSE total END, version = version + 1
         WHERE id = $1 AND token = $2 AND state = 'running'
        """,
        job.id,
        job.token,
        state,
        error,
    )
    return bool(tag == "UPDATE 1")


async def cancel(tx: Tx, job_id: UUID) -> bool:
    """Stop it where it is; the batch under way is the last. False when it was over."""
    tag = await tx.driver.execute(
        f"""
        UPDATE jobs SET state = 'cancelled', finished_at = clock_timestamp(), holder = NULL, until = NULL,
               version = version + 1
         WHERE id = $1 AND state IN {OPEN}
        """,  # noqa: S608 - our own list of states
        job_id,
    )
    return bool(tag == "UPDATE 1")


async def parts(tx: Tx, job_id: UUID) -> Sequence[Part]:
    """The pieces of a result, in order."""
    rows = await tx.driver.fetch("SELECT sha256, size FROM job_parts WHERE job_id = $1 ORDER BY n", job_id)
    return [Part(sha256=row["sha256"], size=row["size"]) for row in rows]


# --- leaving --------------------------------------------------------------------------------------


async def expire(tx: Tx, now: datetime, *, results_stay: timedelta, jobs_stay: timedelta, limit: int) -> int:
    """Remove results that have had their time, later the jobs themselves; how many of both."""
    results = await tx.driver.execute(
        """
        WITH old AS (
            SELECT id FROM jobs WHERE finished_at < $1 AND expired_at IS NULL
             ORDER BY finished_at LIMIT $2 FOR UPDATE SKIP LOCKED
        ), emptied AS (DELETE FROM job_parts WHERE job_id IN (SELECT id FROM old))
        UPDATE jobs SET expired_at = clock_timestamp(), version = version + 1 WHERE id IN (SELECT id FROM old)
        """,
        now - results_stay,
        limit,
    )
    gone = await tx.driver.execute(
        """
        DELETE FROM jobs WHERE id IN (
            SELECT id FROM jobs WHERE finished_at < $1 AND expired_at IS NOT NULL
             ORDER BY finished_at LIMIT $2 FOR UPDATE SKIP LOCKED)
        """,
        now - jobs_stay,
        limit,
    )
    return int(results.split()[-1]) + int(gone.split()[-1])
