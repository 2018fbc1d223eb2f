"""A real Postfix delivers to the door: what it hears decides what it does next."""

import asyncio
import smtplib
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest

from omnidesk.channels.email.listener import Listener
from omnidesk.domain.messages import Arrival
from tests.channels.email.test_listener import Desk
from tests.servers import Postfix, free_port, postfix, until

MAIL = (
    b"From: anna@mail.example\r\nTo: support@acme.example\r\nSubject: hi\r\n"
    b"Date: Sun, 22 Nov 2026 10:00:00 +0000\r\nMessage-ID: <%s@mail.example>\r\n\r\nhello\r\n"
)
DOOR = free_port()


@pytest.fixture(scope="module")
def mta() -> Iterator[Postfix]:
    with postfix(DOOR) as server:
        yield server


@asynccontextmanager
async def door(desk: Desk) -> AsyncIterator[Listener]:
    listener = Listener(desk.find_inbox, desk.deliver)
    await listener.start(port=DOOR)
    yield listener
    desk.slow.set()
    await listener.stop()


async def post(mta: Postfix, name: str, *recipients: str) -> bytes:
    """Somebody out there hands a mail to our Postfix; gives what was sent."""
    content = MAIL % name.encode()

    def send() -> None:
        with smtplib.SMTP("127.0.0.1", mta.port, timeout=10) as client:
            client.sendmail("anna@mail.example", recipients, content)

    await asyncio.to_thread(send)
    return content


def body_of(arrival: Arrival) -> bytes:
    return arrival.body[arrival.body.index(b"From: anna") :]


async def retried(mta: Postfix, name: str, times: int) -> None:
    """Wait until Postfix has noted so many tries of a mail; a queue run is asked for as long."""

    def tried() -> bool:
        mta.flush()
        [queue_id] = {
            line.split("]: ")[1].split(":")[0] for line in mta.log().splitlines() if f"message-id=<{name}@" in line
        }
        return sum(f"{queue_id}: to=" in line and "status=deferred" in line for line in mta.log().splitlines()) >= times

    await until(tried)


async def test_one_recipient_is_taken_and_the_unknown_one_bounces_alone(mta: Postfix) -> None:
    desk = Desk()
    async with door(desk):
        sent = await post(mta, "two", "support+abcd2345@acme.example", "nobody@acme.example")
        await until(lambda: desk.kept and "550 5.1.1" in mta.log())

    [arrival] = desk.kept.values()
    assert body_of(arrival) == sent
    assert arrival.meta["rcpt_to"] == '["support+abcd2345@acme.example"]'
    assert "to=<support+abcd2345@acme.example>" in mta.log()
    assert any("nobody@acme.example" in line and "status=bounced" in line for line in mta.log().splitlines())


async def test_postfix_keeps_the_mail_while_the_database_is_away(mta: Postfix) -> None:
    desk = Desk()
    desk.away = {"inb_1"}
    async with door(desk):
        sent = await post(mta, "away", "support@acme.example")
        await retried(mta, "away", 2)
        assert not desk.kept

        desk.away.clear()
        mta.flush()
        await until(lambda: desk.kept)

    assert [body_of(arrival) for arrival in desk.kept.values()] == [sent]


async def test_a_connection_that_dies_after_the_dot_makes_no_second_mail(mta: Postfix) -> None:
    desk = Desk()
    desk.slow.clear()
    async with door(desk) as listener:
        await post(mta, "dies", "support@acme.example")
        await until(lambda: desk.deliveries)
        for session in list(listener.sessions):
            session.abort()
        await until(lambda: not listener.sessions)
        desk.slow.set()
        await until(lambda: desk.kept)
        await retried(mta, "dies", 1)
        mta.flush()
        await until(lambda: desk.deliveries == 2 and not mta.waiting())

    assert len(desk.kept) == 1


async def test_nothing_listens_and_nothing_is_lost(mta: Postfix) -> None:
    sent = await post(mta, "later", "support@acme.example", "sales@acme.example")
    await retried(mta, "later", 2)

    desk = Desk()
    async with door(desk):
        mta.flush()
        await until(lambda: len(desk.kept) == 2 and not mta.waiting())

    assert {body_of(arrival) for arrival in desk.kept.values()} == {sent}
    assert {inbox for inbox, _ in desk.kept} == {"inb_1", "inb_2"}
