"""Fetching: every mail once, whoever reads along, whatever breaks."""

import asyncio
import os
import re
import smtplib
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import aioimaplib
import pytest

from omnidesk.channels import base, outgoing
from omnidesk.channels.email import Config, EmailChannel
from omnidesk.channels.email.imap import Watch
from omnidesk.channels.email.imap_session import Account
from omnidesk.channels.email.oauth import Grant, Tokens
from omnidesk.domain.messages import Arrival
from tests.channels.test_outgoing import hook
from tests.servers import Dovecot, _wait_for_port, dovecot, free_port, until


@pytest.fixture(scope="module")
def server() -> Iterator[Dovecot]:
    with dovecot() as running:
        yield running


class Journal:
    """What the desk keeps of an inbox: arrivals by key and the cursor, committed together."""

    def __init__(self) -> None:
        self.kept: dict[str, Arrival] = {}
        self.cursor: Mapping[str, Any] = {}
        self.commits = 0
        self.missing: list[str] = []  # what was said to be missing, one after the other
        self.away = False

    async def deliver(self, arrivals: Sequence[Arrival], cursor: Mapping[str, Any]) -> None:
        if self.away:
            raise ConnectionError("the database is away")
        self.commits += 1
        self.kept.update({arrival.dedupe_key: arrival for arrival in arrivals})
        self.cursor = cursor
        if (said := cursor.get("missing", "").rpartition(": ")[2]) != (self.missing or [""])[-1]:
            self.missing.append(said)

    def subjects(self) -> list[str]:
        found = [re.search(rb"Subject: (.*)\r\n", arrival.body) for arrival in self.kept.values()]
        return [match[1].decode() for match in found if match]

    @property
    def begun(self) -> bool:
        return bool(self.cursor)


