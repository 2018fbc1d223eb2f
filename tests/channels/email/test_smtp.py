"""Handing mail in: what the desk believes must be what the server did, whatever the server does."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from omnidesk.channels import base
from omnidesk.channels.email.compose import Mail
from omnidesk.channels.email.smtp import Server, Submission
from tests.servers import Sink, certificates, free_port, sink, until

CONTENT = b"Subject: hi\r\n\r\n.a line with a dot\r\n..two\r\n"
MAIL = Mail(sender="support@acme.example", recipients=("ivan@mail.example",), content=CONTENT)
BOTH = Mail(sender="support@acme.example", recipients=("ivan@mail.example", "anna@mail.example"), content=CONTENT)


class Calls:
    """Counts how often the step that cannot be repeated was announced."""

    def __init__(self) -> None:
        self.count = 0

    async def __call__(self) -> None:
        self.count += 1


@asynccontextmanager
async def submission(server: Sink, **changes: Any) -> AsyncIterator[Submission]:
    options: dict[str, Any] = {
        "host": "127.0.0.1", "port": server.port, "security": "none", "timeout_s": 5, "data_timeout_s": 5, **changes,
    }  # fmt: skip
    pool = Submission(Server(**options))
    yield pool
    await pool.close()


async def test_a_mail_arrives_as_it_was_given_and_the_call_is_announced_once() -> None:
    calls = Calls()
    async with sink() as server, submission(server) as pool:
        sent = await pool.send(MAIL, calls)

    assert (sent.rejected, calls.count) == ({}, 1)
    assert server.mails == [("support@acme.example", ["ivan@mail.example"], CONTENT)]


async def test_mails_share_a_connection_and_a_stale_one_is_replaced_before_mail() -> None:
    async with sink() as server, submission(server) as pool:
        await pool.send(MAIL, Calls())
        await pool.send(MAIL, Calls())
        assert server.connections == 1

        server.hang_up()
        await until(lambda: not server.open)
        await pool.send(MAIL, Calls())

    assert (len(server.mails), server.connections) == (3, 2)


async def test_a_kept_connection_that_no_longer_serves_costs_no_mail() -> None:
    async with sink() as server, submission(server) as pool:
        await pool.send(MAIL, Calls())
        server.says = {"RSET": "421 4.4.2 idle for too long"}
        await pool.send(MAIL, Calls())

    assert (len(server.mails), server.connections) == (2, 2)


async def test_an_idle_connection_is_closed_by_us() -> None:
    async with sink() as server:
        pool = Submission(Server(host="127.0.0.1", port=server.port, security="none"), idle_s=0.05)
        await pool.send(MAIL, Calls())
        assert server.open

        await until(lambda: not server.open)


@pytest.mark.parametrize(
    ("says", "error", "reason", "announced"),
    [
        ({"connect": "421 4.3.2 busy, see http://x/?q=secret"}, base.SendDeferred, "421 4.3.2", 0),
        ({"connect": "554 5.7.1 go away"}, base.SendDeferred, "554 5.7.1", 0),
        ({"connect": "drop"}, base.SendDeferred, "reached", 0),
        ({"MAIL": "451 4.3.0 later"}, base.SendDeferred, "451 4.3.0", 0),
        ({"MAIL": "550 5.7.1 not your address"}, base.SendRejected, "550 5.7.1", 0),
        ({"MAIL": "530 5.7.0 sign in"}, base.NeedsReauth, "530 5.7.0", 0),
        ({"MAIL": "552 5.3.4 too big"}, base.SendRejected, "too large", 0),
        ({"MAIL": "drop"}, base.SendDeferred, "lost before DATA", 0),
        ({"RCPT": "450 4.2.0 greylisted"}, base.SendDeferred, "450 4.2.0", 0),
        ({"RCPT": "550 5.1.1 nobody here"}, base.SendRejected, "550 5.1.1", 0),
        ({"RCPT": "drop"}, base.SendDeferred, "lost before DATA", 0),
        ({"RCPT": "421 4.3.2 closing"}, base.SendDeferred, "421 4.3.2", 0),
        ({"DATA": "451 4.3.0 later"}, base.SendDeferred, "451 4.3.0", 1),
        ({"DATA": "drop"}, base.SendUnknown, "lost after DATA", 1),
        ({"dot": "452 4.3.1 disk full"}, base.SendDeferred, "452 4.3.1", 1),
        ({"dot": "554 5.6.0 spam"}, base.SendRejected, "554 5.6.0", 1),
        ({"dot": "552 5.3.4 too big"}, base.SendRejected, "too large", 1),
        ({"dot": "drop"}, base.SendUnknown, "lost after DATA", 1),
        ({"dot": "what?"}, base.SendUnknown, "no sense", 1),
    ],
)
async def test_each_step_may_fail_and_says_what_became_of_the_mail(
    says: dict[str, str], error: type[base.ChannelError], reason: str, announced: int
) -> None:
    calls = Calls()
    async with sink() as server, submission(server) as pool:
        server.says = says
        with pytest.raises(error, match=reason) as caught:
            await pool.send(MAIL, calls)

    assert calls.count == announced
    assert "secret" not in str(caught.value)


async def test_a_connection_that_misbehaved_is_not_used_again() -> None:
    async with sink() as server, submission(server) as pool:
        server.says = {"dot": "452 4.3.1 disk full"}
        with pytest.raises(base.SendDeferred):
            await pool.send(MAIL, Calls())
        server.says = {}
        await pool.send(MAIL, Calls())

    assert server.connections == 2


async def test_one_refused_recipient_does_not_keep_the_mail_from_the_other() -> None:
    async with sink() as server, submission(server) as pool:
        server.says = {"RCPT:anna@mail.example": "550 5.1.1 nobody here"}
        sent = await pool.send(BOTH, Calls())

    assert dict(sent.rejected) == {"anna@mail.example": "refused (550 5.1.1)"}
    assert [to for _, to, _ in server.mails] == [["ivan@mail.example"]]


async def test_when_all_are_refused_the_one_that_may_pass_decides() -> None:
    async with sink() as server, submission(server) as pool:
        server.says = {"RCPT:ivan@mail.example": "550 5.1.1 nobody", "RCPT:anna@mail.example": "450 4.2.1 full"}
        with pytest.raises(base.SendDeferred, match=r"450 4\.2\.1"):
            await pool.send(BOTH, Calls())


@pytest.mark.parametrize(
    ("step", "error"), [("connect", base.SendDeferred), ("RCPT", base.SendDeferred), ("dot", base.SendUnknown)]
)
async def test_a_server_that_falls_silent_is_given_up(step: str, error: type[base.ChannelError]) -> None:
    async with sink() as server, submission(server, timeout_s=0.2, data_timeout_s=0.3) as pool:
        server.says = {step: "hang"}
        with pytest.raises(error):
            await pool.send(MAIL, Calls())


async def test_a_lease_that_is_lost_before_data_sends_nothing() -> None:
    async def lost() -> None:
        raise RuntimeError("another worker has it")

    async with sink() as server, submission(server) as pool:
        with pytest.raises(RuntimeError):
            await pool.send(MAIL, lost)
        assert server.mails == []


async def test_a_connection_lost_while_the_call_is_announced_is_no_unknown() -> None:
    async with sink() as server, submission(server) as pool:

        async def meanwhile() -> None:
            server.hang_up()
            await until(lambda: not server.open)
            for _ in range(5):  # the end is in our socket already; let the loop read it
                await asyncio.sleep(0)

        with pytest.raises(base.SendDeferred, match="before DATA"):
            await pool.send(MAIL, meanwhile)


async def test_nobody_listens() -> None:
    with pytest.raises(base.SendDeferred, match="reached"):
        await Submission(Server(host="127.0.0.1", port=free_port(), security="none")).send(MAIL, Calls())


async def test_the_right_password_gets_in_and_a_wrong_one_stops_the_inbox() -> None:
    async with sink(auth=True) as server:
        async with submission(server, username="support", password="right") as pool:
            await pool.send(MAIL, Calls())
        async with submission(server, username="support", password="s3cret-wrong") as pool:
            with pytest.raises(base.NeedsReauth) as caught:
                await pool.send(MAIL, Calls())

    assert len(server.mails) == 1
    assert "s3cret" not in repr(caught.value)


async def test_starttls_and_tls_with_a_certificate_that_is_checked(tmp_path: Path) -> None:
    trusted = certificates(tmp_path)
    for implicit, security in ((False, "starttls"), (True, "tls")):
        async with sink(tls=trusted.server, implicit=implicit) as server:
            async with submission(server, security=security, tls=trusted.client) as pool:
                await pool.send(MAIL, Calls())
            async with submission(server, security=security) as stranger:
                with pytest.raises(base.SendDeferred, match="certificate"):
                    await stranger.send(MAIL, Calls())
            assert len(server.mails) == 1


async def test_without_encryption_nothing_is_sent_where_it_is_asked_for() -> None:
    async with sink() as server, submission(server, security="starttls") as pool:
        with pytest.raises(base.SendDeferred, match="encryption"):
            await pool.send(MAIL, Calls())
        assert server.mails == []


async def test_an_announced_size_is_refused_before_the_mail_travels() -> None:
    calls = Calls()
    async with sink(size=1000) as server, submission(server) as pool:
        with pytest.raises(base.SendRejected, match="too large"):
            await pool.send(Mail(sender="a@b.example", recipients=("c@d.example",), content=b"x" * 2000), calls)

    assert calls.count == 0


async def test_an_international_address_needs_a_server_that_knows_them() -> None:
    mail = Mail(sender="a@b.example", recipients=("иван@d.example",), content=CONTENT, utf8=True)
    async with sink() as server, submission(server) as pool:
        await pool.send(mail, Calls())

    assert server.mails[0][1] == ["иван@d.example"]
