"""What is going on at the demo's desk, a line for each event, as its own feed tells it."""

import asyncio
import json
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import httpx
import typer

from omnidesk.demo.staff import call

AGAIN_S = 0.5
SUBJECT = 40  # characters of it that are shown


@dataclass
class News:
    """Follows the feed from its beginning for this process, tells it, counts it, and wakes who waits for work."""

    api: httpx.AsyncClient
    after: int
    names: dict[str, str]  # of agents, by their ids and those of their keys
    counts: Counter[str] = field(default_factory=Counter)
    waiting: list[asyncio.Event] = field(default_factory=list)
    _tickets: dict[str, dict[str, Any]] = field(default_factory=dict)

    async def follow(self) -> None:
        """Until cancelled; comes back after a break where it was."""
        while True:
            with suppress(httpx.HTTPError):
                await self._listen()
            await asyncio.sleep(AGAIN_S)

    async def _listen(self) -> None:
        query = {"after": str(self.after)}
        timeout = httpx.Timeout(20, read=60)
        async with self.api.stream("GET", "/v1/events/stream", params=query, timeout=timeout) as stream:
            stream.raise_for_status()
            async for line in stream.aiter_lines():
                if line.startswith("data: "):
                    event = json.loads(line.removeprefix("data: "))
                    await self._tell(event)
                    self.after = event["seq"]

    async def _tell(self, event: dict[str, Any]) -> None:
        for one in self.waiting:
            one.set()
        words = await self._words(event) if event["ticket_id"] else None
        if words:
            at = datetime.fromisoformat(event["at"]).astimezone()
            number = self._tickets[event["ticket_id"]]["number_shown"]
            typer.echo(f"{at:%H:%M:%S}  {number}  {words}")

    async def _words(self, event: dict[str, Any]) -> str | None:
        """None for what needs no line. Counts what it tells."""
        data, ticket = event["data"], await self._ticket(event["ticket_id"])
        match event["type"]:
            case "ticket.created":
                kind, words = "new", f"new: {_who(ticket)}, “{ticket['subject'][:SUBJECT]}”"
            case "ticket.assigned":
                kind, words = "assigned", f"assigned to {self._name(event['subject_id'])}"
            case "message.created" if not data.get("automatic"):
                kind, words = "answered", f"{self._name(event['actor'].partition(':')[2])} answers"
            case "message.created":
                kind, words = "acknowledged", "acknowledged, with its number and a date"
            case "message.received" if data.get("automatic"):
                kind, words = "robots", f"a robot writes for {_who(ticket)}: no answer to robots"
            case "message.received" if ticket["heard"]:
                kind, words = "written", f"{_who(ticket)} writes again"
            case "ticket.status_changed" if data.get("to") in {"pending", "resolved"}:
                kind = data["to"]
                words = "waits for the customer (pending)" if kind == "pending" else "resolved"
            case "delivery.changed" if data["to"] in {"bounced", "rejected", "unknown", "deferred"}:
                kind, words = data["to"], f"an answer is {data['to']}: the ticket shows it"
            case _:
                kind, words = "", ""
        ticket["heard"] |= event["type"] == "message.received"
        self.counts[kind] += bool(kind)
        return words or None

    async def _ticket(self, ticket_id: str) -> dict[str, Any]:
        if ticket_id not in self._tickets:
            found = await call(self.api, "GET", f"/v1/tickets/{ticket_id}", include="contact")
            self._tickets[ticket_id] = found | {"heard": False}
        return self._tickets[ticket_id]

    def _name(self, who: str | None) -> str:
        return self.names.get(who or "", "somebody")

    def summary(self) -> str:
        """What there was in one line."""
        shown = ("new", "acknowledged", "assigned", "answered", "pending", "resolved", "bounced")
        return ", ".join(f"{self.counts[kind]} {kind}" for kind in shown)


def _who(ticket: dict[str, Any]) -> str:
    return str(ticket["contact"]["name"] or ticket["contact"]["address"])
