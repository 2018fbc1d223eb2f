"""Which way a message of ours takes: its conversation, the inbox that it leaves through, and who gets it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from omnidesk.channels import base
from omnidesk.db import replies
from omnidesk.db.replies import Conversation, Person
from omnidesk.db.session import Database, Tx
from omnidesk.desk.sending import Channels, Opened
from omnidesk.domain.errors import NotFound, Refused

MAX_RECIPIENTS = 100


class NoWayOut(Refused):
    """Nobody can be reached this way; the text says why."""

    code = "no_way_out"


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """Through which inbox a message leaves. `address` is the one it is written from, empty when there is none."""

    inbox_id: UUID
    manifest: base.Manifest
    channel: base.Answering
    address: str = ""
    from_name: str = ""


async def ways_of(db: Database, channels: Channels, ticket_id: UUID) -> Mapping[UUID, Way | str]:
    """Every inbox that the ticket may be answered through: how, or why not. Read before the transaction."""
    async with db.connection() as tx:
        return await ways_in(tx, channels, ticket_id)


async def ways_in(tx: Tx, channels: Channels, ticket_id: UUID) -> Mapping[UUID, Way | str]:
    ways: dict[UUID, Way | str] = {}
    for inbox_id in await replies.inboxes_for(tx, ticket_id):
        try:
            opened = await channels.get(inbox_id)
        except NotFound as error:
            ways[inbox_id] = error.message
        else:
            ways[inbox_id] = way_of(opened) or "This channel cannot answer."
    return ways


def way_of(opened: Opened) -> Way | None:
    """The way out through an open inbox; None when its channel cannot answer."""
    channel: Any = opened.channel
    if not base.can_answer(channel):
        return None
    return Way(
        inbox_id=opened.inbox.id,
        manifest=opened.manifest,
        channel=channel,
        address=next(iter(opened.config.addresses()), "").lower(),
        from_name=opened.inbox.name,
    )


def choose_way(ways: Mapping[UUID, Way | str], conversation: Conversation, people: Sequence[Person]) -> Way:
    """The conversation's own inbox; for people with mail addresses behind one that cannot answer, a mail inbox."""
    own = ways.get(conversation.inbox_id, "This inbox is gone.")
    if isinstance(own, Way):
        return own
    if all(person.kind == "email" for person in people):
        for way in ways.values():
            if isinstance(way, Way) and way.address:
                return way
    raise NoWayOut(own)


async def choose_conversation(tx: Tx, ticket_id: UUID, conversation_id: UUID | None) -> Conversation:
    found = await replies.conversations(tx, ticket_id)
    if conversation_id is not None:
        named = [each for each in found if each.id == conversation_id]
        if not named:
            raise NotFound("This ticket has no such conversation.")
        return named[0]
    private = [each for each in found if each.private]
    heard = [each for each in private if each.heard]
    if heard or private:
        return (heard or private)[0]
    if found:
        raise Refused(
            "Everybody can read this ticket's conversations: name the one to answer in.", code="conversation_required"
        )
    raise NoWayOut("This ticket has no conversation to answer in.")


async def choose_recipients(
    tx: Tx, conversation: Conversation, to: Sequence[UUID] | None, cc: Sequence[UUID] | None
) -> tuple[tuple[Person, ...], tuple[Person, ...]]:
    """(to, cc): as the agent chose, else everybody in the conversation who can be reached; never ourselves."""
    everybody = await replies.participants(tx, conversation)
    if to is None:
        able = [person for person in everybody if person.reachable and not person.ours]
        people, others = able[:1], able[1:]
    else:
        people, others = await _chosen(tx, to, everybody), []
    if cc is not None:
        others = await _chosen(tx, cc, everybody)
    named = {person.id for person in people}
    if not people:
        raise NoWayOut("Nobody in this conversation can be reached.")
    if len(people) + len(others) > MAX_RECIPIENTS:
        raise Refused(f"At most {MAX_RECIPIENTS} recipients.", code="wrong_recipient")
    return tuple(people), tuple(person for person in others if person.id not in named)


async def _chosen(tx: Tx, wanted: Sequence[UUID], everybody: Sequence[Person]) -> list[Person]:
    """The agent's own choice, also of people thought unreachable. They must be of the conversation's kind and realm."""
    found = await replies.people(tx, wanted)
    spoken = {(person.kind, person.realm) for person in everybody}
    if len(found) != len(set(wanted)) or any((person.kind, person.realm) not in spoken for person in found):
        raise Refused("A recipient is not known in this conversation's channel.", code="wrong_recipient")
    return [person for person in found if not person.ours]
