"""The desk's configuration as one TOML file: written out, compared, and put in force as a whole or not at all.

A plan is the application itself, undone again, so it shows exactly what would change. What the file does not
name stays as it is; of the policy's tables either none is named, or what they leave out is as the program brings it.
"""

import re
import tomllib
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from omnidesk.db import agents as agent_rows
from omnidesk.db import calendars as calendar_rows
from omnidesk.db import queues as queue_rows
from omnidesk.db.joined import Joined
from omnidesk.db.queues import Queue
from omnidesk.db.session import Database, Tx
from omnidesk.desk import admin, configure
from omnidesk.desk.new_ids import new_id
from omnidesk.domain import business_time
from omnidesk.domain.errors import DeskError, Invalid, Refused
from omnidesk.domain.people import Actor, Role

POLICY = ("policy", "urgency", "channel", "agent", "classify", "category", "sla")
ALL = 100_000


class ConfigMistake(Refused):
    """The file cannot be put in force; the text names the line and the reason."""

    code = "config_invalid"


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class _Calendar(_Section):
    zone: str
    week: str
    country: Annotated[str, Field(pattern=r"^([A-Z]{2})?$")] = ""
    holidays: dict[str, str] = {}
    workdays: dict[str, str] = {}
    exceptions: dict[str, str] = {}


class _Queue(_Section):
    name: Annotated[str, Field(min_length=1, max_length=100)]
    calendar: str
    position: Annotated[int, Field(ge=0, le=1_000_000)] = 0
    match: str = ""
    require: list[str] = []
    prefer: list[str] = []
    steps: list[dict[str, Any]] = []
    reply_days: Annotated[int, Field(ge=1, le=60)] = 1
    default: bool = False
    needs_handoff: bool = False
    agents: list[str] = []


class _Agent(_Section):
    email: Annotated[str, Field(min_length=3, max_length=320)]
    name: Annotated[str, Field(min_length=1, max_length=200)]
    role: str = "agent"
    language: Annotated[str, Field(pattern=r"^(ru|en)$")] = "ru"
    skills: dict[str, Annotated[int, Field(ge=1, le=100)]] = {}
    channels: list[str] = []
    capacity: Annotated[int, Field(ge=0, le=1_000)] = 6
    calendar: str = ""


class _File(_Section):
    calendar: dict[str, _Calendar] = {}
    queue: list[_Queue] = []
    agents: list[_Agent] = []


# --- out --------------------------------------------------------------------------------------------


async def export(tx: Tx) -> dict[str, Any]:
    """The whole configuration as plain data; closed accounts and archived queues are left out."""
    policy = (await configure.read_policy(tx)).policy
    stored = await calendar_rows.every(tx)
    people = await agent_rows.page(tx, limit=ALL)
    names, emails = {one.id: one.name for one in stored}, {one.id: one.email for one in people}
    return {
        **policy,
        "calendar": {one.name: _calendar(one) for one in stored},
        "agents": [_agent(one, names) for one in sorted(people, key=lambda one: one.email)],
        "queue": [_queue(one, names, emails) for one in await queue_rows.page(tx, limit=ALL)],
    }


def _calendar(stored: calendar_rows.StoredCalendar) -> dict[str, Any]:
    """Days that are filled in for a country are not written: they are filled in again."""
    plain = business_time.to_dict(stored.hours)
    kept = ("zone", "week", "exceptions") if stored.country else tuple(plain)
    return {"country": stored.country, **{name: plain[name] for name in kept}}


def _agent(one: agent_rows.Agent, calendars: Mapping[UUID, str]) -> dict[str, Any]:
    plain = {name: getattr(one, name) for name in ("email", "name", "role", "language", "capacity")}
    hours = {"calendar": calendars[one.calendar_id]} if one.calendar_id else {}
    return {**plain, **hours, "channels": list(one.channels), "skills": dict(one.skills)}


def _queue(one: Queue, calendars: Mapping[UUID, str], emails: Mapping[UUID, str]) -> dict[str, Any]:
    return {
        **{name: getattr(one, name) for name in ("name", "position", "match", "reply_days", "needs_handoff")},
        "calendar": calendars[one.calendar_id],
        "default": one.is_default,
        "require": list(one.require),
        "prefer": list(one.prefer),
        "steps": [dict(step) for step in one.steps],
        "agents": sorted(emails[agent] for agent in one.agent_ids if agent in emails),
    }


def dump(plain: Mapping[str, Any]) -> str:
    """Plain data as TOML, table by table."""
    return "\n".join(_tables(plain, ())).strip() + "\n"


