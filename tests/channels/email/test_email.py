"""The e-mail channel as the desk uses it: from an answer to the server, and from an arrival to items."""

import base64
from email import message_from_bytes
from pathlib import Path
from typing import Any
from uuid import UUID

import dkim
import httpx
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from pydantic import ValidationError

from omnidesk.channels import base
from omnidesk.channels.email import Config, EmailChannel
from omnidesk.channels.email.arriving import arrival_of
from omnidesk.domain.messages import Address, Bounce, Ignored, Inbound, Outbound, OutFile
from omnidesk.domain.tokens import return_path, returned_delivery
from tests.servers import sink

KEYS = (b"new", b"old")
IVAN = Address(kind="email", address="ivan@mail.example", name="Иван")


def channel(**config: Any) -> EmailChannel:
    tools = base.Tools(
        http=httpx.AsyncClient(),
        inbox_id="inb_1",
        addresses=("support@acme.example",),
        domain="acme.example",
        keys=KEYS,
    )
    return EmailChannel(Config.model_validate({"address": "Support@Acme.example", **config}), tools)


def answer(**changes: Any) -> Outbound:
    given: dict[str, Any] = {
        "delivery_id": UUID(int=7),
        "message_ref": "m7@acme.example",
        "to": (IVAN,),
        "text": "Готово.",
    }
    return Outbound(**{**given, **changes})


async def called() -> None:
    """The outbox would note the call here."""


async def test_an_answer_reaches_the_server_with_its_file_and_is_known_by_its_message_id(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"%PDF")
    message = answer(
        files=(OutFile(name="Счёт.pdf", content_type="application/pdf", size=4, path=str(tmp_path / "a")),)
    )
    async with sink() as server:
        email = channel(
            smtp_host="127.0.0.1", smtp_port=server.port, smtp_security="none", return_path="bounces@acme.example"
        )
        sent = await email.send(message, email.split(message)[0], called)
        await email.close()

    [(sender, recipients, content)] = server.mails
    assert (returned_delivery(sender, KEYS[0]), recipients) == (UUID(int=7), ["ivan@mail.example"])
    assert (sent.realm, sent.external_id) == ("mail", "m7@acme.example")
    assert message_from_bytes(content)["Message-ID"] == "<m7@acme.example>"
    assert b"JVBERg==" in content


async def test_a_signature_is_one_that_verifiers_accept() -> None:
    key = rsa.generate_private_key(65537, 2048)
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    public = key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    async with sink() as server:
        email = channel(
            smtp_host="127.0.0.1",
            smtp_port=server.port,
            smtp_security="none",
            dkim_selector="desk",
            dkim_key=pem.decode(),
        )
        await email.send(answer(subject="Возврат"), email.split(answer())[0], called)
        await email.close()
    content = server.mails[0][2]

    def dns(name: bytes, timeout: int = 5) -> bytes:
        assert name == b"desk._domainkey.acme.example."
        return b"v=DKIM1; k=rsa; p=" + base64.b64encode(public)

    assert dkim.verify(content, dnsfunc=dns)
    assert not dkim.verify(content.replace(b"From: ", b"From: x", 1), dnsfunc=dns)


def test_a_key_that_is_none_is_refused_without_showing_it() -> None:
    with pytest.raises(ValidationError) as caught:
        channel(dkim_selector="desk", dkim_key="-----BEGIN s3cret-----")
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    "message",
    [
        answer(to=(Address(kind="email", address="no address"),)),
        answer(to=()),
        answer(files=(OutFile(name="x", content_type="", size=1, path="/nowhere/x"),)),
    ],
)
async def test_what_can_never_be_sent_is_rejected_before_any_call(message: Outbound) -> None:
    async with sink() as server:
        email = channel(smtp_host="127.0.0.1", smtp_port=server.port, smtp_security="none")
        with pytest.raises(base.SendRejected):
            await email.send(message, email.split(message)[0], called)
    assert server.connections == 0


async def test_an_inbox_without_an_outgoing_server_says_so() -> None:
    email = channel()
    with pytest.raises(base.SendRejected, match="outgoing server"):
        await email.send(answer(), email.split(answer())[0], called)


def test_only_an_inbox_with_an_incoming_server_is_watched() -> None:
    assert not isinstance(channel(), base.Watching)
    assert isinstance(channel(imap_host="imap.mail.example"), base.Watching)


