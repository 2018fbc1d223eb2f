"""Agents answer: to the right people, the way it came, once, and never asking for a secret."""

import asyncio
import email
import email.policy
from collections.abc import AsyncIterator
from datetime import timedelta
from email.message import EmailMessage
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from omnidesk.channels import base
from omnidesk.channels.email import Config, EmailChannel
from omnidesk.db.session import Database
from omnidesk.desk import posting
from omnidesk.desk.files import FileStore, upload
from omnidesk.desk.reply import NoWayOut, note, reply
from omnidesk.domain.errors import Invalid, NotFound, Refused
from omnidesk.domain.tickets import Status
from tests.desk.outgoing import NOON, FewChannels, Folder, Outgoing, manifest_of
from tests.servers import Sink, sink

LATER = NOON + timedelta(hours=1)


@pytest.fixture
async def desk(db: Database) -> Outgoing:
    return await Outgoing(db, FewChannels(db)).make()


async def answer(desk: Outgoing, ticket: UUID, text: str = "Looking now.", **more: Any) -> UUID:
    files = more.pop("files", Folder())
    return await reply(desk.db, desk.channels, files, ticket, desk.agent, text, **{"now": LATER} | more)


async def one(desk: Outgoing, statement: str, *values: Any) -> Any:
    (row,) = await desk.sql(statement, *values)
    return row


async def recipients(desk: Outgoing, message: UUID) -> tuple[list[UUID], list[UUID]]:
    row = await one(desk, "SELECT to_ids, cc_ids FROM deliveries WHERE message_id = $1", message)
    return row["to_ids"], row["cc_ids"]


async def join(desk: Outgoing, conversation: UUID, who: UUID, minute: int = 0) -> None:
    await desk.sql(
        "INSERT INTO participants VALUES ($1, $2, 'participant', $3)",
        conversation,
        who,
        NOON + timedelta(minutes=minute),
    )


async def test_an_answer_stops_the_wait_keeps_the_promise_and_tells_who_follows(desk: Outgoing) -> None:
    ticket, _ = await desk.ivan()
    await desk.sql("UPDATE tickets SET status = 'new' WHERE id = $1", ticket)
    await desk.sql(
        "INSERT INTO promises (id, ticket_id, kind, due_at) VALUES ($1, $2, 'first_reply', $3)",
        uuid4(),
        ticket,
        NOON + timedelta(days=1),
    )
    await answer(desk, ticket, request_id="req-1")

    row = await one(desk, "SELECT * FROM tickets")
    assert (row["status"], row["waiting_since"], row["first_reply_at"]) == ("open", None, LATER)
    assert row["last_outbound_at"] == LATER
    assert row["assignee_id"] is None, "answering assigns nobody"
    assert row["version"] == 2
    assert (await one(desk, "SELECT state, settled_at FROM promises"))["state"] == "kept"
    events = await desk.sql("SELECT type, actor, request_id FROM events ORDER BY id")
    assert [event["type"] for event in events] == ["message.created", "ticket.status_changed", "promise.kept"]
    assert {(event["actor"], event["request_id"]) for event in events} == {(str(desk.agent), "req-1")}


async def test_a_late_answer_breaks_its_promise(desk: Outgoing) -> None:
    ticket, _ = await desk.ivan()
    await desk.sql(
        "INSERT INTO promises (id, ticket_id, kind, due_at) VALUES ($1, $2, 'first_reply', $3)", uuid4(), ticket, NOON
    )
    await answer(desk, ticket)
    assert (await one(desk, "SELECT state FROM promises"))["state"] == "broken"
    assert await desk.sql("SELECT 1 FROM events WHERE type = 'promise.broken'")


async def test_an_answer_may_resolve_and_the_ticket_then_closes_by_a_timer(desk: Outgoing) -> None:
    ticket, _ = await desk.ivan()
    await answer(desk, ticket, status_after=Status.RESOLVED)
    assert (await one(desk, "SELECT status, resolved_at FROM tickets"))["resolved_at"] == LATER
    assert (await one(desk, "SELECT kind, due_at FROM timers"))["due_at"] == LATER + timedelta(days=4)
    await answer(desk, ticket, "One more thing.")
    assert (await one(desk, "SELECT status FROM tickets"))["status"] == "open"
    assert await desk.sql("SELECT 1 FROM timers") == []