def _tables(table: Mapping[str, Any], path: tuple[str, ...]) -> Iterator[str]:
    for key, value in table.items():
        if not _is_table(value) and not _is_tables(value):
            yield f"{_key(key)} = {_value(value)}"
    for key, value in table.items():
        name = ".".join(_key(part) for part in (*path, key))
        if _is_table(value):
            if not value or any(not _is_table(inner) for inner in value.values()):
                yield f"\n[{name}]"
            yield from _tables(value, (*path, key))
        elif _is_tables(value):
            for row in value:
                yield f"\n[[{name}]]"
                yield from (f"{_key(inner)} = {_value(one)}" for inner, one in row.items())


def _is_table(value: Any) -> bool:
    return isinstance(value, Mapping)


def _is_tables(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(_is_table(one) for one in value)


def _key(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else _text(key)


def _text(text: str) -> str:
    quoted = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + re.sub(r"[\x00-\x1f\x7f]", lambda found: f"\\u{ord(found[0]):04x}", quoted) + '"'


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_key(key)} = {_value(one)}" for key, one in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_value(one) for one in value) + "]"
    return _text(str(value))


# --- in ---------------------------------------------------------------------------------------------


class _Undo(Exception):
    """What was planned is taken back."""


async def plan(db: Database, text: str, actor: Actor, *, now: datetime) -> list[str]:
    """What `apply` would change, line by line; [] when nothing. Raises ConfigMistake."""
    changes: list[str] = []
    try:
        async with _applied(db, text, actor, now) as found:
            changes += found
            raise _Undo
    except _Undo:
        return changes


async def apply(db: Database, text: str, actor: Actor, *, now: datetime) -> list[str]:
    """Put the file in force, all of it or nothing; what changed. Raises ConfigMistake with the line and the reason."""
    async with _applied(db, text, actor, now) as changes:
        return changes


@asynccontextmanager
async def _applied(db: Database, text: str, actor: Actor, now: datetime) -> AsyncIterator[list[str]]:
    try:
        plain = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigMistake(str(error)) from None
    file = _read(text, {key: value for key, value in plain.items() if key not in POLICY})
    async with db.transaction() as tx:
        before = await export(tx)
        work = _Work(Joined(db, tx), tx, text, actor, now)
        await work.policy({key: plain[key] for key in POLICY if key in plain})
        await work.calendars(file.calendar)
        await work.people(file.agents)
        await work.queues(file.queue)
        yield list(_differences(before, await export(tx)))


def _read(text: str, plain: Mapping[str, Any]) -> _File:
    try:
        return _File.model_validate(plain)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        raise _mistake(text, tuple(first["loc"]), first["msg"]) from None


def _mistake(text: str, where: Sequence[str | int], reason: str) -> ConfigMistake:
    place = "/".join(str(part) for part in where)
    return ConfigMistake(f"line {line_of(text, where)}: {place}: {reason}", details={"line": line_of(text, where)})


