"""A mail and its envelope become what the desk works with."""

import json

import pytest

from omnidesk.channels.email.items import to_items
from omnidesk.channels.email.reading import read_mail
from omnidesk.domain.messages import Bounce, Ignored, Inbound, Item, Receipt, Ref
from tests.channels.email.mails import TEXT_PART, attached, mail, parts

OWN = ("support@acme.example", "billing@acme.example")
TOKEN = "k3yv2qz7abcdefgh"


def items(
    raw: bytes, *, mail_from: str = "ivan@b.example", rcpt_to: tuple[str, ...] = ("support@acme.example",)
) -> list[Item]:
    meta = {"mail_from": mail_from, "rcpt_to": json.dumps(rcpt_to)}
    return to_items(
        read_mail(raw, mail_from=mail_from),
        meta,
        OWN,
        trusted_authserv_id="mx.acme.example",
        loop_marks=["acme.example"],
    )


def message(raw: bytes, **envelope: object) -> Inbound:
    (item,) = items(raw, **envelope)  # type: ignore[arg-type]
    assert isinstance(item, Inbound)
    return item


def test_a_first_mail() -> None:
    item = message(
        mail("Hello\n\n-- \nIvan", To="support@acme.example, Olga <olga@b.example>", Cc="support+x@acme.example")
    )
    assert item.ref == Ref(realm="mail", external_id="m1@b.example", variant="ivan@b.example")
    assert item.thread_key == "m1@b.example ivan@b.example"
    assert (item.sender.kind, item.sender.address, item.sender.name) == ("email", "ivan@b.example", "Ivan Petrov")
    assert (item.text, item.quoted) == ("Hello", "-- \nIvan".replace("-- ", "--"))
    assert [each.address for each in item.participants] == ["olga@b.example"]
    assert (item.automatic, item.quiet, item.suspicious) == (False, False, "")


def test_references_are_nearest_first_and_name_the_thread() -> None:
    item = message(mail(In_Reply_To="<c@x>", References="<a@x> <b@x> <c@x>"))
    assert [ref.external_id for ref in item.references] == ["c@x", "b@x", "a@x"]
    assert {ref.realm for ref in item.references} == {"mail"}
    assert item.thread_key == "a@x ivan@b.example"


@pytest.mark.parametrize(
    "where",
    [
        {"To": f"Support+{TOKEN.upper()}@ACME.example"},
        {"Cc": f"Support <support+{TOKEN}@acme.example>"},
        {"Delivered_To": f"billing+{TOKEN}@acme.example"},
        {"X_Original_To": f"support+{TOKEN}@acme.example"},
    ],
)
def test_a_reply_token_is_found_wherever_it_stands(where: dict[str, str]) -> None:
    assert message(mail(**where)).tokens == (TOKEN,)


def test_a_token_may_stand_in_the_envelope_alone_and_only_ours_count() -> None:
    assert message(mail(), rcpt_to=(f"support+{TOKEN}@acme.example",)).tokens == (TOKEN,)
    assert message(mail(To=f"support+{TOKEN}@evil.example")).tokens == ()
    assert message(mail(To=f"ivan+{TOKEN}@acme.example")).tokens == ()


@pytest.mark.parametrize(
    ("subject", "numbers"),
    [
        ("Re: [#123-456-789] x", ("123456789",)),
        ("[#123 456 789]", ("123456789",)),
        ("[#12345] and [#12346]", ("12345", "12346")),
        ("#12345", ()),
        ("[12345]", ()),
        ("[# 12345 ]x", ("12345",)),
    ],
)
def test_numbers_in_the_subject(subject: str, numbers: tuple[str, ...]) -> None:
    assert message(mail("[#99999] in the text", Subject=subject)).numbers == numbers


def test_a_mail_without_an_id_is_known_by_its_content() -> None:
    first, again, other = (message(mail(text, Message_ID="")) for text in ("one", "one", "two"))
    assert first.ref == again.ref
    assert first.ref != other.ref


def test_the_same_id_with_another_body_has_another_digest() -> None:
    assert message(mail("one")).digest == message(mail("one", headers="X-Hop: 2\n")).digest
    assert message(mail("one")).digest != message(mail("two")).digest
    files = [message(parts(TEXT_PART, attached('filename="a.pdf"', data))).digest for data in (b"1", b"2")]
    assert files[0] != files[1]


