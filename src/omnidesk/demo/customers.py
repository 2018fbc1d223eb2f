"""Simulated customers: they write, read what comes, and answer in the thread that it came in."""

import asyncio
import random
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.utils import parseaddr

from omnidesk.demo import outside
from omnidesk.demo.outside import Outside
from omnidesk.demo.pace import Pace
from omnidesk.demo.plays import AWAY, CHASING, PLAYS, Person, Play, people


@dataclass
class Case:
    """One customer with one matter."""

    play: Play
    person: Person
    answers: int = 0  # of agents, so far
    chased: bool = False


@dataclass
class Customers:
    """Everybody who writes to the desk by mail. The same seed gives the same people and matters in the same order."""

    support: str
    pace: Pace
    mail: Outside | None = None  # set once it is there
    cases: dict[str, Case] = field(default_factory=dict)  # by address
    errands: set[asyncio.Task[None]] = field(default_factory=set)

    async def come(self, chance: random.Random, stop: asyncio.Event) -> None:
        """One after another, until `stop`."""
        for case in _cases(chance):
            await self.pace.next_customer(stop)
            if stop.is_set():
                return
            self.cases[case.person.address] = case
            await self._opens(case, chance)

    async def _opens(self, case: Case, chance: random.Random) -> None:
        order = str(chance.randrange(10_000, 99_999))
        person, play = case.person, case.play
        text = play.says.replace("{name}", person.name).replace("{order}", order)
        mail = outside.letter(person.name, person.address, self.support, play.subject, text)
        if play.file.endswith(".png"):
            mail.add_attachment(picture(chance), maintype="image", subtype="png", filename=play.file)
        elif play.file:
            mail.add_attachment(f"Order {order}\nsent back, 1 parcel, 1.2 kg\n", filename=play.file)
        await self._posts(mail, person.address)

    async def gets(self, address: str, sender: str, mail: EmailMessage) -> None:
        """A mail from the desk is in somebody's mailbox."""
        case = self.cases.get(address)
        if case is not None:
            errand = asyncio.create_task(self._reacts(case, sender, mail))
            self.errands.add(errand)
            errand.add_done_callback(self.errands.discard)

    async def _reacts(self, case: Case, sender: str, mail: EmailMessage) -> None:
        person, play = case.person, case.play
        if mail["Auto-Submitted"] is not None:  # an acknowledgement: nobody answers it, but some cannot wait
            if play.habit == "chases" and not case.chased:
                case.chased = True
                await self.pace.chases()
                await self._answers(case, mail, CHASING[play.language])
            return
        turn = play.turns[case.answers] if case.answers < len(play.turns) else None
        case.answers += 1
        if play.habit == "is unknown":
            await self._posts(outside.bounce(person.address, sender, mail), "", to=sender)
        elif play.habit == "is away":
            robot = outside.automatic(person.name, person.address, mail, *AWAY[play.language])
            await self._posts(robot, "")
        elif turn is not None and turn.customer:
            await self.pace.reads()
            await self._answers(case, mail, turn.customer)

    async def _answers(self, case: Case, mail: EmailMessage, text: str) -> None:
        await self._posts(outside.reply(case.person.name, case.person.address, mail, text), case.person.address)

    async def _posts(self, mail: EmailMessage, sender: str, *, to: str = "") -> None:
        assert self.mail is not None
        await self.mail.brings(mail, sender=sender, to=to or parseaddr(str(mail["To"]))[1])


def _cases(chance: random.Random) -> Iterator[Case]:
    """People with their matters, in no order that repeats; a person comes back with another address each round."""
    round_ = 0
    while True:
        round_ += 1
        crowd = {language: people(language) for language in ("ru", "en")}
        for found in crowd.values():
            chance.shuffle(found)
        for play in chance.sample(PLAYS, len(PLAYS)):
            person = crowd[play.language].pop()
            address = person.address if round_ == 1 else person.address.replace("@", f"{round_}@")
            yield Case(play, Person(person.name, address, person.language))


def picture(chance: random.Random, width: int = 160, height: int = 100) -> bytes:
    """A small PNG: a screen with some windows."""
    rows = [bytearray(b"\xe8\xee\xf2" * width) for _ in range(height)]
    for _ in range(4):
        left, top = chance.randrange(width - 50), chance.randrange(height - 40)
        colour = bytes(chance.randrange(90, 220) for _ in range(3))
        for row in rows[top : top + 36]:
            row[left * 3 : (left + 48) * 3] = colour * 48
    pixels = zlib.compress(b"".join(b"\0" + row for row in rows))
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + b"".join(map(_chunk, (b"IHDR", b"IDAT", b"IEND"), (header, pixels, b"")))


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
