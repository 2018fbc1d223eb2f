"""A ticket's page: what is shown, answering, moving it along, and what a form of yesterday may still do."""

import asyncio
import re
from typing import Any

from omnidesk.domain import ids
from omnidesk.domain.people import Role
from tests.web.conftest import Browser, Console

SAME = {"sec-fetch-site": "same-origin"}


def url(ticket: str, what: str = "") -> str:
    return f"/desk/tickets/{ticket}" + (f"/{what}" if what else "")


def box(browser: Browser, name: str) -> str:
    """What stands in a text box of the page."""
    [found] = re.findall(rf'<textarea id="{name}"[^>]*>\n?(.*?)</textarea>', browser.page.text, re.DOTALL)
    return str(found)


async def rows(desk: Console, sql: str, *values: object) -> list[dict[str, Any]]:
    async with desk.api.db.connection() as tx:
        return [dict(row) for row in await tx.driver.fetch(sql, *values)]


async def test_an_answer_leaves_and_the_page_says_so_once(desk: Console) -> None:
    ticket = await desk.writes("Where is my order 48213?")
    _, olga = await desk.agent("Olga")
    await olga.open(url(ticket))
    assert "Where is my order 48213?" in olga.words
    assert "To: Ivan <ivan@customer.example>" in olga.words, "recipients are shown before sending"

    answer = await olga.send(url(ticket, "replies"), {"text": "It comes tomorrow.", "then": "resolved"})

    assert [step.status_code for step in answer.history] == [303]
    assert answer.url.fragment.startswith("msg_")
    assert "Your answer is on its way." in olga.words
    assert await desk.said(ticket) == ["It comes tomorrow."]
    assert (await desk.read(ticket))["status"] == "resolved"
    [call] = await rows(
        desk, "SELECT o.state FROM outbox o JOIN deliveries d ON d.id = o.subject_id JOIN messages m"
        " ON m.id = d.message_id WHERE m.author = 'agent'"
    )  # fmt: skip
    assert call["state"] == "queued"
    await olga.open(url(ticket))
    assert "Your answer is on its way." not in olga.words
    assert "Olga changed the status: New → Resolved" in olga.words
    assert box(olga, "text") == ""


async def test_the_same_form_sent_twice_at_once_is_one_answer(desk: Console) -> None:
    ticket = await desk.writes("Where is my order?")
    _, olga = await desk.agent("Olga")
    await olga.open(url(ticket))
    fields = {**olga.hidden(url(ticket, "replies")), "text": "It comes tomorrow."}

    async def press() -> Any:
        return await olga.http.post(url(ticket, "replies"), data=fields, headers=SAME)

    answers = await asyncio.gather(*(press() for _ in range(4)))
    late = await press()

    assert {answer.status_code for answer in (*answers, late)} == {303}
    assert len({answer.headers["location"] for answer in (*answers, late)}) == 1
    assert await desk.said(ticket) == ["It comes tomorrow."]

    other = await olga.send(url(ticket, "replies"), {"text": "Something else"}, hidden=fields)
    assert other.status_code == 409
    assert box(olga, "text") == "Something else"
    await olga.send(url(ticket, "replies"), {"text": "Something else"})
    assert await desk.said(ticket) == ["It comes tomorrow.", "Something else"], "the page had a fresh key"


async def test_asking_for_a_password_is_refused_and_nothing_typed_is_lost(desk: Console) -> None:
    ticket = await desk.writes("I cannot sign in")
    _, olga = await desk.agent("Olga")
    await olga.open(url(ticket))
    files = [("files", ("guide.txt", b"how to reset it", "text/plain"))]

    refused = await olga.send(url(ticket, "replies"), {"text": "Please send me your password"}, files=files)

    assert refused.status_code == 422
    assert "Customers must never be asked for a password" in olga.words
    assert box(olga, "text") == "Please send me your password"
    assert await desk.said(ticket) == []

    [kept] = re.findall(r'name="attachment" value="(att_\w+)" checked> guide.txt', refused.text)
    await olga.send(url(ticket, "replies"), {"text": "Use this guide", "attachment": kept})
    assert await desk.said(ticket) == ["Use this guide"]
    await olga.open(url(ticket))
    [link] = re.findall(r'href="(/v1/attachments/\w+/content)">guide.txt', olga.page.text)
    file = await olga.http.get(link)
    assert file.content == b"how to reset it"
    assert file.headers["content-disposition"].startswith("attachment")


async def test_a_file_that_is_too_large_is_refused_and_the_text_stays(desk: Console) -> None:
    ticket = await desk.writes("Where is my order?")
    _, olga = await desk.agent("Olga")
    await olga.open(url(ticket))
    files = [("files", ("big.bin", b"x" * 200_001, "application/octet-stream"))]
    await olga.send(url(ticket, "replies"), {"text": "See the file"}, files=files)
    assert "The file is too large." in olga.words
    assert box(olga, "text") == "See the file"
    assert await desk.said(ticket) == []


