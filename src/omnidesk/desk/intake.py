"""Intake: from arrivals to tickets, messages, promises and events, one transaction a batch.

1. lease free lanes, as many as fill a batch, and take their arrivals (attempts raised and committed);
2. read them outside any transaction;
3. in one short transaction: are the lanes still ours? look up, land, write, conclude, free the lanes.

Lock order: lanes, identities, contacts, tickets, conversations. Who may be sent an acknowledgement or be marked
as unreachable, and the tickets that receipts and bounces are about, are therefore locked before anything lands.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID, uuid4

import asyncpg
import structlog

from omnidesk.db import arrivals, clocks, deliveries, events, timers
from omnidesk.db import intake as statements
from omnidesk.db.arrivals import Lane, Waiting
from omnidesk.db.bulk import Write, as_json, insert_all
from omnidesk.db.listen import ARRIVED, Listener
from omnidesk.db.session import Database, Tx, is_away
from omnidesk.desk import clarify, delay, erased, escalate, loops, opening, proposals, settle, setup
from omnidesk.desk import clocks as desk_clocks
from omnidesk.desk.accept import Door, clean_key
from omnidesk.desk.batch import Draft, Read, Rows
from omnidesk.desk.inboxes import Channels
from omnidesk.desk.known import Moved, look_up
from omnidesk.desk.landing import Landing
from omnidesk.desk.landing_reports import waits_for
from omnidesk.desk.opening import Opened
from omnidesk.desk.reading import Reader
from omnidesk.desk.setup import Setup
from omnidesk.domain import ids
from omnidesk.domain.clocks import Step
from omnidesk.domain.events import Event, EventType
from omnidesk.domain.messages import Arrival

log = structlog.get_logger()

BATCH = 200
BATCH_BYTES = 8_000_000
SETUP_FRESH_S = 1.0
NUMBERS = 50  # drawn at once
INLINE_WAIT_S = 2.0
WRITE_TRIES = 5


class LostLanes(Exception):
    """Our lease lapsed while we worked: somebody else has the lanes now, and nothing of ours was written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Landed:
    """What became of an arrival that was worked on at once; `new`: nobody came to it in time."""

    arrival_id: UUID
    state: str
    ticket_id: UUID | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class _Owed:
    """Lanes to free; being stopped, or a database that was away, is no attempt of the `uncounted`."""

    holder: UUID
    lanes: Sequence[Lane]
    uncounted: Sequence[UUID]


