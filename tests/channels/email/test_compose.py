"""An answer becomes a mail: what the customer's client sees, read back by the standard parser."""

from dataclasses import replace
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.header import decode_header, make_header
from email.message import EmailMessage, Message
from typing import Any, cast
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omnidesk.channels.email import mime
from omnidesk.channels.email.compose import Letterhead, Mail, compose, html_of, subject
from omnidesk.domain.messages import Address, Outbound, OutFile
from omnidesk.domain.tokens import returned_delivery

NOW = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)
DESK = Letterhead(address="support@acme.example", name="Acme Support", domain="acme.example")
IVAN = Address(kind="email", address="ivan@mail.example", name="Иван Петров")


def answer(**changes: Any) -> Outbound:
    given: dict[str, Any] = {
        "delivery_id": UUID(int=7),
        "message_ref": "m1.tok@acme.example",
        "to": (IVAN,),
        "text": "Здравствуйте! Возврат сделан.",
        "subject": "Возврат",
        "created_at": NOW,
    }
    return Outbound(**{**given, **changes})


def composed(message: Outbound, letterhead: Letterhead = DESK, contents: tuple[bytes, ...] = ()) -> Mail:
    return compose(message, letterhead, contents, now=NOW)


def parsed(mail: Mail) -> EmailMessage:
    return message_from_bytes(mail.content, policy=policy.default)


def text_of(mail: Mail) -> str:
    body = parsed(mail).get_body(("plain",))
    assert body is not None
    return str(cast(EmailMessage, body).get_content()).replace("\r\n", "\n")


def html_body(mail: Mail) -> str:
    body = parsed(mail).get_body(("html",))
    assert body is not None
    return str(cast(EmailMessage, body).get_content()).replace("\r\n", "\n")


@pytest.mark.row(28)
def test_an_answer_threads_in_the_customers_client() -> None:
    mail = parsed(
        composed(answer(in_reply_to="q2@mail.example", references=("q1@mail.example",), reply_token="abcdefgh23456777"))
    )

    assert mail["Message-ID"] == "<m1.tok@acme.example>"
    assert mail["In-Reply-To"] == "<q2@mail.example>"
    assert str(mail["References"]).split() == ["<q1@mail.example>", "<q2@mail.example>"]
    assert mail["Reply-To"].addresses[0].addr_spec == "support+abcdefgh23456777@acme.example"
    assert mail["From"].addresses[0].display_name == "Acme Support"
    assert mail["To"].addresses[0].display_name == "Иван Петров"
    assert mail["Date"].datetime == NOW


def test_a_retry_is_the_same_mail_byte_for_byte() -> None:
    message = answer(files=(OutFile(name="a.bin", content_type="", size=3, path=""),))

    assert composed(message, contents=(b"abc",)) == composed(message, contents=(b"abc",))


@pytest.mark.parametrize(
    ("was", "becomes"),
    [
        ("Возврат", "Re: [#123-456-789] Возврат"),
        ("Re: Возврат", "Re: [#123-456-789] Возврат"),
        ("RE: Re[2]: Отв: Возврат", "Re: [#123-456-789] Возврат"),
        ("Re: [#123-456-789] Re: [#123-456-789] Возврат", "Re: [#123-456-789] Возврат"),
        ("Возврат [#123-456-789]", "Re: Возврат [#123-456-789]"),
        ("[#987-654-321] Возврат", "Re: [#123-456-789] [#987-654-321] Возврат"),
        ("Fwd: Возврат", "Re: [#123-456-789] Fwd: Возврат"),
        ("Regarding: order", "Re: [#123-456-789] Regarding: order"),
        ("", "Re: [#123-456-789]"),
    ],
)
def test_the_subject_stays_the_customers_with_one_re_and_one_number(was: str, becomes: str) -> None:
    assert subject(answer(subject=was, ticket_number="123456789", in_reply_to="q@x")) == becomes


def test_a_first_mail_is_no_reply() -> None:
    assert subject(answer(subject="Плановые работы", ticket_number="")) == "Плановые работы"