@asynccontextmanager
async def watching(journal: Journal, server: Dovecot | int, user: str, **options: Any) -> AsyncIterator[None]:
    port = server if isinstance(server, int) else server.port
    given: dict[str, Any] = {
        "host": "127.0.0.1",
        "port": port,
        "username": user,
        "password": "any",
        "retry_s": 0.05,
        **options,
    }
    task = asyncio.create_task(Watch(Account(**given), journal.cursor, journal.deliver).run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def mail(server: Dovecot, user: str, subject: str, body: str = "hi") -> None:
    def send() -> None:
        with smtplib.LMTP("127.0.0.1", server.lmtp_port, timeout=10) as client:
            client.sendmail(
                "a@b.example", [user], f"From: a@b.example\r\nSubject: {subject}\r\n\r\n{body}\r\n".encode()
            )

    await asyncio.to_thread(send)


@asynccontextmanager
async def reader(server: Dovecot, user: str) -> AsyncIterator[aioimaplib.IMAP4]:
    """Another mail program of the same mailbox."""
    client = aioimaplib.IMAP4("127.0.0.1", server.port)
    await client.wait_hello_from_server()
    await client.login(user, "any")
    await client.select("INBOX")
    yield client
    await client.logout()


@pytest.fixture
def user() -> str:
    return f"u{uuid4().hex[:8]}"


async def test_new_mail_comes_by_idle_and_what_was_there_before_is_left(server: Dovecot, user: str) -> None:
    await mail(server, user, "before")
    journal = Journal()
    async with watching(journal, server, user):
        await until(lambda: journal.begun)
        await mail(server, user, "one")
        await until(lambda: journal.subjects() == ["one"])
        await mail(server, user, "two")
        await until(lambda: journal.subjects() == ["one", "two"])

    assert "mail_from" not in next(iter(journal.kept.values())).meta


async def test_mail_that_others_have_read_and_mail_from_while_we_were_away_is_not_missed(
    server: Dovecot, user: str
) -> None:
    journal = Journal()
    async with watching(journal, server, user):
        await until(lambda: journal.begun)
    for number in range(60):
        await mail(server, user, f"m{number}")
    async with reader(server, user) as other:
        await other.store("1:*", "+FLAGS", r"(\Seen)")

    async with watching(journal, server, user):
        await until(lambda: len(journal.kept) == 60)

    assert journal.subjects() == [f"m{number}" for number in range(60)]


async def test_nothing_is_marked_or_forgotten_while_the_database_is_away(server: Dovecot, user: str) -> None:
    journal = Journal()
    async with watching(journal, server, user, after="seen"):
        await until(lambda: journal.begun)
        journal.away = True
        await mail(server, user, "kept")
        async with reader(server, user) as other:
            assert (await other.search("UNSEEN")).lines[0] == b"1"
            journal.away = False
            await until(lambda: journal.subjects() == ["kept"])

            async def seen() -> bool:
                await other.noop()
                return bool((await other.search("SEEN")).lines[0] == b"1")

            await until(seen)


async def test_mail_is_moved_once_it_is_committed(server: Dovecot, user: str) -> None:
    journal = Journal()
    async with reader(server, user) as other:
        await other.create("Done")
        async with watching(journal, server, user, after="move", move_to="Done"):
            await until(lambda: journal.begun)
            await mail(server, user, "moved")
            await until(lambda: journal.subjects() == ["moved"])

            async def moved() -> bool:
                return b"MESSAGES 1" in (await other.status("Done", "(MESSAGES)")).lines[0]

            await until(moved)


async def test_folders_are_followed_side_by_side_whatever_their_names(server: Dovecot, user: str) -> None:
    journal = Journal()
    async with reader(server, user) as other:
        await other.create('"&BCEEPwQwBDw- & Co"'.replace(" & ", " &- "))
        async with watching(journal, server, user, folders=("INBOX", "Спам & Co")):
            await until(lambda: len(journal.cursor.get("folders", {})) == 2)
            await mail(server, user, "copied")
            await until(lambda: journal.subjects() == ["copied"])
            await other.select("INBOX")
            await other.append(b"Subject: appended\r\n\r\nx\r\n", '"&BCEEPwQwBDw- &- Co"')
            await until(lambda: sorted(journal.subjects()) == ["appended", "copied"])


async def test_a_renumbered_folder_is_taken_again_and_doubles_fall_away(server: Dovecot, user: str) -> None:
    journal = Journal()
    async with watching(journal, server, user):
        await until(lambda: journal.begun)
        await mail(server, user, "one")
        await until(lambda: len(journal.kept) == 1)
    mark = journal.cursor["folders"]["INBOX"]
    journal.cursor = {"folders": {"INBOX": {**mark, "validity": mark["validity"] - 1, "uid": 900}}}
    await mail(server, user, "two")

    async with watching(journal, server, user):
        await until(lambda: len(journal.kept) == 2)
    assert journal.subjects() == ["one", "two"]


async def test_a_mail_that_slipped_below_the_mark_is_found_by_the_count(server: Dovecot, user: str) -> None:
    journal = Journal()
    async with watching(journal, server, user):
        await until(lambda: journal.begun)
    await mail(server, user, "slipped")
    mark = journal.cursor["folders"]["INBOX"]
    journal.cursor = {"folders": {"INBOX": {**mark, "uid": mark["first"]}}}

    async with watching(journal, server, user):
        await until(lambda: journal.subjects() == ["slipped"])


async def test_each_mail_that_the_desk_has_not_is_named_until_it_is_there(
    server: Dovecot, user: str, caplog: pytest.LogCaptureFixture
) -> None:
    journal = Journal()
    async with watching(journal, server, user):
        await until(lambda: journal.begun)
        for number in range(1, 8):
            await mail(server, user, f"m{number}")
        await until(lambda: len(journal.kept) == 7)
    await _lose(journal, "1,5", lost={2, 3, 4, 6, 7})

    async with watching(journal, server, user):
        await until(lambda: len(journal.kept) == 7 and journal.missing[-1] == "")

    assert journal.missing[0] == "INBOX 2-4,6-7"
    assert "INBOX has mails that we have not: 2-4,6-7" in caplog.text
    assert journal.cursor["folders"]["INBOX"]["known"] == "1-7"


async def _lose(journal: Journal, known: str, *, lost: set[int]) -> None:
    """A journal that came back from a copy: these mails of the folder are not in it."""
    mark = journal.cursor["folders"]["INBOX"]
    journal.cursor = {"folders": {"INBOX": {**mark, "known": known}}}
    journal.kept = {key: each for key, each in journal.kept.items() if int(each.meta["uid"]) not in lost}


async def test_mail_that_others_deleted_is_no_gap(server: Dovecot, user: str) -> None:
    journal = Journal()
    async with watching(journal, server, user):
        await until(lambda: journal.begun)
    for number in range(1, 6):
        await mail(server, user, f"m{number}")
    async with reader(server, user) as other:
        await other.store("2,4", "+FLAGS", r"(\Deleted)")
        await other.expunge()

    async with watching(journal, server, user):
        await until(lambda: len(journal.kept) == 3)
    async with watching(journal, server, user):
        await until(lambda: journal.cursor["folders"]["INBOX"]["known"] == "1-5")
    assert (journal.missing, sorted(journal.subjects())) == ([], ["m1", "m3", "m5"])


async def test_of_a_huge_mail_the_beginning_is_taken(server: Dovecot, user: str) -> None:
    journal = Journal()
    async with watching(journal, server, user, max_bytes=2_000):
        await until(lambda: journal.begun)
        await mail(server, user, "huge", "x" * 900 + "\r\n" + "y" * 900 + "\r\n" + "z" * 900)
        await until(lambda: journal.kept)

    [arrival] = journal.kept.values()
    assert (len(arrival.body), arrival.meta["cut"]) == (2_000, "1")


@pytest.mark.parametrize("answer", ["NO [AUTHENTICATIONFAILED] no", "NO [UNAVAILABLE] later"])
async def test_a_refused_sign_in_stops_the_inbox_and_a_busy_server_does_not(answer: str) -> None:
    script = Script(login=answer)
    async with script.running() as port:
        watch = Watch(
            Account(host="127.0.0.1", port=port, username="u", password="s3cret", retry_s=0.01), {}, Journal().deliver
        )
        task = asyncio.create_task(watch.run())
        if "UNAVAILABLE" in answer:
            await until(lambda: script.connections >= 3)
            task.cancel()
        else:
            with pytest.raises(base.NeedsReauth) as caught:
                await asyncio.wait_for(task, 10)
            assert "s3cret" not in repr(caught.value)


async def test_a_refused_token_is_a_refused_sign_in() -> None:
    async def token() -> str:
        return "expired"

    async with Script(login="NO AUTHENTICATE failed").running() as port:
        account = Account(host="127.0.0.1", port=port, username="u", token=token, call_s=5)
        with pytest.raises(base.NeedsReauth):
            await asyncio.wait_for(Watch(account, {}, Journal().deliver).run(), 4)


class Script:
    """An IMAP server with two mails, 5 and 6; the first is broken as told."""

    def __init__(self, *, login: str = "OK in", fetch_5: str = "", idle: str = "+ idling") -> None:
        self.login, self.fetch_5, self.idle = login, fetch_5, idle
        self.connections = 0

    @asynccontextmanager
    async def running(self) -> AsyncIterator[int]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        yield int(server.sockets[0].getsockname()[1])
        server.close()

    async def _serve(self, incoming: asyncio.StreamReader, out: asyncio.StreamWriter) -> None:
        self.connections += 1
        out.write(b"* OK ready\r\n")
        while line := (await incoming.readline()).decode().strip():
            tag, _, command = line.partition(" ")
            reply = self._reply(command)
            if reply == "drop":
                break
            if command.startswith("AUTHENTICATE"):
                out.write(b"+ eyJzdGF0dXMiOiI0MDAifQ==\r\n")
                await incoming.readline()
            out.write("".join(f"{each}\r\n" for each in reply.replace("TAG", tag).split("\r\n")).encode())
        out.close()

    def _reply(self, command: str) -> str:
        if command.startswith(("LOGIN", "AUTHENTICATE")):
            return f"TAG {self.login}"
        if command.startswith("SELECT"):
            return "* 2 EXISTS\r\n* OK [UIDVALIDITY 1] ok\r\n* OK [UIDNEXT 7] ok\r\nTAG OK [READ-WRITE] done"
        if command.startswith("UID SEARCH"):
            return "* SEARCH 5 6\r\nTAG OK done"
        if "RFC822.SIZE" in command:
            return "* 1 FETCH (UID 5 RFC822.SIZE 20)\r\n* 2 FETCH (UID 6 RFC822.SIZE 20)\r\nTAG OK done"
        if command.startswith("UID FETCH 5"):
            return self.fetch_5
        if command.startswith("UID FETCH 6"):
            return "* 2 FETCH (UID 6 BODY[]<0> {20}\r\nSubject: good\r\n\r\nabc\r\n)\r\nTAG OK done"
        if command == "IDLE":
            return self.idle
        if command == "CAPABILITY":
            return "* CAPABILITY IMAP4rev1 IDLE\r\nTAG OK done"
        return "TAG OK done"


@pytest.mark.parametrize("broken", ["TAG NO [SERVERBUG] cannot", "drop"])
async def test_one_broken_mail_never_stops_the_folder(broken: str) -> None:
    journal = Journal()
    mark = {"validity": 1, "uid": 4, "first": 5, "since": "2026-11-22", "renumbered": False, "known": "", "skipped": []}
    journal.cursor = {"folders": {"INBOX": mark}}
    async with Script(fetch_5=broken).running() as port, watching(journal, port, "u", call_s=5):
        await until(lambda: journal.subjects() == ["good"])

    assert journal.cursor["folders"]["INBOX"]["skipped"] == [5]


async def test_a_server_that_hangs_up_instead_of_idling_is_called_again() -> None:
    script = Script(idle="drop")
    async with script.running() as port, watching(Journal(), port, "u", call_s=5):
        await until(lambda: script.connections >= 3)


async def test_a_server_that_stays_away_is_reported_after_a_few_tries() -> None:
    account = Account(host="127.0.0.1", port=free_port(), username="u", retry_s=0.01)
    with pytest.raises(OSError, match="onnect"):
        await asyncio.wait_for(Watch(account, {}, Journal().deliver).run(), 10)


async def test_a_server_that_comes_back_is_found_again() -> None:
    port, journal, script = free_port(), Journal(), Script()
    async with watching(journal, port, "u", call_s=5):
        later = await asyncio.start_server(script._serve, "127.0.0.1", port)
        await until(lambda: journal.begun)
        later.close()


def grant(url: str) -> Grant:
    return Grant(token_url=url, client_id="desk", client_secret="s3cret", refresh_token="r1")


async def test_a_token_is_asked_for_once_and_again_when_it_ends() -> None:
    async with hook() as tokens, outgoing.client(loopback=True) as http:
        answers = iter(
            [b'{"access_token":"a1","expires_in":3600,"refresh_token":"r2"}', b'{"access_token":"a2","expires_in":1}']
        )
        source = Tokens(grant(tokens.url), http)
        tokens.answer = ok(next(answers))
        assert [await source(), await source()] == ["a1", "a1"]
        source._until = 0  # an hour passes
        tokens.answer = ok(next(answers))
        assert await source() == "a2"

    assert [b"refresh_token=r1" in tokens.got[0][2], b"refresh_token=r2" in tokens.got[1][2]] == [True, True]


def ok(body: bytes, status: str = "200 OK") -> bytes:
    return b"HTTP/1.1 %s\r\nContent-Length: %d\r\n\r\n%s" % (status.encode(), len(body), body)


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (ok(b'{"error":"invalid_grant"}', "400 Bad Request"), base.NeedsReauth),
        (ok(b"{}", "401 Unauthorized"), base.NeedsReauth),
        (ok(b'{"error":"server_error"}', "500 Oops"), base.SendDeferred),
        (ok(b"<html>"), base.SendDeferred),
        (ok(b"[]"), base.SendDeferred),
        (ok(b"{}"), base.SendDeferred),
        (b"", base.SendDeferred),
    ],
)
async def test_only_a_refused_grant_stops_the_inbox(answer: bytes, error: type[base.ChannelError]) -> None:
    async with hook() as tokens, outgoing.client(loopback=True) as http:
        tokens.answer = answer
        with pytest.raises(error) as caught:
            await Tokens(grant(tokens.url), http)()
    assert "s3cret" not in repr(caught.value)


