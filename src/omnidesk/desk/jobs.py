"""Long work: asked for, done in bounded batches by any worker, with the rights that its owner has meanwhile.

Each batch commits three things together: what it did, its piece of the result, and where the next one begins. A worker
that dies in between has done nothing; the next one goes on from there, so that no row comes twice and none is missing.
Jobs take turns: none holds up the others for longer than a slice.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol
from uuid import UUID, uuid4

import structlog

from omnidesk.db import events, files, jobs
from omnidesk.db.jobs import Job, Part
from omnidesk.db.joined import Joined
from omnidesk.db.session import Database, Tx, is_away
from omnidesk.desk.access import rights
from omnidesk.desk.files import FileStore
from omnidesk.desk.loops import keep, trace
from omnidesk.desk.new_ids import new_id
from omnidesk.desk.owners import Owners, owner_of
from omnidesk.domain.errors import Conflict, Forbidden, NotFound, TooMany
from omnidesk.domain.events import Event, EventType
from omnidesk.domain.people import Actor
from omnidesk.domain.sight import sees_everything

log = structlog.get_logger(__name__)

LEASE_S = 30.0
SLICE_S = 5.0  # then it is the next job's turn
MOST_TRIES = 5  # of one batch
RESULTS_STAY = timedelta(days=7)  # after the job is over
MOST_OPEN = 10  # jobs of one owner that are not over


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """What a batch came to; `last`: there is nothing behind it."""

    position: Any
    done: int
    failed: int = 0
    content: bytes = b""
    last: bool


class Kind(Protocol):
    """A kind of long work."""

    scope: str
    changes: bool  # what it does commits together with its piece

    async def total(self, tx: Tx, job: Job, actor: Actor) -> int:
        """How many rows it is about."""
        ...

    async def batch(self, db: Database, job: Job, actor: Actor, now: datetime) -> Batch:
        """Do the next rows, a second's work or so."""
        ...


# --- asking ---------------------------------------------------------------------------------------


async def create(
    db: Database, kind: str, params: Mapping[str, Any], actor: Actor, *, scope: str, request_id: str, now: datetime
) -> Job:
    """Ask for a job. Raises Forbidden without its scope, TooMany (`too_many_jobs`)."""
    if scope not in rights(actor):
        raise Forbidden(f"This needs the scope {scope}.", code="missing_scope", details={"scope": scope})
    owner = owner_of(actor)
    job = Job(
        id=new_id(now),
        kind=kind,
        params=params,
        owner_kind=owner[0],
        owner_id=owner[1],
        request_id=request_id or None,
        created_at=now,
    )
    async with db.transaction() as tx:
        if await jobs.unfinished(tx, owner) >= MOST_OPEN:
            words = f"You have {MOST_OPEN} jobs that are not over. Wait for one, or cancel it."
            raise TooMany(words, retry_after_s=30, code="too_many_jobs")
        await jobs.insert(tx, job)
    return job


def sees_all(actor: Actor) -> bool:
    """Administrators see everybody's jobs."""
    return "keys:write" in rights(actor) and sees_everything(actor)


async def find(tx: Tx, job_id: UUID, actor: Actor) -> Job:
    """The job, if it is the actor's or he administers. Raises NotFound."""
    job = await jobs.read(tx, job_id)
    if job is None or not ((job.owner_kind, job.owner_id) == (actor.kind, actor.id) or sees_all(actor)):
        raise NotFound("There is no such job.")
    return job


async def result(tx: Tx, job_id: UUID, actor: Actor) -> tuple[Job, Sequence[Part]]:
    """A job with the pieces of its result. Of one that did not come to its end, what it changed until then.

    Raises NotFound (also `result_expired`), Conflict (`job_not_done`).
    """
    job = await find(tx, job_id, actor)
    if job.expired_at:
        raise NotFound("The result of this job was removed: its time is over.", code="result_expired")
    if job.state in {"queued", "running"} or (job.state != "done" and job.kind != "tickets.update"):
        raise Conflict("This job is not done.", code="job_not_done", details={"state": job.state})
    return job, await jobs.parts(tx, job_id)


