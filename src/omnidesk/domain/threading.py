"""Where a message belongs: the same conversation, or a new ticket; and who its author is there.

A token or a reference proves the *thread*, not the *person*: a participant joins, somebody else
joins as `unverified`. A ticket number and a sender's address prove nothing by themselves, so a
number counts for participants only, and neither counts when the message is suspicious.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from uuid import UUID

from omnidesk.domain.messages import Author, Inbound
from omnidesk.domain.tickets import Status

Key = tuple[str, str, str]  # of an identity: (kind, realm, address)


class Via(IntEnum):
    """What leads to a conversation, strongest first."""

    TOKEN = 1
    REFERENCE = 2
    THREAD = 3  # the platform's own thread
    NUMBER = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A conversation that a message may belong to."""

    conversation_id: UUID
    ticket_id: UUID
    status: Status  # of the ticket that it belongs to now; after a merge, the survivor's
    requester: Key
    participants: frozenset[Key]
    via: Via
    distance: int = 0  # among references: 0 is the nearest


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """`joins` is None for a new ticket, which `follows` a closed one when the message proved it."""

    joins: Candidate | None
    author: Author
    reopens: bool = False
    follows: UUID | None = None
    hints: tuple[str, ...] = ()


UNVERIFIED = "unverified_sender"
NUMBER_OF_ANOTHER = "number_of_another_ticket"


def place(inbound: Inbound, candidates: Iterable[Candidate]) -> Placement:
    """Where `inbound` belongs. The strongest admissible candidate wins; the order given does not matter.

    Automatic messages join but never reopen, not even make a new ticket of a closed one's echo.
    """
    ranked = sorted(candidates, key=lambda c: (c.via, c.distance, c.conversation_id))
    hints = list(inbound.hints)
    if inbound.suspicious:
        hints.append(inbound.suspicious)
    for candidate in ranked:
        if not _admissible(inbound, candidate):
            if candidate.via == Via.NUMBER and NUMBER_OF_ANOTHER not in hints:
                hints.append(NUMBER_OF_ANOTHER)
            continue
        author = _author(inbound, candidate)
        if candidate.status == Status.CLOSED and not inbound.automatic:
            return Placement(joins=None, author=Author.REQUESTER, follows=candidate.ticket_id, hints=tuple(hints))
        if author == Author.UNVERIFIED:
            hints.append(UNVERIFIED)
        reopens = not inbound.automatic and candidate.status in {Status.PENDING, Status.RESOLVED}
        return Placement(joins=candidate, author=author, reopens=reopens, hints=tuple(hints))
    return Placement(joins=None, author=Author.REQUESTER, hints=tuple(hints))


def _admissible(inbound: Inbound, candidate: Candidate) -> bool:
    if candidate.via in {Via.TOKEN, Via.REFERENCE}:
        return True
    if inbound.suspicious:
        return False
    return candidate.via == Via.THREAD or inbound.sender.key in candidate.participants | {candidate.requester}


def _author(inbound: Inbound, candidate: Candidate) -> Author:
    if candidate.via == Via.THREAD:  # the platform, or the sender's address within its root, says so
        return Author.REQUESTER if inbound.sender.key == candidate.requester else Author.PARTICIPANT
    if inbound.suspicious:
        return Author.UNVERIFIED
    if inbound.sender.key == candidate.requester:
        return Author.REQUESTER
    return Author.PARTICIPANT if inbound.sender.key in candidate.participants else Author.UNVERIFIED
