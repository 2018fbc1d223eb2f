"""What the planner reads, and how its decisions are written: one statement for each question."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from omnidesk.db import tables
from omnidesk.db.bulk import Bulk
from omnidesk.db.session import Tx

WORKABLE = "('new', 'open')"


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """A ticket that needs an agent, or that an absent one holds."""

    id: UUID
    version: int
    queue_id: UUID
    waiting_since: datetime
    queued_at: datetime | None
    channel: str
    urgency: str
    category: str | None
    language: str
    units: int | None
    required: list[str]
    preferred: list[str]
    contact_id: UUID
    last_agent_id: UUID | None
    waiting_reason: str
    held_by: UUID | None
    answered: bool  # by the agent who holds it


@dataclass(frozen=True, slots=True, kw_only=True)
class PresentAgent:
    id: UUID
    name: str
    skills: Mapping[str, int]
    channels: list[str]
    queue_ids: list[UUID]
    capacity: int
    status: str  # online | away | offline; somebody whose account is closed is offline
    closed: bool
    status_since: datetime
    last_assigned_at: datetime | None
    misses: int
    hours: dict[str, Any] | None = None  # of his calendar; None: whenever he is online


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """So many tickets of one sort that an agent holds, or keeps a place for."""

    agent_id: UUID
    channel: str
    urgency: str
    units: int | None
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """An agent was asked to take a ticket; `outcome` None: has not answered yet."""

    ticket_id: UUID
    agent_id: UUID
    offered_at: datetime
    expires_at: datetime
    outcome: str | None
    excluded_until: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueRow:
    id: UUID
    name: str
    require: list[str]
    prefer: list[str]
    steps: list[dict[str, Any]]
    hours: dict[str, Any]  # of its calendar


@dataclass(frozen=True, slots=True, kw_only=True)
class LockedTicket:
    id: UUID
    version: int
    number: str
    status: str
    assignee_id: UUID | None
    merged_into: UUID | None
    channel: str
    urgency: str
    units: int | None


_TICKET = f"""
SELECT t.id, t.version, t.queue_id, coalesce(t.waiting_since, t.last_outbound_at, t.created_at) AS waiting_since,
       t.queued_at, t.channel, t.urgency, t.category, t.language, t.units, t.required, t.preferred,
       i.contact_id, last.agent_id AS last_agent_id,
       CASE WHEN said.kind = 'waiting' THEN said.reason ELSE '' END AS waiting_reason,
       t.assignee_id AS held_by, coalesce(t.last_outbound_at >= t.assigned_at, false) AS answered
  FROM tickets AS t
  JOIN identities AS i ON i.id = t.requester_id
  LEFT JOIN LATERAL (
       SELECT kind, reason FROM decisions
        WHERE ticket_id = t.id AND kind IN ('waiting', 'assigned', 'offered', 'missed', 'returned')
        ORDER BY id DESC LIMIT 1
  ) AS said ON true
  LEFT JOIN LATERAL (
       SELECT served.assignee_id AS agent_id
         FROM identities AS own JOIN tickets AS served ON served.requester_id = own.id
        WHERE t.queue_id = ANY ($1) AND own.contact_id = i.contact_id AND served.id <> t.id
              AND served.assignee_id IS NOT NULL
        ORDER BY served.assigned_at DESC LIMIT 1
  ) AS last ON true
 WHERE t.status IN {WORKABLE} AND t.merged_into IS NULL
