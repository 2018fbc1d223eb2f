"""Where a letter belongs: proofs join, claims are only shown."""

from email.message import EmailMessage
from typing import Any

import pytest

from omnidesk.domain import ids, numbers
from tests import story
from tests.story import SUPPORT, Desk

IVAN, OLGA, MALLORY = "ivan@customer.example", "olga@customer.example", "mallory@elsewhere.example"
FORGED = {"Authentication-Results": "mx.acme.example; spf=fail smtp.mailfrom=x; dkim=none; dmarc=fail header.from=x"}
GENUINE = {"Authentication-Results": "mx.acme.example; spf=pass smtp.mailfrom=x; dkim=pass; dmarc=pass header.from=x"}


async def begun(desk: Desk) -> tuple[dict[str, Any], EmailMessage]:
    """Ivan has a ticket, and its acknowledgement."""
    await desk.writes(IVAN, "Где мой заказ?", subject="Заказ")
    ack = await desk.mail_to(IVAN)
    [ticket] = await desk.tickets(1)
    return ticket, ack


async def hints(desk: Desk, ticket_id: str) -> dict[str, set[str]]:
    """What is shown beside each message."""
    return {one["text"]: set(one["hints"]) for one in await desk.said(ticket_id)}


async def people(desk: Desk) -> set[str]:
    rows = await desk.rows("SELECT i.address FROM participants p JOIN identities i ON i.id = p.identity_id")
    return {row["address"] for row in rows}


def named(ticket: dict[str, Any]) -> str:
    return f"Re: [#{numbers.grouped(ticket['number'].replace('-', ''))}] Заказ"


@pytest.mark.row(28)
async def test_a_number_places_a_participants_letter_and_only_hints_at_a_strangers(desk: Desk) -> None:
    ticket, _ = await begun(desk)
    await desk.writes(IVAN, "С другого устройства", subject=named(ticket))
    await desk.arrivals_done(2)
    await desk.tickets(1)

    await desk.writes(MALLORY, "Что там с заказом?", subject=named(ticket))
    first, second = await desk.tickets(2)
    assert "Что там с заказом?" not in await hints(desk, first["id"])
    assert "number_of_another_ticket" in (await hints(desk, second["id"]))["Что там с заказом?"]
    ack = await desk.mail_to(MALLORY)
    assert "Где мой заказ?" not in ack.as_string()
    assert IVAN not in ack.as_string()


@pytest.mark.row(28)
@pytest.mark.parametrize("proof", ["token", "token in the envelope", "reference"])
async def test_a_stranger_with_a_proof_of_the_thread_joins_unverified_and_hears_nothing(desk: Desk, proof: str) -> None:
    ticket, ack = await begun(desk)
    address = str(ack["Reply-To"]).partition("<")[2].strip(">").upper()
    if proof == "token":
        await desk.writes(MALLORY, "I know more", to=address, cc=[OLGA])
    elif proof == "reference":
        await desk.writes(MALLORY, "I know more", cc=[OLGA], headers={"In-Reply-To": str(ack["Message-ID"])})
    else:
        raw = f"From: {MALLORY}\r\nTo: undisclosed-recipients:;\r\nCc: {OLGA}\r\nSubject: x\r\n\r\nI know more\r\n"
        await desk.brings(raw.encode(), MALLORY, [address])
    await desk.arrivals_done(2)

    [ticket] = await desk.tickets(1)
    joined = next(one for one in await desk.said(ticket["id"]) if one["text"].strip() == "I know more")
    assert joined["author"]["kind"] if isinstance(joined["author"], dict) else joined["author"] == "unverified"
    assert "unverified_sender" in joined["hints"]
    assert await people(desk) == {IVAN}, "neither the stranger nor whom he names takes part"
    olena = await desk.agent("Olena")
    await desk.answers(olena, ticket["id"], "Dear Ivan")
    await desk.mail_to(IVAN, 2)
    assert desk.received(MALLORY) == desk.received(OLGA) == []