class Intake:
    """Turns arrivals into tickets; any number may run, in any number of processes."""

    def __init__(self, db: Database, door: Door, channels: Channels, reader: Reader) -> None:
        self._db, self._door, self._channels, self._reader = db, door, channels, reader
        self._setup: Setup | None = None
        self._setup_at = float("-inf")
        self._owed: list[_Owed] = []
        self._failures = 0  # in a row; each makes the next try wait longer
        self._numbers = list[int]()  # drawn, and not given to a ticket yet

    async def run(self, stop: asyncio.Event, listener: Listener | None = None, *, flights: int = 2) -> None:
        """Work until `stop`, with some batches in flight at once: one reads while the other writes."""

        async def step() -> bool:
            worked = await self._some()
            if worked and listener:
                listener.tell()  # there are tickets to plan, acknowledgements to send, events to number
            return worked

        loop = [loops.keep(f"intake-{n}", stop, step, listener=listener, channel=ARRIVED) for n in range(flights)]
        await asyncio.gather(*loop)

    async def _some(self) -> bool:
        try:
            worked = await self.once() > 0
            self._failures = 0
            return worked
        except Exception as error:
            if is_away(error):
                raise
            log.error("intake.batch_failed", **loops.trace(error))  # its attempts count: it is tried in halves now
            self._failures += 1
            await asyncio.sleep(min(2.0, 0.05 * 2 ** min(self._failures, 8)))
            return True

    async def once(self, *, only_lane: int | None = None) -> int:
        """One batch; how many arrivals got their verdict."""
        await self._pay_back()
        holder, lanes, batch = uuid4(), list[Lane](), list[Waiting]()
        try:
            async with self._db.connection() as tx:  # each statement commits, and sees what the one before waited for
                lanes = await arrivals.claim_lanes(tx, holder, limit=BATCH, only=only_lane)
                if not lanes:
                    return 0
                batch = await arrivals.take(tx, lanes, limit=BATCH, max_bytes=BATCH_BYTES)
            return await self._work(holder, lanes, batch)
        except LostLanes:
            log.warning("intake.lost_lanes", lanes=len(lanes))
            return 0
        except BaseException as error:
            nobodys_fault = isinstance(error, asyncio.CancelledError) or is_away(error)
            self._owed.append(_Owed(holder, lanes, [waiting.id for waiting in batch] if nobodys_fault else []))
            with suppress(Exception):
                await self._pay_back()
            raise

    async def _work(self, holder: UUID, lanes: Sequence[Lane], batch: Sequence[Waiting]) -> int:
        renewing = asyncio.create_task(self._renew(holder, lanes))
        try:
            read = await self._reader.read(batch, now=datetime.now(UTC))
            unread = [waiting.id for waiting in batch[len(read) :]]
            landing = await self._write(holder, lanes, read, unread)
        finally:
            renewing.cancel()
            with suppress(asyncio.CancelledError):
                await renewing
        return len(landing.rows.verdicts)

    async def _renew(self, holder: UUID, lanes: Sequence[Lane]) -> None:
        """A slow reader keeps its lanes while it lives; a frozen one loses them."""
        while True:
            await asyncio.sleep(arrivals.LEASE_S / 3)
            with suppress(Exception):
                async with self._db.connection() as tx:
                    await arrivals.renew_lanes(tx, holder, lanes)

    async def _pay_back(self) -> None:
        """Free the lanes of batches that failed, as soon as the database is there for it."""
        while self._owed:
            owed = self._owed[-1]
            async with self._db.transaction() as tx:
                if owed.lanes and await arrivals.still_ours(tx, owed.holder, owed.lanes):
                    await arrivals.give_back(tx, owed.uncounted)
                    await arrivals.release_lanes(tx, owed.holder, owed.lanes)
            with suppress(ValueError):  # the other flight was faster
                self._owed.remove(owed)

    # --- writing --------------------------------------------------------------------------------------

    async def _write(
        self, holder: UUID, lanes: Sequence[Lane], read: Sequence[Read], unread: Sequence[UUID]
    ) -> Landing:
        setup_now = await self._desk()

        async def work(tx: Tx) -> Landing:
            if not await arrivals.still_ours(tx, holder, lanes):
                raise LostLanes
            now = datetime.now(UTC)
            kept = await erased.without(tx, read)
            landing = Landing(setup_now, await look_up(tx, kept, now), now=now)
            for one in kept:
                landing.land(one)
            await self._store(tx, landing)
            if unread:
                await arrivals.give_back(tx, unread)
            await arrivals.conclude(tx, landing.rows.verdicts, holder, lanes)
            if refs := landing.rows.refs:  # what waited for these messages may be of this very batch
                await arrivals.wake_overtaken(tx, [waits_for(realm, external) for realm, external, *_ in refs])
            return landing

        for tries in range(1, WRITE_TRIES + 1):
            try:
                return await self._db.repeating(work)
            except (Moved, asyncpg.UniqueViolationError) as error:
                if tries == WRITE_TRIES:
                    raise
                log.info("intake.look_again", tries=tries, error=type(error).__name__)
        raise AssertionError("unreachable")

    async def _desk(self) -> Setup:
        """Queues, calendars and addresses, read again after a second."""
        if self._setup is None or time.monotonic() - self._setup_at > SETUP_FRESH_S:
            async with self._db.connection() as tx:
                self._setup = await setup.read(
                    tx, own_addresses=self._channels.own_addresses, domain=self._channels.domain
                )
            self._setup_at = time.monotonic()
        return self._setup

    async def _draw(self, tx: Tx, count: int) -> list[int]:
        """The next values behind ticket numbers. Some are drawn in advance; a process that ends leaves a gap."""
        while len(self._numbers) < count:
            more = await statements.draw_numbers(tx, max(count, NUMBERS))
            self._numbers = [*self._numbers, *more]  # the other flight may have taken some meanwhile
        drawn, self._numbers = self._numbers[:count], self._numbers[count:]
        return drawn

    async def _store(self, tx: Tx, landing: Landing) -> None:
        """Write the rows, parents before children: what is new in one statement or few, then what it changes."""
        rows, now = landing.rows, landing.now
        opened = opening.open_tickets(rows.drafts, await self._draw(tx, len(rows.drafts)), landing.setup, now=now)
        clarified, going_on = clarify.answered(rows.clarified, landing.setup.policy.version, now)
        opened.decisions += clarified
        await insert_all(tx, _new(rows, opened))
        repeats = await statements.link_repeats(tx, _of_known_people(rows.drafts))
        await statements.heard(tx, _heard(rows))
        await statements.heard_from(tx, sorted(rows.heard_from))
        await statements.heard_in(tx, sorted(rows.heard_in.items()))
        wishes = [*escalate.asked(rows.senior, now), *delay.asked(rows.impatient, now), *going_on]
        await timers.set_timers(tx, wishes)
        moved = await desk_clocks.step(tx, _steps(rows), actor="contact")
        if rows.yes_or_no:
            moved += await proposals.answered(tx, rows.yes_or_no, now)
        await statements.count_acks(tx, [(identity, *counted) for identity, counted in sorted(opened.acks.items())])
        await statements.edit_messages(tx, rows.edits)
        await statements.delete_messages(tx, rows.deletions, now)
        if rows.reports:
            await settle.report(tx, rows.reports)
        parked = [
            Event(type=EventType.ARRIVAL_PARKED, subject_id=verdict.id, data={"state": verdict.state})
            for verdict in rows.verdicts
            if verdict.state in {"failed", "unreadable", "held"}
        ]
        await events.record(tx, [*rows.events, *opened.events, *moved, *parked, *(_linked(*pair) for pair in repeats)])

    # --- at once --------------------------------------------------------------------------------------

    async def submit(self, inbox_id: UUID, arrival: Arrival, *, wait_s: float = INLINE_WAIT_S) -> Landed:
        """Store an arrival and work on it at once, with the same function that the worker uses.

        Waits for its lane for a moment; `state` is still `new` when others hold it longer. Raises Unavailable.
        """
        stored = await self._door.accept(inbox_id, [arrival])
        async with self._db.connection() as tx:
            journal = (
                await arrivals.read(tx, stored[0])
                if stored
                else await arrivals.find(tx, inbox_id, clean_key(arrival.dedupe_key))
            )
        assert journal is not None
        until = time.monotonic() + wait_s
        while journal.state == "new" and time.monotonic() < until:
            try:
                worked = await self.once(only_lane=journal.lane)
            except Exception as error:  # the arrival is safe: the worker comes to it, and says what is wrong
                if not is_away(error):
                    log.error(
                        "intake.inline_failed", arrival_id=ids.encode("arrival", journal.id), **loops.trace(error)
                    )
                break
            async with self._db.connection() as tx:
                journal = await arrivals.read(tx, journal.id) or journal
            if journal.state == "new" and not worked:
                await asyncio.sleep(0.02)  # somebody else holds the lane
        return Landed(
            arrival_id=journal.id,
            state=journal.state,
            ticket_id=journal.ticket_id,
            error=journal.error or journal.reason,
        )


