"""A desk with one customer, for tests of the way out, and a platform that behaves as it is told."""

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from omnidesk.channels import base
from omnidesk.db import inboxes
from omnidesk.db.inboxes import Inbox
from omnidesk.db.session import Database
from omnidesk.desk.deliver import Deliverer
from omnidesk.desk.sending import Messages
from omnidesk.domain.messages import Arrival, Item, Outbound, Part, Sent
from omnidesk.domain.people import Actor, Role

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
Behaviour = Callable[[base.BeforeCall], Awaitable[Sent]]


class ScriptedConfig(base.InboxConfig):
    account: str = ""


class Scripted:
    """A platform on which messages take 20 characters a call. `script` says what each call does; empty: it is taken."""

    def __init__(self, config: ScriptedConfig, tools: base.Tools) -> None:
        self.script: list[Behaviour] = []
        self.taken: list[tuple[Outbound, Part]] = []

    def read(self, arrival: Arrival) -> list[Item]:
        raise base.Unreadable("nothing comes in here")

    def split(self, message: Outbound) -> list[Part]:
        texts = [message.text[at : at + 20] for at in range(0, max(1, len(message.text)), 20)]
        return [Part(index=n, count=len(texts), text=text) for n, text in enumerate(texts)]

    async def send(self, message: Outbound, part: Part, before_call: base.BeforeCall) -> Sent:
        if self.script:
            behaviour = self.script.pop(0)
            sent = await behaviour(before_call)
        else:
            await before_call()
            sent = Sent(external_id=f"{message.message_ref}:{part.index}:{secrets.token_hex(2)}", realm="scripted")
        self.taken.append((message, part))
        return sent

    @property
    def texts(self) -> list[str]:
        return [part.text for _, part in self.taken]


def fails(error: Exception, *, after_call: bool = False) -> Behaviour:
    async def behave(before_call: base.BeforeCall) -> Sent:
        if after_call:
            await before_call()
        raise error

    return behave


def waits(begun: asyncio.Event, go: asyncio.Event, *, after_call: bool = True) -> Behaviour:
    """Begins the call, says so, and answers when told."""

    async def behave(before_call: base.BeforeCall) -> Sent:
        if after_call:
            await before_call()
        begun.set()
        await go.wait()
        if not after_call:
            await before_call()
        return Sent(external_id=f"late:{secrets.token_hex(4)}", realm="scripted")

    return behave


@dataclass(frozen=True)
class Opened:
    inbox: Inbox
    manifest: base.Manifest
    config: base.InboxConfig
    channel: Any


@dataclass
class FewChannels:
    """The inboxes of a test, open."""

    db: Database
    channels: dict[UUID, tuple[base.Manifest, Any]] = field(default_factory=dict)

    async def get(self, inbox_id: UUID) -> Opened:
        async with self.db.connection() as tx:
            inbox = await inboxes.read(tx, inbox_id)
        assert inbox is not None
        manifest, channel = self.channels[inbox_id]
        return Opened(inbox, manifest, getattr(channel, "config", ScriptedConfig()), channel)


class Folder:
    def path(self, sha256: bytes) -> Path:
        return Path("/nowhere") / sha256.hex()


def manifest_of(channel: type[Any], **more: Any) -> base.Manifest:
    return base.Manifest(name="scripted", title="Scripted", config=ScriptedConfig, build=channel, **more)


