"""The desk as the routing core sees it: rows of the database as its values, on the clocks of the queues."""

import json
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any
from uuid import UUID

import structlog

from omnidesk import routing
from omnidesk.db import routing as store
from omnidesk.db.session import Database
from omnidesk.domain import business_time
from omnidesk.domain.business_time import Calendar
from omnidesk.routing import Policy
from omnidesk.routing.policy import duration_ms

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """One moment of the database, as much of it as a plan needs."""

    now: datetime
    waiting: list[store.Waiting]
    held: list[store.Waiting]
    agents: list[store.PresentAgent]
    work: list[store.Work]
    asked: list[store.Asked]
    queues: list[store.QueueRow]

    @property
    def versions(self) -> dict[UUID, int]:
        return {row.id: row.version for row in (*self.waiting, *self.held)}


def sticky(queues: Iterable[store.QueueRow]) -> list[UUID]:
    """Queues that ask for the agent who served the customer last."""
    return [row.id for row in queues if '"last"' in json.dumps(row.steps)]


async def read(db: Database, *, now: datetime) -> Rows:
    """Everything that waits, and whoever could take it, as of one moment."""
    async with db.transaction(read_only=True) as tx:
        queues = await store.queues(tx)
        held = await store.held_by_absent(tx, sticky(queues), now)
        return Rows(
            now=now,
            waiting=await store.waiting(tx, sticky(queues)),
            held=held,
            agents=await store.agents(tx, [row.held_by for row in held if row.held_by]),
            work=await store.work(tx, with_offers=False),
            asked=await store.asked(tx, now),
            queues=queues,
        )


def clocks_of(
    rows: Rows, *, spare: timedelta = timedelta(0), ahead: timedelta = timedelta(0)
) -> dict[UUID, "OpenClock"]:
    """A clock for each queue that knows all of its tickets' ages; `spare` time before the first, `ahead` of now."""
    since: dict[UUID, datetime] = defaultdict(lambda: rows.now)
    for row in (*rows.waiting, *rows.held):
        since[row.queue_id] = min(since[row.queue_id], row.waiting_since, row.queued_at or row.waiting_since)
    return {queue.id: OpenClock(hours_of(queue), since[queue.id] - spare, rows.now + ahead) for queue in rows.queues}


def build(rows: Rows, policy: Policy, clocks: Mapping[UUID, "OpenClock"] | None = None) -> routing.Snapshot:
    """The rows as a snapshot. Pure, and slow with a hundred thousand tickets: run it in a thread."""
    clocks = clocks_of(rows) if clocks is None else clocks
    excluded = exclusions(rows.asked, rows.now)
    loads = Loads(policy, rows.work)
    ids = {queue.name: queue.id for queue in rows.queues}
    return routing.Snapshot(
        now_ms=ms(rows.now),
        tickets=tuple(ticket_of(row, clocks, excluded) for row in rows.waiting),
        agents=tuple(agent_of(row, loads, rows.now) for row in rows.agents),
        queues=tuple(_queue(row, clocks[row.id], rows.now, ids) for row in rows.queues),
        offers=tuple(offers_of(rows.asked)),
        held=tuple(
            routing.Held(ticket=ticket_of(row, clocks, excluded), agent_id=row.held_by, answered=row.answered)
            for row in rows.held
            if row.held_by
        ),
    )


def offers_of(asked: Iterable[store.Asked]) -> list[routing.Offer]:
    """Those that are not answered yet."""
    return [
        routing.Offer(ticket_id=row.ticket_id, agent_id=row.agent_id, expires_ms=ms(row.expires_at))
        for row in asked
        if row.outcome is None
    ]


def ms(moment: datetime) -> int:
    """Milliseconds since 1970, exactly."""
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)


def from_ms(value: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=value)


class OpenClock:
    """Counts the open milliseconds of a calendar between two moments: cheap to ask for many tickets."""

    def __init__(self, hours: Calendar, start: datetime, end: datetime) -> None:
        self.start = start
        self._starts, self._ends, self._before = list[int](), list[int](), list[int]()
        first, last = hours.local(start).toordinal() - 1, hours.local(end).toordinal() + 1
        total, begin, finish = 0, ms(start), ms(end)
        for ordinal in range(first, last + 1):
            for opens, closes in hours.spans(ordinal):
                a, b = max(ms(opens), begin), min(ms(closes), finish)
                if a < b:
                    self._starts.append(a)
                    self._ends.append(b)
                    self._before.append(total)
                    total += b - a

    def at(self, moment: datetime) -> int:
        """Open milliseconds from the start of the clock to this moment."""
        wall = ms(moment)
        index = bisect_right(self._starts, wall) - 1
        return 0 if index < 0 else self._before[index] + min(wall, self._ends[index]) - self._starts[index]


@dataclass(slots=True)
class Load:
    """Units that an agent holds; live and critical work is primary and may push the rest aside."""

    primary: int = 0
    asynchronous: int = 0
    live: int = 0

    def add(self, weight: "Weight", count: int = 1) -> None:
        self.primary += weight.units * count if weight.primary else 0
        self.asynchronous += 0 if weight.primary else weight.units * count
        self.live += count if weight.live else 0

    def fits(self, weight: "Weight", capacity: int) -> bool:
        used = self.primary if weight.primary else self.primary + self.asynchronous
        return used + weight.units <= capacity


@dataclass(frozen=True, slots=True)
class Weight:
    units: int
    primary: bool
    live: bool