@asynccontextmanager
async def cutting(port: int, after: list[int]) -> AsyncIterator[int]:
    """A way to the server on which connections are cut after so many bytes of answers; later ones are not."""
    wires: list[asyncio.StreamWriter] = []

    async def pump(source: asyncio.StreamReader, target: asyncio.StreamWriter, room: int | None) -> None:
        while data := await source.read(1024):
            if room is not None:
                data, room = data[:room], room - len(data)
            target.write(data)
            await target.drain()
            if room is not None and room <= 0:
                break
        for wire in wires[-2:] if room is not None else (target,):
            wire.close()

    async def meet(incoming: asyncio.StreamReader, out: asyncio.StreamWriter) -> None:
        upstream, there = await asyncio.open_connection("127.0.0.1", port)
        wires.extend((out, there))
        room = after.pop(0) if after else None
        await asyncio.gather(pump(incoming, there, None), pump(upstream, out, room), return_exceptions=True)

    proxy = await asyncio.start_server(meet, "127.0.0.1", 0)
    yield int(proxy.sockets[0].getsockname()[1])
    proxy.close()
    for wire in wires:
        wire.close()


async def test_connections_cut_in_mid_mail_cost_nothing(server: Dovecot, user: str) -> None:
    journal = Journal()
    async with watching(journal, server, user):
        await until(lambda: journal.begun)
    for number in range(12):
        await mail(server, user, f"m{number}", "0123456789" * 700)

    cuts = [3_000, 5_500, 9_000, 14_000, 30_000, 2_200]
    async with cutting(server.port, cuts) as port, watching(journal, port, user, call_s=5):
        await until(lambda: len(journal.subjects()) == 12)

    assert not cuts, "each of them was cut"
    assert sorted(journal.subjects()) == sorted(f"m{number}" for number in range(12))
    whole = [arrival for arrival in journal.kept.values() if "gap" not in arrival.meta]
    assert [arrival.body.count(b"0123456789") for arrival in whole] == [700] * 12