async def cancel(db: Database, job_id: UUID, actor: Actor) -> Job:
    """Stop a job; what it did stays done. Raises NotFound, Conflict (`job_over`)."""
    async with db.transaction() as tx:
        job = await find(tx, job_id, actor)
        if not await jobs.cancel(tx, job_id):
            raise Conflict("This job is over.", code="job_over")
        await _tell(tx, job, "cancelled", actor)
        after = await jobs.read(tx, job_id)
    assert after is not None
    return after


async def _tell(tx: Tx, job: Job, state: str, actor: Actor | str = "system") -> None:
    data = {"kind": job.kind, "state": state, "done": job.done, "failed": job.failed}
    fact = Event(type=EventType.JOB_FINISHED, subject_id=job.id, actor=str(actor), data=data)
    await events.record(tx, [fact], request_id=job.request_id)


# --- doing ----------------------------------------------------------------------------------------


def utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass
class Runner:
    """Works on jobs, one slice after the other. Any number of processes have one."""

    db: Database
    files: FileStore
    kinds: Mapping[str, Kind]
    now: Callable[[], datetime] = utc_now
    lease_s: float = LEASE_S
    slice_s: float = SLICE_S
    holder: UUID = field(default_factory=uuid4)
    owners: Owners = field(default_factory=Owners)

    async def run(self, stop: asyncio.Event) -> None:
        """Look for work each second, until `stop`."""
        await keep("jobs", stop, lambda: self.step(stop))

    async def step(self, stop: asyncio.Event | None = None) -> bool:
        """One slice of one job; False when none is to be worked on."""
        async with self.db.transaction() as tx:
            job = await jobs.claim(tx, self.holder, self.lease_s)
        if job is None:
            return False
        try:
            await self._slice(job, stop)
        except Exception as error:
            if not is_away(error):
                log.error("job.failed", job=str(job.id), kind=job.kind, attempts=job.attempts, **trace(error))
            async with self.db.transaction() as tx:
                await jobs.give_back(tx, job, after_s=min(60.0, 2.0**job.attempts))
        return True

    async def _slice(self, job: Job, stop: asyncio.Event | None) -> None:
        kind = self.kinds.get(job.kind)
        async with self.db.connection() as tx:
            actor = await self.owners.get(tx, (job.owner_kind, job.owner_id))
        if kind is None or job.attempts > MOST_TRIES:
            return await self._end(job, "gave_up")
        if actor is None or kind.scope not in rights(actor):
            return await self._end(job, "owner_gone" if actor is None else "missing_scope")
        if job.total is None:
            async with self.db.connection() as tx:
                await jobs.set_total(tx, job, await kind.total(tx, job, actor))
        until = asyncio.get_running_loop().time() + self.slice_s
        current: Job | None = job
        while current is not None and not (stop and stop.is_set()):
            current = await self._batch(kind, current, actor)
            if current is not None and asyncio.get_running_loop().time() > until:
                break
        if current is not None:
            async with self.db.transaction() as tx:
                await jobs.give_back(tx, current)
        return None

    async def _end(self, job: Job, error: str) -> None:
        async with self.db.transaction() as tx:
            if await jobs.finish(tx, job, "failed", error):
                await _tell(tx, job, "failed")

    async def _batch(self, kind: Kind, job: Job, actor: Actor) -> Job | None:
        """The next batch; the job as it is then, None when it is over or somebody else's."""
        if not kind.changes:
            batch = await kind.batch(self.db, job, actor, self.now())
            part = await self._store(batch)
            return await self.db.repeating(lambda tx: self._write(tx, job, batch, part))

        async def work(tx: Tx) -> Job | None:
            if not await jobs.hold(tx, job):
                return None
            batch = await kind.batch(Joined(self.db, tx), job, actor, self.now())
            return await self._write(tx, job, batch, await self._store(batch))

        return await self.db.repeating(work)

    async def _store(self, batch: Batch) -> Part | None:
        if not batch.content:
            return None
        stored = await self.files.store_bytes(batch.content)
        return Part(sha256=stored.sha256, size=stored.size)

    async def _write(self, tx: Tx, job: Job, batch: Batch, part: Part | None) -> Job | None:
        if part:
            await files.note(tx, [(part.sha256, part.size)])
        after = await jobs.advance(
            tx, job, position=batch.position, done=batch.done, failed=batch.failed, part=part, lease_s=self.lease_s
        )
        if after is None or not batch.last:
            return after
        if await jobs.finish(tx, after, "done"):
            await _tell(tx, after, "done")
        return None
