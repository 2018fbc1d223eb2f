"""Machines write too: they must be known, and never be answered automatically."""

import pytest

from omnidesk.channels.email.reading import read_mail
from tests.channels.email.mails import TEXT_PART, mail, parts


@pytest.mark.parametrize(
    "header",
    [
        "Auto-Submitted: auto-replied",
        "Auto-Submitted: auto-generated; owner-email=x",
        "Precedence: bulk",
        "Precedence: Junk",
        "Precedence: list",
        "X-Autoreply: yes",
        "X-Autorespond: vacation",
        "X-Auto-Reply-From: ivan@b.example",
        "X-Acme-AutoReply: yes",
        "List-Id: <dev.b.example>",
        "List-Unsubscribe: <mailto:x@b.example>",
        "X-Loop: x@b.example",
        "Return-Path: <>",
        "X-Failed-Recipients: a@b.example",
        "Feedback-ID: 1:2:3",
    ],
)
def test_headers_of_machines(header: str) -> None:
    assert not read_mail(mail()).auto_submitted
    assert read_mail(mail(headers=header + "\n")).auto_submitted


@pytest.mark.parametrize(
    "header",
    [
        "Auto-Submitted: no",
        "Auto-Submitted: NO",
        "Precedence: first-class",
        "Precedence: normal",
        "X-Auto-Response-Suppress: All",
        "X-Autoreply: no",
        "Return-Path: <ivan@b.example>",
    ],
)
def test_headers_of_people(header: str) -> None:
    assert not read_mail(mail(headers=header + "\n")).auto_submitted


@pytest.mark.parametrize(
    "subject",
    [
        "Automatic reply: Re: Ticket",
        "Auto: Re: Ticket",
        "AutoReply: Ticket",
        "Auto-Reply: x",
        "Out of Office: x",
        "Out of Office AutoReply: x",
        "Автоответ: Re: Заявка 15",
        "Автоматический ответ: Заявка",
        "Автоответчик: меня нет",
        "Я в отпуске",
        "Нет на месте: Заявка",
        "Автоматична відповідь: x",
        "Abwesenheitsnotiz: x",
        "Automatische Antwort: x",
        "Réponse automatique : x",
        "Absence du bureau : x",
        "Respuesta automática: x",
        "Fuera de la oficina: x",
        "Resposta automática: x",
        "Risposta automatica: x",
        "Fuori sede: x",
        "Automatisch antwoord: x",
        "Afwezigheidsbericht: x",
        "Autosvar: x",
        "Automatiskt svar: x",
        "Automatisk svar: x",
        "Fraværsmelding: x",
        "Automaattinen vastaus: x",
        "Odpowiedź automatyczna: x",
        "Automatická odpověď: x",
        "Automatikus válasz: x",
        "Răspuns automat: x",
        "Otomatik Yanıt: x",
        "Αυτόματη απάντηση: x",
        "תשובה אוטומטית: x",
        "رد تلقائي: x",
        "自動返信: x",
        "自动答复: x",
        "자동 회신: x",
        "Trả lời tự động: x",
    ],
)
def test_subjects_of_absence(subject: str) -> None:
    assert read_mail(mail(Subject=subject)).auto_submitted


@pytest.mark.parametrize(
    "subject",
    [
        "Your automatic reply is broken",
        "Re: Automatic reply: thank you",
        "Автомобиль не приехал",
        "Не приходит автоответ",
        "Auto repair invoice",
        "Holiday booking",
        "Office chairs are out of stock",
        "Absent page 404",
        "Автозаполнение не работает",
    ],
)
def test_subjects_of_people(subject: str) -> None:
    assert not read_mail(mail(Subject=subject)).auto_submitted