async def test_a_mail_that_the_server_does_not_give_is_named_in_the_journal() -> None:
    journal = Journal()
    mark = {"validity": 1, "uid": 4, "first": 5, "since": "2026-11-22", "renumbered": False, "known": "", "skipped": []}
    journal.cursor = {"folders": {"INBOX": mark}}
    async with Script(fetch_5="TAG NO [SERVERBUG] cannot").running() as port, watching(journal, port, "u", call_s=5):
        await until(lambda: journal.subjects() == ["good"])

    assert journal.missing == ["INBOX 5"]
    gap = journal.kept["gap:INBOX:1:5"]
    channel = EmailChannel(
        Config.model_validate({"address": "a@b.example"}),
        base.Tools(http=outgoing.client(), inbox_id="inb_1"),
    )
    with pytest.raises(base.Unreadable, match="mail 5 of the folder INBOX"):
        channel.read(gap)


async def test_a_gap_is_closed_when_the_server_gives_the_mail_after_all() -> None:
    journal, script = Journal(), Script(fetch_5="TAG NO [SERVERBUG] cannot")
    mark = {"validity": 1, "uid": 4, "first": 5, "since": "2026-11-22", "renumbered": False, "known": "", "skipped": []}
    journal.cursor = {"folders": {"INBOX": mark}}
    async with script.running() as port, watching(journal, port, "u", call_s=5):
        await until(lambda: journal.missing == ["INBOX 5"])
    script.fetch_5 = "* 1 FETCH (UID 5 BODY[]<0> {20}\r\nSubject: late\r\n\r\nabc\r\n)\r\nTAG OK done"
    async with script.running() as port, watching(journal, port, "u", call_s=5):
        await until(lambda: journal.missing == ["INBOX 5", ""])

    assert sorted(journal.subjects()) == ["good", "late"]


