"""Agents and queues: make and change them."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

from omnidesk.db import access, agents, events, queues
from omnidesk.db.agents import Agent
from omnidesk.db.queues import Queue
from omnidesk.db.session import Database, Tx
from omnidesk.desk.snapshot import steps
from omnidesk.domain.errors import Conflict, FieldError, Forbidden, Invalid, NotFound, Refused, Stale
from omnidesk.domain.events import Event, EventType
from omnidesk.domain.people import Actor, Role
from omnidesk.routing import expressions


def _check_version(current: int, expected: int | None) -> None:
    if expected is not None and expected != current:
        raise Stale("It has changed since; the ETag is the current version.", details={"version": current})


def _shown(value: object) -> object:
    """As an event tells it: text, numbers and lists of them."""
    if isinstance(value, Mapping | list | tuple | int | float | str | bool) or value is None:
        return value
    return str(value)


def _changes(before: object, after: object, fields: Sequence[str]) -> dict[str, list[object]]:
    """{field: [old, new]} of what differs."""
    pairs = {name: (getattr(before, name), getattr(after, name)) for name in fields}
    return {name: [_shown(old), _shown(new)] for name, (old, new) in pairs.items() if old != new}


# --- agents ---------------------------------------------------------------------------------------

AGENT_FIELDS = ("email", "name", "role", "language", "skills", "channels", "capacity", "calendar_id", "disabled_at")


async def create_agent(
    db: Database,
    agent_id: UUID,
    actor: Actor,
    *,
    email: str,
    name: str,
    role: Role = Role.AGENT,
    language: str = "ru",
    skills: Mapping[str, int] | None = None,
    channels: Sequence[str] = (),
    capacity: int = 6,
    calendar_id: UUID | None = None,
    queue_ids: Sequence[UUID] = (),
    request_id: str | None = None,
    now: datetime,
) -> Agent:
    """Make an agent, without a password: he comes in by a one-time link. Raises Conflict, Forbidden, Invalid."""
    _may_give(actor, role)
    async with db.transaction() as tx:
        email = email.strip().lower()
        await _free_email(tx, email)
        await _known_queues(tx, queue_ids)
        await _known_calendar(tx, calendar_id)
        await agents.insert(
            tx,
            agent_id,
            email=email,
            name=name,
            role=role,
            now=now,
            language=language,
            skills=skills,
            channels=channels,
            capacity=capacity,
            calendar_id=calendar_id,
        )
        await agents.set_queues(tx, agent_id, queue_ids)
        await queues.bump(tx, "queues", queue_ids, now=now)
        fact = Event(type=EventType.AGENT_CREATED, subject_id=agent_id, actor=str(actor), data={"role": str(role)})
        await events.record(tx, [fact], request_id=request_id)
        made = await agents.read(tx, agent_id)
    assert made is not None
    return made


async def update_agent(
    db: Database,
    agent_id: UUID,
    actor: Actor,
    changes: Mapping[str, Any],
    *,
    version: int | None,
    request_id: str | None = None,
    now: datetime,
) -> Agent:
    """Change fields of an agent; `disabled` and `queue_ids` among them. A disabled agent's sessions end at once.

    Raises NotFound, Stale, Conflict, Forbidden, Invalid, Refused (`last_administrator`).
    """
    wanted = dict(changes)
    queue_ids: Sequence[UUID] | None = wanted.pop("queue_ids", None)
    disabled: bool | None = wanted.pop("disabled", None)
    async with db.transaction() as tx:
        others = await agents.other_administrators(tx, agent_id)
        before = await agents.read(tx, agent_id, lock=True)
        if before is None:
            raise NotFound("There is no such agent.")
        _check_version(before.version, version)
        _may_give(actor, Role(before.role))
        if disabled is not None:
            wanted["disabled_at"] = (before.disabled_at or now) if disabled else None
        after = replace(before, **wanted)
        _may_give(actor, Role(after.role))
        await _check_agent(tx, before, after, others)
        await agents.update(tx, after, now=now)
        if queue_ids is not None:
            await _known_queues(tx, queue_ids)
            await agents.set_queues(tx, agent_id, queue_ids)
            await queues.bump(tx, "queues", sorted(set(queue_ids) ^ set(before.queue_ids)), now=now)
        if after.disabled_at:
            await access.end_sessions_of(tx, agent_id)
        made = await agents.read(tx, agent_id)
        assert made is not None
        changed = _changes(before, made, [*AGENT_FIELDS, "queue_ids"])
        fact = Event(
            type=EventType.AGENT_UPDATED, subject_id=agent_id, actor=str(actor), data={"changed": _texts(changed)}
        )
        await events.record(tx, [fact] if changed else [], request_id=request_id)
    return made


def _texts(changed: Mapping[str, list[object]]) -> dict[str, list[object]]:
    """Ids in lists as text; an address is told to have changed, but not what it was or is."""
    told = {name: [_plain(old), _plain(new)] for name, (old, new) in changed.items()}
    if "email" in told:
        told["email"] = []
    return told


def _plain(value: object) -> object:
    if isinstance(value, UUID):
        return str(value)
    return [str(item) for item in value] if isinstance(value, list | tuple) else value


def _may_give(actor: Actor, role: Role) -> None:
    """Nobody makes or changes somebody above himself."""
    if not actor.role.at_least(role):
        raise Forbidden("This agent's role is above yours.")


async def _check_agent(tx: Tx, before: Agent, after: Agent, others: bool) -> None:
    if before.calendar_id != after.calendar_id:
        await _known_calendar(tx, after.calendar_id)
    if before.email != after.email:
        await _free_email(tx, after.email, before.id)
    was = before.role == Role.ADMIN and not before.disabled_at
    remains = after.role == Role.ADMIN and not after.disabled_at
    if was and not remains and not others:
        raise Refused("The last administrator cannot be disabled or step down.", code="last_administrator")


async def _known_calendar(tx: Tx, calendar_id: UUID | None) -> None:
    if calendar_id is not None and not await queues.has_calendar(tx, calendar_id):
        words = "There is no such calendar."
        raise Invalid(words, [FieldError(pointer="/calendar_id", code="unknown", message=words)])


async def _free_email(tx: Tx, email: str, except_id: UUID | None = None) -> None:
    if await agents.email_taken(tx, email, except_id):
        raise Conflict("There is an agent with this address already.", code="email_taken")


async def _known_queues(tx: Tx, queue_ids: Sequence[UUID]) -> None:
    unknown = await queues.unknown(tx, queue_ids)
    if unknown:
        at = list(queue_ids).index(unknown[0])
        raise Invalid(
            "There is no such queue.",
            [FieldError(pointer=f"/queue_ids/{at}", code="unknown", message="There is no such queue.")],
        )


# --- queues ---------------------------------------------------------------------------------------

QUEUE_FIELDS = (
    *("name", "position", "match", "require", "prefer", "steps", "calendar_id", "reply_days", "is_default"),
    "needs_handoff",
    *("archived_at", "agent_ids"),
)


async def create_queue(
    db: Database, queue: Queue, actor: Actor, *, request_id: str | None = None, now: datetime
) -> Queue:
    """Make a queue with its members; the first one is the default queue. Raises Conflict, Invalid."""
    async with db.transaction() as tx:
        await _check_queue(tx, queue)
        if queue.is_default:
            await queues.clear_default(tx, now)
        await queues.insert(tx, queue)
        await queues.set_members(tx, queue.id, queue.agent_ids)
        await queues.bump(tx, "agents", queue.agent_ids, now=now)
        fact = Event(type=EventType.QUEUE_CREATED, subject_id=queue.id, actor=str(actor), data={"name": queue.name})
        await events.record(tx, [fact], request_id=request_id)
        made = await queues.read(tx, queue.id)
    assert made is not None
    return made


async def update_queue(
    db: Database,
    queue_id: UUID,
    actor: Actor,
    changes: Mapping[str, Any],
    *,
    version: int | None,
    request_id: str | None = None,
    now: datetime,
) -> Queue:
    """Change fields of a queue; `archived` and `agent_ids` among them.

    Raises NotFound, Stale, Conflict, Invalid, Refused (`no_default_queue`).
    """
    wanted = dict(changes)
    archived: bool | None = wanted.pop("archived", None)
    async with db.transaction() as tx:
        before = await queues.read(tx, queue_id, lock=True)
        if before is None:
            raise NotFound("There is no such queue.")
        _check_version(before.version, version)
        if archived is not None:
            wanted["archived_at"] = (before.archived_at or now) if archived else None
        after = replace(before, **wanted)
        await _check_queue(tx, after)
        if before.is_default and (not after.is_default or after.archived_at):
            raise Refused("There must be a default queue: make another one the default.", code="no_default_queue")
        if after.is_default and not before.is_default:
            await queues.clear_default(tx, now)
        await queues.update(tx, after, now=now)
        if "agent_ids" in wanted:
            await queues.set_members(tx, queue_id, after.agent_ids)
            await queues.bump(tx, "agents", sorted(set(after.agent_ids) ^ set(before.agent_ids)), now=now)
        made = await queues.read(tx, queue_id)
        assert made is not None
        changed = _texts(_changes(before, made, QUEUE_FIELDS))
        fact = Event(type=EventType.QUEUE_UPDATED, subject_id=queue_id, actor=str(actor), data={"changed": changed})
        await events.record(tx, [fact] if changed else [], request_id=request_id)
    return made


STEP_FIELDS = frozenset({"for", "after", "agent", "keep", "overflow"})


def _rule_problems(queue: Queue) -> list[FieldError]:
    """A rule that cannot be read would stop the intake of every message."""
    try:
        expressions.parse_optional(queue.match)
    except expressions.RuleError as error:
        return [FieldError(pointer="/match", code="bad_rule", message=error.message)]
    return []


def _step_problems(queue: Queue, names: Mapping[str, UUID]) -> list[FieldError]:
    for at, step in enumerate(queue.steps):
        try:
            if set(step) - STEP_FIELDS:
                raise ValueError(f"a step has {', '.join(sorted(STEP_FIELDS))}")
            steps([step], names)
        except (ValueError, TypeError, AttributeError) as error:
            return [FieldError(pointer=f"/steps/{at}", code="bad_format", message=str(error))]
    return []


async def _check_queue(tx: Tx, queue: Queue) -> None:
    if await queues.name_taken(tx, queue.name, queue.id):
        raise Conflict("There is a queue of this name already.", code="name_taken")
    problems = [*_rule_problems(queue), *_step_problems(queue, await queues.names(tx))]
    if not await queues.has_calendar(tx, queue.calendar_id):
        problems.append(FieldError(pointer="/calendar_id", code="unknown", message="There is no such calendar."))
    for unknown in await agents.unknown(tx, queue.agent_ids):
        at = list(queue.agent_ids).index(unknown)
        problems.append(FieldError(pointer=f"/agent_ids/{at}", code="unknown", message="There is no such agent."))
    if problems:
        raise Invalid("Some fields are not right.", problems)