def test_a_person_behind_exchange_is_only_quiet() -> None:
    read = read_mail(mail(headers="X-Auto-Response-Suppress: DR, OOF, AutoReply\n"))
    assert (read.auto_submitted, read.quiet) == (False, True)
    assert read_mail(mail(From="No Reply <no-reply@shop.example>")).quiet
    assert read_mail(mail(From="noreply@shop.example")).quiet
    assert not read_mail(mail(From="reply@shop.example")).quiet
    assert not read_mail(mail()).quiet


def _report(status: str, original: str = "Message-ID: <out-1@acme.example>\nSubject: x") -> bytes:
    return parts(
        "Content-Type: text/plain\n\nThis is the mail system.",
        f"Content-Type: message/delivery-status\n\nReporting-MTA: dns; mx.b.example\n\n{status}",
        f"Content-Type: text/rfc822-headers\n\n{original}",
        kind="report; report-type=delivery-status",
        From="MAILER-DAEMON@mx.b.example",
        Subject="Undelivered Mail Returned to Sender",
    )


def test_a_standard_report_of_failure() -> None:
    read = read_mail(
        _report(
            "Final-Recipient: rfc822; Ivan@b.example\nAction: failed\nStatus: 5.1.1\nDiagnostic-Code: smtp; 550 no "
            "such user"
        )
    )
    assert read.bounce is not None
    assert read.bounce.recipient == "ivan@b.example"
    assert read.bounce.permanent
    assert read.bounce.reason == "550 no such user"
    assert read.bounce.message_ids == ("out-1@acme.example",)
    assert read.auto_submitted


def test_delays_and_full_mailboxes_are_not_for_ever() -> None:
    late = read_mail(_report("Final-Recipient: rfc822; a@b.example\nAction: delayed\nStatus: 4.4.1")).bounce
    full = read_mail(_report("Final-Recipient: rfc822; a@b.example\nAction: failed\nStatus: 4.2.2")).bounce
    assert late is not None
    assert (late.permanent, late.late) == (False, True)
    assert full is not None
    assert (full.permanent, full.late) == (False, False), "given up, and yet the address lives"


def test_good_news_is_a_receipt() -> None:
    delivered = read_mail(_report("Final-Recipient: rfc822; a@b.example\nAction: delivered\nStatus: 2.0.0"))
    assert delivered.bounce is None
    assert delivered.receipt is not None
    assert (delivered.receipt.state, delivered.receipt.message_ids) == ("delivered", ("out-1@acme.example",))
    seen = read_mail(
        parts(
            TEXT_PART,
            "Content-Type: message/disposition-notification\n\nOriginal-Message-ID: <out-2@acme.example>\n"
            "Disposition: manual-action/MDN-sent-manually; displayed",
            kind="report; report-type=disposition-notification",
        )
    )
    assert seen.receipt is not None
    assert (seen.receipt.state, seen.receipt.message_ids) == ("read", ("out-2@acme.example",))
    assert seen.auto_submitted


def test_a_complaint_is_automatic_and_no_bounce() -> None:
    read = read_mail(
        parts(
            TEXT_PART,
            "Content-Type: message/feedback-report\n\nFeedback-Type: abuse",
            kind="report; report-type=feedback-report",
        )
    )
    assert (read.auto_submitted, read.bounce) == (True, None)


