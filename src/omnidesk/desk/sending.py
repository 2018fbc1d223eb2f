"""Calls of kind `message`: one part of one delivery, made through the channel of its inbox."""

from dataclasses import dataclass
from typing import Any, Protocol
from uuid import UUID

from omnidesk.channels import base
from omnidesk.channels.base import BeforeCall, SendRejected
from omnidesk.db import deliveries, outbox, rates, sending
from omnidesk.db.inboxes import Inbox
from omnidesk.db.outbox import Result, Row
from omnidesk.db.session import Database, Tx
from omnidesk.desk import settle
from omnidesk.domain.messages import Outbound, OutFile, Part, Ref, Sent


class Opened(Protocol):
    """An inbox with its channel."""

    @property
    def inbox(self) -> Inbox: ...
    @property
    def manifest(self) -> base.Manifest: ...
    @property
    def config(self) -> base.InboxConfig: ...
    @property
    def channel(self) -> Any: ...


class Channels(Protocol):
    async def get(self, inbox_id: UUID) -> Opened:
        """Raises NotFound."""
        ...


class Files(Protocol):
    def path(self, sha256: bytes) -> Any:
        """Where the bytes of a stored file lie."""
        ...


@dataclass
class Messages:
    """Calls of kind `message`: one part of one delivery through the channel of its inbox."""

    db: Database
    channels: Channels
    files: Files

    async def rate(self, row: Row) -> rates.Rate | None:
        if row.inbox_id is None:
            return None
        try:
            manifest = (await self.channels.get(row.inbox_id)).manifest
        except Exception:
            return None  # the call itself will say what is wrong with its inbox
        return rates.Rate(manifest.per_second, manifest.burst) if manifest.per_second else None

    async def send(self, row: Row, before_call: BeforeCall) -> Sent:
        assert row.inbox_id is not None
        opened = await self.channels.get(row.inbox_id)
        async with self.db.connection() as tx:
            loaded = await sending.load(tx, row.subject_id)
        if loaded is None:
            raise SendRejected("This message was deleted before it was sent.")
        if not isinstance(opened.channel, base.Answering):
            raise SendRejected("This channel cannot answer.")
        sent: Sent = await opened.channel.send(outbound(loaded, opened.inbox, self.files), part_of(row), before_call)
        return sent

    async def record(self, tx: Tx, row: Row, result: Result, sent: Sent | None) -> bool:
        await deliveries.lock_tickets(tx, [row.subject_id])
        if not await outbox.finish(tx, row, result):
            return False
        if result.state == "rejected":
            await outbox.reject_rest(tx, row.subject_id, "An earlier part of this message was refused.")
        messages = await deliveries.messages_of(tx, [row.subject_id])
        if sent and sent.external_id and row.subject_id in messages:
            await self._refer(tx, messages[row.subject_id], sent)
        await settle.tell(tx, await deliveries.refresh(tx, [row.subject_id]))
        await self._note_health(tx, row, result)
        return True

    async def _refer(self, tx: Tx, message_id: UUID, sent: Sent) -> None:
        """Remember the id that the platform gave, unless the message is known by it already (a mail's own id)."""
        if not await deliveries.known_as(tx, message_id, sent.realm, sent.external_id):
            await deliveries.add_refs(tx, [(Ref(realm=sent.realm, external_id=sent.external_id), message_id)])

    async def _note_health(self, tx: Tx, row: Row, result: Result) -> None:
        if row.inbox_id is None:
            return
        if result.state == "sent" and await deliveries.note_sent(tx, row.inbox_id):
            await settle.tell_health(tx, row.inbox_id, "send", "ok", None)
        if result.state == "queued" and result.error:
            await settle.health(tx, row.inbox_id, "send", "needs_reauth", result.error)


def part_of(row: Row) -> Part:
    part = dict(row.part)
    return Part(**{**part, "files": tuple(part.get("files", ()))})


def outbound(loaded: sending.Loaded, inbox: Inbox, files: Files) -> Outbound:
    """A delivery as its channel sees it."""
    return Outbound(
        delivery_id=loaded.delivery_id,
        message_ref=loaded.message_ref,
        to=loaded.to,
        cc=loaded.cc,
        text=loaded.text,
        html=loaded.html,
        subject=loaded.subject,
        from_name=loaded.agent_name or inbox.name,
        thread_key=loaded.thread_key if loaded.conversation_inbox_id == inbox.id else "",
        reply_token=loaded.token,
        in_reply_to=loaded.answers,
        references=loaded.references,
        quoted=loaded.quoted,
        files=tuple(
            OutFile(
                name=each.name,
                content_type=each.content_type,
                size=each.size,
                path=str(files.path(each.sha256)),
            )
            for each in loaded.files
        ),
        automatic=loaded.automatic,
        language=loaded.language,
        ticket_number=loaded.ticket_number,
        created_at=loaded.created_at,
    )
