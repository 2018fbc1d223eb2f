"""Agents: list, make, change, say who is here."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import Query, Request, Response
from pydantic import Field

from omnidesk.api import etags
from omnidesk.api.deps import (
    AgentId,
    Anybody,
    Body,
    CalendarId,
    Clean,
    Db,
    Home,
    IfMatch,
    IfNoneMatch,
    Now,
    Pages,
    QueueId,
    ReadsAgents,
    RequestId,
    Shown,
    WritesAgents,
    given,
    new_id,
)
from omnidesk.api.idempotency import unaffected
from omnidesk.api.paging import CursorText, Limit, Page
from omnidesk.api.route import router
from omnidesk.api.sessions import Email
from omnidesk.db import agents as rows
from omnidesk.db.agents import Agent
from omnidesk.desk import access, admin, presence
from omnidesk.desk.access import rights
from omnidesk.domain import ids
from omnidesk.domain.errors import Forbidden, NotFound
from omnidesk.domain.people import Role

routes = router("agents")

Status = Literal["online", "away", "offline"]
Name = Annotated[Clean, Field(min_length=1, max_length=200, examples=["Ольга Петрова"])]
Language = Annotated[Literal["ru", "en"], Field(description="Of the console and of what the desk writes to the agent")]
Level = Annotated[int, Field(ge=1, le=100)]
SkillName = Annotated[Clean, Field(min_length=1, max_length=100)]
Skills = Annotated[dict[SkillName, Level], Field(max_length=200, examples=[{"cards": 3, "lang:en": 1}])]
ChannelNames = Annotated[list[str], Field(max_length=50, description="Takes these channels only; empty: all")]
Capacity = Annotated[int, Field(ge=0, le=1000, description="Units at once; 0 takes none")]
Hours = Annotated[
    CalendarId | None, Field(description="Working hours: gets nothing outside of them; null: whenever he is online")
]
QueueIds = Annotated[list[QueueId], Field(max_length=500, description="Member of these queues")]


class AgentIn(Body):
    email: Email
    name: Name
    role: Role = Role.AGENT
    language: Language = "ru"
    skills: Skills = Field(default_factory=dict)
    channels: ChannelNames = Field(default_factory=list)
    capacity: Capacity = 6
    calendar_id: Hours = None
    queue_ids: QueueIds = Field(default_factory=list)


class AgentPatch(Body):
    email: Email | None = None
    name: Name | None = None
    role: Role | None = None
    language: Language | None = None
    skills: Skills | None = None
    channels: ChannelNames | None = None
    capacity: Capacity | None = None
    calendar_id: Hours = None
    queue_ids: QueueIds | None = None
    disabled: Annotated[bool | None, Field(description="A disabled agent cannot sign in; sessions and keys end")] = None


class Presence(Body):
    status: Annotated[Status, Field(examples=["online"])]


class AgentOut(Shown):
    id: AgentId
    email: str
    name: str
    role: str
    language: str
    skills: dict[str, int]
    channels: list[str]
    capacity: int
    calendar_id: CalendarId | None
    status: str
    status_since: datetime
    disabled_at: datetime | None
    queue_ids: list[QueueId]
    version: int
    created_at: datetime
    updated_at: datetime


class LoginLinkOut(Shown):
    token: str = Field(description="The secret part of the link; shown this once", examples=["k3v9…"])
    url: str = Field(description="The link itself")


def _agent(agent: Agent) -> AgentOut:
    return AgentOut.model_validate(agent)


@routes.get("/agents", summary="List agents")
async def list_agents(
    actor: ReadsAgents,
    db: Db,
    pages: Pages,
    queue: Annotated[QueueId | None, Query(description="Members of this queue")] = None,
    status: Annotated[Status | None, Query(description="Present in this way")] = None,
    disabled: Annotated[bool, Query(description="Those who cannot sign in any more, instead")] = False,
    limit: Limit = 50,
    cursor: CursorText = None,
) -> Page[AgentOut]:
    """By name."""
    after = pages.after(cursor)
    async with db.connection() as tx:
        found = await rows.page(
            tx,
            limit=limit + 1,
            after=(after[0], UUID(after[1])) if after else None,
            queue_id=queue,
            status=status,
            disabled=disabled,
        )
    return pages.page(found, limit, _agent, lambda agent: [agent.name, agent.id])


@routes.post("/agents", status_code=201, summary="Make an agent")
async def create_agent(
    body: AgentIn, response: Response, actor: WritesAgents, db: Db, request_id: RequestId, now: Now
) -> AgentOut:
    """Without a password: make a one-time link for the first sign-in."""
    values = body.model_dump()
    agent = await admin.create_agent(db, new_id(now), actor, **values, request_id=request_id, now=now)
    response.headers["Location"] = f"/v1/agents/{ids.encode('agent', agent.id)}"
    response.headers["ETag"] = etags.of(agent.version)
    return _agent(agent)


async def _read(db: Db, agent_id: UUID) -> Agent:
    async with db.connection() as tx:
        agent = await rows.read(tx, agent_id)
    if agent is None:
        raise NotFound("There is no such agent.")
    return agent


@routes.get("/agents/{agent_id}", summary="Read an agent", response_model=AgentOut)
async def read_agent(
    agent_id: AgentId, request: Request, response: Response, actor: ReadsAgents, db: Db, _: IfNoneMatch
) -> Any:
    """Skills, channels, capacity and presence of one agent."""
    agent = await _read(db, agent_id)
    return etags.answer(request, response, agent.version) or _agent(agent)


@routes.patch("/agents/{agent_id}", summary="Change an agent")
async def patch_agent(
    agent_id: AgentId,
    body: AgentPatch,
    response: Response,
    actor: WritesAgents,
    db: Db,
    version: IfMatch,
    request_id: RequestId,
    now: Now,
) -> AgentOut:
    """A merge patch; `skills` is replaced as a whole when it is sent."""
    agent = await admin.update_agent(
        db, agent_id, actor, given(body, "calendar_id"), version=version, request_id=request_id, now=now
    )
    response.headers["ETag"] = etags.of(agent.version)
    return _agent(agent)


@routes.put("/agents/{agent_id}/presence", summary="Say who is here")
async def set_presence(
    agent_id: AgentId, body: Presence, response: Response, actor: Anybody, db: Db, now: Now
) -> AgentOut:
    """Your own presence, or with `agents:write` that of others. Who goes offline gives work back after a while."""
    if agent_id != actor.agent_id and "agents:write" not in rights(actor):
        raise Forbidden("This needs the scope agents:write.", code="missing_scope", details={"scope": "agents:write"})
    await presence.set_presence(db, agent_id, body.status, actor, now=now)
    agent = await _read(db, agent_id)
    response.headers["ETag"] = etags.of(agent.version)
    return _agent(agent)


@routes.post("/agents/{agent_id}/login-links", status_code=201, summary="Make a one-time link")
@unaffected
async def create_login_link(agent_id: AgentId, actor: WritesAgents, parts: Home, db: Db, now: Now) -> LoginLinkOut:
    """Signs the agent in once, within a day, and lets him set a password. Nobody makes one for a role above his own."""
    agent = await _read(db, agent_id)
    if not actor.role.at_least(Role(agent.role)):
        raise Forbidden("This agent's role is above yours.")
    token = await access.make_link(db, agent_id, now=now)
    return LoginLinkOut(token=token, url=f"{parts.settings.public_url}/welcome/{token}")