"""  # noqa: S608 - our own words


async def waiting(tx: Tx, sticky: Sequence[UUID]) -> list[Waiting]:
    """Every ticket that nobody has; who served the customer last is looked up for these queues only."""
    rows = await tx.driver.fetch(f"{_TICKET} AND t.assignee_id IS NULL", list(sticky))
    return await asyncio.to_thread(lambda: [Waiting(**row) for row in rows])  # a hundred thousand would block the loop


async def one_ticket(tx: Tx, ticket_id: UUID) -> Waiting | None:
    """A ticket that somebody should work on, whoever has it; None: nobody should."""
    rows = await tx.driver.fetch(
        f"{_TICKET} AND t.id = $2",
        [row["id"] for row in await tx.driver.fetch("SELECT id FROM queues")],
        ticket_id,
    )
    return Waiting(**rows[0]) if rows else None


async def named(tx: Tx, ticket_ids: Sequence[UUID], sticky: Sequence[UUID]) -> list[Waiting]:
    """Those of these tickets that somebody should work on, whoever has them."""
    rows = await tx.driver.fetch(f"{_TICKET} AND t.id = ANY ($2)", list(sticky), list(ticket_ids))
    return [Waiting(**row) for row in rows]


async def holders(tx: Tx, ticket_ids: Sequence[UUID]) -> set[UUID]:
    """Who has these tickets, whatever became of them: what was solved takes no room any more."""
    rows = await tx.driver.fetch(
        "SELECT DISTINCT assignee_id FROM tickets WHERE id = ANY ($1) AND assignee_id IS NOT NULL", list(ticket_ids)
    )
    return {row["assignee_id"] for row in rows}


async def of_same_people(tx: Tx, ticket_ids: Sequence[UUID], queue_ids: Sequence[UUID]) -> list[UUID]:
    """What else the customers of these tickets wait for in these queues.

    OFFSET 0 keeps it a look by the index of requesters; else each of them was looked for among all who wait
    (measured with 3 000 waiting: 0.5 ms instead of 15 ms).
    """
    if not (ticket_ids and queue_ids):
        return []
    rows = await tx.driver.fetch(
        f"""
        SELECT other.id
          FROM (SELECT DISTINCT own.id FROM tickets AS t JOIN identities AS i ON i.id = t.requester_id
                  JOIN identities AS own ON own.contact_id = i.contact_id
                 WHERE t.id = ANY ($1)) AS people
         CROSS JOIN LATERAL (SELECT id, queue_id, assignee_id, status FROM tickets
                              WHERE requester_id = people.id OFFSET 0) AS other
         WHERE other.queue_id = ANY ($2) AND other.assignee_id IS NULL AND other.status IN {WORKABLE}
        """,  # noqa: S608 - our own words
        list(ticket_ids),
        list(queue_ids),
    )
    return [row["id"] for row in rows]


async def held_by_absent(
    tx: Tx, sticky: Sequence[UUID], left_before: datetime, agent_ids: Sequence[UUID] | None = None
) -> list[Waiting]:
    """Tickets of agents (or of these) who left before that moment; not what was given to them knowingly while away."""
    rows = await tx.driver.fetch(
        f"""{_TICKET} AND t.assignee_id IN (
            SELECT id FROM agents WHERE disabled_at IS NOT NULL OR (status = 'offline' AND status_since <= $2)
        ) AND ($3::uuid[] IS NULL OR t.assignee_id = ANY ($3)) AND EXISTS (
            SELECT 1 FROM agents AS a
             WHERE a.id = t.assignee_id AND (a.disabled_at IS NOT NULL OR t.assigned_at <= a.status_since)
        )""",  # noqa: S608 - our own words
        list(sticky),
        left_before,
        None if agent_ids is None else list(agent_ids),
    )
    return [Waiting(**row) for row in rows]


async def agents(tx: Tx, also: Sequence[UUID] = (), *, only: Sequence[UUID] | None = None) -> list[PresentAgent]:
    """Everybody whose account is open, and these; or `only` some."""
    rows = await tx.driver.fetch(
        """
        SELECT a.id, a.name, a.skills, a.channels, coalesce(q.ids, '{}') AS queue_ids, a.capacity,
               CASE WHEN a.disabled_at IS NULL THEN a.status ELSE 'offline' END AS status,
               a.disabled_at IS NOT NULL AS closed,
               coalesce(a.disabled_at, a.status_since) AS status_since, a.last_assigned_at, a.misses, c.hours
          FROM agents AS a LEFT JOIN calendars AS c ON c.id = a.calendar_id
          LEFT JOIN (SELECT agent_id, array_agg(queue_id) AS ids FROM queue_agents GROUP BY agent_id) AS q
            ON q.agent_id = a.id
         WHERE ($2::uuid[] IS NULL AND a.disabled_at IS NULL) OR a.id = ANY ($1)
        """,
        list(also if only is None else only),
        None if only is None else list(only),
    )
    return [PresentAgent(**row) for row in rows]


async def work(tx: Tx, agent_ids: Sequence[UUID] | None = None, *, with_offers: bool) -> list[Work]:
    """What agents hold now, by sorts; `with_offers` counts the places kept for offers, too."""
    rows = await tx.driver.fetch(
        f"""
        SELECT agent_id, channel, urgency, units, count(*) AS count FROM (
            SELECT assignee_id AS agent_id, channel, urgency, units FROM tickets
             WHERE assignee_id IS NOT NULL AND status IN {WORKABLE} AND merged_into IS NULL
                   AND ($1::uuid[] IS NULL OR assignee_id = ANY ($1))
            UNION ALL
            SELECT o.agent_id, t.channel, t.urgency, t.units FROM offers AS o JOIN tickets AS t ON t.id = o.ticket_id
             WHERE $2 AND o.outcome IS NULL AND t.assignee_id IS NULL AND t.status IN {WORKABLE}
                   AND ($1::uuid[] IS NULL OR o.agent_id = ANY ($1))
        ) AS w GROUP BY agent_id, channel, urgency, units
        """,  # noqa: S608 - our own words
        None if agent_ids is None else list(agent_ids),
        with_offers,
    )
    return [Work(**row) for row in rows]


async def asked(tx: Tx, now: datetime, ticket_ids: Sequence[UUID] | None = None) -> list[Asked]:
    """Offers (or those of these tickets) without an answer, and those whose agents are not to be asked again yet."""
    rows = await tx.driver.fetch(
        """
        SELECT ticket_id, agent_id, offered_at, expires_at, outcome, excluded_until FROM offers AS o
         WHERE ($2::uuid[] IS NULL OR ticket_id = ANY ($2)) AND (outcome IS NULL OR (
               excluded_until > $1 AND NOT EXISTS (
               SELECT 1 FROM offers AS later WHERE later.ticket_id = o.ticket_id AND later.offered_at > o.offered_at
         )))
        """,
        now,
        None if ticket_ids is None else list(ticket_ids),
    )
    return [Asked(**row) for row in rows]


async def queues(tx: Tx) -> list[QueueRow]:
    """All of them: what waits in an archived queue still has to go somewhere."""
    rows = await tx.driver.fetch(
        """
        SELECT q.id, q.name, q.require, q.prefer, q.steps, c.hours
          FROM queues AS q JOIN calendars AS c ON c.id = q.calendar_id
        """
    )
    return [QueueRow(**row) for row in rows]


async def lock_tickets(tx: Tx, ids: Iterable[UUID]) -> dict[UUID, LockedTicket]:
    """Lock tickets in the order of their ids; as they are now."""
    rows = await tx.driver.fetch(
        """
        SELECT id, version, number, status, assignee_id, merged_into, channel, urgency, units FROM tickets
         WHERE id = ANY ($1) ORDER BY id FOR NO KEY UPDATE
        """,
        list(ids),
    )
    return {row["id"]: LockedTicket(**row) for row in rows}


async def lock_agents(tx: Tx, ids: Iterable[UUID]) -> dict[UUID, PresentAgent]:
    """Lock agents in the order of their ids, after the tickets; a statement of its own, so as they are now."""
    rows = await tx.driver.fetch(
        """
        SELECT id, name, skills, channels, '{}'::uuid[] AS queue_ids, capacity,
               CASE WHEN disabled_at IS NULL THEN status ELSE 'offline' END AS status,
               disabled_at IS NOT NULL AS closed,
               coalesce(disabled_at, status_since) AS status_since, last_assigned_at, misses
          FROM agents WHERE id = ANY ($1) ORDER BY id FOR NO KEY UPDATE
        """,
        list(ids),
    )
    return {row["id"]: PresentAgent(**row) for row in rows}


async def set_assignees(tx: Tx, pairs: Mapping[UUID, UUID], now: datetime) -> None:
    """Give tickets to agents; an offer that was open ends with it."""
    tickets, agents = list(pairs), list(pairs.values())
    await tx.driver.execute(
        """
        UPDATE tickets AS t SET assignee_id = g.agent_id, assigned_at = $3, version = version + 1, updated_at = $3
          FROM unnest($1::uuid[], $2::uuid[]) AS g (ticket_id, agent_id) WHERE t.id = g.ticket_id
        """,
        tickets,
        agents,
        now,
    )
    await tx.driver.execute("UPDATE agents SET last_assigned_at = $2 WHERE id = ANY ($1)", agents, now)
    await tx.driver.execute(
        """
        UPDATE offers AS o SET outcome = CASE WHEN o.agent_id = g.agent_id THEN 'accepted' ELSE 'withdrawn' END
          FROM unnest($1::uuid[], $2::uuid[]) AS g (ticket_id, agent_id)
         WHERE o.ticket_id = g.ticket_id AND o.outcome IS NULL
        """,
        tickets,
        agents,
    )


async def clear_assignees(tx: Tx, tickets: Sequence[UUID], now: datetime) -> None:
    await tx.driver.execute(
        """
        UPDATE tickets SET assignee_id = NULL, assigned_at = NULL, version = version + 1, updated_at = $2
         WHERE id = ANY ($1)
        """,
        list(tickets),
        now,
    )


async def open_offers(tx: Tx, offers: Sequence[tuple[UUID, UUID, datetime]], now: datetime) -> None:
    """Ask agents: (ticket, agent, expires)."""
    await tx.driver.execute(
        """
        INSERT INTO offers (ticket_id, agent_id, offered_at, expires_at)
        SELECT ticket_id, agent_id, $4, expires_at
          FROM unnest($1::uuid[], $2::uuid[], $3::timestamptz[]) AS g (ticket_id, agent_id, expires_at)
         ORDER BY ticket_id
        ON CONFLICT (ticket_id, agent_id) DO UPDATE
           SET offered_at = excluded.offered_at, expires_at = excluded.expires_at, outcome = NULL,
               excluded_until = NULL
        """,
        *map(list, zip(*offers, strict=True)),
        now,
    )
    await tx.driver.execute(
        "UPDATE agents SET last_assigned_at = $2 WHERE id = ANY ($1)", [agent for _, agent, _ in offers], now
    )


async def end_offer(
    tx: Tx, ticket_id: UUID, agent_id: UUID, outcome: str, excluded_until: datetime | None, now: datetime
) -> None:
    """Note why an agent does not take a ticket, and until when he is not asked again."""
    await tx.driver.execute(
        """
        INSERT INTO offers (ticket_id, agent_id, offered_at, expires_at, outcome, excluded_until)
        VALUES ($1, $2, $5, $5, $3, $4)
        ON CONFLICT (ticket_id, agent_id) DO UPDATE
           SET outcome = excluded.outcome, excluded_until = excluded.excluded_until
        """,
        ticket_id,
        agent_id,
        outcome,
        excluded_until,
        now,
    )


async def offers_of(tx: Tx, tickets: Sequence[UUID]) -> dict[UUID, UUID]:
    """Whose answer these tickets wait for: ticket -> agent. Ask after the tickets are locked."""
    rows = await tx.driver.fetch(
        "SELECT ticket_id, agent_id FROM offers WHERE ticket_id = ANY ($1) AND outcome IS NULL", list(tickets)
    )
    return {row["ticket_id"]: row["agent_id"] for row in rows}


async def set_misses(tx: Tx, agent_id: UUID, misses: int) -> None:
    """How many offers in a row the agent did not accept."""
    await tx.driver.execute("UPDATE agents SET misses = $2 WHERE id = $1", agent_id, misses)


_DECISIONS = Bulk(
    tables.decisions, "id", "ticket_id", "kind", "reason", "agent_id", "policy_version", "detail", "created_at"
)


async def add_decisions(tx: Tx, rows: Sequence[tuple[UUID, UUID, str, str, UUID | None, int, str, datetime]]) -> None:
    """(id, ticket, kind, reason, agent, policy version, detail as JSON text, moment) each."""
    await _DECISIONS.insert(tx, rows)
