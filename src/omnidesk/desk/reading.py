"""Reading: from the sealed body of an arrival to masked items, outside any transaction.

Small bodies are read in a thread; what is large goes to a process that can be killed. One arrival
that cannot be read is parked and disturbs nobody.
"""

import asyncio
import time
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from uuid import UUID

import structlog

from omnidesk.channels import base
from omnidesk.db.arrivals import PARK_AT, Verdict, Waiting
from omnidesk.desk import loops
from omnidesk.desk.accept import unpack
from omnidesk.desk.batch import Extras, Read, StoredFile
from omnidesk.desk.files import FileStore
from omnidesk.desk.inboxes import Channels, Opened
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
        self._zone = zone
        self._sandbox = sandbox or Sandbox()

    async def read(self, batch: Sequence[Waiting], *, now: datetime) -> list[Read]:
        """What each arrival means, in order; at least the first, and as many as half a second allows."""
        opened = await self._open({waiting.inbox_id for waiting in batch})
        until, done = time.monotonic() + BATCH_S, list[Read]()
        while len(done) < len(batch) and (not done or time.monotonic() < until):
            small = await asyncio.to_thread(self._small, batch[len(done) :], opened, now, until)
            done += small
            if len(done) < len(batch) and (not done or time.monotonic() < until):
                done.append(await self._large(batch[len(done)], opened, now))
        return [await self._with_files(one) for one in done]

    async def _open(self, inbox_ids: Collection[UUID]) -> dict[UUID, Opened]:
        found = {}
        for inbox_id in inbox_ids:
            with suppress(NotFound):
                found[inbox_id] = await self._channels.get(inbox_id)
        return found

    def _small(
        self, batch: Sequence[Waiting], opened: Mapping[UUID, Opened], now: datetime, until: float
    ) -> list[Read]:
        """In a thread: arrivals up to the first large one, or until time is up."""
        done = list[Read]()
        for waiting in batch:
            if len(waiting.body or b"") >= LARGE or (done and time.monotonic() > until):
                break
            done.append(self._guarded(waiting, opened.get(waiting.inbox_id), now))
        return done

    def _guarded(self, waiting: Waiting, opened: Opened | None, now: datetime) -> Read:
        """Read one arrival; whatever goes wrong with it parks it and nothing else."""
        try:
            inbox, arrival = self._unsealed(waiting, opened)
            return self._understood(waiting, inbox, inbox.channel.read(arrival), now)
        except _Parked as parked:
            return parked.read
        except Exception as error:
            return _failed(waiting, error)

    async def _large(self, waiting: Waiting, opened: Mapping[UUID, Opened], now: datetime) -> Read:
        """The same for a large body, in a process that can be killed."""
        try:
            inbox, arrival = self._unsealed(waiting, opened.get(waiting.inbox_id))
            items = await self._in_sandbox(inbox, arrival)
            return await asyncio.to_thread(self._understood, waiting, inbox, items, now)
        except _Parked as parked:
            return parked.read
        except Exception as error:
            return _failed(waiting, error)

    def _unsealed(self, waiting: Waiting, opened: Opened | None) -> tuple[Opened, Arrival]:
        if waiting.attempts > PARK_AT:
            raise _Parked(waiting, "failed", "no verdict in several attempts: reading or writing it failed")
        if opened is None:
            raise _Parked(waiting, "failed", "the inbox's channel is not installed")
        try:
            return opened, unpack(self._vault.decrypt(waiting.body or b"", "arrival"))
        except CannotDecrypt as error:
            raise _Parked(waiting, "failed", f"its body cannot be opened: {error}") from None

    async def _in_sandbox(self, opened: Opened, arrival: Arrival) -> list[Item]:
        task = Task(
            channel=opened.inbox.channel,
            module=opened.manifest.build.__module__,
            config=self._channels.config_of(opened.inbox),
            inbox_id=ids.encode("inbox", opened.inbox.id),
            addresses=tuple(sorted(self._channels.own_addresses)),
            domain=self._channels.domain,
            keys=self._channels.keys,
            arrival=arrival,
        )
        for _ in range(SANDBOX_TRIES - 1):
            with suppress(ReadKilled):
                return await self._sandbox.read(task)
        return await self._sandbox.read(task)

    def _understood(self, waiting: Waiting, opened: Opened, items: Sequence[Item], now: datetime) -> Read:
        return Read(arrival=waiting, opened=opened, items=tuple(self._prepared(item, now) for item in items))

    def _prepared(self, item: Item, now: datetime) -> tuple[Item, Extras]:
        match item:
            case Inbound():
                return _masked(item, now, self._zone)
            case Edited():
                masked = redaction.mask(text.clean(item.text)[:MAX_TEXT])
                return replace(item, text=masked.text, html=_masked_html(item.html, masked.secrets)), Extras()
            case Echo():
                return replace(item, text=redaction.mask(text.clean(item.text)[:MAX_TEXT]).text), Extras()
            case _:
                return item, Extras()

    async def _with_files(self, read: Read) -> Read:
        """The same, its files in the store."""
        if not any(isinstance(item, Inbound) and item.files for item, _ in read.items):
            return read
        items = []
        for item, extras in read.items:
            files = [await self._stored(file) for file in item.files] if isinstance(item, Inbound) else []
            items.append((item, replace(extras, files=tuple(files))))
        return replace(read, items=tuple(items))

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