COPY = "\n\n--- Below this line is a copy of the message.\n\nMessage-ID: <out-2@acme.example>\nSubject: x\n\nhello"
HOME_MADE = {
    "qmail": (
        "MAILER-DAEMON@b.example",
        "failure notice",
        "Hi. This is the qmail-send program at b.example.\n\n<a@b.example>:\nno mailbox" + COPY,
    ),
    "exim": (
        "Mail Delivery System <Mailer-Daemon@b.example>",
        "Mail delivery failed: returning message to sender",
        "The following address(es) failed:\n\n  a@b.example\n    550 5.1.1 unknown user" + COPY,
    ),
    "sendmail": (
        "Mail Delivery Subsystem <MAILER-DAEMON@b.example>",
        "Returned mail: see transcript for details",
        "<a@b.example>\n (reason: 550 5.1.1 User unknown)" + COPY,
    ),
    "postfix": (
        "MAILER-DAEMON@b.example (Mail Delivery System)",
        "Undelivered Mail Returned to Sender",
        "This is the mail system at host b.example.\n<a@b.example>: host said: 550 5.1.1 no such user" + COPY,
    ),
    "gmail": (
        "Mail Delivery Subsystem <mailer-daemon@googlemail.com>",
        "Delivery Status Notification (Failure)",
        "Address not found\n\nYour message wasn't delivered to a@b.example because the address couldn't be found."
        + COPY,
    ),
    "exchange": (
        "Microsoft Outlook <MicrosoftExchange329e71ec88ae4615bbc36ab6ce41109e@b.example>",
        "Undeliverable: ticket",
        "Delivery has failed to these recipients or groups:\n\na@b.example\n#550 5.1.1 RESOLVER.ADR.RecipNotFound"
        + COPY,
    ),
    "exchange, ru": (
        "Microsoft Outlook <MicrosoftExchange329e71ec88ae4615bbc36ab6ce41109e@b.example>",
        "Не удалось доставить: заявка",
        "Сбой при доставке следующим получателям: a@b.example" + COPY,
    ),
    "mail.ru": (
        "mailer-daemon@corp.mail.ru",
        "Mail failure.",
        "Это письмо создано автоматически сервером Mail.ru.\n\nваше письмо не может быть доставлено:\n\n"
        "a@b.example\nпользователь не найден" + COPY,
    ),
    "yandex": (
        "mailer-daemon@yandex.ru",
        "Недоставленное сообщение",
        "К сожалению, Ваше письмо не может быть доставлено одному или нескольким получателям: <a@b.example>" + COPY,
    ),
    "rambler": (
        "Mail Delivery System <MAILER-DAEMON@rambler.ru>",
        "Письмо не доставлено",
        "Ваше письмо не доставлено: a@b.example" + COPY,
    ),
    "german": (
        "postmaster@b.example",
        "Unzustellbar: Anfrage",
        "Ihre Nachricht an a@b.example konnte nicht zugestellt werden." + COPY,
    ),
    "french": ("postmaster@b.example", "Non remis : demande", "a@b.example : n'a pas pu être remis" + COPY),
    "spanish": ("postmaster@b.example", "No se puede entregar: x", "a@b.example: no se pudo entregar" + COPY),
    "chinese": ("postmaster@qq.example", "系统退信", "a@b.example 无法投递" + COPY),
}


@pytest.mark.parametrize("program", HOME_MADE)
def test_reports_in_the_words_of_programs_and_providers(program: str) -> None:
    sender, subject, text = HOME_MADE[program]
    read = read_mail(mail(text, From=sender, Subject=subject))
    assert read.bounce is not None
    assert read.bounce.message_ids == ("out-2@acme.example",)
    assert read.bounce.recipient == "a@b.example"
    assert read.bounce.permanent
    assert read.auto_submitted


def test_the_envelope_tells_a_report_without_a_daemon() -> None:
    raw = mail(
        "Your message was not delivered: 550 5.1.1 user unknown",
        From="Helpful <robot@b.example>",
        Subject="Delivery failure",
    )
    assert read_mail(raw).bounce is None
    assert read_mail(raw, mail_from="").bounce is not None


@pytest.mark.parametrize(
    ("subject", "text"),
    [
        ("My order was not delivered", "It could not be delivered twice! Please help."),
        ("Не доставлен заказ", "Курьер не приехал, заказ не доставлен."),
        ("failure notice", "I got a failure notice from your site: 550 5.1.1"),
    ],
)
def test_people_complain_about_deliveries_too(subject: str, text: str) -> None:
    read = read_mail(mail(text, Subject=subject))
    assert (read.bounce, read.auto_submitted) == (None, False)
