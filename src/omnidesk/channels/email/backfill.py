"""Older mail, brought once and on purpose: the watch begins with what comes next."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import date

from omnidesk.channels.email.imap import batch_of, fetched_arrival, imap_date
from omnidesk.channels.email.imap_session import Account, Session, connected
from omnidesk.domain.messages import Arrival

Bring = Callable[[Sequence[Arrival]], Awaitable[None]]
_CHUNK = 50  # mails whose sizes are asked for at once


async def backfill(account: Account, since: date, bring: Bring) -> None:
    """Bring all mail that the server received since that day, folder by folder; nothing is marked.

    A mail that the server does not give is passed over. Raises NeedsReauth, OSError, TimeoutError.
    """
    for folder in account.folders:
        async with connected(account) as session:
            await session.select(folder)
            waiting = sorted(await session.search(f"SINCE {imap_date(since)}"))
            while waiting:
                chunk, waiting = waiting[:_CHUNK], waiting[_CHUNK:]
                await _bring_chunk(account, session, folder, chunk, bring)


async def _bring_chunk(account: Account, session: Session, folder: str, uids: list[int], bring: Bring) -> None:
    sizes = await session.sizes(uids)
    uids = [uid for uid in uids if uid in sizes]
    while uids:
        batch, uids = batch_of(uids, sizes)
        came = [(uid, await session.fetch(uid)) for uid in batch]
        await bring([fetched_arrival(account, folder, uid, raw, sizes[uid]) for uid, raw in came if raw is not None])