async def test_what_came_while_one_was_writing_is_shown_first_and_the_text_is_kept(desk: Console) -> None:
    ticket = await desk.writes("Where is my order?")
    _, olga = await desk.agent("Olga")
    await olga.open(url(ticket))
    await desk.writes("Never mind, it is here!")

    stale = await olga.send(url(ticket, "replies"), {"text": "It comes tomorrow."})

    assert stale.status_code == 412
    assert "The ticket has changed since you opened it." in olga.words
    assert "What is new Ivan : Never mind, it is here!" in olga.words
    assert box(olga, "text") == "It comes tomorrow."
    assert await desk.said(ticket) == []
    await olga.send(url(ticket, "replies"), {"text": "Good to hear."})
    assert await desk.said(ticket) == ["Good to hear."]


async def test_a_colleagues_answer_comes_first_too_but_being_given_the_ticket_does_not(desk: Console) -> None:
    ticket = await desk.writes("Where is my order?")
    _, olga = await desk.agent("Olga")
    _, petr = await desk.agent("Petr")
    await olga.open(url(ticket))
    form = olga.hidden(url(ticket, "replies"))
    await olga.send(url(ticket, "assignee"), {"agent": "me"})
    await olga.send(url(ticket, "replies"), {"text": "I look into it."}, hidden=form)
    assert await desk.said(ticket) == ["I look into it."]

    await olga.open(url(ticket))
    await petr.open(url(ticket))
    await petr.send(url(ticket, "replies"), {"text": "It is on its way."})
    stale = await olga.send(url(ticket, "replies"), {"text": "It is lost."})
    assert stale.status_code == 412
    assert await desk.said(ticket) == ["I look into it.", "It is on its way."]


async def test_a_button_of_an_old_page_changes_nothing_and_shows_what_is_new(desk: Console) -> None:
    ticket = await desk.writes("Where is my order?")
    _, olga = await desk.agent("Olga")
    await olga.open(url(ticket))
    await desk.writes("Hello?")
    stale = await olga.send(url(ticket, "status"), {"to": "resolved"})
    assert stale.status_code == 412
    assert "Hello?" in olga.words
    assert (await desk.read(ticket))["status"] == "new"
    await olga.send(url(ticket, "status"), {"to": "resolved"})
    assert (await desk.read(ticket))["status"] == "resolved"
    assert "Resolved." in olga.words


async def test_a_ticket_goes_from_hand_to_hand(desk: Console) -> None:
    ticket = await desk.writes("Where is my order?")
    olga_id, olga = await desk.agent("Olga")
    petr_id, petr = await desk.agent("Petr")
    await olga.open(url(ticket))
    await olga.send(url(ticket, "assignee"), {"agent": "me"})
    assert "The ticket is yours." in olga.words
    await olga.send(url(ticket, "assignee"), {"agent": ids.encode("agent", petr_id)})
    assert (await desk.read(ticket))["assignee_id"] == ids.encode("agent", petr_id)
    assert "Olga gave the ticket to Petr" in olga.words

    await olga.send(url(ticket, "assignee"), {"agent": ""})
    assert olga.page.status_code == 422
    assert "Only its holder or a supervisor" in olga.words
    await petr.open(url(ticket))
    await petr.send(url(ticket, "assignee"), {"agent": ""})
    assert (await desk.read(ticket))["assignee_id"] is None
    await olga.open(url(ticket))
    await olga.send(url(ticket, "assignee"), {"agent": "me"})
    await petr.open(url(ticket))
    assert "Take it over" in petr.words
    await petr.send(url(ticket, "assignee"), {"agent": "me"})
    assert (await desk.read(ticket))["assignee_id"] == ids.encode("agent", petr_id)
    assert olga_id != petr_id


async def test_queue_and_urgency_change_and_a_ticket_out_of_sight_leads_to_the_list(desk: Console) -> None:
    other = await desk.api.another_queue("Payments")
    ticket = await desk.writes("Where is my order?")
    _, olga = await desk.agent("Olga")
    here = ids.encode("queue", await desk.api.queue())
    await olga.open(url(ticket))
    await olga.send(url(ticket, "details"), {"queue": here, "urgency": "high"})
    assert "Olga changed the urgency: Low → High" in olga.words
    await olga.send(url(ticket, "details"), {"queue": ids.encode("queue", other), "urgency": "high"})
    assert olga.page.url.path == "/desk"
    assert "Saved." in olga.words
    assert (await desk.read(ticket))["queue_id"] == ids.encode("queue", other)


