"""Who is calling, and what about? From an address, an order or a ticket's number to people and open tickets."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import ColumnElement, select

from omnidesk.db import tables, tickets
from omnidesk.db.session import Tx
from omnidesk.db.tickets import Row
from omnidesk.domain.people import Actor
from omnidesk.domain.tickets import Status

PEOPLE = 20  # contacts of one answer
TICKETS = 50
OPEN = (Status.NEW, Status.OPEN, Status.PENDING)
t = tables.tickets.c
i = tables.identities.c
_COLUMNS = [tables.tickets.c[name] for name in Row.__dataclass_fields__]


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Contacts, those who matched best first, and the tickets that named what was looked for."""

    contact_ids: Sequence[UUID]
    matched: Sequence[Row]


async def by_address(tx: Tx, address: str, actor: Actor, *, phone: bool) -> Found:
    """People who write from this address; by a phone also those who stated it as their own."""
    rows = await tx.execute(
        select(i.contact_id).where(i.address == address).order_by(i.verified.desc(), i.created_at.desc()).limit(PEOPLE)
    )
    people = [row.contact_id for row in rows]
    stated = await _tickets(tx, t.facts["phone"].astext == address, actor) if phone else []
    return Found(contact_ids=_once([*people, *await _requesters(tx, stated)]), matched=stated)


async def by_order(tx: Tx, orders: Sequence[str], actor: Actor) -> Found:
    """People who asked about this order, in any of these spellings."""
    matched = await _tickets(tx, t.facts["order"].astext.in_(list(dict.fromkeys(orders))), actor)
    return Found(contact_ids=_once(await _requesters(tx, matched)), matched=matched)


async def by_number(tx: Tx, number: str, actor: Actor) -> Found:
    matched = await _tickets(tx, t.number == number, actor)
    return Found(contact_ids=_once(await _requesters(tx, matched)), matched=matched)


async def open_tickets(tx: Tx, contact_ids: Sequence[UUID], actor: Actor) -> list[Row]:
    """The visible open tickets of these people, those that moved last first; one more than TICKETS when there are."""
    if not contact_ids:
        return []
    asked = t.requester_id.in_(select(i.id).where(i.contact_id.in_(contact_ids)))
    query = select(*_COLUMNS).where(asked, t.status.in_(OPEN), *_rule(actor))
    rows = await tx.execute(query.order_by(t.updated_at.desc(), t.id.desc()).limit(TICKETS + 1))
    return [Row(**row) for row in rows.mappings()]


async def _tickets(tx: Tx, condition: ColumnElement[bool], actor: Actor) -> list[Row]:
    """The newest visible tickets of which this is true; spam is not what somebody calls about."""
    query = select(*_COLUMNS).where(condition, t.status != Status.SPAM, *_rule(actor))
    rows = await tx.execute(query.order_by(t.id.desc()).limit(PEOPLE))
    return [Row(**row) for row in rows.mappings()]


def _rule(actor: Actor) -> list[ColumnElement[bool]]:
    rule = tickets.visible(actor)
    return [] if rule is None else [rule]


async def _requesters(tx: Tx, found: Sequence[Row]) -> list[UUID]:
    """Who asked for these tickets, in their order."""
    if not found:
        return []
    rows = await tx.driver.fetch(
        "SELECT id, contact_id FROM identities WHERE id = ANY($1::uuid[])", [row.requester_id for row in found]
    )
    people = {row["id"]: row["contact_id"] for row in rows}
    return [people[row.requester_id] for row in found]


def _once(contact_ids: Sequence[UUID]) -> list[UUID]:
    return list(dict.fromkeys(contact_ids))[:PEOPLE]