@pytest.mark.row(28)
async def test_what_failed_dmarc_never_joins_by_its_sender_alone(desk: Desk) -> None:
    change = {"config": {"authserv_id": "mx.acme.example"}}
    assert (await desk.api.patch(f"/v1/inboxes/{desk.inbox}", json=change, headers={"If-Match": "*"})).is_success
    mail = await desk.writes(IVAN, "Genuine", subject="Заказ", headers=GENUINE)
    [ticket] = await desk.tickets(1)
    await desk.mail_to(IVAN)
    assert {"spf:pass", "dkim:pass", "dmarc:pass"} <= (await hints(desk, ticket["id"]))["Genuine"]
    [ivan] = await desk.rows("SELECT verified FROM identities WHERE address = $1", IVAN)
    assert ivan["verified"]

    await desk.writes(IVAN, "By number", subject=named(ticket), headers=FORGED)
    _, second = await desk.tickets(2)
    assert {"dmarc_failed", "dmarc:fail", "number_of_another_ticket"} <= (await hints(desk, second["id"]))["By number"]
    forged = {**FORGED, "References": str(mail["Message-ID"])}
    await desk.writes(IVAN, "By reference", subject="Re: Заказ", headers=forged)
    await desk.arrivals_done(3)
    await desk.tickets(2)
    assert {"unverified_sender", "dmarc_failed"} <= (await hints(desk, ticket["id"]))["By reference"]
    assert len(desk.received(IVAN)) == 1, "who forges hears nothing, nor does his victim"

    lying = {"Authentication-Results": "mx.mallory.example; dmarc=pass"}
    await desk.writes(OLGA, "Trust me", subject="Other", headers=lying)
    third = (await desk.tickets(3))[2]
    assert (await hints(desk, third["id"]))["Trust me"] == set(), "nobody else's word counts"


@pytest.mark.row(28)
async def test_only_whom_a_participant_names_takes_part_and_never_we_ourselves(desk: Desk) -> None:
    await story.email_inbox(desk, "billing@acme.example")
    await desk.writes(IVAN, "Hello", subject="Team", cc=[OLGA, "Billing@ACME.example", "support+x@acme.example"])
    await desk.tickets(1)
    assert await people(desk) == {IVAN, OLGA}
    ack = await desk.mail_to(IVAN)
    await desk.writes(OLGA, "And Maria", answering=ack, cc=["maria@customer.example"])
    await desk.arrivals_done(2)
    assert await people(desk) == {IVAN, OLGA, "maria@customer.example"}


@pytest.mark.row(28)
async def test_one_letter_to_two_inboxes_is_one_message_and_another_under_its_id_is_not(desk: Desk) -> None:
    await story.email_inbox(desk, "billing@acme.example")
    mail = await desk.writes(IVAN, "To both of you", subject="Both")
    await desk.brings(mail.as_bytes(), IVAN, ["billing@acme.example"])
    await desk.arrivals_done(2)
    [ticket] = await desk.tickets(1)
    await desk.mail_to(IVAN)
    assert [one["text"] for one in await desk.said(ticket["id"]) if one["direction"] == "in"] == ["To both of you"]

    await desk.writes(IVAN, "Something else", subject="Both", message_id=str(mail["Message-ID"]))
    await desk.arrivals_done(3)
    found: dict[str, set[str]] = {}
    for each in await desk.get("/v1/tickets"):
        found |= await hints(desk, each["id"])
    assert "same_id_other_body" in found["Something else"]
    assert "To both of you" in found
    await desk.brings(mail.as_bytes().replace(b"\r\n\r\n", b"\r\nX-Late: 1\r\n\r\n", 1), IVAN, [SUPPORT])
    await desk.arrivals_done(4)
    [row] = await desk.rows("SELECT count(*) AS n FROM messages WHERE direction = 'in'")
    assert row["n"] == 2


@pytest.mark.row(28)
async def test_tokens_and_numbers_of_merged_tickets_lead_to_the_last_survivor(desk: Desk) -> None:
    acks, merged = [], []
    for n in range(3):
        await desk.writes(IVAN, f"Letter {n}", subject=f"Заказ {n}")
        acks.append(await desk.mail_to(IVAN, n + 1))
        merged.append((await desk.tickets(n + 1))[n])
    first, second, last = (ids.decode("ticket", one["id"]) for one in merged)
    async with desk.db.transaction() as tx:
        for source, survivor in ((first, second), (second, last)):
            await tx.driver.execute("UPDATE conversations SET ticket_id = $2 WHERE ticket_id = $1", source, survivor)
            await tx.driver.execute(
                "UPDATE tickets SET merged_into = $2, status = 'closed' WHERE id = $1", source, survivor
            )

    await desk.writes(IVAN, "By token", answering=acks[0])
    await desk.writes(IVAN, "By number", subject=named(merged[0]))
    await desk.writes(IVAN, "By reference", subject="?", headers={"References": str(acks[1]["Message-ID"])})
    await desk.arrivals_done(6)
    await desk.tickets(3)
    assert {"By token", "By number", "By reference"} <= set(await hints(desk, merged[2]["id"]))
