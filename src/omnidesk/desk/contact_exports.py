"""Everything that is held about a person, as a stream of records: for a data-subject request."""

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any
from uuid import UUID

from omnidesk.db import contact_exports, contact_merges, contacts, events, identities
from omnidesk.db.contact_exports import PAGE, SECTIONS, Section
from omnidesk.db.session import Database
from omnidesk.desk.erasures import whole
from omnidesk.domain import ids
from omnidesk.domain.errors import NotFound
from omnidesk.domain.events import Event, EventType
from omnidesk.domain.people import Actor

Record = tuple[str, dict[str, Any]]


async def begin(db: Database, contact_id: UUID, actor: Actor, *, request_id: str | None = None) -> list[UUID]:
    """The contact and whoever was merged into it; that they are exported is recorded.

    Raises NotFound, Forbidden (`needs_all_queues`).
    """
    async with db.transaction() as tx:
        if await contacts.read(tx, contact_id, actor) is None:
            raise NotFound("There is no such contact.")
        whole(actor)
        people = [contact_id, *await contact_merges.sources(tx, contact_id)]
        told = Event(type=EventType.CONTACT_EXPORTED, subject_id=contact_id, actor=str(actor))
        await events.record(tx, [told], request_id=request_id)
    return people


async def records(db: Database, people: list[UUID]) -> AsyncIterator[Record]:
    """(kind, fields) of everything, a page at a time: a slow reader holds no transaction open."""
    async with db.connection() as tx:
        addresses = await identities.ids_of(tx, people)
    for section in SECTIONS:
        after: Any = 0 if section.numbered else UUID(int=0)
        while True:
            async with db.connection() as tx:
                page = await contact_exports.page(tx, section, people, addresses, after)
            for row in page:
                yield section.name, _shown(section, row)
            if len(page) < PAGE:
                break
            after = page[-1][section.key]


def _shown(section: Section, row: dict[str, Any]) -> dict[str, Any]:
    shown = {name: _plain(section, name, value) for name, value in row.items()}
    if section.name == "file" and row["sha256"]:
        shown["url"] = f"/v1/attachments/{shown['id']}/content"
    return shown


def _plain(section: Section, name: str, value: Any) -> Any:
    if isinstance(value, UUID):
        return ids.encode(section.nouns[name], value) if name in section.nouns else str(value)
    return value.isoformat() if isinstance(value, datetime) else value
