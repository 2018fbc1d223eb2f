"""How fast the people of the demo are."""

import asyncio
import random
from contextlib import suppress
from dataclasses import dataclass

FAST = 0.1


@dataclass(frozen=True, slots=True)
class Pace:
    """Waits of people, in seconds of a calm afternoon times `factor`."""

    chance: random.Random
    factor: float = 1.0

    async def next_customer(self, stop: asyncio.Event) -> None:
        """Until the next one writes, or `stop`."""
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), self._between(4, 9))

    async def chases(self) -> None:
        """A customer who cannot wait for the answer."""
        await asyncio.sleep(self._between(1, 2))

    async def reads(self) -> None:
        """A customer reads an answer and writes his own."""
        await asyncio.sleep(self._between(3, 7))

    async def thinks(self) -> None:
        """An agent reads a ticket and writes the answer."""
        await asyncio.sleep(self._between(3, 8))

    def _between(self, least: float, most: float) -> float:
        return self.chance.uniform(least, most) * self.factor