def test_of_a_long_chain_the_oldest_and_the_newest_references_stay() -> None:
    chain = tuple(f"{n}@mail.example" for n in range(200))

    kept = str(parsed(composed(answer(references=chain, in_reply_to=chain[-1])))["References"]).split()

    assert kept[0] == "<0@mail.example>"
    assert kept[1:] == [f"<{n}@mail.example>" for n in range(181, 200)]


def test_long_references_are_bounded_in_octets_and_never_broken() -> None:
    chain = tuple(f"{n}{'x' * 600}@mail.example" for n in range(30))

    mail = composed(answer(references=chain, in_reply_to=chain[-1]))
    kept = str(message_from_bytes(mail.content)["References"]).split()

    assert sum(map(len, kept)) <= 4_000
    assert {kept[0], kept[-1]} == {f"<{chain[0]}>", f"<{chain[-1]}>"}
    assert set(kept) <= {f"<{each}>" for each in chain}


def test_an_automatic_mail_asks_robots_for_silence_and_a_persons_does_not() -> None:
    ack = parsed(composed(answer(automatic=True, in_reply_to="q@x")))
    person = parsed(composed(answer(in_reply_to="q@x")))

    assert ack["Auto-Submitted"] == "auto-replied"
    assert ack["X-Auto-Response-Suppress"] == "All"
    assert person["Auto-Submitted"] is None
    assert ack["X-Omnidesk-Loop"] == person["X-Omnidesk-Loop"] == "acme.example"


def test_bounces_come_back_to_an_address_that_names_the_delivery() -> None:
    verp = Letterhead(address="support@acme.example", return_path="bounces@acme.example", key=b"k")
    message = answer(reply_token="tok")

    sender = composed(message, verp).sender
    assert sender.startswith("bounces+")
    assert returned_delivery(sender, b"k") == message.delivery_id
    assert composed(message, replace(verp, key=b"")).sender == "bounces@acme.example"
    assert composed(answer(automatic=True)).sender == "support@acme.example"


@pytest.mark.row(33)
def test_the_history_stands_below_in_the_customers_language() -> None:
    quoted = "Где мой заказ?\nНомер 42 <script>"
    russian = composed(answer(quoted=quoted, language="ru-RU"))
    english = composed(answer(quoted=quoted, language="en"))

    assert "Иван Петров писал(а):\n> Где мой заказ?\n> Номер 42 <script>" in text_of(russian)
    assert "Иван Петров wrote:" in text_of(english)
    assert "&lt;script&gt;" in html_body(russian)
    assert "<blockquote" in html_body(russian)


def test_html_is_made_from_text_and_given_html_is_cleaned() -> None:
    made = html_of("a <b> & c\nsee https://acme.example/x?a=1&b=2.\n\nnext")
    given_html = html_body(composed(answer(html="<p onclick=x()>Да</p><script>alert(1)</script>")))

    assert made == (
        '<p>a &lt;b&gt; &amp; c<br>\nsee <a href="https://acme.example/x?a=1&amp;b=2">'
        "https://acme.example/x?a=1&amp;b=2</a>.</p>\n<p>next</p>\n"
    )
    assert "<p>Да</p>" in given_html
    assert "script" not in given_html
    assert "onclick" not in given_html


def test_files_keep_their_names_and_bytes() -> None:
    names = (
        "Счёт на оплату № 42 от 22 ноября 2026 года, ООО «Ромашка».pdf",
        'quo"te.txt',
        "plain.png",
        "x" * 400 + ".txt",
    )
    files = tuple(OutFile(name=name, content_type="application/pdf", size=1, path="") for name in names)
    contents = (b"%PDF", bytes(range(256)) * 9, b"", b"x")

    found = list(parsed(composed(answer(files=files), contents=contents)).iter_attachments())

    assert [each.get_filename() for each in found] == [*names[:3], names[3][-150:]]
    assert [cast(bytes, each.get_content()) for each in found] == list(contents)


def test_a_forwarded_mail_goes_as_a_file_not_as_a_broken_part() -> None:
    file = OutFile(name="old.eml", content_type="message/rfc822", size=1, path="")

    [found] = parsed(composed(answer(files=(file,)), contents=(b"From: x\n\n\xff",))).iter_attachments()

    assert (found.get_content_type(), found.get_content()) == ("application/octet-stream", b"From: x\n\n\xff")


