"""Two thousand letters in a mailbox, fetched by workers that die ten times: each letter once."""

import asyncio
import random
import smtplib
from email.message import EmailMessage
from pathlib import Path

import pytest

from omnidesk.domain import ids
from tests import story
from tests.servers import Dovecot, dovecot, sink
from tests.slow.fleet import fleet

MAILS, KILLS, SENDERS = 2_000, 10, 200


def letters(server: Dovecot, first: int, count: int) -> None:
    with smtplib.LMTP("127.0.0.1", server.lmtp_port, timeout=60) as client:
        for n in range(first, first + count):
            mail = EmailMessage()
            mail["From"], mail["To"] = f"c{n % SENDERS}@customer.example", "box@acme.example"
            mail["Subject"], mail["Message-ID"] = f"Letter {n}", f"<letter-{n}@customer.example>"
            mail.set_content(f"This is letter {n}")
            client.sendmail(str(mail["From"]), ["box"], mail.as_bytes())


@pytest.mark.slow
async def test_two_thousand_letters_and_ten_deaths(db_url: str, tmp_path: Path) -> None:
    chance = random.Random(7)
    with dovecot() as server:
        async with sink() as mailbox, fleet(db_url, tmp_path, workers=2, mailbox=mailbox) as desk:
            inbox = await story.email_inbox(
                desk.desk,
                "box@acme.example",
                imap_host="127.0.0.1",
                imap_port=server.port,
                imap_security="none",
                imap_username="box",
                imap_password="any",
                imap_after="seen",
            )

            async def begun() -> bool:
                sql = "SELECT cursor -> 'folders' -> 'INBOX' IS NOT NULL AS begun FROM inboxes WHERE id = $1"
                return bool(await desk.value(sql, ids.decode("inbox", inbox)))

            await story.until(begun, within_s=60)
            writing = asyncio.create_task(asyncio.to_thread(letters, server, 0, MAILS))
            killed = 0
            while killed < KILLS:
                for worker in desk.workers:  # also the one that holds the watch: its lease lapses
                    worker.kill()
                    await worker.gone()
                killed += 1
                await desk.start()
                await desk.start()
                before = await desk.value("SELECT count(*) FROM arrivals")
                enough = min(MAILS, before + chance.randrange(1, 150))

                async def came(wanted: int = enough) -> bool:
                    return bool(await desk.value("SELECT count(*) FROM arrivals") >= wanted)

                await story.until(came, within_s=120)
            await writing

            async def all_came() -> bool:
                return bool(await desk.value("SELECT count(*) FROM arrivals") >= MAILS)

            await story.until(all_came, within_s=180)
            await desk.all_read(within_s=180)
            assert await desk.states() == {"done": MAILS}
            assert await desk.value("SELECT count(*) FROM messages WHERE direction = 'in'") == MAILS
            assert await desk.value("SELECT count(*) FROM tickets") == MAILS
            said = await desk.rows("SELECT text FROM messages WHERE direction = 'in'")
            assert {row["text"].strip() for row in said} == {f"This is letter {n}" for n in range(MAILS)}
            assert desk.errors() == []
