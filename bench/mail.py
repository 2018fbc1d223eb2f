"""`mail_lmtp`, `mail_imap`: mails from the LMTP door, and out of a mailbox, to routed tickets with one worker.

`mail_parse` is reading one mail. The mailbox is in a Dovecot where there is one, else in pymap (which keeps up less).

There is no mail server beside the desk, so acknowledgements wait in the outbox.
"""

import asyncio
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from email.message import EmailMessage
from email.policy import SMTP
from pathlib import Path

import aioimaplib
import asyncpg
import uvloop
from tests.servers import _wait_for_port as wait_for_port
from tests.servers import dovecot, free_port

from bench import baseline
from bench.rig import ROUNDS, Figures, figure, median, plain_url, server
from bench.serving import SUPPORT, Site, serving, site, working
from omnidesk.channels.email.reading import read_mail

MAILS, LYING, WARM = 800, 300, 40  # at the door; in the mailbox; before
LINES = 8  # connections to the door
PATIENCE_S = 120.0
DONE = "SELECT count(*) FROM arrivals WHERE state = 'done'"
USER, PASSWORD = "mailbox", "any"
LETTER = """Здравствуйте!

Вчера в 14:30 оплатил заказ 48213, деньги списали (1 299,90 ₽), но письмо с подтверждением не пришло.
Проверьте, пожалуйста, что с ним.

--
С уважением,
Иван Петров
+7 916 123-45-67
"""
QUOTED = "\n\n22.11.2026 10:15, Acme пишет:\n" + "\n".join(f"> {line}" for line in LETTER.splitlines()) * 3


def run() -> Figures:
    return {**_parsing(), **_lmtp(), **_imap()}


def mail(sender: str, number: int = 0) -> EmailMessage:
    """A mail as people write them: plain text and its HTML."""
    made = EmailMessage(policy=SMTP)
    made["From"], made["To"] = f"Иван Петров <{sender}>", SUPPORT
    made["Subject"], made["Date"] = f"Заказ {48213 + number}", "Sun, 22 Nov 2026 12:00:00 +0300"
    made["Message-ID"] = f"<{number}.{sender}>"
    made.set_content(LETTER)
    made.add_alternative("<p>" + LETTER.replace("\n\n", "</p><p>").replace("\n", "<br>") + "</p>", subtype="html")
    return made


# --- reading --------------------------------------------------------------------------------------


def samples() -> list[bytes]:
    """Plain, with a long quotation, in KOI8-R, with HTML, with a file, forwarded."""
    plain, quoted, koi8, attached, forwarded = (EmailMessage(policy=SMTP) for _ in range(5))
    for each in (plain, quoted, koi8, attached, forwarded):
        each["From"], each["To"], each["Subject"] = "ivan@customers.example", SUPPORT, "Re: Заказ 48213"
        each["Message-ID"], each["Date"] = f"<{id(each)}@customers.example>", "Sun, 22 Nov 2026 12:00:00 +0300"
    plain.set_content(LETTER)
    quoted.set_content(LETTER + QUOTED)
    koi8.set_content(LETTER.replace("₽", "руб"), charset="koi8-r")
    attached.set_content(LETTER)
    attached.add_attachment(b"\x89PNG" * 50_000, maintype="image", subtype="png", filename="снимок.png")
    forwarded.set_content("Перешлите, пожалуйста, в отдел доставки." + QUOTED)
    forwarded.add_attachment(mail("maria@customers.example"))
    return [each.as_bytes() for each in (plain, quoted, koi8, mail("ivan@customers.example"), attached, forwarded)]


def _parsing() -> Figures:
    typical = median([_took_ms(raw, 20) for raw in samples()])
    large = mail("ivan@customers.example")
    large.make_mixed()
    large.add_attachment(bytes(range(256)) * 70_000, maintype="application", subtype="octet-stream", filename="a.bin")
    raw = large.as_bytes()
    size = f"ms, {len(raw) / 1e6:.1f} MB"
    return {"mail_parse": figure(typical, "ms"), "mail_parse_large": figure(_took_ms(raw, 1), size)}


def _took_ms(raw: bytes, times: int) -> float:
    rounds = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        for _ in range(times):
            read_mail(raw)
        rounds.append((time.perf_counter() - began) / times * 1000)
    return median(rounds)


# --- from the door to the ticket ------------------------------------------------------------------


def _lmtp() -> Figures:
    ours, bare = [], []
    for _ in range(ROUNDS):
        with server() as running, tempfile.TemporaryDirectory() as folder:
            one = asyncio.run(site(running, Path(folder)))
            with serving(one), working(one):
                uvloop.run(_through(one, range(WARM)))
                ours.append(MAILS / uvloop.run(_through(one, range(WARM, WARM + MAILS))))
            bare.append(uvloop.run(baseline.rate(one.url, WARM + MAILS)))
    ratios = [one / other for one, other in zip(ours, bare, strict=True)]
    return {"mail_lmtp": figure(median(ours), "mails/s", median(bare), median(ratios))}