def test_nobody_injects_a_header() -> None:
    evil = "x\r\nBcc: everybody@acme.example\r\n\r\nbody"
    mail = composed(
        answer(
            subject=evil,
            from_name=evil,
            to=(Address(kind="email", address="ivan@mail.example", name=evil),),
            in_reply_to=evil,
            references=(evil, "ok@x"),
            message_ref=evil,
            files=(OutFile(name=evil, content_type=evil, size=1, path=""),),
            reply_token="tok",
        ),
        contents=(b"x",),
    )

    assert mail.recipients == ("ivan@mail.example",)
    head = message_from_bytes(mail.content)
    assert head["Bcc"] is None
    assert head["References"] == "<ok@x>"
    assert set(head.keys()) <= {
        "From", "To", "Reply-To", "Subject", "Date", "Message-ID", "References", "X-Omnidesk-Loop",
        "MIME-Version", "Content-Type",
    }  # fmt: skip


@pytest.mark.parametrize(
    "address",
    [
        "",
        "ivan",
        "@x.example",
        "a@",
        "a b@x.example",
        "a@x.example>",
        "a@x\r\n.example",
        "a@b@c.example",
        "a@-x.example",
    ],
)
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(ValueError, match="not a"):
        composed(answer(to=(Address(kind="email", address=address),)))


def test_an_international_domain_goes_out_in_ascii_and_only_a_local_part_needs_utf8() -> None:
    domain = composed(answer(to=(Address(kind="email", address="ivan@Почта.рф"),)))
    local = composed(answer(to=(Address(kind="email", address="иван@почта.рф", name="Иван"),)))

    assert (domain.recipients, domain.utf8) == (("ivan@xn--80a1acny.xn--p1ai",), False)
    assert (local.recipients, local.utf8) == (("иван@xn--80a1acny.xn--p1ai",), True)
    assert "<иван@xn--80a1acny.xn--p1ai>".encode() in local.content
    assert domain.content.isascii()


def test_somebody_in_to_and_cc_gets_one_copy() -> None:
    mail = composed(
        answer(cc=(Address(kind="email", address="Ivan@mail.example"), Address(kind="email", address="b@x.example")))
    )

    assert len(mail.recipients) == 2


SOME_TEXT = st.text(st.characters(codec="utf-8"), max_size=300)


@given(title=SOME_TEXT, text=SOME_TEXT, name=SOME_TEXT, file=SOME_TEXT, quoted=SOME_TEXT)
def test_any_text_survives_the_way_in_lines_that_every_server_takes(
    title: str, text: str, name: str, file: str, quoted: str
) -> None:
    message = answer(
        subject=title,
        text=text,
        quoted=quoted,
        to=(Address(kind="email", address="ivan@mail.example", name=name),),
        files=(OutFile(name=file, content_type="text/plain", size=1, path=""),),
        in_reply_to="q@x",
    )

    content = composed(message, contents=(b"x",)).content

    assert content.isascii()
    assert b"\n" not in content.replace(b"\r\n", b"")
    assert max(map(len, content.split(b"\r\n"))) <= 998
    raw: Message = message_from_bytes(content)
    assert str(make_header(decode_header(raw["Subject"]))).split() == subject(message).split()
    lines = (
        text.encode("utf-8", "replace").decode().replace("\0", "").replace("\r\n", "\n").replace("\r", "\n").rstrip()
    )
    body = next(part for part in raw.walk() if part.get_content_type() == "text/plain")
    payload = cast(bytes, body.get_payload(decode=True)).decode().replace("\r\n", "\n")
    assert payload.startswith(lines)


@given(st.text(st.characters(codec="utf-8"), min_size=1, max_size=400))
def test_any_name_comes_back_as_it_was_cut_to_a_hundred_letters(name: str) -> None:
    raw = message_from_bytes(mime.header("To", mime.mailbox(name, "a@b.example")) + b"\r\n")
    mailbox = raw["To"].replace("\n", "").replace("\r", "")

    if mailbox.startswith('"'):
        read = mailbox[1:].rpartition('" <')[0].replace('\\"', '"').replace("\\\\", "\\")
    else:
        read = str(make_header(decode_header(mailbox.rpartition("<")[0]))).strip()

    assert read.split() == mime.one_line(name)[:100].split()
