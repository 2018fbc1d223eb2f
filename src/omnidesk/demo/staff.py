"""The people who work at the demo's desk, and its inbox: made, and at work, through the REST API alone."""

import asyncio
import json
import os
import secrets
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

import httpx

from omnidesk.demo.pace import Pace
from omnidesk.demo.plays import filled, is_thanks, play_of
from omnidesk.domain.errors import DeskError

ADMIN = "admin@acme.example"
SUPPORT = "support@acme.example"
AGENTS = (("Ольга", "olga", "ru"), ("Пётр", "petr", "ru"), ("Emma", "emma", "en"))
CAPACITY = 4
PRESENT_S = 30.0  # who says nothing for two minutes is taken for gone
LOOK_S = 1.0
PAYMENTS = 'text contains "возврат" or text contains "деньги" or text contains "refund" or text contains "payment"'


def client(url: str, secret: str = "") -> httpx.AsyncClient:
    """For a key, or for a session when there is none."""
    headers = {"Authorization": f"Bearer {secret}"} if secret else {"Origin": url}
    return httpx.AsyncClient(base_url=url, headers=headers, trust_env=False, timeout=20)


class Refusal(DeskError):
    """The desk's API said no to the demo, which should not be."""

    code = "refused"


async def call(api: httpx.AsyncClient, method: str, path: str, body: Any = None, **query: str) -> Any:
    """One call of the API, its answer as JSON. Raises Refusal."""
    headers = {"If-Match": "*"} if method == "PATCH" or path.endswith("/transitions") else {}
    answer = await api.request(method, path, json=body, params=query, headers=headers)
    if answer.is_error:
        raise Refusal(f"{method} {path} was answered with {answer.text}")
    return answer.json() if answer.content else None


def language() -> Literal["ru", "en"]:
    """Of the one who started the demo, as the shell says."""
    return "ru" if os.environ.get("LANG", "").startswith("ru") else "en"


@dataclass(frozen=True, slots=True)
class Entry:
    """How a person signs in at the demo's desk."""

    email: str
    password: str


async def administrator(url: str, link: str | None, kept: Path) -> tuple[Entry, str]:
    """The administrator, by the one-time link of a new desk or as kept from the last time; and a key of all scopes."""
    known = json.loads(kept.read_text()) if kept.exists() else {"password": secrets.token_urlsafe(12)}
    entry = Entry(ADMIN, known["password"])
    async with client(url) as api:
        if link and not kept.exists():
            _keep(kept, known)
            words = {"token": link.rpartition("/")[2].rpartition("#")[2], "email": entry.email, "name": "Administrator"}
            await call(api, "POST", "/v1/sessions/links", words | {"password": entry.password})
        else:
            await call(api, "POST", "/v1/sessions", {"email": entry.email, "password": entry.password})
        me = await call(api, "GET", "/v1/me")
        key = await call(api, "POST", "/v1/keys", {"name": "demo", "scopes": me["scopes"]})
        if me["language"] != language():
            await call(api, "PATCH", f"/v1/agents/{me['agent_id']}", {"language": language()})
    return entry, key["secret"]


def _keep(path: Path, known: dict[str, str]) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        json.dump(known, file)


async def furnish(api: httpx.AsyncClient, outgoing: int) -> None:
    """Two queues, and an inbox whose answers leave by the mail server at the port `outgoing`."""
    calendar = (await call(api, "GET", "/v1/calendars"))["data"][0]["id"]
    if not await _named(api, "/v1/queues", "name", "Payments"):
        queue = {"name": "Payments", "calendar_id": calendar, "position": 0, "match": PAYMENTS}
        await call(api, "POST", "/v1/queues", queue)
    config = {"smtp_host": "127.0.0.1", "smtp_port": outgoing, "smtp_security": "none"}
    inbox = await _named(api, "/v1/inboxes", "realm", SUPPORT)
    if inbox is None:
        config |= {"address": SUPPORT, "name": "Acme Support"}
        await call(api, "POST", "/v1/inboxes", {"channel": "email", "name": "Support", "config": config})
    elif inbox["config"]["smtp_port"] != outgoing:
        await call(api, "PATCH", f"/v1/inboxes/{inbox['id']}", {"config": config})