async def _through(one: Site, numbers: range) -> float:
    """Seconds from the first of these mails at the door until the last one has its ticket."""
    mails = [mail(f"p{number}@customers.example", number).as_bytes() for number in numbers]
    connection = await asyncpg.connect(plain_url(one.url))
    began = time.perf_counter()
    await asyncio.gather(*(_hand_in(one.lmtp_port, mails[line::LINES]) for line in range(LINES)))
    while await connection.fetchval(DONE) < numbers.stop:
        if time.perf_counter() - began > PATIENCE_S:
            raise TimeoutError("not all mails became tickets")
        await asyncio.sleep(0.05)
    took = time.perf_counter() - began
    await connection.close()
    return took


async def _hand_in(port: int, mails: list[bytes]) -> None:
    """One LMTP session (RFC 2033)."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)

    async def heard(code: bytes) -> None:
        while line := await reader.readline():
            if line[:3] != code:
                raise RuntimeError(line.decode())
            if line[3:4] == b" ":
                return
        raise RuntimeError("the door closed")

    await heard(b"220")
    writer.write(b"LHLO bench.example\r\n")
    await heard(b"250")
    for raw in mails:
        for command in (b"MAIL FROM:<bounce@customers.example>", f"RCPT TO:<{SUPPORT}>".encode()):
            writer.write(command + b"\r\n")
            await heard(b"250")
        writer.write(b"DATA\r\n")
        await heard(b"354")
        writer.write(raw.replace(b"\r\n.", b"\r\n..") + b"\r\n.\r\n")
        await heard(b"250")
    writer.write(b"QUIT\r\n")
    writer.close()


# --- from a mailbox to the ticket -----------------------------------------------------------------


def _imap() -> Figures:
    ours, bare = [], []
    for _ in range(ROUNDS):
        with server() as running, tempfile.TemporaryDirectory() as folder, _mailbox(Path(folder)) as port:
            account = {"imap_host": "127.0.0.1", "imap_port": port, "imap_security": "none"}
            account |= {"imap_username": USER, "imap_password": PASSWORD}
            one = asyncio.run(site(running, Path(folder) / "desk", **account))
            with working(one):  # mail that is there before the first look is not taken
                asyncio.run(_count(one, "SELECT count(*) FROM inboxes WHERE cursor ? 'folders'", 1))
                asyncio.run(_put(port, range(WARM)))
                asyncio.run(_count(one, DONE, WARM))
            asyncio.run(_put(port, range(WARM, WARM + LYING)))
            with working(one):
                ours.append(asyncio.run(_fetched_per_s(one)))
            bare.append(uvloop.run(baseline.rate(one.url, WARM + LYING)))
    ratios = [one / other for one, other in zip(ours, bare, strict=True)]
    return {"mail_imap": figure(median(ours), "mails/s", median(bare), median(ratios))}


async def _fetched_per_s(one: Site) -> float:
    """From the first mails that are fetched, which do not count, until the last has its ticket."""
    first = await _count(one, "SELECT count(*) FROM arrivals", WARM + 1)
    began = time.perf_counter()
    await _count(one, DONE, WARM + LYING)
    return (WARM + LYING - first) / (time.perf_counter() - began)


async def _count(one: Site, statement: str, wanted: int) -> int:
    """What the statement counts, once it is at least so much. Raises TimeoutError."""
    connection = await asyncpg.connect(plain_url(one.url))
    try:
        async with asyncio.timeout(PATIENCE_S):
            while True:
                if (count := int(await connection.fetchval(statement))) >= wanted:
                    return count
                await asyncio.sleep(0.02)
    finally:
        await connection.close()


async def _put(port: int, numbers: range) -> None:
    """Mails into the mailbox."""
    client = aioimaplib.IMAP4("127.0.0.1", port)
    await client.wait_hello_from_server()
    await client.login(USER, PASSWORD)
    for number in numbers:
        answer = await client.append(mail(f"p{number}@customers.example", number).as_bytes(), "INBOX")
        if answer.result != "OK":
            raise RuntimeError("the mailbox takes no mail")
    await client.logout()


@contextmanager
def _mailbox(folder: Path) -> Iterator[int]:
    """The port of an IMAP server where USER has an INBOX."""
    if shutil.which("dovecot") and os.geteuid() == 0:
        with dovecot() as running:
            yield running.port
        return
    port = free_port()
    program = str(Path(sys.executable).parent / "pymap")
    command = [program, "--host", "127.0.0.1", "--port", str(port), "--no-tls", "dict", "--demo-data"]
    child = subprocess.Popen(
        [*command, "--demo-user", USER, "--demo-password", PASSWORD],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_for_port(port, folder / "pymap.log")
        yield port
    finally:
        child.terminate()
        child.wait(10)