async def test_everybody_in_the_conversation_gets_it_but_not_ourselves_nor_the_unreachable(desk: Outgoing) -> None:
    ivan, maria, gone, ours = [
        await desk.person(address, "email")
        for address in ("ivan@client.example", "maria@client.example", "gone@client.example", "support@acme.example")
    ]
    await desk.sql("INSERT INTO inbox_addresses VALUES ('support@acme.example', $1)", desk.inbox_id)
    await desk.sql("UPDATE identities SET unreachable_at = now() WHERE id = $1", gone)
    ticket = await desk.ticket(ivan)
    conversation = await desk.conversation(ticket, ivan)
    for minute, who in enumerate((maria, ours, gone, ivan)):
        await join(desk, conversation, who, minute)

    assert await recipients(desk, await answer(desk, ticket)) == ([ivan], [maria])
    assert await recipients(desk, await answer(desk, ticket, to=[maria], cc=[gone, ours])) == ([maria], [gone])
    assert await recipients(desk, await answer(desk, ticket, cc=[])) == ([ivan], [])
    stranger = await desk.person("+4930123", "phone")
    for wrong in (stranger, uuid4()):
        with pytest.raises(Refused) as refused:
            await answer(desk, ticket, to=[wrong])
        assert refused.value.code == "wrong_recipient"
    with pytest.raises(NoWayOut):
        await answer(desk, ticket, to=[ours])


async def test_the_newest_private_conversation_is_answered_unless_one_is_named(desk: Outgoing) -> None:
    ticket, first = await desk.ivan()
    who = await desk.person("ivan elsewhere")
    chat = await desk.conversation(ticket, who, heard_at=NOON + timedelta(minutes=5))
    wall = await desk.conversation(ticket, who, private=False, heard_at=NOON + timedelta(minutes=9))
    asked = [await answer(desk, ticket), await answer(desk, ticket, conversation_id=wall)]
    asked.append(await answer(desk, ticket, conversation_id=first))
    rows = await desk.sql("SELECT id, conversation_id FROM messages WHERE direction = 'out'")
    assert {row["id"]: row["conversation_id"] for row in rows} == dict(zip(asked, (chat, wall, first), strict=True))
    other, elsewhere = await desk.ivan()
    with pytest.raises(NotFound):
        await answer(desk, ticket, conversation_id=elsewhere)
    await desk.sql("UPDATE conversations SET private = false WHERE ticket_id = $1", other)
    with pytest.raises(Refused) as refused:
        await answer(desk, other)
    assert refused.value.code == "conversation_required"


@pytest.mark.parametrize(("status", "code"), [("closed", "ticket_closed"), ("spam", "ticket_spam")])
async def test_a_ticket_that_is_over_takes_no_answer_and_stores_nothing(desk: Outgoing, status: str, code: str) -> None:
    ticket, _ = await desk.ivan()
    await desk.sql("UPDATE tickets SET status = $1", status)
    with pytest.raises(Refused) as refused:
        await answer(desk, ticket)
    assert refused.value.code == code
    assert await desk.rows() == []
    assert await desk.sql("SELECT 1 FROM messages WHERE direction = 'out'") == []


async def test_a_merged_ticket_says_where_it_went(desk: Outgoing) -> None:
    ticket, _ = await desk.ivan()
    survivor, _ = await desk.ivan()
    await desk.sql("UPDATE tickets SET merged_into = $1 WHERE id = $2", survivor, ticket)
    with pytest.raises(Refused) as refused:
        await answer(desk, ticket)
    assert refused.value.code == "ticket_merged"


async def test_bad_words_and_unknown_tickets(desk: Outgoing) -> None:
    ticket, _ = await desk.ivan()
    for text in ("", "  \n", "x" * 200_001, "a\0b"):
        with pytest.raises(Invalid):
            await answer(desk, ticket, text)
    with pytest.raises(NotFound):
        await answer(desk, uuid4())
    with pytest.raises(Refused) as refused:
        await answer(desk, ticket, "Пришлите, пожалуйста, ваш пароль от личного кабинета.")
    assert refused.value.code == "secret_request_blocked"
    await answer(desk, ticket, "Никому не сообщайте ваш пароль, мы его не спрашиваем.")