def _of_known_people(drafts: Sequence[Draft]) -> list[UUID]:
    """The new tickets of people who may have had another one before."""
    tickets = Counter(draft.requester.contact_id for draft in drafts)
    return [draft.id for draft in drafts if not draft.requester.new or tickets[draft.requester.contact_id] > 1]


def _linked(ticket_id: UUID, earlier: UUID) -> Event:
    data = {"kind": "repeat_of", "other": ids.encode("ticket", earlier)}
    return Event(type=EventType.TICKET_LINKED, ticket_id=ticket_id, data=data)


def _new(rows: Rows, opened: Opened) -> list[Write]:
    """What the batch adds, parents before children."""
    participants = [(*pair, role) for pair, role in sorted(rows.participants.items())]
    return [
        Write(statements.TICKETS, opened.tickets),
        Write(statements.LINKS, rows.links),
        Write(statements.CONVERSATIONS, rows.conversations),
        Write(statements.PARTICIPANTS, participants, "ON CONFLICT DO NOTHING"),
        Write(statements.MESSAGES, rows.messages),
        Write(statements.REFS, rows.refs),
        Write(statements.FILES, sorted(rows.files.items()), "ON CONFLICT DO NOTHING"),
        Write(statements.ATTACHMENTS, rows.attachments),
        Write(statements.DECISIONS, opened.decisions),
        *deliveries.new(opened.posts),
        Write(statements.PROMISES, opened.promises),
        clocks.new(opened.clocks),
        timers.new(opened.timers),
    ]


def _heard(rows: Rows) -> list[tuple[UUID, str, datetime | None, datetime | None, datetime, str, int]]:
    """The tickets that people wrote to, as they stand now."""
    return [
        (
            *(key, locked.ticket.status, locked.ticket.waiting_since, locked.ticket.resolved_at, at),
            *(as_json(facts), rows.chasers[key]),
        )
        for key, (locked, at, facts) in sorted(rows.heard.items())
    ]


def _steps(rows: Rows) -> list[Step]:
    """What the batch's messages did to tickets that were here."""
    pairs = [(rows.before[key], locked.ticket, at) for key, (locked, at, _) in sorted(rows.heard.items())]
    return [
        Step(before, after, at if before.waiting_since else after.waiting_since or at)
        for before, after, at in pairs
        if before != after
    ]
