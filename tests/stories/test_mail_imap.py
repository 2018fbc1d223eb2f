"""A mailbox at somebody else's server: every letter once, whatever happens to it, to us and between us."""

import asyncio
import imaplib
import os
import smtplib
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from email.message import EmailMessage
from typing import Any
from uuid import uuid4

import aioimaplib
import pytest

from omnidesk.domain import ids
from tests import story
from tests.servers import Dovecot, dovecot
from tests.story import Desk, until

IVAN = "ivan@customer.example"


@pytest.fixture(scope="module")
def server() -> Iterator[Dovecot]:
    with dovecot() as running:
        yield running


@pytest.fixture
def user() -> str:
    return f"u{uuid4().hex[:8]}"


async def letter(server: Dovecot, user: str, subject: str, *, sender: str = IVAN, text: str = "Hello") -> EmailMessage:
    """A customer's letter comes into the mailbox."""
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = sender, "box@acme.example", subject
    mail["Message-ID"] = f"<{uuid4().hex}@customer.example>"
    mail.set_content(text)

    def send() -> None:
        with smtplib.LMTP("127.0.0.1", server.lmtp_port, timeout=20) as client:
            client.sendmail(sender, [user], mail.as_bytes())

    await asyncio.to_thread(send)
    return mail


@asynccontextmanager
async def reader(server: Dovecot, user: str) -> AsyncIterator[aioimaplib.IMAP4]:
    """Another mail program of the same mailbox."""
    client = aioimaplib.IMAP4("127.0.0.1", server.port)
    await client.wait_hello_from_server()
    await client.login(user, "any")
    await client.select("INBOX")
    yield client
    await client.logout()


async def mailbox(desk: Desk, server: Dovecot, user: str, **config: Any) -> str:
    """An inbox that fetches; returned once it has looked for the first time."""
    inbox = await story.email_inbox(
        desk,
        "box@acme.example",
        imap_host="127.0.0.1",
        imap_port=server.port,
        imap_security="none",
        imap_username=user,
        imap_password="any",
        **config,
    )

    async def begun() -> bool:
        [row] = await desk.rows("SELECT cursor FROM inboxes WHERE id = $1", ids.decode("inbox", inbox))
        return len(row["cursor"].get("folders", {})) == len(config.get("imap_folders", ["INBOX"]))

    await until(begun)
    return inbox


async def turn(desk: Desk, inbox: str, way: str) -> None:
    answer = await desk.api.post(f"/v1/inboxes/{inbox}/{way}", headers={"If-Match": "*"})
    assert answer.is_success, answer.text


async def subjects(desk: Desk, count: int) -> list[str]:
    return sorted(one["subject"] for one in await desk.tickets(count))


async def test_every_letter_comes_once_through_all_that_happens_to_a_mailbox(
    desk: Desk, server: Dovecot, user: str
) -> None:
    await letter(server, user, "before we came")
    inbox = await mailbox(desk, server, user, imap_after="seen")
    await letter(server, user, "by idle")
    await desk.tickets(1)
    ack = await desk.mail_to(IVAN)
    assert str(ack["From"]).endswith("<box@acme.example>")

    async with reader(server, user) as other:

        async def marked() -> bool:
            await other.noop()
            return bool((await other.search("SEEN")).lines[0] == b"2")

        await until(marked)  # ours, and not the old one

    await turn(desk, inbox, "pause")
    await until(lambda: nobody_watches(desk))
    await letter(server, user, "while we were away")
    await letter(server, user, "read by somebody meanwhile")
    async with reader(server, user) as other:
        await other.store("1:*", "+FLAGS", r"(\Seen)")
    await turn(desk, inbox, "resume")
    assert await subjects(desk, 3) == ["by idle", "read by somebody meanwhile", "while we were away"]

    await asyncio.to_thread(server.kill)
    await asyncio.to_thread(server.renumber, user)
    await asyncio.to_thread(server.start)
    await letter(server, user, "after the server died")
    found = await until(lambda: titles(desk, "after the server died"))
    assert len(found) == len(set(found)), "renumbered, all of the day came again, and doubles fell away"
    assert {"by idle", "read by somebody meanwhile", "while we were away"} <= set(found)


async def titles(desk: Desk, wanted: str) -> list[str] | None:
    found = [str(one["subject"]) for one in await desk.get("/v1/tickets")]
    return found if wanted in found else None


async def nobody_watches(desk: Desk) -> bool:
    [row] = await desk.rows("SELECT count(*) AS n FROM leases WHERE name LIKE 'watch:%' AND until > now()")
    return bool(row["n"] == 0)


async def test_several_folders_and_mail_that_is_moved_when_it_is_safe(desk: Desk, server: Dovecot, user: str) -> None:
    async with reader(server, user) as other:
        await other.create("Jobs")
        await other.create("Done")
        await mailbox(desk, server, user, imap_folders=["INBOX", "Jobs"], imap_after="move", imap_move_to="Done")
        await letter(server, user, "in the first")
        raw = b"From: olga@customer.example\r\nSubject: in the second\r\nMessage-ID: <j@x>\r\n\r\nhi\r\n"
        await other.append(raw, "Jobs")
        assert await subjects(desk, 2) == ["in the first", "in the second"]

        async def moved() -> bool:
            return b"MESSAGES 2" in (await other.status("Done", "(MESSAGES)")).lines[0]

        await until(moved)


