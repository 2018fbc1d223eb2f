"""A desk behind its API: real database, real app, requests through ASGI; time is moved by hand."""

import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
from fastapi import FastAPI

from omnidesk.api.deps import Parts, Settings
from omnidesk.api.factory import create_api
from omnidesk.db import agents as agent_rows
from omnidesk.db import tables
from omnidesk.db.session import Database
from omnidesk.desk import access
from omnidesk.desk.accept import Door
from omnidesk.desk.access import KeyWish
from omnidesk.desk.feed import Feed
from omnidesk.desk.files import FileStore
from omnidesk.desk.inboxes import Channels
from omnidesk.desk.intake import Intake
from omnidesk.desk.reading import Reader
from omnidesk.desk.setup import found
from omnidesk.desk.vault import Vault
from omnidesk.domain import ids
from omnidesk.domain.people import SCOPES, SYSTEM, Role

PASSWORD = "ten green bottles hanging"
WHSEC = "whsec_" + "c2VjcmV0" * 5
SITE = "http://desk.test"


@dataclass
class Desk:
    """What the stories need of a desk."""

    app: FastAPI
    parts: Parts
    clients: AsyncExitStack
    moved: timedelta = field(default_factory=timedelta)
    emails: dict[UUID, str] = field(default_factory=dict)
    inbox_id: UUID | None = None

    @property
    def db(self) -> Database:
        return self.parts.db

    def later(self, **time: float) -> None:
        self.moved += timedelta(**time)

    def now(self) -> datetime:
        return datetime.now(UTC) + self.moved

    async def client(self, **headers: str) -> httpx.AsyncClient:
        """Somebody out there, without any sign-in; errors are answers, not exceptions."""
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
        client = httpx.AsyncClient(transport=transport, base_url=SITE, headers=headers)
        return await self.clients.enter_async_context(client)

    async def key(self, *scopes: str, **limits: Any) -> httpx.AsyncClient:
        """A program with an API key of these scopes (none named: all of them)."""
        secret = await self.secret(*scopes, **limits)
        return await self.client(authorization=f"Bearer {secret}")

    async def secret(self, *scopes: str, **limits: Any) -> str:
        wish = KeyWish(name="test", scopes=frozenset(scopes or SCOPES), **limits)
        _, secret = await access.create_key(self.db, self.new_id(), wish, SYSTEM, now=self.now())
        return secret

    async def agent(self, name: str, role: Role = Role.AGENT, queues: tuple[UUID, ...] = ()) -> UUID:
        agent_id = self.new_id()
        self.emails[agent_id] = f"{name.lower()}-{secrets.token_hex(3)}@acme.example"
        async with self.db.transaction() as tx:
            await agent_rows.insert(
                tx, agent_id, email=self.emails[agent_id], name=name, role=role, now=self.now(), language="en"
            )
            await agent_rows.set_queues(tx, agent_id, queues)
        return agent_id

    async def signed_in(self, agent_id: UUID) -> httpx.AsyncClient:
        """The agent's browser, with a session and the headers that browsers send for our own pages."""
        token = await access.make_link(self.db, agent_id, now=self.now())
        client = await self.client(**{"sec-fetch-site": "same-origin"})
        answer = await client.post("/v1/sessions/links", json={"token": token, "password": PASSWORD})
        assert answer.status_code == 201, answer.text
        return client

    async def queue(self) -> UUID:
        """The default queue."""
        async with self.db.connection() as tx:
            found: UUID = await tx.driver.fetchval("SELECT id FROM queues WHERE is_default")
        return found

    async def another_queue(self, name: str, *, open_to_all: bool = False) -> UUID:
        """A queue with a lead of its own; without anybody it would be open to all."""
        queue_id = self.new_id()
        async with self.db.connection() as tx:
            await tx.driver.execute(
                "INSERT INTO queues (id, name, calendar_id, position)"
                " SELECT $1, $2, calendar_id, 5 FROM queues LIMIT 1",
                queue_id,
                name,
            )
        if not open_to_all:
            await self.agent(f"Lead-{name}", queues=(queue_id,))
        return queue_id

    async def inbox(self, name: str = "API") -> str:
        """An inbox of the channel api."""
        admin = await self.key()
        answer = await admin.post(
            "/v1/inboxes",
            json={
                "channel": "api",
                "name": name,
                "config": {
                    "signing_secret": WHSEC,
                    "webhook_url": "https://shop.example/replies",
                    "webhook_secret": WHSEC,
                },
            },
        )
        assert answer.status_code == 201, answer.text
        inbox_id: str = answer.json()["id"]
        return inbox_id

    async def ticket(
        self,
        text: str = "Where is my order?",
        address: str = "ivan@customer.example",
        *,
        queue_id: UUID | None = None,
        **columns: Any,
    ) -> str:
        """A ticket with one message of a customer in a conversation that can be answered; its TypeID."""
        inbox_id = self.inbox_id = self.inbox_id or ids.decode("inbox", await self.inbox())
        contact, identity, ticket, conversation = (self.new_id() for _ in range(4))
        at = columns.pop("created_at", self.now())
        async with self.db.transaction() as tx:
            await tx.driver.execute("INSERT INTO contacts (id, name) VALUES ($1, 'Ivan')", contact)
            await tx.driver.execute(
                "INSERT INTO identities (id, kind, address, contact_id) VALUES ($1, 'email', $2, $3)"
                " ON CONFLICT (kind, realm, address) DO NOTHING",
                identity,
                address,
                contact,
            )
            identity = await tx.driver.fetchval("SELECT id FROM identities WHERE address = $1", address)
            values = {
                "id": ticket,
                "number": str(ticket.int % 10**12),
                "subject": text[:50],
                "channel": "api",
                "inbox_id": inbox_id,
                "requester_id": identity,
                "queue_id": queue_id or await self.queue(),
                "waiting_since": at,
                "created_at": at,
                "updated_at": at,
            }
            await tx.execute(tables.tickets.insert().values(**values | columns))
            await tx.driver.execute(
                "INSERT INTO conversations (id, inbox_id, thread_key, ticket_id, requester_id, token, last_inbound_at)"
                " VALUES ($1, $2, $3, $4, $5, $6, $7)",
                conversation,
                inbox_id,
                str(conversation),
                ticket,
                identity,
                secrets.token_hex(8),
                at,
            )
            await tx.driver.execute(
                "INSERT INTO participants (conversation_id, identity_id, role) VALUES ($1, $2, 'requester')",
                conversation,
                identity,
            )
            await tx.driver.execute(
                "INSERT INTO messages (id, conversation_id, direction, author, identity_id, text, at)"
                " VALUES ($1, $2, 'in', 'requester', $3, $4, $5)",
                self.new_id(),
                conversation,
                identity,
                text,
                at,
            )
        return ids.encode("ticket", ticket)

    async def count(self, table: str) -> int:
        async with self.db.connection() as tx:
            return int(await tx.driver.fetchval(f"SELECT count(*) FROM {table}"))

    def new_id(self) -> UUID:
        return ids.uuid7(int(self.now().timestamp() * 1000), secrets.token_bytes(10))


@pytest.fixture
async def desk(db: Database, db_url: str, tmp_path: Path) -> AsyncIterator[Desk]:
    vault = Vault([b"k" * 32])
    clock: list[Callable[[], datetime]] = []
    async with httpx.AsyncClient() as http, AsyncExitStack() as clients:
        channels = Channels(db, vault, http, domain="acme.example", fresh_s=0.0)
        door = Door(db, vault, wake=lambda: None)
        files = FileStore(tmp_path / "files")
        intake = Intake(db, door, channels, Reader(channels, vault, files))
        await found(db, zone="Europe/Moscow", country="RU", language="ru", now=datetime.now(UTC))
        parts = Parts(
            db=db,
            vault=vault,
            channels=channels,
            door=door,
            feed=Feed(db),
            intake=intake,
            files=files,
            settings=Settings(public_url=SITE, max_upload=200_000),
            now=lambda: clock[0](),
        )
        made = Desk(app=create_api(parts), parts=parts, clients=clients)
        clock.append(made.now)
        yield made
