"""Where a message belongs: what it repeats, which conversations it may join, and in which queue a new ticket waits."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any
from uuid import UUID

from omnidesk.db.inboxes import Inbox
from omnidesk.db.known import KnownRef
from omnidesk.desk.batch import Extras, Read
from omnidesk.desk.known import Known
from omnidesk.desk.setup import Queue, Setup
from omnidesk.domain.messages import Inbound
from omnidesk.domain.threading import Candidate, Via
from omnidesk.domain.tickets import Status
from omnidesk.routing.classify import classify
from omnidesk.routing.expressions import Inputs
from omnidesk.routing.rules import choose_queue, queue_of_place


def seen(known: Known, inbound: Inbound) -> tuple[KnownRef | None, Inbound]:
    """The message that this one repeats, or the message as new; the same id with another body gets a hint."""
    ref = inbound.ref
    for _ in range(2):
        same = [r for r in known.refs.get((ref.realm, ref.external_id), []) if r.variant == ref.variant]
        if not same:
            return None, inbound if ref is inbound.ref else replace(inbound, ref=ref)
        if not inbound.digest or not same[0].digest or bytes(same[0].digest) == inbound.digest:
            return same[0], inbound
        ref = replace(ref, variant=f"{ref.variant}#{inbound.digest.hex()[:16]}")
        inbound = replace(inbound, hints=(*inbound.hints, "same_id_other_body"))
    return same[0], inbound


def candidates(known: Known, status_of: Callable[[UUID], Status], read: Read, inbound: Inbound) -> list[Candidate]:
    """The conversations that the message names by token, reference, thread or number; `status_of` their tickets."""
    found = list[tuple[UUID, Via, int]]()
    for token in (*inbound.tokens, *map(str, inbound.deliveries)):
        if token in known.by_token:
            found.append((known.by_token[token], Via.TOKEN, 0))
    for distance, ref in enumerate(inbound.references):
        for other in known.refs.get((ref.realm, ref.external_id), []):
            if other.conversation_id is not None:
                found.append((other.conversation_id, Via.REFERENCE, distance))
    echoed = known.ours(inbound.ref)  # our own mail, sent on by somebody under its old id
    if echoed is not None and echoed.conversation_id is not None:
        found.append((echoed.conversation_id, Via.REFERENCE, 0))
    thread = known.by_thread.get((read.arrival.inbox_id, inbound.thread_key))
    if thread is not None:
        found.append((thread, Via.THREAD, 0))
    found += [(known.by_number[number], Via.NUMBER, 0) for number in inbound.numbers if number in known.by_number]
    return [
        Candidate(
            conversation_id=conversation_id,
            ticket_id=known.conversations[conversation_id].ticket_id,
            status=status_of(known.conversations[conversation_id].ticket_id),
            requester=known.conversations[conversation_id].requester,
            participants=frozenset(known.participants.get(conversation_id, ())),
            via=via,
            distance=distance,
        )
        for conversation_id, via, distance in found
        if conversation_id in known.conversations
    ]


def queue_for(
    setup: Setup, inbox: Inbox, inbound: Inbound, extras: Extras, language: str, tier: str
) -> tuple[Queue, str, dict[str, Any]]:
    """The queue of a new ticket, its category ("": none), and the inputs and reasons that a decision records."""
    inputs = {
        "channel": inbox.channel,
        "inbox": inbox.name,
        "address": inbound.address,
        "language": language,
        "tier": tier,
        "urgency": extras.urgency,
        "subject": inbound.subject,
        "text": inbound.text,
        "facts": dict(extras.facts),
    }
    given = Inputs(inputs)
    about = classify(
        given,
        explicit=inbound.category,
        inbox_category=inbox.category or "",
        rules=setup.categories,
        threshold=setup.policy.threshold,
    )
    rules = [queue.rule for queue in setup.queues.values()]
    choice = choose_queue(
        rules,
        given.also("category", about.category),
        inbox_queue_id=inbox.queue_id,
        triage=setup.policy.fallback_queue,
    )
    queue = setup.queues[choice.queue_id]
    own = queue_of_place(rules, {"inbox": inbox.name, "address": inbound.address}) if inbound.address else None
    misdirected = choice.reason == "rule" and own is not None and own != queue.id
    recorded = {name: value for name, value in inputs.items() if name not in {"subject", "text", "facts"}}
    return (
        queue,
        about.category,
        {
            "queue": queue.name,
            "rule": choice.rule,
            "reason": choice.reason,
            "inputs": recorded,
            "category": {"name": about.category, "source": about.source, "reason": about.reason},
            "urgency": {"level": extras.urgency, "reasons": list(extras.urgency_reasons)},
            **({"moved_from": setup.queues[own].name} if misdirected and own else {}),
        },
    )
