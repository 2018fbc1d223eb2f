"""What was erased and comes again, because a mailbox was read anew or a provider repeats itself, stays away."""

from collections.abc import Sequence
from dataclasses import replace

from omnidesk.db import erasures
from omnidesk.db.arrivals import Verdict
from omnidesk.db.session import Tx
from omnidesk.desk.batch import Read
from omnidesk.desk.erasures import digest
from omnidesk.domain.messages import Inbound

REASON = "erased"


async def without(tx: Tx, read: Sequence[Read]) -> list[Read]:
    """The batch without messages that were erased; an arrival of nothing else is ignored, and leaves no body.

    Before anything is looked up: else the sender would be known again.
    """
    named = {id(item): digest(item.ref) for one in read for item, _ in one.items if isinstance(item, Inbound)}
    known = await erasures.known(tx, sorted(set(named.values()))) if named else set()
    if not known:
        return list(read)
    found = [_without(one, {key for key, value in named.items() if value in known}) for one in read]
    gone = [one.arrival.id for one in found if one.verdict is not None and one.verdict.reason == REASON]
    await erasures.drop_bodies(tx, gone)
    return found


def _without(one: Read, erased: set[int]) -> Read:
    left = tuple(pair for pair in one.items if id(pair[0]) not in erased)
    if len(left) == len(one.items):
        return one
    if left:
        return replace(one, items=left)
    return replace(one, items=(), verdict=Verdict(id=one.arrival.id, state="ignored", reason=REASON))
