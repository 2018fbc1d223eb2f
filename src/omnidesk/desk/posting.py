"""A message of ours as rows: itself, its delivery, and one provider call for each of its parts."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from omnidesk.db import deliveries, outbox
from omnidesk.db.deliveries import Post
from omnidesk.db.replies import Person
from omnidesk.db.session import Tx
from omnidesk.desk.settle import endpoint_of
from omnidesk.desk.ways import NoWayOut, Way
from omnidesk.domain import ids, tokens
from omnidesk.domain.messages import Address, Author, Outbound, OutFile, Part, Ref


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A message of ours before it is split: who says what to whom. Ids and entropy are made by the caller."""

    message_id: UUID
    delivery_id: UUID
    message_ref: str
    conversation_id: UUID
    author: Author
    text: str
    at: datetime
    to: tuple[Person, ...]
    cc: tuple[Person, ...] = ()
    agent_id: UUID | None = None
    html: str = ""
    subject: str = ""
    automatic: bool = False
    language: str = ""
    ticket_number: str = ""
    files: tuple[OutFile, ...] = ()


def prepare(way: Way, draft: Draft) -> Post:
    """The rows of a message: pure. One call for each part that the channel splits it into.

    Raises NoWayOut when the channel makes nothing of it.
    """
    parts = way.channel.split(_outbound(way, draft))
    if not parts:
        raise NoWayOut("This channel has no way to send such a message.")
    return Post(
        message_id=draft.message_id,
        conversation_id=draft.conversation_id,
        author=draft.author,
        agent_id=draft.agent_id,
        subject=draft.subject,
        text=draft.text,
        html=draft.html,
        automatic=draft.automatic,
        at=draft.at,
        delivery_id=draft.delivery_id,
        to_ids=tuple(person.id for person in draft.to),
        cc_ids=tuple(person.id for person in draft.cc),
        message_ref=draft.message_ref,
        calls=tuple(_call(way, draft, part) for part in parts),
        ref=Ref(realm="mail", external_id=draft.message_ref, variant=way.address) if way.address else None,
    )


def _call(way: Way, draft: Draft, part: Part) -> outbox.New:
    endpoint = endpoint_of(way.inbox_id)
    return outbox.New(
        kind="message",
        order_key=ids.encode("conversation", draft.conversation_id),
        limit_key=endpoint,
        endpoint=endpoint,
        subject_id=draft.delivery_id,
        inbox_id=way.inbox_id,
        part={"index": part.index, "count": part.count, "text": part.text, "files": part.files},
        repeats=way.manifest.repeats_safely,
    )


def _outbound(way: Way, draft: Draft) -> Outbound:
    return Outbound(
        delivery_id=draft.delivery_id,
        message_ref=draft.message_ref,
        to=tuple(_address(person) for person in draft.to),
        cc=tuple(_address(person) for person in draft.cc),
        text=draft.text,
        html=draft.html,
        subject=draft.subject,
        from_name=way.from_name,
        automatic=draft.automatic,
        language=draft.language,
        ticket_number=draft.ticket_number,
        files=draft.files,
        created_at=draft.at,
    )


def _address(person: Person) -> Address:
    return Address(kind=person.kind, realm=person.realm, address=person.address, name=person.name)


async def post(tx: Tx, posts: Sequence[Post]) -> None:
    """Store prepared messages with their ways out and calls. Their tickets are locked; events are the caller's."""
    await deliveries.add(tx, posts)


def fresh_ref(address: str, domain: str = "") -> str:
    """A new Message-ID or correlation key (80 random bits) under the domain of the writing address."""
    return tokens.message_id(secrets.token_bytes(10), address.rpartition("@")[2] or domain or "desk.invalid")