@pytest.mark.row(28)
async def test_a_customers_reply_to_our_mail_carries_the_token_and_the_reference() -> None:
    async with sink() as server:
        email = channel(smtp_host="127.0.0.1", smtp_port=server.port, smtp_security="none")
        message = answer(reply_token="abcdefgh23456777", ticket_number="123456789", in_reply_to="q1@mail.example")
        await email.send(message, email.split(message)[0], called)
        await email.close()
    ours = message_from_bytes(server.mails[0][2])
    reply_to = str(ours["Reply-To"]).strip("<>").rpartition("<")[2]
    raw = (
        f"From: Ivan <ivan@mail.example>\r\nTo: {reply_to}\r\nSubject: {ours['Subject']}\r\n"
        "Message-ID: <q2@mail.example>\r\n"
        f"In-Reply-To: {ours['Message-ID']}\r\nDate: Sun, 22 Nov 2026 10:00:00 +0000\r\n\r\nThanks\r\n"
    ).encode()

    [item] = email.read(arrival_of(raw, mail_from="ivan@mail.example", rcpt_to=[reply_to]))

    assert isinstance(item, Inbound)
    assert item.tokens == ("abcdefgh23456777",)
    assert item.numbers == ("123456789",)
    assert [ref.external_id for ref in item.references] == ["m7@acme.example"]
    assert item.participants == ()


@pytest.mark.row(34)
async def test_our_own_mail_coming_back_is_a_loop_and_an_echo_of_nobody() -> None:
    async with sink() as server:
        email = channel(smtp_host="127.0.0.1", smtp_port=server.port, smtp_security="none")
        await email.send(answer(automatic=True), email.split(answer())[0], called)
        await email.close()

    [item] = email.read(
        arrival_of(server.mails[0][2], mail_from="support@acme.example", rcpt_to=["support@acme.example"])
    )

    assert isinstance(item, Ignored)


def bounce(to: str) -> bytes:
    return (
        f"From: MAILER-DAEMON@mx.example\r\nTo: {to}\r\nSubject: Undelivered\r\n"
        'Content-Type: multipart/report; report-type=delivery-status; boundary="b"\r\n\r\n--b\r\n\r\nfailed\r\n'
        "--b\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.example\r\n\r\n"
        "Final-Recipient: rfc822; ivan@mail.example\r\nAction: failed\r\nStatus: 5.1.1\r\n\r\n--b--\r\n"
    ).encode()


@pytest.mark.parametrize("how", ["envelope", "header"])
def test_a_bounce_at_the_return_path_names_the_delivery(how: str) -> None:
    email = channel(return_path="bounces@acme.example")
    path = return_path(UUID(int=7), KEYS[1], "bounces@acme.example").upper()

    raw = bounce(path if how == "header" else "undisclosed")
    [item] = email.read(arrival_of(raw, mail_from="", rcpt_to=[path] if how == "envelope" else []))

    assert isinstance(item, Bounce)
    assert (item.deliveries, item.recipient, item.permanent) == ((UUID(int=7),), "ivan@mail.example", True)


def test_a_bounce_at_a_forged_return_path_is_left() -> None:
    email = channel(return_path="bounces@acme.example")
    path = return_path(UUID(int=7), b"somebody else's", "bounces@acme.example")

    [item] = email.read(arrival_of(bounce(path), mail_from="", rcpt_to=[path]))

    assert isinstance(item, Ignored)


def test_an_answer_to_the_return_path_names_the_delivery_that_it_answers() -> None:
    email = channel(return_path="bounces@acme.example", aliases=["help@acme.example"])
    path = return_path(UUID(int=7), KEYS[0], "bounces@acme.example")
    raw = b"From: ivan@mail.example\r\nSubject: Out of office\r\nAuto-Submitted: auto-replied\r\n\r\naway\r\n"

    [item] = email.read(arrival_of(raw, mail_from="", rcpt_to=[path]))
    [other] = email.read(arrival_of(raw, mail_from="", rcpt_to=["HELP+x@acme.example"]))

    assert isinstance(item, Inbound)
    assert isinstance(other, Inbound)
    assert (item.deliveries, item.automatic) == ((UUID(int=7),), True)
    assert (other.deliveries, other.address) == ((), "help@acme.example")
