"""The story harness: a whole desk on loopback, as an operator would run it, and people who write to it.

Mail really travels: customers hand theirs to the desk's LMTP door (or to a Postfix before it), answers
arrive at a mail server of the test. Everything else goes through the REST API.
"""

import asyncio
import smtplib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from email.utils import format_datetime, make_msgid
from pathlib import Path
from typing import Any, cast
from uuid import UUID

import httpx
from pydantic import SecretStr

from omnidesk import app
from omnidesk.config import Settings
from omnidesk.db.session import Database
from omnidesk.desk import access, setup
from omnidesk.desk.access import KeyWish
from omnidesk.desk.new_ids import new_id
from omnidesk.domain import ids
from omnidesk.domain.people import SCOPES, SYSTEM
from tests.servers import Sink, free_port, sink

SUPPORT = "support@acme.example"
PATIENCE_S = 20.0
KEY = "a secret key of the tests that is long enough"


async def until(condition: Callable[[], Awaitable[Any]], *, within_s: float = PATIENCE_S) -> Any:
    """Ask again until the answer is true, and return it; AssertionError when it never is."""
    end = asyncio.get_running_loop().time() + within_s
    while True:
        if found := await condition():
            return found
        assert asyncio.get_running_loop().time() < end, f"still not so after {within_s} s"
        await asyncio.sleep(0.02)


@dataclass
class Agent:
    """Somebody who works here, with an API key of their own."""

    id: str
    name: str
    api: httpx.AsyncClient


@dataclass
class Desk:
    """A running desk and the world around it."""

    settings: Settings
    db: Database
    api: httpx.AsyncClient  # a program with all scopes
    mailbox: Sink  # where the desk's answers arrive
    inbox: str
    clients: list[httpx.AsyncClient] = field(default_factory=list)
    secret: str = ""

    # --- customers --------------------------------------------------------------------------------

    async def writes(
        self,
        sender: str,
        text: str,
        *,
        to: str | Sequence[str] = SUPPORT,
        subject: str = "Вопрос",
        answering: EmailMessage | None = None,
        name: str = "",
        cc: Sequence[str] = (),
        via: int | None = None,
        headers: dict[str, str] | None = None,
        files: Sequence[tuple[str, bytes]] = (),
        message_id: str | None = None,
    ) -> EmailMessage:
        """A customer writes a mail, or answers one; `via` is the port of a mail server before the desk."""
        recipients = [to] if isinstance(to, str) else list(to)
        mail = EmailMessage(policy=policy.SMTP)
        mail["From"] = f"{name} <{sender}>" if name else sender
        mail["Date"] = format_datetime(datetime.now(UTC))
        mail["Message-ID"] = message_id or make_msgid(domain=sender.rpartition("@")[2])
        if answering is not None:
            recipients = [str(answering["Reply-To"] or answering["From"])]
            subject = f"Re: {str(answering['Subject']).removeprefix('Re: ')}"
            mail["In-Reply-To"] = answering["Message-ID"]
            mail["References"] = f"{answering.get('References', '')} {answering['Message-ID']}".strip()
        mail["To"], mail["Subject"] = ", ".join(recipients), subject
        if cc:
            mail["Cc"] = ", ".join(cc)
        for header, value in (headers or {}).items():
            mail[header] = value
        mail.set_content(text)
        for filename, content in files:
            mail.add_attachment(content, maintype="application", subtype="octet-stream", filename=filename)
        await self.brings(mail.as_bytes(), sender, recipients, via=via)
        return mail

    async def brings(
        self, raw: bytes, sender: str, recipients: Sequence[str], *, via: int | None = None
    ) -> dict[str, tuple[int, bytes]]:
        """Hand a mail to the door (LMTP) or to a mail server before it; the recipients that were refused."""

        def hand_in() -> dict[str, tuple[int, bytes]]:
            if via is not None:
                with smtplib.SMTP("127.0.0.1", via, timeout=20) as client:
                    return client.sendmail(sender, list(recipients), raw)
            with smtplib.LMTP("127.0.0.1", self.settings.lmtp_port) as client:
                return client.sendmail(sender, list(recipients), raw)

        return await asyncio.to_thread(hand_in)

    def received(self, customer: str) -> list[EmailMessage]:
        """What reached a customer's mailbox so far."""
        return [
            message_from_bytes(content, policy=policy.default)
            for _, recipients, content in self.mailbox.mails
            if customer in recipients
        ]

    async def mail_to(self, customer: str, count: int = 1) -> EmailMessage:
        """Wait for the customer's mail number `count`."""

        async def arrived() -> bool:
            return len(self.received(customer)) >= count

        await until(arrived)
        return self.received(customer)[count - 1]

    # --- agents -----------------------------------------------------------------------------------

    async def agent(self, name: str, *, online: bool = True, **more: Any) -> Agent:
        """Somebody who works here, in every queue."""
        queues = [queue["id"] for queue in await self.get("/v1/queues")]
        body = {"name": name, "email": f"{name.lower()}@acme.example", "queue_ids": queues, **more}
        made = await self.post("/v1/agents", body)
        secret = await key_of(self.db, ids.decode("agent", made["id"]))
        api = client(self.settings, secret)
        self.clients.append(api)
        if online:
            answer = await api.put(f"/v1/agents/{made['id']}/presence", json={"status": "online"})
            assert answer.is_success, answer.text
        return Agent(id=made["id"], name=name, api=api)

    async def answers(self, agent: Agent, ticket: str, text: str, **more: Any) -> dict[str, Any]:
        answer = await agent.api.post(f"/v1/tickets/{ticket}/replies", json={"text": text, **more})
        assert answer.status_code == 201, answer.text
        return cast(dict[str, Any], answer.json())

    async def moves(self, agent: Agent, ticket: str, to: str) -> None:
        answer = await agent.api.post(f"/v1/tickets/{ticket}/transitions", json={"to": to}, headers={"If-Match": "*"})
        assert answer.is_success, answer.text

    # --- what is there ------------------------------------------------------------------------------

    async def get(self, path: str, **query: str) -> Any:
        answer = await self.api.get(path, params=query)
        assert answer.status_code == 200, answer.text
        body = answer.json()
        return body["data"] if isinstance(body, dict) and "data" in body else body

    async def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        answer = await self.api.post(path, json=body)
        assert answer.is_success, answer.text
        return cast(dict[str, Any], answer.json())

    async def tickets(self, count: int) -> list[dict[str, Any]]:
        """Wait until there are so many tickets; oldest first."""

        async def enough() -> list[dict[str, Any]] | None:
            found = cast(list[dict[str, Any]], await self.get("/v1/tickets", sort="created_at"))
            return found if len(found) >= count else None

        found = cast(list[dict[str, Any]], await until(enough))
        assert len(found) == count, [ticket["subject"] for ticket in found]
        return found

    async def ticket(self, ticket_id: str, **wanted: Any) -> dict[str, Any]:
        """Wait until a ticket reads so."""

        async def reads() -> dict[str, Any] | None:
            found = cast(dict[str, Any], await self.get(f"/v1/tickets/{ticket_id}"))
            return found if all(found.get(name) == value for name, value in wanted.items()) else None

        return cast(dict[str, Any], await until(reads))

    async def said(self, ticket_id: str) -> list[dict[str, Any]]:
        """The messages of a ticket in their order."""
        timeline = await self.get(f"/v1/tickets/{ticket_id}/timeline")
        return [entry for entry in timeline if entry.get("type") in {"message", "note"}]

    async def rows(self, sql: str, *values: object) -> list[dict[str, Any]]:
        async with self.db.connection() as tx:
            return [dict(row) for row in await tx.driver.fetch(sql, *values)]

    async def arrivals_done(self, count: int) -> None:
        """Wait until so many arrivals have their verdict."""

        async def done() -> bool:
            [row] = await self.rows("SELECT count(*) AS n FROM arrivals WHERE state <> 'new'")
            return bool(row["n"] >= count)

        await until(done)

    async def later(self, **time: float) -> None:
        """Time is moved by hand: everything that is due comes nearer."""
        async with self.db.transaction() as tx:
            for statement in (
                "UPDATE timers SET due_at = due_at - $1::interval",
                "UPDATE tickets SET resolved_at = resolved_at - $1::interval",
                "UPDATE outbox SET due_at = due_at - $1::interval WHERE state IN ('queued', 'deferred')",
            ):
                await tx.driver.execute(statement, timedelta(**time))


