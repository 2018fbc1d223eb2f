"""What the doctor says of inboxes, the clock and late work."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from omnidesk import app, doctor
from omnidesk.config import Settings
from omnidesk.db.session import Database
from omnidesk.desk import inboxes, setup
from omnidesk.desk.new_ids import new_id
from omnidesk.doctor import Finding
from omnidesk.domain.people import SYSTEM
from tests.servers import free_port, sink


@pytest.fixture
async def settings(db: Database, db_url: str, tmp_path: Path) -> Settings:
    await setup.found(db, zone="Europe/Moscow", country="RU", language="ru", now=datetime.now(UTC))
    given = {"database_url": db_url, "data_dir": tmp_path, "secret_key": SecretStr("k" * 32)}
    return Settings(_env_file=None, **given, port=free_port(), lmtp_port=0, smtp_port=0)  # type: ignore[arg-type]


async def a_mailbox(settings: Settings, **config: Any) -> None:
    desk = app.open_desk(settings)
    wish = inboxes.Wish(name="Support", config={"address": "support@acme.example", **config})
    await inboxes.create(desk.db, desk.channels, desk.vault, "email", wish, SYSTEM, inbox_id=new_id())
    await desk.close()


async def said(settings: Settings, part: str, *, running: bool = False) -> list[Finding]:
    return [finding async for finding in doctor.examine(settings, running=running) if finding.part == part]


async def test_an_inbox_that_signs_in_works(settings: Settings) -> None:
    async with sink(auth=True) as server:
        account = {"smtp_username": "support", "smtp_password": "right"}
        await a_mailbox(settings, smtp_host="127.0.0.1", smtp_port=server.port, smtp_security="none", **account)
        assert await said(settings, "inbox") == [Finding("ok", "inbox", "Support (email) works, signs in")]
        assert server.mails == []


async def test_a_wrong_password_is_named(settings: Settings) -> None:
    async with sink(auth=True) as server:
        account = {"smtp_username": "support", "smtp_password": "wrong"}
        await a_mailbox(settings, smtp_host="127.0.0.1", smtp_port=server.port, smtp_security="none", **account)
        [found] = await said(settings, "inbox")
    assert (found.level, found.advice) == ("bad", "type in its credentials anew")
    assert "wrong" not in found.words


@pytest.mark.parametrize("protocol", ["smtp", "imap"])
async def test_a_server_that_is_not_there_is_named(settings: Settings, protocol: str) -> None:
    where = {f"{protocol}_host": "127.0.0.1", f"{protocol}_port": free_port(), f"{protocol}_security": "none"}
    await a_mailbox(settings, **where)
    [found] = await said(settings, "inbox")
    assert found.level == "bad"
    assert found.words.startswith("Support (email) cannot sign in: ")
    assert found.advice == "check its host, port and encryption"


async def test_health_that_a_worker_noted_is_told(settings: Settings, db: Database) -> None:
    await a_mailbox(settings)
    async with db.transaction() as tx:
        await tx.driver.execute("UPDATE inboxes SET send_state = 'failing', send_error = 'no way out'")
    [found] = await said(settings, "inbox")
    assert (found.level, found.words) == ("bad", "Support (email) cannot send: no way out")


async def test_work_that_is_late_and_a_missing_worker_are_found(settings: Settings, db: Database) -> None:
    assert [one.level for one in await said(settings, "worker", running=True)] == ["bad"]  # nobody works
    stop = asyncio.Event()
    worker = asyncio.create_task(app.work(settings, stop))
    try:
        async with asyncio.timeout(20):
            while [one.level for one in await said(settings, "worker", running=True)] != ["ok"]:
                await asyncio.sleep(0.2)
    finally:
        stop.set()
        await worker
    async with db.transaction() as tx:
        await tx.driver.execute(
            "INSERT INTO timers (kind, subject_id, due_at) VALUES ('close', gen_random_uuid(), $1)",
            datetime.now(UTC) - timedelta(minutes=5),
        )
    late = [one.words for one in await said(settings, "worker") if one.words.startswith("timers are late")]
    assert len(late) == 1


def test_a_clock_may_be_off_by_a_little() -> None:
    levels = {skew: doctor._clock(skew).level for skew in (0.2, -0.9, 3.0, -3.0, 45.0, -45.0)}
    assert levels == {0.2: "ok", -0.9: "ok", 3.0: "note", -3.0: "note", 45.0: "bad", -45.0: "bad"}
    assert "ahead of" in doctor._clock(-3.0).words


async def test_webhooks_that_fail_or_were_switched_off_are_named(settings: Settings, db: Database) -> None:
    assert await said(settings, "webhooks") == [Finding("ok", "webhooks", "none fails")]
    async with db.transaction() as tx:
        await tx.driver.execute(
            """
            INSERT INTO webhooks (id, url, description, owner_kind, owner_id, secret, disabled_at, disabled_reason,
                                  failing_since, last_error)
            VALUES (gen_random_uuid(), 'https://shop.example/x?key=hidden', '', 'key', gen_random_uuid(), '',
                    now(), 'failing', now() - interval '5 days', 'answered 503'),
                   (gen_random_uuid(), 'https://erp.example/x', 'ERP', 'key', gen_random_uuid(), '', NULL, NULL,
                    now(), 'cannot be reached'),
                   (gen_random_uuid(), 'https://fine.example/x', '', 'key', gen_random_uuid(), '', now(), 'by_hand',
                    NULL, NULL)
            """
        )
    found = sorted(await said(settings, "webhooks"), key=lambda each: each.level)
    assert [each.level for each in found] == ["bad", "note"]
    assert "(shop.example) was switched off: it failed for five days: answered 503" in found[0].words
    assert "(ERP) fails since" in found[1].words
    assert "hidden" not in str(found)