async def _named(api: httpx.AsyncClient, path: str, field: str, value: str) -> dict[str, Any] | None:
    found = (await call(api, "GET", path))["data"]
    return next((cast(dict[str, Any], one) for one in found if one[field] == value), None)


@dataclass(slots=True)
class Agent:
    """A simulated agent with a key of their own."""

    id: str
    key_id: str
    name: str
    api: httpx.AsyncClient
    pace: Pace

    async def works(self, stop: asyncio.Event, woken: asyncio.Event) -> None:
        """Answer what is assigned and waits, oldest first, until `stop`; `woken` says that there is something new."""
        present = asyncio.create_task(self._stays(stop))
        try:
            while not stop.is_set():
                ticket = await self._next()
                if ticket is not None:
                    await self.pace.thinks()
                    await self._serves(ticket["id"])
                    continue
                woken.clear()
                with suppress(TimeoutError):
                    await asyncio.wait_for(woken.wait(), LOOK_S)
        finally:
            present.cancel()

    async def _stays(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            await call(self.api, "PUT", f"/v1/agents/{self.id}/presence", {"status": "online"})
            await asyncio.sleep(PRESENT_S)

    async def _next(self) -> dict[str, Any] | None:
        query = {"assignee": "me", "status": "new,open", "sort": "updated_at"}
        tickets = (await call(self.api, "GET", "/v1/tickets", **query))["data"]
        return next((ticket for ticket in tickets if ticket["waiting_since"]), None)

    async def _serves(self, ticket_id: str) -> None:
        ticket = await call(self.api, "GET", f"/v1/tickets/{ticket_id}", include="contact")
        if ticket["waiting_since"] is None or ticket["assignee_id"] != self.id:
            return  # a colleague was faster
        said = (await call(self.api, "GET", f"/v1/tickets/{ticket_id}/timeline", limit="200"))["data"]
        messages = [one for one in said if one["type"] == "message" and not one["automatic"]]
        heard = [one for one in messages if one["direction"] == "in"]
        answers = len(messages) - len(heard)
        turns = play_of(ticket["subject"], ticket["language"]).turns
        if answers and heard and is_thanks(heard[-1]["text"]):
            await call(self.api, "POST", f"/v1/tickets/{ticket_id}/transitions", {"to": "resolved"})
            return
        turn = turns[min(answers, len(turns) - 1)]
        text = filled(turn.agent, name=ticket["contact"]["name"], first=heard[0]["text"] if heard else "")
        await call(
            self.api, "POST", f"/v1/tickets/{ticket_id}/replies",
            {"text": f"{text}\n\n{self.name}, Acme Support", "status_after": turn.then},
        )  # fmt: skip


async def agents(api: httpx.AsyncClient, url: str, pace: Pace) -> list[Agent]:
    """Everybody who works here, made at the first time, each with a new personal key."""
    queues = [queue["id"] for queue in (await call(api, "GET", "/v1/queues"))["data"]]
    found = []
    for name, mailbox, speaks in AGENTS:
        email = f"{mailbox}@acme.example"
        one = await _named(api, "/v1/agents", "email", email)
        if one is None:
            wish = {"email": email, "name": name, "language": speaks, "capacity": CAPACITY, "queue_ids": queues}
            one = await call(api, "POST", "/v1/agents", wish)
        scopes = ["tickets:read", "tickets:write", "messages:write", "events:read"]
        key = await call(api, "POST", "/v1/keys", {"name": f"demo {name}", "scopes": scopes, "agent_id": one["id"]})
        found.append(Agent(one["id"], key["id"], name, client(url, key["secret"]), pace))
    return found