@dataclass
class Outgoing:
    """A desk with a queue, an agent and one inbox of the scripted platform."""

    db: Database
    channels: FewChannels
    queue_id: UUID = field(default_factory=uuid4)
    inbox_id: UUID = field(default_factory=uuid4)
    agent: Actor = field(
        default_factory=lambda: (lambda i: Actor(kind="agent", id=i, agent_id=i, name="Olena", role=Role.AGENT))(
            uuid4()
        )
    )
    platform: Scripted = field(default_factory=lambda: Scripted(ScriptedConfig(), base.Tools(http=None, inbox_id="")))  # type: ignore[arg-type]
    numbers: int = 0

    async def make(self, **manifest: Any) -> "Outgoing":
        calendar = uuid4()
        await self.sql("INSERT INTO calendars (id, name, hours) VALUES ($1, 'c', '{}')", calendar)
        await self.sql("INSERT INTO queues (id, name, calendar_id) VALUES ($1, 'q', $2)", self.queue_id, calendar)
        await self.sql("INSERT INTO agents (id, email, name) VALUES ($1, 'o@acme.example', 'Olena')", self.agent.id)
        await self.add_inbox(self.inbox_id, self.platform, manifest_of(Scripted, **manifest))
        return self

    async def add_inbox(
        self, inbox_id: UUID, channel: Any, manifest: base.Manifest, *, addresses: tuple[str, ...] = ()
    ) -> None:
        await self.sql(
            "INSERT INTO inboxes (id, channel, name, queue_id) VALUES ($1, $2, 'Acme', $3)",
            inbox_id,
            manifest.name,
            self.queue_id,
        )
        for address in addresses:
            await self.sql("INSERT INTO inbox_addresses (address, inbox_id) VALUES ($1, $2)", address, inbox_id)
        self.channels.channels[inbox_id] = (manifest, channel)

    async def sql(self, statement: str, *values: Any) -> list[Any]:
        async with self.db.transaction() as tx:
            return list(await tx.driver.fetch(statement, *values))

    async def person(self, address: str, kind: str = "scripted") -> UUID:
        contact, identity = uuid4(), uuid4()
        await self.sql("INSERT INTO contacts (id) VALUES ($1)", contact)
        await self.sql(
            "INSERT INTO identities (id, kind, address, name, contact_id) VALUES ($1, $2, $3, $3, $4)",
            identity,
            kind,
            address,
            contact,
        )
        return identity

    async def ticket(self, requester: UUID, status: str = "open") -> UUID:
        self.numbers += 1
        ticket = uuid4()
        await self.sql(
            """
            INSERT INTO tickets (id, number, status, subject, channel, requester_id, queue_id, waiting_since)
            VALUES ($1, $2, $3, 'Refund', 'scripted', $4, $5, $6)
            """,
            ticket,
            f"{self.numbers:09}",
            status,
            requester,
            self.queue_id,
            NOON,
        )
        return ticket

    async def conversation(
        self,
        ticket: UUID,
        requester: UUID,
        *,
        inbox_id: UUID | None = None,
        private: bool = True,
        heard_at: datetime = NOON,
    ) -> UUID:
        conversation = uuid4()
        await self.sql(
            """
            INSERT INTO conversations
                   (id, inbox_id, thread_key, ticket_id, requester_id, private, token, last_inbound_at)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
            """,
            conversation,
            inbox_id or self.inbox_id,
            str(conversation),
            ticket,
            requester,
            private,
            conversation.hex[:16],
            heard_at,
        )
        return conversation

    async def hears(self, conversation: UUID, author: UUID, text: str, *, ref: str = "", minute: int = 0) -> UUID:
        message = uuid4()
        await self.sql(
            """
            INSERT INTO messages (id, conversation_id, direction, author, identity_id, text, at)
            VALUES ($1, $2, 'in', 'requester', $3, $4, $5)
            """,
            message,
            conversation,
            author,
            text,
            NOON + timedelta(minutes=minute),
        )
        if ref:
            await self.sql("INSERT INTO message_refs VALUES ('mail', $1, 'ivan@client.example', $2)", ref, message)
        return message

    async def ivan(self) -> tuple[UUID, UUID]:
        """(ticket, conversation) of a new customer who wrote."""
        who = await self.person(f"ivan-{secrets.token_hex(3)}")
        ticket = await self.ticket(who)
        conversation = await self.conversation(ticket, who)
        await self.hears(conversation, who, "Where is my refund?")
        return ticket, conversation

    def deliverer(self, **more: Any) -> Deliverer:
        return Deliverer(self.db, {"message": Messages(self.db, self.channels, Folder())}, **more)

    async def rows(self) -> list[Any]:
        return await self.sql("SELECT * FROM outbox ORDER BY id")

    async def states(self) -> list[str]:
        return [row["state"] for row in await self.rows()]

    async def delivery_states(self) -> list[str]:
        return [row["state"] for row in await self.sql("SELECT state FROM deliveries ORDER BY id")]

    async def later(self, **time: float) -> None:
        """Let so much time pass for everything that waits: the clock of leases and retries is the database's."""
        ago = timedelta(**time)
        await self.sql(
            """
            UPDATE outbox SET due_at = due_at - $1::interval, tried_at = tried_at - $1::interval,
                   until = until - $1::interval
            """,
            ago,
        )
        await self.sql(
            "UPDATE circuits SET open_until = open_until - $1::interval, probing_until = probing_until - $1::interval",
            ago,
        )
        await self.sql("UPDATE rate_limits SET updated_at = updated_at - $1::interval", ago)