async def test_a_watch_that_finds_nothing_says_that_it_looked(server: Dovecot, user: str) -> None:
    journal = Journal()
    async with watching(journal, server, user, idle_s=0.1):
        await until(lambda: journal.commits > 4)
    assert journal.kept == {}


@pytest.fixture
def in_memory() -> Iterator[int]:
    """pymap, a server written from the same standards by other people."""
    port = free_port()
    program = Path(sys.executable).parent / "pymap"
    command = [str(program), "--host", "127.0.0.1", "--port", str(port), "--no-tls", "dict", "--demo-data"]
    running = subprocess.Popen(
        [*command, "--demo-user", "u", "--demo-password", "p"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        _wait_for_port(port, Path(os.devnull))
        yield port
    finally:
        running.terminate()
        running.wait(10)


async def test_another_server_gives_the_same(in_memory: int) -> None:
    journal = Journal()
    async with watching(journal, in_memory, "u", password="p"):
        await until(lambda: journal.begun)
        client = aioimaplib.IMAP4("127.0.0.1", in_memory)
        await client.wait_hello_from_server()
        await client.login("u", "p")
        for number in range(3):
            await client.append(f"Subject: m{number}\r\n\r\nx\r\n".encode(), "INBOX")
        await until(lambda: journal.subjects() == ["m0", "m1", "m2"])
        await client.logout()
    assert len(journal.kept) == 3, "the demo's own mail was there before"


async def test_another_server_is_compared_in_the_same_way(in_memory: int) -> None:
    journal = Journal()
    async with watching(journal, in_memory, "u", password="p"):
        await until(lambda: journal.begun)
        client = aioimaplib.IMAP4("127.0.0.1", in_memory)
        await client.wait_hello_from_server()
        await client.login("u", "p")
        for number in range(4):
            await client.append(f"Subject: m{number}\r\n\r\nx\r\n".encode(), "INBOX")
        await until(lambda: len(journal.kept) == 4)
        await client.logout()
    first = journal.cursor["folders"]["INBOX"]["first"]
    await _lose(journal, str(first + 2), lost={first, first + 1, first + 3})

    async with watching(journal, in_memory, "u", password="p"):
        await until(lambda: len(journal.kept) == 4 and journal.missing[-1] == "")
    assert journal.missing[0] == f"INBOX {first}-{first + 1},{first + 3}"
