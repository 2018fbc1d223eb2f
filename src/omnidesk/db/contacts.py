"""Contacts, the people behind identities: who may see them, lists, and their own rows."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, exists, false, func, literal, or_, select, text, tuple_

from omnidesk.db import tables, tickets
from omnidesk.db.session import Tx
from omnidesk.domain.people import Actor

c = tables.contacts.c
i = tables.identities.c


@dataclass(frozen=True, slots=True, kw_only=True)
class Contact:
    id: UUID
    name: str
    language: str | None
    zone: str | None
    tier: str | None
    note: str
    preferred_identity_id: UUID | None
    merged_into: UUID | None
    erased_at: datetime | None
    version: int
    created_at: datetime
    updated_at: datetime


_COLUMNS = [tables.contacts.c[name] for name in Contact.__dataclass_fields__]
_NAMES = ", ".join(Contact.__dataclass_fields__)
CHANGEABLE = ("name", "language", "zone", "tier", "note", "preferred_identity_id")


def visible(actor: Actor) -> ColumnElement[bool] | None:
    """Which contacts an actor may see; None: all.

    Who sees every ticket sees every contact. Others see the people who take part in a ticket that they see, and
    those whom they made themselves; so nobody reads the desk's address book through a key of one queue.
    """
    rule = tickets.visible(actor)
    if rule is None:
        return None
    people, shown = tables.identities, tables.tickets
    asked = (
        select(literal(1))
        .select_from(people.join(shown, shown.c.requester_id == people.c.id))
        .where(people.c.contact_id == c.id, rule)
        .correlate(tables.contacts)
    )
    takes_part = (
        select(literal(1))
        .select_from(
            people.join(tables.participants, tables.participants.c.identity_id == people.c.id)
            .join(tables.conversations, tables.conversations.c.id == tables.participants.c.conversation_id)
            .join(shown, shown.c.id == tables.conversations.c.ticket_id)
        )
        .where(people.c.contact_id == c.id, rule)
        .correlate(tables.contacts)
    )
    return or_(exists(asked), exists(takes_part), c.creator == str(actor))


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Which contacts; None asks for nothing in particular."""

    name: str | None = None  # how words of the name begin
    address: str | None = None  # of one of the identities, as it is stored
    address_begins: str | None = None
    tier: str | None = None
    updated_after: datetime | None = None
    updated_before: datetime | None = None


def _conditions(wanted: Filter, actor: Actor) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = [c.merged_into.is_(None), c.erased_at.is_(None)]
    rule = visible(actor)
    if rule is not None:
        found.append(rule)
    if wanted.name is not None:
        words = _words(wanted.name)
        query = func.to_tsquery(text("'simple'::regconfig"), words)
        found.append(func.to_tsvector(text("'simple'::regconfig"), c.name).op("@@")(query) if words else false())
    if wanted.address is not None:
        found.append(c.id.in_(select(i.contact_id).where(i.address == wanted.address)))
    if wanted.address_begins is not None:
        found.append(c.id.in_(select(i.contact_id).where(i.address.startswith(wanted.address_begins, autoescape=True))))
    if wanted.tier is not None:
        found.append(c.tier == wanted.tier)
    if wanted.updated_after is not None:
        found.append(c.updated_at > wanted.updated_after)
    if wanted.updated_before is not None:
        found.append(c.updated_at < wanted.updated_before)
    return found


def _words(name: str) -> str:
    """A query for words that begin so, in any order, empty without any; nothing in it can be read as an operator."""
    words = re.findall(r"\w+", name)[:10]
    return " & ".join(f"'{word}':*" for word in words)


async def page(
    tx: Tx, wanted: Filter, actor: Actor, *, after: tuple[datetime, UUID] | None, descending: bool = True, limit: int
) -> list[Contact]:
    """Visible contacts by when they changed; merged and erased ones are left out."""
    query = select(*_COLUMNS).where(*_conditions(wanted, actor))
    if after is not None:
        here, last = tuple_(c.updated_at, c.id), tuple_(literal(after[0]), literal(after[1]))
        query = query.where(here < last if descending else here > last)
    order = (c.updated_at.desc(), c.id.desc()) if descending else (c.updated_at, c.id)
    rows = await tx.execute(query.order_by(*order).limit(limit))
    return [Contact(**row) for row in rows.mappings()]


async def read(tx: Tx, contact_id: UUID, actor: Actor) -> Contact | None:
    """One contact, if the actor may see it; one that was merged, if he may see whom it was merged into."""
    found = await _read(tx, contact_id, actor)
    if found is not None or (kept := await root(tx, contact_id)) in {None, contact_id}:
        return found
    assert kept is not None
    return await by_id(tx, contact_id) if await _read(tx, kept, actor) else None


async def _read(tx: Tx, contact_id: UUID, actor: Actor) -> Contact | None:
    rule = visible(actor)
    query = select(*_COLUMNS).where(c.id == contact_id, *([rule] if rule is not None else []))
    row = (await tx.execute(query)).mappings().one_or_none()
    return Contact(**row) if row else None


async def by_id(tx: Tx, contact_id: UUID) -> Contact | None:
    """Whoever asks; for what the caller has checked."""
    row = await tx.driver.fetchrow(f"SELECT {_NAMES} FROM contacts WHERE id = $1", contact_id)  # noqa: S608 - our own columns
    return Contact(**dict(row)) if row else None


async def several(tx: Tx, contact_ids: Sequence[UUID], actor: Actor) -> dict[UUID, Contact]:
    """Those of them that the actor may see."""
    rule = visible(actor)
    query = select(*_COLUMNS).where(c.id.in_(contact_ids), *([rule] if rule is not None else []))
    return {row["id"]: Contact(**row) for row in (await tx.execute(query)).mappings()}


async def root(tx: Tx, contact_id: UUID) -> UUID | None:
    """Who a contact is now, after all mergers; None: there is no such contact."""
    found: UUID | None = await tx.driver.fetchval(
        """
        WITH RECURSIVE chain AS (
            SELECT id, merged_into FROM contacts WHERE id = $1
             UNION
            SELECT next.id, next.merged_into FROM chain JOIN contacts AS next ON next.id = chain.merged_into
        )
        SELECT id FROM chain WHERE merged_into IS NULL
        """,
        contact_id,
    )
    return found


async def lock(tx: Tx, contact_ids: Sequence[UUID]) -> dict[UUID, Contact]:
    """Lock contacts until the commit, in the order of their ids. Their identities are locked before."""
    rows = await tx.driver.fetch(
        f"SELECT {_NAMES} FROM contacts WHERE id = ANY($1::uuid[]) ORDER BY id FOR NO KEY UPDATE",  # noqa: S608 - our own columns
        list(contact_ids),
    )
    return {row["id"]: Contact(**dict(row)) for row in rows}


async def add(tx: Tx, contact_id: UUID, values: Mapping[str, Any], *, creator: str | None, now: datetime) -> None:
    await tx.driver.execute(
        """
        INSERT INTO contacts (id, name, language, zone, tier, note, creator, created_at, updated_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $8)
        """,
        contact_id,
        values.get("name") or "",
        values.get("language"),
        values.get("zone"),
        values.get("tier"),
        values.get("note") or "",
        creator,
        now,
    )


async def save(tx: Tx, contact_id: UUID, values: Mapping[str, Any], now: datetime) -> None:
    """Write fields of a locked contact, whatever they are (of CHANGEABLE); its version rises."""
    await tx.execute(
        tables.contacts.update()
        .where(c.id == contact_id)
        .values(version=c.version + 1, updated_at=now, **{name: values[name] for name in CHANGEABLE if name in values})
    )
