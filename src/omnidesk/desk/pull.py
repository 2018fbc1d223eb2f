"""The next one, please: an agent takes the ticket that the plan would give to him first."""

import asyncio
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from omnidesk import routing
from omnidesk.db.session import Database
from omnidesk.desk import snapshot
from omnidesk.desk.assign import assign
from omnidesk.desk.planner import current_policy
from omnidesk.desk.snapshot import Rows
from omnidesk.domain.errors import Conflict, NotFound, Refused
from omnidesk.domain.people import Actor
from omnidesk.routing import Policy

TRIES = 5  # others take tickets at the same moment
ROOM = 10_000  # units: who asks for more takes it on purpose


async def next_ticket(db: Database, agent_id: UUID, actor: Actor, *, now: datetime) -> UUID | None:
    """Give the agent the most urgent waiting ticket that he is able to do; None: there is none.

    By hand means on purpose: capacity and presence are not asked; queues, skills, channels and offers to
    others are. Raises NotFound, Refused (`agent_disabled`).
    """
    policy = await current_policy(db)
    for _ in range(TRIES):
        rows = await snapshot.read(db, now=now)
        wanted = await asyncio.to_thread(_choose, rows, policy, agent_id)
        if wanted is None:
            return None
        try:
            await assign(db, wanted, agent_id, actor, if_version=rows.versions[wanted], now=now)
        except (Conflict, Refused, NotFound):  # somebody was faster, or it is over: look again
            continue
        return wanted
    return None


def _choose(rows: Rows, policy: Policy, agent_id: UUID) -> UUID | None:
    """The first ticket that a plan gives away when this agent is the only one, online and free."""
    me = [replace(row, status="online", capacity=ROOM) for row in rows.agents if row.id == agent_id]
    if not me:
        raise NotFound("There is no such agent.")
    if me[0].closed:
        raise Refused(f"The account of {me[0].name} is closed.", code="agent_disabled")
    offered = {row.ticket_id for row in rows.asked if row.outcome is None and row.agent_id != agent_id}
    mine = replace(
        rows,
        agents=me,
        work=[],
        held=[],
        waiting=[row for row in rows.waiting if row.id not in offered],
        asked=[row for row in rows.asked if row.outcome is not None],
    )
    decisions = routing.plan(snapshot.build(mine, policy), policy)
    return next((one.ticket_id for one in decisions if one.kind in ("assigned", "offered")), None)