async def test_a_note_stays_within_the_desk(desk: Console) -> None:
    ticket = await desk.writes("Where is my order?")
    _, olga = await desk.agent("Olga")
    await olga.open(url(ticket))
    await olga.send(url(ticket, "notes"), {"note": "He called, too: ask him for his password again? No!"})
    assert "The note is kept." in olga.words
    assert "Note, for colleagues only" in olga.words
    assert (
        await rows(desk, "SELECT 1 FROM deliveries d JOIN messages m ON m.id = message_id WHERE author='agent'") == []
    )
    empty = await olga.send(url(ticket, "notes"), {"note": "  "})
    assert empty.status_code == 422
    assert "Write something first." in olga.words


async def test_spam_is_hidden_takes_no_answer_and_comes_back(desk: Console) -> None:
    ticket = await desk.writes("Buy now")
    _, olga = await desk.agent("Olga")
    await olga.open(url(ticket))
    reply = olga.hidden(url(ticket, "replies"))
    await olga.send(url(ticket, "spam"))
    assert "Marked as spam: hidden, its clocks stopped." in olga.words
    assert "Your answer" not in olga.words, "no form for an answer"
    refused = await olga.send(url(ticket, "replies"), {"text": "Hello"}, hidden={**reply, "version": ""})
    assert refused.status_code == 422
    assert "This ticket is marked as spam." in olga.words
    assert box(olga, "text") == "Hello", "what was typed is not lost"
    await olga.open(url(ticket))
    await olga.send(url(ticket, "spam"), {"undo": "1"})
    assert (await desk.read(ticket))["status"] == "new"


async def test_a_delivery_in_doubt_is_sent_again_or_said_to_have_arrived(desk: Console) -> None:
    _, olga = await desk.agent("Olga")
    for button, said, state in (("resend", "It is sent again.", "queued"), ("arrived", "Noted: it arrived.", "sent")):
        ticket = await desk.writes("Where is my order?", thread=button)
        await olga.open(url(ticket))
        await olga.send(url(ticket, "replies"), {"text": "Tomorrow."})
        [lost] = await rows(
            desk,
            "SELECT d.id FROM deliveries d JOIN messages m ON m.id = d.message_id JOIN conversations c"
            " ON c.id = d.conversation_id WHERE m.author = 'agent' AND c.ticket_id = $1",
            ids.decode("ticket", ticket),
        )
        async with desk.api.db.connection() as tx:
            await tx.driver.execute("UPDATE outbox SET state = 'unknown' WHERE subject_id = $1", lost["id"])
            await tx.driver.execute("UPDATE deliveries SET state = 'unknown' WHERE id = $1", lost["id"])
        await olga.open(url(ticket))
        assert "It is not known whether this arrived" in olga.words

        action = f"/desk/deliveries/{ids.encode('delivery', lost['id'])}/{button}"
        form = olga.hidden(action)
        await olga.send(action)
        assert said in olga.words
        [now] = await rows(desk, "SELECT state FROM deliveries WHERE id = $1", lost["id"])
        assert now["state"] == state
        again = await olga.send(action, hidden=form)
        assert again.status_code == {"resend": 409, "arrived": 422}[button]


async def test_hints_quotes_and_masked_secrets_are_shown_beside_the_message(desk: Console) -> None:
    ticket = await desk.writes("Мой пароль: hunter2secret, не могу войти")
    _, olga = await desk.agent("Olga", "ru")
    async with desk.api.db.connection() as tx:
        await tx.driver.execute(
            "UPDATE messages SET quoted = 'On Monday you wrote', author = 'unverified',"
            " hints = hints || '{unverified_sender,of_a_later_version}' WHERE direction = 'in'"
        )
    await olga.open(url(ticket))
    assert "hunter2secret" not in olga.page.text
    assert "Скрыто ещё до сохранения: пароль." in olga.words
    assert "Отправитель не участвует в этой переписке." in olga.words
    assert "of_a_later_version" in olga.words
    assert re.search(
        r"<details class=\"quoted\"><summary>Цитата и подпись</summary>.*On Monday you wrote", olga.page.text
    )


async def test_a_long_timeline_is_read_backwards(desk: Console) -> None:
    ticket = await desk.writes("Message 000")
    for number in range(1, 70):
        await desk.writes(f"Message {number:03}")
    _, olga = await desk.agent("Olga", role=Role.SUPERVISOR)
    seen: list[str] = []
    earlier: str | None = url(ticket)
    while earlier:
        await olga.open(earlier.replace("&amp;", "&"))
        seen = re.findall(r"Message (\d{3})</div>", olga.page.text) + seen
        found = re.search(r'href="([^"]+\?before=[^"]+)"', olga.page.text)
        earlier = found[1] if found else None
    assert seen == [f"{number:03}" for number in range(70)]
    await olga.open(url(ticket) + "?before=nonsense~7~x")
    assert "Message 069" in olga.words
