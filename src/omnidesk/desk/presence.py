"""Presence and capacity: who is here, and how much each can take."""

from datetime import datetime, timedelta
from uuid import UUID

from omnidesk.db import events, presence
from omnidesk.db.session import Database, Tx
from omnidesk.domain.errors import NotFound, Refused
from omnidesk.domain.events import Event, EventType
from omnidesk.domain.people import Actor

STATUSES = ("online", "away", "offline")
STALE_AFTER = timedelta(seconds=120)  # a console says every 30 s that it is there
TOUCH_EVERY = timedelta(seconds=10)
MOST_UNITS = 1_000


def changed(agent_id: UUID, old: str, new: str, *, actor: str = "system", why: str | None = None) -> Event:
    data = {"status": new, "previous": old} | ({"reason": why} if why else {})
    return Event(type=EventType.AGENT_PRESENCE, subject_id=agent_id, actor=actor, data=data)


async def set_presence(db: Database, agent_id: UUID, status: str, actor: Actor, *, now: datetime) -> None:
    """Somebody comes, pauses or goes; saying the same again only notes that he was seen.

    Whoever goes offline keeps his work for a moment (`offline_grace` of the policy): then the planner gives
    back what is unanswered or asynchronous. Raises NotFound, Refused (`unknown_status`, `agent_disabled`).
    """
    if status not in STATUSES:
        raise Refused(f"Presence is one of {', '.join(STATUSES)}.", code="unknown_status")
    async with db.transaction() as tx:
        agent = await _locked(tx, agent_id)
        if agent.disabled_at and status != "offline":
            raise Refused(f"The account of {agent.name} is closed.", code="agent_disabled")
        if status == agent.status:
            await presence.touch(tx, agent_id, now, now)
            return
        await presence.set_status(tx, agent_id, status, now)
        await events.record(tx, [changed(agent_id, agent.status, status, actor=str(actor))])


async def heartbeat(db: Database, agent_id: UUID, *, now: datetime) -> None:
    """Note that the agent is still there; cheap when that was just noted."""
    async with db.connection() as tx:
        await presence.touch(tx, agent_id, now, now - TOUCH_EVERY)


async def set_capacity(db: Database, agent_id: UUID, units: int, actor: Actor, *, now: datetime) -> None:
    """How many units the agent takes at once; 0 takes none. What he has already stays his.

    Raises NotFound, Refused (`capacity_out_of_range`).
    """
    if not 0 <= units <= MOST_UNITS:
        raise Refused(f"Capacity is between 0 and {MOST_UNITS} units.", code="capacity_out_of_range")
    async with db.transaction() as tx:
        agent = await _locked(tx, agent_id)
        if units == agent.capacity:
            return
        await presence.set_capacity(tx, agent_id, units, now)
        data = {"changed": {"capacity": [agent.capacity, units]}}
        fact = Event(type=EventType.AGENT_UPDATED, subject_id=agent_id, actor=str(actor), data=data)
        await events.record(tx, [fact])


async def send_off_unseen(db: Database, *, now: datetime) -> int:
    """Agents whose console has been silent for too long become offline; how many."""
    async with db.transaction() as tx:
        gone = await presence.send_off_unseen(tx, now - STALE_AFTER, now)
        await events.record(tx, [changed(agent, before, "offline", why="not_seen") for agent, before in gone])
    return len(gone)


async def _locked(tx: Tx, agent_id: UUID) -> presence.Presence:
    agent = await presence.lock(tx, agent_id)
    if agent is None:
        raise NotFound("There is no such agent.")
    return agent
