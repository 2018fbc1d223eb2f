"""Reading: from the sealed body of an arrival to masked items, outside any transaction.

Small bodies are read in a thread; what is large goes to a process that can be killed. One arrival
that cannot be read is parked and disturbs nobody.
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from zoneinfo import ZoneInfo

import structlog

from omnidesk.channels import base
from omnidesk.db.arrivals import PARK_AT, Verdict, Waiting
from omnidesk.desk.accept import unpack
from omnidesk.desk.files import FileStore
from omnidesk.desk.inboxes import Channels, Opened
from omnidesk.desk.landing import Extras, Read, StoredFile
from omnidesk.desk.sandbox import ReadKilled, Sandbox, Task
from omnidesk.desk.vault import CannotDecrypt, Vault
from omnidesk.domain import facts, ids, language, redaction, text
from omnidesk.domain.errors import NotFound
from omnidesk.domain.messages import Address, Arrival, Echo, Edited, File, Inbound, Item, RemoteFile
from omnidesk.routing import urgency

log = structlog.get_logger()

LARGE = 256 * 1024  # bytes of a body that is read in the sandbox
BATCH_S = 0.5  # reading for one batch; what is left over waits for the next
SANDBOX_TRIES = 3
MAX_TEXT = 200_000  # characters of a message that are kept; the rest is in its source


class Reader:
    """Reads batches of arrivals for one worker."""

    def __init__(
        self, channels: Channels, vault: Vault, files: FileStore, *, zone: str = "UTC", sandbox: Sandbox | None = None
    ) -> None:
        self._channels, self._vault, self._files = channels, vault, files
        self._zone = ZoneInfo(zone)
        self._sandbox = sandbox or Sandbox()

    async def read(self, batch: Sequence[Waiting], *, now: datetime) -> list[Read]:
        """What each arrival means, in order; at least the first, and as many as half a second allows."""
        started, done = time.monotonic(), list[Read]()
        for waiting in batch:
            if done and time.monotonic() - started > BATCH_S:
                break
            done.append(await self._one(waiting, now))
        return done

    async def _one(self, waiting: Waiting, now: datetime) -> Read:
        if waiting.attempts > PARK_AT:
            return _parked(waiting, "failed", "no verdict after several attempts: its reader died each time")
        try:
            opened = await self._channels.get(waiting.inbox_id)
        except NotFound:
            return _parked(waiting, "failed", "the inbox's channel is not installed")
        try:
            arrival = unpack(self._vault.decrypt(waiting.body or b"", "arrival"))
        except CannotDecrypt as error:
            return _parked(waiting, "failed", f"its body cannot be opened: {error}")
        try:
            items = await self._items(opened, arrival)
        except base.Unreadable as error:
            return _parked(waiting, "unreadable", str(error))
        except ReadKilled as error:
            return _parked(waiting, "failed", str(error))
        except Exception as error:  # a fault of one channel parks one arrival; the class says enough
            log.exception("read.failed", arrival_id=ids.encode("arrival", waiting.id), error=type(error).__name__)
            return _parked(waiting, "failed", f"reading failed with {type(error).__name__}")
        prepared = [await self._prepared(item, now) for item in items]
        return Read(arrival=waiting, opened=opened, items=tuple(prepared))

    async def _items(self, opened: Opened, arrival: Arrival) -> list[Item]:
        if len(arrival.body) < LARGE:
            return list(await asyncio.to_thread(opened.channel.read, arrival))
        task = Task(
            channel=opened.inbox.channel,
            module=opened.manifest.build.__module__,
            config=self._channels.config_of(opened.inbox),
            inbox_id=ids.encode("inbox", opened.inbox.id),
            addresses=tuple(sorted(self._channels.own_addresses)),
            domain=self._channels.domain,
            arrival=arrival,
        )
        for attempt in range(1, SANDBOX_TRIES + 1):
            try:
                return await self._sandbox.read(task)
            except ReadKilled:
                if attempt == SANDBOX_TRIES:
                    raise
        raise AssertionError("unreachable")

    async def _prepared(self, item: Item, now: datetime) -> tuple[Item, Extras]:
        match item:
            case Inbound():
                stored = [await self._stored(file) for file in item.files]
                return await asyncio.to_thread(_masked, item, tuple(stored), now, self._zone)
            case Edited():
                masked = redaction.mask(text.clean(item.text)[:MAX_TEXT]).text
                return replace(item, text=masked, html=redaction.mask_html(item.html).text), Extras()
            case Echo():
                return replace(item, text=redaction.mask(text.clean(item.text)[:MAX_TEXT]).text), Extras()
            case _:
                return item, Extras()

    async def _stored(self, file: File | RemoteFile) -> StoredFile:
        name = text.shorten(file.name or "file", 200)
        if isinstance(file, RemoteFile):
            return StoredFile(
                sha256=None, name=name, content_type=file.content_type, size=0, state="pending", source_url=file.url
            )
        kept = await self._files.store_bytes(file.content, file.content_type)
        return StoredFile(sha256=kept.sha256, name=name, content_type=kept.content_type, size=kept.size, cid=file.cid)

    def close(self) -> None:
        self._sandbox.close()


def _masked(item: Inbound, files: tuple[StoredFile, ...], now: datetime, zone: ZoneInfo) -> tuple[Inbound, Extras]:
    """The message without the secrets in it, and what its words tell: language, urgency, facts."""
    said, subject, quoted = redaction.mask_parts(
        text.clean(item.text)[:MAX_TEXT], text.clean(item.subject)[:1000], text.clean(item.quoted)[:MAX_TEXT]
    )
    secrets = said.secrets | subject.secrets | quoted.secrets
    whole = f"{subject.text}\n{said.text}"
    rated = urgency.score(whole)
    masked = replace(
        item,
        text=said.text,
        subject=subject.text,
        quoted=quoted.text,
        html=redaction.mask_html(item.html, secrets).text if item.html else "",
        sender=_tidy(item.sender),
        participants=tuple(_tidy(person) for person in item.participants),
        hints=(*item.hints, *(f"masked:{kind}" for kind in sorted({*said.found, *subject.found, *quoted.found}))),
    )
    extras = Extras(
        language=item.language or language.guess(whole),
        urgency=rated.level,
        urgency_reasons=tuple(rated.reasons),
        facts={**item.facts, **facts.facts(whole, now=now, zone=zone)},
        files=files,
    )
    return masked, extras


def _tidy(person: Address) -> Address:
    return replace(person, name=text.shorten(text.clean(person.name), 200))


def _parked(waiting: Waiting, state: str, error: str) -> Read:
    return Read(arrival=waiting, opened=None, verdict=Verdict(id=waiting.id, state=state, error=error))
