"""What is known of a batch before it lands: everything that it names, looked up in the order of the locks."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from omnidesk.db import deliveries
from omnidesk.db import known as statements
from omnidesk.db.known import KnownConversation, KnownIdentity, KnownRef, LockedTicket
from omnidesk.db.session import Tx
from omnidesk.desk.batch import Read
from omnidesk.desk.new_ids import new_id
from omnidesk.domain.messages import Address, Bounce, Deleted, Echo, Edited, Inbound, Receipt, Ref
from omnidesk.domain.threading import Key


@dataclass(slots=True, kw_only=True)
class Known:
    """What the lookups found; grows as the batch lands."""

    refs: dict[tuple[str, str], list[KnownRef]]
    conversations: dict[UUID, KnownConversation]
    by_token: dict[str, UUID]  # reply tokens, and deliveries named by their return path
    by_thread: dict[tuple[UUID, str], UUID]
    by_number: dict[str, UUID]
    participants: dict[UUID, set[Key]]
    identities: dict[Key, KnownIdentity]
    tickets: dict[UUID, LockedTicket]
    groups: dict[tuple[UUID, str], UUID]

    def named(self, ref: Ref) -> KnownRef | None:
        """The message behind a provider's id; the variant counts when it is given."""
        found = self.refs.get((ref.realm, ref.external_id), [])
        return next((r for r in found if not ref.variant or r.variant == ref.variant), None)

    def ours(self, ref: Ref) -> KnownRef | None:
        """The message of ours that has this id."""
        known = self.refs.get((ref.realm, ref.external_id), [])
        return next((each for each in known if each.direction == "out"), None)

    def ticket_of(self, ref: KnownRef) -> UUID | None:
        conversation = self.conversations.get(ref.conversation_id) if ref.conversation_id else None
        return conversation.ticket_id if conversation else None

    def remember(self, ref: Ref, message_id: UUID, conversation_id: UUID, digest: bytes | None) -> None:
        """Let the rest of the batch find this message."""
        self.refs.setdefault((ref.realm, ref.external_id), []).append(
            KnownRef(
                realm=ref.realm,
                external_id=ref.external_id,
                variant=ref.variant,
                digest=digest,
                message_id=message_id,
                conversation_id=conversation_id,
                direction="in",
            )
        )


class Moved(Exception):
    """A merge moved a conversation between our look-up and our locks: look again.

    The same is done when another lane's batch began a thread, or took in a message, that ours has as well.
    """


async def look_up(tx: Tx, read: Sequence[Read], now: datetime) -> Known:
    """Everything that the batch may touch, each kind in one statement, in the order of the locks.

    Raises Moved when a conversation went to another ticket before that was locked.
    """
    wanted = _wanted(read)
    reported = await _reported(tx, wanted)
    people = await statements.identify(
        tx,
        [(new_id(now), new_id(now), person, spoken) for person, spoken in wanted.people.values()],
        senders=sorted(wanted.senders),
        reported=reported,
    )
    refs = await statements.find_refs(tx, sorted(wanted.refs))
    found = await statements.find_conversations(
        tx,
        ids=sorted({ref.conversation_id for ref in refs if ref.conversation_id}),
        tokens=sorted(wanted.tokens),
        threads=sorted(wanted.threads),
        numbers=sorted(wanted.numbers),
        deliveries=sorted(wanted.deliveries),
    )
    about = await deliveries.tickets_of(tx, reported) if reported else []
    tickets = await statements.lock_tickets(tx, sorted({*about, *(one.ticket_id for one in found)}))
    if reported and await deliveries.tickets_of(tx, reported) != about:
        raise Moved
    conversation_ids = sorted({conversation.id for conversation in found})
    if conversation_ids:
        now_at = await statements.tickets_of(tx, conversation_ids)
        if any(now_at[conversation.id] != conversation.ticket_id for conversation in found):
            raise Moved
    known = Known(
        refs={},
        conversations={conversation.id: conversation for conversation in found},
        by_token={c.named: c.id for c in found if c.via == 1},
        by_thread={(c.inbox_id, c.named): c.id for c in found if c.via == 3},
        by_number={c.named: c.id for c in found if c.via == 4},
        participants=await statements.participants(tx, conversation_ids) if conversation_ids else {},
        identities=people,
        tickets=tickets,
        groups=await statements.group_messages(
            tx, [(conversation, group) for conversation in conversation_ids for group in sorted(wanted.groups)]
        ),
    )
    for ref in refs:
        known.refs.setdefault((ref.realm, ref.external_id), []).append(ref)
    return known


async def _reported(tx: Tx, wanted: "_Wanted") -> list[UUID]:
    """The deliveries that receipts and bounces may be about."""
    if not wanted.proofs:
        return sorted(wanted.reported)
    proofs = list(wanted.proofs)
    found = await deliveries.by_proof(tx, [key for key, _ in proofs], [ref for _, ref in proofs])
    return sorted({delivery for delivery in found if delivery} | wanted.reported)


@dataclass(slots=True)
class _Wanted:
    people: dict[Key, tuple[Address, str | None]]
    senders: set[Key]
    proofs: set[tuple[str, Ref | None]]  # of receipts and bounces: our own key, and the platform's id
    reported: set[UUID]  # deliveries that bounces name
    refs: set[tuple[str, str]]
    tokens: set[str]
    threads: set[tuple[UUID, str]]
    numbers: set[str]
    groups: set[str]
    deliveries: set[UUID]


def _wanted(read: Sequence[Read]) -> _Wanted:
    """What the items of a batch name: people, messages, tokens, threads, numbers."""
    wanted = _Wanted({}, set(), set(), set(), set(), set(), set(), set(), set(), set())
    for one in read:
        for item, extras in one.items:
            match item:
                case Inbound():
                    wanted.senders.add(item.sender.key)
                    for person in (item.sender, *item.participants):
                        spoken = extras.language if person is item.sender else None
                        known = wanted.people.get(person.key)
                        if known is None or not known[1]:
                            wanted.people[person.key] = (person, spoken)
                    wanted.refs |= {(ref.realm, ref.external_id) for ref in (item.ref, *item.references)}
                    wanted.tokens |= set(item.tokens)
                    wanted.deliveries |= set(item.deliveries)
                    wanted.numbers |= set(item.numbers)
                    wanted.threads.add((one.arrival.inbox_id, item.thread_key))
                    if item.group_key:
                        wanted.groups.add(item.group_key)
                case Edited() | Deleted():
                    wanted.refs.add((item.ref.realm, item.ref.external_id))
                case Receipt():
                    wanted.proofs.add((item.correlation, item.ref))
                    if item.ref:
                        wanted.refs.add((item.ref.realm, item.ref.external_id))
                case Echo():
                    wanted.refs.add((item.ref.realm, item.ref.external_id))
                    wanted.threads.add((one.arrival.inbox_id, item.thread_key))
                case Bounce():
                    wanted.proofs |= {("", ref) for ref in item.references}
                    wanted.reported |= set(item.deliveries)
                    wanted.refs |= {(ref.realm, ref.external_id) for ref in item.references}
                    wanted.deliveries |= set(item.deliveries)
    return wanted