async def test_a_channel_that_cannot_answer_says_so_or_leaves_by_mail(desk: Outgoing) -> None:
    class Deaf:
        def read(self, arrival: Any) -> list[Any]:
            return []

    form = uuid4()
    await desk.add_inbox(form, Deaf(), manifest_of(Deaf))
    shy = await desk.person("guest-1", "form")
    ticket = await desk.ticket(shy)
    await desk.conversation(ticket, shy, inbox_id=form)
    with pytest.raises(NoWayOut):
        await answer(desk, ticket)

    ivan = await desk.person("ivan@client.example", "email")
    ticket = await desk.ticket(ivan)
    await desk.conversation(ticket, ivan, inbox_id=form)
    mail = uuid4()
    channel, manifest = mail_channel(2525)
    await desk.add_inbox(mail, channel, manifest, addresses=("support@acme.example",))
    await answer(desk, ticket)
    assert (await desk.rows())[0]["inbox_id"] == mail


async def test_answers_written_at_the_same_time_are_all_kept_and_leave_in_their_order(desk: Outgoing) -> None:
    ticket, _ = await desk.ivan()
    await asyncio.gather(*(answer(desk, ticket, f"answer {n}") for n in range(8)))
    assert (await one(desk, "SELECT version FROM tickets"))["version"] == 9
    worker = desk.deliverer()
    while await worker.deliver_once():
        pass
    assert sorted(desk.platform.texts) == [f"answer {n}" for n in range(8)]
    assert len({message.message_ref for message, _ in desk.platform.taken}) == 8


async def test_a_note_stays_inside(desk: Outgoing) -> None:
    ticket, _ = await desk.ivan()
    await note(desk.db, ticket, desk.agent, "He asked for his password reset twice.", now=LATER)
    row = await one(desk, "SELECT * FROM messages WHERE direction = 'note'")
    assert (row["ticket_id"], row["conversation_id"], row["agent_id"]) == (ticket, None, desk.agent.id)
    assert await desk.rows() == []
    assert (await one(desk, "SELECT waiting_since FROM tickets"))["waiting_since"] == NOON, "the customer still waits"
    with pytest.raises(NotFound):
        await note(desk.db, uuid4(), desk.agent, "Hello", now=LATER)


# --- by mail, through a real server ---------------------------------------------------------------


def mail_channel(port: int) -> tuple[EmailChannel, base.Manifest]:
    config = Config(
        address="support@acme.example", name="Acme", smtp_host="127.0.0.1", smtp_port=port, smtp_security="none"
    )
    channel = EmailChannel(config, base.Tools(http=None, inbox_id="inb_1"))  # type: ignore[arg-type]
    channel.config = config  # type: ignore[attr-defined]
    return channel, base.Manifest(name="email", title="E-mail", config=Config, build=EmailChannel)


@pytest.fixture
async def server() -> AsyncIterator[Sink]:
    async with sink() as told:
        yield told


@pytest.fixture
async def mailing(desk: Outgoing, server: Sink) -> AsyncIterator[tuple[Outgoing, UUID]]:
    """The desk with a mail inbox instead."""
    desk.inbox_id = uuid4()
    channel, manifest = mail_channel(server.port)
    await desk.add_inbox(desk.inbox_id, channel, manifest, addresses=("support@acme.example",))
    yield desk, desk.inbox_id
    await channel.close()