def weigh(policy: Policy, channel: str, urgency: str, units: int | None) -> Weight:
    """What a ticket takes of an agent, as the routing core counts it."""
    way = policy.channels.get(channel, _ASYNCHRONOUS)
    level = policy.urgencies.get(urgency) or policy.urgencies["normal"]
    return Weight(max(1, way.units if units is None else units), way.live or level.primary, way.live)


_ASYNCHRONOUS = routing.ChannelPolicy()


@dataclass(frozen=True, slots=True)
class Loads:
    """What each agent holds; an agent without work has an empty load."""

    policy: Policy
    work: Iterable[store.Work]
    by_agent: dict[UUID, Load] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for row in self.work:
            self.of(row.agent_id).add(weigh(self.policy, row.channel, row.urgency, row.units), row.count)

    def of(self, agent_id: UUID) -> Load:
        return self.by_agent.setdefault(agent_id, Load())


def ticket_of(
    row: store.Waiting, clocks: Mapping[UUID, OpenClock], excluded: Mapping[UUID, tuple[routing.Exclusion, ...]]
) -> routing.Ticket:
    clock = clocks[row.queue_id]
    return routing.Ticket(
        id=row.id,
        queue_id=row.queue_id,
        waiting_since_ms=clock.at(row.waiting_since),
        queued_since_ms=clock.at(row.queued_at) if row.queued_at else None,
        channel=row.channel,
        urgency=row.urgency,
        category=row.category or "",
        language=row.language,
        contact_id=row.contact_id,
        units=row.units,
        required=frozenset(row.required),
        preferred=frozenset(row.preferred),
        last_agent_id=row.last_agent_id,
        excluded=excluded.get(row.id, ()),
        waiting_reason=row.waiting_reason,
    )


def at_work(row: store.PresentAgent, now: datetime) -> bool:
    """Is it within his working hours?"""
    return not row.hours or business_time.is_open(now, _hours(_text(row.hours)))


def agent_of(row: store.PresentAgent, loads: Loads, now: datetime) -> routing.Agent:
    load = loads.of(row.id)
    return routing.Agent(
        id=row.id,
        skills=row.skills,
        channels=frozenset(row.channels) or None,
        queues=frozenset(row.queue_ids) or None,
        units=row.capacity,
        status="away" if row.status == "online" and not at_work(row, now) else row.status,
        primary_units=load.primary,
        async_units=load.asynchronous,
        live=load.live,
        last_assigned_ms=ms(row.last_assigned_at) if row.last_assigned_at else 0,
        misses=row.misses,
        offline_since_ms=ms(row.status_since) if row.status == "offline" else None,
    )


def _queue(row: store.QueueRow, clock: OpenClock, now: datetime, ids: Mapping[str, UUID]) -> routing.Queue:
    return routing.Queue(
        id=row.id,
        name=row.name,
        require=tuple(row.require),
        prefer=tuple(row.prefer),
        steps=_steps_or_none(row, ids),
        open=business_time.is_open(now, hours_of(row)),
        clock_ms=clock.at(now),
    )


def _steps_or_none(row: store.QueueRow, ids: Mapping[str, UUID]) -> tuple[routing.Step, ...]:
    """One queue whose steps cannot be read must not stop the routing of all: it then has none, and the log says so."""
    try:
        return steps(row.steps, ids)
    except (ValueError, TypeError, AttributeError, KeyError):
        log.error("queue.steps_unreadable", queue_id=str(row.id))
        return ()


def steps(stored: Sequence[Mapping[str, Any]], ids: Mapping[str, UUID]) -> tuple[routing.Step, ...]:
    """`{for = "2m", agent = "last"}`, `{for = "5m", keep = ["vip"]}`, `{after = "15m", overflow = "general"}`.

    `for` follows the step before, `after` counts from the beginning and lasts. Raises ValueError for a
    duration that is none, or a queue that is unknown.
    """
    made: list[routing.Step] = []
    until = 0
    for step in stored:
        if "after" in step and (begins := duration_ms(step["after"])) > until:
            made.append(routing.Step(until_ms=begins))
            until = begins
        until = until + duration_ms(step["for"]) if "for" in step else until
        overflow = step.get("overflow")
        if overflow is not None and overflow not in ids:
            raise ValueError(f"unknown queue {overflow!r}")
        made.append(
            routing.Step(
                until_ms=until if "for" in step else None,
                last_agent=step.get("agent") == "last",
                keep=tuple(step.get("keep", ())),
                overflow=ids[overflow] if overflow is not None else None,
            )
        )
    return tuple(made)


def exclusions(asked: Iterable[store.Asked], now: datetime) -> dict[UUID, tuple[routing.Exclusion, ...]]:
    found: dict[UUID, tuple[routing.Exclusion, ...]] = {}
    for row in asked:
        if row.outcome is not None and row.excluded_until and row.excluded_until > now:
            exclusion = routing.Exclusion(agent_id=row.agent_id, until_ms=ms(row.excluded_until))
            found[row.ticket_id] = (*found.get(row.ticket_id, ()), exclusion)
    return found


def hours_of(queue: store.QueueRow) -> Calendar:
    return _hours(_text(queue.hours))


def _text(hours: Mapping[str, Any]) -> str:
    return json.dumps(hours, sort_keys=True)


@lru_cache(maxsize=128)
def _hours(text: str) -> Calendar:
    """Opening hours; those that cannot be read count as always open, which only makes tickets older."""
    try:
        return business_time.from_dict(json.loads(text))
    except ValueError:
        log.error("calendar.unreadable")
        return business_time.always_open()