def _masked(item: Inbound, now: datetime, zone: str) -> tuple[Inbound, Extras]:
    """The message without the secrets in it, and what its words tell: language, urgency, facts."""
    subject, _, said, quoted = redaction.mask_parts(  # as they are read; a paragraph apart from the subject
        text.clean(item.subject)[:1000], "", text.clean(item.text)[:MAX_TEXT], text.clean(item.quoted)[:MAX_TEXT]
    )
    whole = f"{subject.text}\n{said.text}"
    rated = urgency.score(whole)
    found = sorted({*said.found, *subject.found, *quoted.found})
    masked = replace(
        item,
        text=said.text,
        subject=subject.text,
        quoted=quoted.text,
        html=_masked_html(item.html, said.secrets | subject.secrets | quoted.secrets),
        category=text.shorten(text.clean(item.category).strip(), 200),
        sender=_tidy(item.sender),
        participants=tuple(_tidy(person) for person in item.participants),
        hints=(*item.hints, *(f"masked:{kind}" for kind in found)),
    )
    extras = Extras(
        language=item.language or language.guess(whole),
        urgency=rated.level,
        urgency_reasons=tuple(rated.reasons),
        facts={**item.facts, **facts.facts(whole, now=now, zone=zone)},
    )
    return masked, extras


def _masked_html(html: str, secrets: frozenset[str]) -> str:
    return redaction.mask_html(html, secrets).text if html else ""


def _tidy(person: Address) -> Address:
    name = text.shorten(text.clean(person.name), 200)
    return person if name == person.name else replace(person, name=name)


class _Parked(Exception):
    """This arrival ends here; `read` says why."""

    def __init__(self, waiting: Waiting, state: str, error: str) -> None:
        super().__init__(error)
        self.read = Read(arrival=waiting, opened=None, verdict=Verdict(id=waiting.id, state=state, error=error))


def _failed(waiting: Waiting, error: Exception) -> Read:
    """What a reader's error means for its arrival; of foreign errors only the class is kept."""
    if isinstance(error, base.Unreadable):
        return _Parked(waiting, "unreadable", str(error)).read
    if isinstance(error, ReadKilled):
        return _Parked(waiting, "failed", str(error)).read
    log.error("read.failed", arrival_id=ids.encode("arrival", waiting.id), **loops.trace(error))
    return _Parked(waiting, "failed", f"reading failed with {type(error).__name__}").read