def parsed(content: bytes) -> EmailMessage:
    message = email.message_from_bytes(content, policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    return message


async def test_a_mail_threads_quotes_and_is_known_by_its_id_before_it_leaves(
    mailing: tuple[Outgoing, UUID], server: Sink
) -> None:
    desk, _ = mailing
    ivan = await desk.person("ivan@client.example", "email")
    ticket = await desk.ticket(ivan)
    conversation = await desk.conversation(ticket, ivan)
    await desk.hears(conversation, ivan, "Where is my refund?", ref="root@client.example")
    first = await answer(desk, ticket, "Looking now.")
    known = await one(desk, "SELECT * FROM message_refs WHERE message_id = $1", first)
    assert (known["realm"], known["variant"]) == ("mail", "support@acme.example")
    worker = desk.deliverer()
    await worker.deliver_once()
    await desk.hears(conversation, ivan, "Any news?", ref="second@client.example", minute=90)
    await answer(desk, ticket, "It is on its way.", now=NOON + timedelta(hours=2))
    await worker.deliver_once()

    assert await desk.delivery_states() == ["sent", "sent"]
    one_mail, two = (parsed(content) for _, _, content in server.mails)
    assert one_mail["Message-ID"] == f"<{known['external_id']}>"
    assert one_mail["In-Reply-To"] == "<root@client.example>"
    assert two["In-Reply-To"] == "<second@client.example>"
    assert two["References"].split() == ["<root@client.example>", one_mail["Message-ID"], "<second@client.example>"]
    body = two.get_body(("plain",))
    assert body is not None
    assert "> Any news?" in body.get_content()
    assert conversation.hex[:16] in two["Reply-To"]
    refs = await desk.sql("SELECT 1 FROM message_refs WHERE message_id = $1", first)
    assert len(refs) == 1, "its own id is noted once"


async def test_what_others_wrote_is_not_quoted_to_a_stranger_to_the_conversation(
    mailing: tuple[Outgoing, UUID], server: Sink
) -> None:
    desk, _ = mailing
    ivan, maria = await desk.person("ivan@client.example", "email"), await desk.person("maria@other.example", "email")
    ticket = await desk.ticket(ivan)
    conversation = await desk.conversation(ticket, ivan)
    await desk.hears(conversation, ivan, "My salary is 100.", ref="root@client.example")
    await answer(desk, ticket, "For you, Maria.", to=[maria])
    await answer(desk, ticket, "For both.", to=[ivan], cc=[maria])
    await answer(desk, ticket, "For Ivan.", to=[ivan])
    worker = desk.deliverer()
    while await worker.deliver_once():
        pass
    assert [b"salary" in content for _, _, content in server.mails] == [False, False, True]


async def test_the_four_ends_of_a_mail(mailing: tuple[Outgoing, UUID], server: Sink) -> None:
    desk, _ = mailing
    worker = desk.deliverer()
    for step, reply_of_server in (("", ""), ("RCPT", "550 5.1.1 no"), ("MAIL", "451 4.3.0 later"), ("dot", "drop")):
        server.says = {step: reply_of_server} if step else {}
        ivan = await desk.person(f"ivan{step}@client.example", "email")
        ticket = await desk.ticket(ivan)
        await desk.conversation(ticket, ivan)
        await answer(desk, ticket)
        await worker.deliver_once()
    assert await desk.states() == ["sent", "rejected", "deferred", "unknown"]
    assert len(server.mails) == 2, "the lost one had arrived: nobody sends it again"
    server.says = {}
    await desk.later(days=1)
    await worker.deliver_once()
    assert await desk.states() == ["sent", "rejected", "sent", "unknown"]


async def test_files_go_along_and_belong_to_one_message_of_their_uploader(
    mailing: tuple[Outgoing, UUID], server: Sink, tmp_path: Path
) -> None:
    desk, _ = mailing
    store = FileStore(tmp_path)
    ivan = await desk.person("ivan@client.example", "email")
    ticket = await desk.ticket(ivan)
    await desk.conversation(ticket, ivan)
    mine, theirs = uuid4(), uuid4()
    for attachment, uploader in ((mine, str(desk.agent)), (theirs, "agent:somebody-else")):
        await upload(
            desk.db,
            store,
            pieces(b"%PDF-1.7 receipt"),
            attachment_id=attachment,
            name="receipt.pdf",
            claimed="image/png",
            uploader=uploader,
        )
    for wrong in ([theirs], [mine, uuid4()]):
        with pytest.raises(Refused) as refused:
            await answer(desk, ticket, attachment_ids=wrong, files=store)
        assert refused.value.code == "unknown_attachment"
    await answer(desk, ticket, attachment_ids=[mine], files=store)
    with pytest.raises(Refused):
        await answer(desk, ticket, attachment_ids=[mine], files=store)

    worker = desk.deliverer()
    worker.kinds = {"message": type(worker.kinds["message"])(desk.db, desk.channels, store)}  # type: ignore[call-arg]
    await worker.deliver_once()
    (attached,) = parsed(server.mails[0][2]).iter_attachments()
    assert attached.get_content_type() == "application/pdf"
    assert attached.get_content() == b"%PDF-1.7 receipt"


async def pieces(content: bytes) -> AsyncIterator[bytes]:
    yield content


def test_ids_of_mails_are_random_and_of_our_domain() -> None:
    ids = {posting.fresh_ref("support@acme.example") for _ in range(100)}
    assert len(ids) == 100
    assert all(each.endswith("@acme.example") and len(each.partition("@")[0]) >= 16 for each in ids)