async def test_older_mail_comes_only_when_it_is_asked_for_and_is_not_acknowledged(
    desk: Desk, server: Dovecot, user: str
) -> None:
    for n in range(3):
        await letter(server, user, f"old {n}")
    inbox = await mailbox(desk, server, user)
    await letter(server, user, "new")
    await desk.tickets(1)
    await desk.mail_to(IVAN)

    assert await asyncio.to_thread(backfill, desk, inbox) == "3 had not come before.\n"
    assert await subjects(desk, 4) == ["new", "old 0", "old 1", "old 2"]
    assert await asyncio.to_thread(backfill, desk, inbox) == "0 had not come before.\n"
    await letter(server, user, "and another", sender="olga@customer.example")
    await desk.mail_to("olga@customer.example")
    assert len(desk.received(IVAN)) == 1


def backfill(desk: Desk, inbox: str) -> str:
    """As an operator does it."""
    given = {
        "OMNIDESK_DATABASE_URL": str(desk.settings.database_url),
        "OMNIDESK_SECRET_KEY": story.KEY,
        "OMNIDESK_DATA_DIR": str(desk.settings.data_dir),
        "OMNIDESK_FILES_DIR": str(desk.settings.files_dir),
    }
    done = subprocess.run(
        [sys.executable, "-m", "omnidesk", "arrivals", "backfill", inbox, "--since", "2026-01-01"],
        env={**os.environ, **given},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


async def test_a_mailbox_that_falls_silent_raises_an_alarm_and_ends_it_by_itself(
    desk: Desk, server: Dovecot, user: str
) -> None:
    inbox = await mailbox(desk, server, user, imap_alarm_minutes=1)
    inbox_id = ids.decode("inbox", inbox)

    async def shows(state: str) -> bool:
        [row] = await desk.rows("SELECT receive_state FROM inboxes WHERE id = $1", inbox_id)
        return bool(row["receive_state"] == state)

    async def alarmed() -> bool:
        async with desk.db.transaction() as tx:  # a minute passes
            await tx.driver.execute(
                "UPDATE inboxes SET received_at = now() - interval '70 s', updated_at = now() - interval '70 s' "
                "WHERE id = $1 AND receive_state = 'ok'",
                inbox_id,
            )
        return await shows("failing")

    await until(lambda: shows("ok"))
    server.freeze()
    try:
        await until(alarmed)
    finally:
        server.thaw()
    await letter(server, user, "we are back")
    await until(lambda: shows("ok"), within_s=60)
    await desk.tickets(1)
    told = await desk.rows(
        "SELECT data FROM events WHERE type LIKE 'inbox.health%' AND subject_id = $1 ORDER BY id", inbox_id
    )
    assert [one["data"]["state"] for one in told][:1] == ["failing"]
    assert told[0]["data"]["reason"] == "Nothing could be fetched for 1 minutes."


@pytest.mark.row(28, part="threads at the customer's")
async def test_our_mails_make_one_thread_at_the_customers_server(desk: Desk, server: Dovecot, user: str) -> None:
    """Dovecot threads by References (RFC 5256), as mail programs do."""
    olena = await desk.agent("Olena")
    first = await desk.writes(IVAN, "Где мой заказ?", subject="Заказ")
    ack = await desk.mail_to(IVAN)
    [ticket] = await desk.tickets(1)
    await desk.ticket(ticket["id"], assignee_id=olena.id)
    await desk.answers(olena, ticket["id"], "Завтра.")
    answer = await desk.mail_to(IVAN, 2)
    reply = await desk.writes(IVAN, "Спасибо", answering=answer)
    await desk.arrivals_done(2)
    await desk.answers(olena, ticket["id"], "Пожалуйста.")
    last = await desk.mail_to(IVAN, 3)
    other = await desk.writes(IVAN, "Другое", subject="Другое дело")

    async with reader(server, user) as client:
        for mail in (last, other, reply, first, answer, ack):
            await client.append(mail.as_bytes(), "INBOX")
        await client.noop()
    threads = await asyncio.to_thread(threaded, server, user)
    assert "(2)" in threads, "the other matter stands by itself"
    in_one = [int(word) for word in threads.replace("(", " ").replace(")", " ").split() if word.isdecimal()]
    assert sorted(in_one) == [1, 2, 3, 4, 5, 6]
    assert groups_of(threads) == 2, threads


def threaded(server: Dovecot, user: str) -> str:
    with imaplib.IMAP4("127.0.0.1", server.port) as client:
        client.login(user, "any")
        client.select()
        _, [threads] = client.uid("THREAD", "REFERENCES", "UTF-8", "ALL")
    assert isinstance(threads, bytes)
    return threads.decode()


def groups_of(threads: str) -> int:
    """How many threads stand side by side."""
    depth = groups = 0
    for char in threads:
        depth += (char == "(") - (char == ")")
        groups += char == "(" and depth == 1
    return groups