def results(server: str, dmarc: str) -> str:
    found = f"spf=fail (a; dmarc=pass) smtp.mailfrom=x; dmarc={dmarc} header.from=b.example"
    return f"Authentication-Results: {server}; {found}\n"


def test_only_our_own_server_is_believed_about_the_sender() -> None:
    assert message(mail(headers=results("mx.acme.example", "fail"))).suspicious == "dmarc_failed"
    assert message(mail(headers=results("mx.evil.example", "fail"))).suspicious == ""
    proven = message(mail(headers=results("mx.acme.example", "pass")))
    assert proven.sender.verified
    assert not message(mail(headers=results("mx.evil.example", "pass"))).sender.verified
    forged_below = results("mx.acme.example", "fail") + results("mx.acme.example", "pass")
    assert message(mail(headers=forged_below)).suspicious == "dmarc_failed"


def test_two_authors_are_suspicious() -> None:
    assert message(mail(From="ivan@b.example, mallory@evil.example")).suspicious == "several_authors"
    assert message(mail(headers="From: mallory@evil.example\n")).suspicious == "several_authors"


def test_our_own_mail_that_comes_back_is_ignored() -> None:
    (item,) = items(mail(headers="X-Omnidesk-Loop: ACME.example\n"))
    assert isinstance(item, Ignored)
    assert isinstance(message(mail(headers="X-Omnidesk-Loop: another.example\n")), Inbound)


def test_a_form_that_writes_from_our_address_names_the_customer_in_reply_to() -> None:
    item = message(mail(From="Site <support@acme.example>", Reply_To="Olga <olga@b.example>"))
    assert (item.sender.address, item.sender.name, item.automatic) == ("olga@b.example", "Olga", False)
    ourselves = message(mail(From="billing@acme.example"))
    assert (ourselves.automatic, ourselves.hints) == (True, ("from_our_own_address",))


def test_a_mail_of_nobody_is_kept() -> None:
    item = message(mail(From=""), mail_from="")
    assert (item.sender.address, item.automatic, item.hints) == ("unknown@invalid", True, ("no_sender",))
    assert message(mail(From="")).sender.address == "ivan@b.example"


def test_another_reply_address_is_told() -> None:
    item = message(mail(Reply_To="Ivan at home <ivan@home.example>"))
    assert item.reply_to is not None
    assert item.reply_to.address == "ivan@home.example"
    assert message(mail(Reply_To="ivan@b.example")).reply_to is None


def test_a_null_sender_is_a_machine() -> None:
    assert message(mail(), mail_from="").automatic


def test_a_bounce_names_its_mail_and_its_way() -> None:
    raw = parts(
        TEXT_PART,
        "Content-Type: message/delivery-status\n\nReporting-MTA: dns; b\n\nFinal-Recipient: rfc822; "
        "ivan@b.example\nAction: failed\nStatus: 5.1.1",
        "Content-Type: text/rfc822-headers\n\nMessage-ID: <out-1@acme.example>",
        kind="report; report-type=delivery-status",
        From="MAILER-DAEMON@b.example",
    )
    (item,) = items(raw, mail_from="", rcpt_to=("bounces+d1.sig@acme.example",))
    assert item == Bounce(
        references=(Ref(realm="mail", external_id="out-1@acme.example"),),
        tokens=("d1.sig",),
        recipient="ivan@b.example",
        permanent=True,
        reason="5.1.1",
    )


def test_a_read_receipt_is_no_message() -> None:
    raw = parts(
        TEXT_PART,
        "Content-Type: message/disposition-notification\n\nOriginal-Message-ID: <o@acme.example>\nDisposition: "
        "manual-action/MDN-sent-manually; displayed",
        kind="report; report-type=disposition-notification",
    )
    assert items(raw) == [Receipt(state="read", ref=Ref(realm="mail", external_id="o@acme.example"))]


@pytest.mark.parametrize("rcpt_to", ["", "not json", "{}", "[1, null]", '"a"'])
def test_an_envelope_that_makes_no_sense_is_no_obstacle(rcpt_to: str) -> None:
    assert to_items(read_mail(mail()), {"rcpt_to": rcpt_to}, OWN)
