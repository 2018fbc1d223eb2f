"""Somebody who follows the feed of events through connections that break."""

import asyncio
import random
from dataclasses import dataclass, field

import httpx

from omnidesk.config import Settings
from tests import story


@dataclass
class Follower:
    """Reads `GET /v1/events/stream` from the beginning, hangs up at random and comes back with the last id."""

    settings: Settings
    secret: str
    rng: random.Random
    seen: list[int] = field(default_factory=list)
    connections: int = 0

    async def run(self) -> None:
        async with story.client(self.settings, self.secret) as http:
            while True:
                try:
                    await self._follow(http, self.rng.randrange(1, 400))
                except httpx.HTTPError:
                    await asyncio.sleep(0.1)

    async def _follow(self, http: httpx.AsyncClient, most: int) -> None:
        back = {"Last-Event-ID": str(self.seen[-1])} if self.seen else {}
        async with http.stream("GET", "/v1/events/stream", params={"after": 0}, headers=back, timeout=30) as answer:
            answer.raise_for_status()
            self.connections += 1
            number = 0
            async for line in answer.aiter_lines():
                if line.startswith("id: "):
                    number = int(line[4:])
                elif line.startswith("data: "):
                    self.seen.append(number)
                    most -= 1
                    if most == 0:
                        return
