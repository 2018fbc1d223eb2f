"""`mail_lmtp`: mails from the LMTP door to routed tickets with one worker; `mail_parse`: reading one mail.

There is no mail server beside the desk, so acknowledgements wait in the outbox.
"""

import asyncio
import tempfile
import time
from email.message import EmailMessage
from email.policy import SMTP
from pathlib import Path

import asyncpg
import uvloop

from bench import baseline
from bench.rig import ROUNDS, Figures, figure, median, plain_url, server
from bench.serving import SUPPORT, Site, serving, site, working
from omnidesk.channels.email.reading import read_mail

MAILS, WARM = 800, 40
LINES = 8  # connections to the door
PATIENCE_S = 120.0
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
    return {**_parsing(), **_lmtp()}


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
    while await connection.fetchval("SELECT count(*) FROM arrivals WHERE state = 'done'") < numbers.stop:
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