async def key_of(db: Database, agent_id: UUID | None = None) -> str:
    """The secret of a new API key with every scope; of an agent's own key when one is named."""
    wish = KeyWish(name="story", scopes=frozenset(SCOPES), agent_id=agent_id)
    _, secret = await access.create_key(db, new_id(), wish, SYSTEM, now=datetime.now(UTC))
    return secret


def client(settings: Settings, secret: str) -> httpx.AsyncClient:
    return httpx.AsyncClient(
        base_url=f"http://127.0.0.1:{settings.port}", headers={"Authorization": f"Bearer {secret}"}, timeout=20
    )


def settings_for(url: str, folder: Path) -> Settings:
    """A desk on free ports."""
    return Settings(
        database_url=url,
        data_dir=folder,
        files_dir=folder / "files",
        secret_key=SecretStr(KEY),
        port=free_port(),
        lmtp_port=free_port(),
        smtp_port=0,
        webhook_allow_loopback=True,
        _env_file=None,
    )


@asynccontextmanager
async def running(settings: Settings, *, workers: int = 1) -> AsyncIterator[None]:
    """The desk's processes, as tasks of this one."""
    stop = asyncio.Event()
    tasks = [asyncio.create_task(app.serve(settings, stop))]
    tasks += [asyncio.create_task(app.work(settings, stop)) for _ in range(workers)]
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{settings.port}") as http:

            async def up() -> bool:
                for task in tasks:
                    if task.done():
                        task.result()
                try:
                    return (await http.get("/health/ready")).is_success
                except httpx.TransportError:
                    return False

            await until(up)
        yield
    finally:
        stop.set()
        await asyncio.gather(*tasks)


@asynccontextmanager
async def desk(url: str, folder: Path, *, workers: int = 1, inbox: bool = True) -> AsyncIterator[Desk]:
    """A founded desk with the inbox support@acme.example, running."""
    settings, db = settings_for(url, folder), Database(url, size=3)
    await setup.found(db, zone="Europe/Moscow", country="RU", language="ru", now=datetime.now(UTC))
    secret = await key_of(db)
    async with sink() as mailbox, running(settings, workers=workers), client(settings, secret) as api:
        one = Desk(settings, db, api, mailbox, "", secret=secret)
        if inbox:
            one.inbox = await email_inbox(one)
        yield one
        for each in one.clients:
            await each.aclose()
    await db.close()


async def email_inbox(one: Desk, address: str = SUPPORT, **config: Any) -> str:
    made = await one.post(
        "/v1/inboxes",
        {
            "channel": "email",
            "name": "Support",
            "config": {
                "address": address,
                "name": "Acme",
                "smtp_host": "127.0.0.1",
                "smtp_port": one.mailbox.port,
                "smtp_security": "none",
                **config,
            },
        },
    )
    return str(made["id"])