class _Work:
    """Puts one section after the other in force, within one transaction."""

    def __init__(self, db: Database, tx: Tx, text: str, actor: Actor, now: datetime) -> None:
        self.db, self.tx, self.text, self.actor, self.now = db, tx, text, actor, now

    @asynccontextmanager
    async def at(self, *where: str | int) -> AsyncIterator[None]:
        """What is refused here is a mistake of these lines."""
        try:
            yield
        except Invalid as error:
            if not error.errors:
                raise _mistake(self.text, where, error.message) from error
            field = error.errors[0]
            inner = [int(part) if part.isdigit() else part for part in field.pointer.split("/")[1:]]
            raise _mistake(self.text, (*where, *inner), field.message) from error
        except DeskError as error:
            raise _mistake(self.text, where, error.message) from error

    async def policy(self, plain: Mapping[str, Any]) -> None:
        if plain:
            async with self.at():
                await configure.write_policy(self.db, self.actor, plain, version=None, now=self.now)

    async def calendars(self, wanted: Mapping[str, _Calendar]) -> None:
        known = {one.name: one.id for one in await calendar_rows.every(self.tx)}
        for name, one in wanted.items():
            hours = one.model_dump(exclude={"country"})
            async with self.at("calendar", name):
                if name in known:
                    changes = {"country": one.country, "hours": hours}
                    await configure.update_calendar(
                        self.db, known[name], self.actor, changes, version=None, now=self.now
                    )
                else:
                    await configure.create_calendar(
                        self.db, new_id(self.now), self.actor, name=name, country=one.country, hours=hours, now=self.now
                    )

    async def people(self, wanted: Sequence[_Agent]) -> None:
        known = {one.email: one.id for one in await agent_rows.page(self.tx, limit=ALL, disabled=None)}
        calendars = {one.name: one.id for one in await calendar_rows.every(self.tx)}
        for n, one in enumerate(wanted):
            email, fields = one.email.strip().lower(), one.model_dump(exclude={"email", "role", "calendar"})
            if one.calendar and one.calendar not in calendars:
                raise _mistake(self.text, ("agents", n, "calendar"), f"there is no calendar {one.calendar!r}")
            fields["calendar_id"] = calendars[one.calendar] if one.calendar else None
            async with self.at("agents", n):
                if one.role not in list(Role):
                    raise _mistake(self.text, ("agents", n, "role"), f"must be one of {', '.join(Role)}")
                fields["role"] = Role(one.role)
                if email in known:
                    await admin.update_agent(self.db, known[email], self.actor, fields, version=None, now=self.now)
                else:
                    await admin.create_agent(self.db, new_id(self.now), self.actor, email=email, now=self.now, **fields)

    async def queues(self, wanted: Sequence[_Queue]) -> None:
        """New ones first, without their steps: those may name one another."""
        calendars = {one.name: one.id for one in await calendar_rows.every(self.tx)}
        emails = {one.email: one.id for one in await agent_rows.page(self.tx, limit=ALL)}
        known = await queue_rows.names(self.tx)
        for n, one in enumerate(wanted):
            if one.calendar not in calendars:
                raise _mistake(self.text, ("queue", n, "calendar"), f"there is no calendar {one.calendar!r}")
            if missing := [email for email in one.agents if email not in emails]:
                raise _mistake(self.text, ("queue", n, "agents"), f"there is no agent {missing[0]!r}")
            if one.name not in known:
                known[one.name] = new_id(self.now)
                async with self.at("queue", n):
                    await admin.create_queue(
                        self.db, self._fresh(known[one.name], one, calendars), self.actor, now=self.now
                    )
        for n, one in sorted(enumerate(wanted), key=lambda pair: not pair[1].default):
            changes = one.model_dump(exclude={"name", "calendar", "default", "agents"})
            changes |= {"calendar_id": calendars[one.calendar], "is_default": one.default, "archived": False}
            changes["agent_ids"] = sorted(emails[email] for email in one.agents)
            async with self.at("queue", n):
                await admin.update_queue(self.db, known[one.name], self.actor, changes, version=None, now=self.now)

    def _fresh(self, queue_id: UUID, one: _Queue, calendars: Mapping[str, UUID]) -> Queue:
        return Queue(
            id=queue_id,
            name=one.name,
            position=one.position,
            match="",
            require=(),
            prefer=(),
            steps=(),
            calendar_id=calendars[one.calendar],
            reply_days=one.reply_days,
            is_default=False,
            needs_handoff=False,
            archived_at=None,
            version=1,
            created_at=self.now,
            updated_at=self.now,
            agent_ids=(),
        )


# --- what differs, and where it stands ----------------------------------------------------------------


def _differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[str]:
    """`+ queue vip`, `~ queue cards: reply_days 1 -> 3`, in the order of the file."""
    old, new = _named(before), _named(after)
    for name in [*(name for name in old if name not in new), *new]:
        if name not in new:
            yield f"- {name}"
        elif name not in old:
            yield f"+ {name}"
        else:
            for key in sorted(old[name].keys() | new[name].keys()):
                if old[name].get(key) != new[name].get(key):
                    yield f"~ {name}: {key} {_shown(old[name].get(key))} -> {_shown(new[name].get(key))}"


def _shown(value: Any) -> str:
    return "nothing" if value is None else _value(value)


def _named(plain: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    found: dict[str, Mapping[str, Any]] = {"sla": {"rows": plain["sla"]}, "policy": plain["policy"]}
    found |= {f"category {one['name']}": one for one in plain["category"]}
    found |= {f"{kind} {name}": one for kind in ("urgency", "channel", "calendar") for name, one in plain[kind].items()}
    found |= {"agent defaults": plain["agent"]["defaults"], "classify": plain["classify"]}
    found |= {f"agent {one['email']}": one for one in plain["agents"]}
    return found | {f"queue {one['name']}": one for one in plain["queue"]}


_HEADER = re.compile(r"\s*(\[\[?)\s*(.+?)\s*\]\]?\s*(#.*)?$")
_ASSIGNED = re.compile(r"\s*((?:[A-Za-z0-9_-]+|\"[^\"]*\"|'[^']*'))\s*=")


def line_of(text: str, where: Sequence[str | int]) -> int:
    """The line in which this place of the file stands, or the nearest table around it; from 1."""
    path: tuple[str | int, ...] = ()
    counts: dict[str, int] = {}
    best, line = 0, 1
    for number, content in enumerate(text.splitlines(), 1):
        if header := _HEADER.match(content):
            parts = [part.strip("\"'") for part in re.findall(r"\"[^\"]*\"|'[^']*'|[^.\s]+", header[2])]
            path = tuple(parts)
            if header[1] == "[[":
                counts[header[2]] = counts.get(header[2], -1) + 1
                path = (*parts, counts[header[2]])
            here = path
        elif assigned := _ASSIGNED.match(content):
            here = (*path, assigned[1].strip("\"'"))
        else:
            continue
        if len(here) > best and tuple(where[: len(here)]) == here:
            best, line = len(here), number
    return line
