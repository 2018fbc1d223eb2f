"""Reports that a mail of ours could not be delivered, or is late: standard ones and home-made ones.

Source: RFC 3464, RFC 6533; the texts of the large programs and providers.
"""

import re
from dataclasses import dataclass

from omnidesk.channels.email.bodies import Body
from omnidesk.channels.email.headers import Headers, message_ids, one_message_id, parse_headers
from omnidesk.channels.email.parts import Part

_MAX_TEXT = 60_000  # characters of a free-form report that are looked at
_DAEMON = re.compile(
    r"(?:mailer-?daemon|postmaster|mail-?daemon|mdaemon|microsoftexchange[0-9a-f]{8,}|bounces?|"
    r"mail-?delivery(?:-?(?:system|subsystem))?|mailerdaemon)(?:[+.=_-].*)?"
)
_DAEMON_NAME = re.compile(
    r"mail delivery|mailer[- ]daemon|postmaster|mail administrator|microsoft outlook|система доставки|"
    r"почтовая система|mail system|mail router",
    re.IGNORECASE,
)
_SUBJECT = re.compile(
    r"undeliver(?:ed|able)|delivery (?:status notification|failure|has failed|failed|notification|report|delayed|"
    r"incomplete)|returned (?:mail|to sender)|return(?:ed)? to sender|mail delivery (?:failed|failure|subsystem|"
    r"problem|error)|"
    r"failure notice|failed delivery|mail failure|mail (?:could )?not (?:be )?delivered|"
    r"message (?:could )?not (?:be )?delivered|non.?delivery|nondeliverable|message delivery (?:failure|"
    r"has been delayed|error)|"
    r"warning: (?:message|could not send)|delayed mail|delivery attempts? (?:failed|will)|could not be delivered|"
    r"unable to deliver|problem delivering|mail system error|bounce|your message.{0,40}(?:could not|"
    r"not) be delivered|undelivered|"
    r"не\s?(?:удалось|может быть|было|был[аи]?)? ?доставлен\w*|не удалось доставить|недоставлен\w*|не доставлено|"
    r"ошибка (?:при )?доставк\w*|невозможно доставить|сбой доставк|уведомлени\w+ о (?:не)?доставке|"
    r"отчет о недоставк|возврат (?:письма|почты)|"
    r"задержк\w+ (?:в )?доставк|письмо не может быть|не вдалося доставити|не доставлен|"
    r"unzustellbar|zustellung (?:fehlgeschlagen|verzögert)|nicht zugestellt|mail konnte nicht|rückläufer|"
    r"non remis|échec de (?:la )?(?:remise|distribution|livraison)|message non (?:remis|distribué)|non distribuable|"
    r"no se (?:puede|pudo|ha podido) entregar|entrega (?:fallida|retrasada)|correo no entregado|devuelto|"
    r"não (?:foi )?(?:entregue|entregável|pôde ser entregue)|falha na entrega|mensagem não entregue|"
    r"mancata consegna|impossibile recapitare|non recapitabile|mancato recapito|onbestelbaar|niet (?:afgeleverd|"
    r"bezorgd)|kunde inte levereras|olevererbart|går inte att leverera|kan ikke leveres|kunne ikke leveres|"
    r"ikke-leverbar|"
    r"toimittaminen epäonnistui|ei voitu toimittaa|niedostarcz\w+|nie można dostarczyć|nie dostarczono|"
    r"zwrot poczty|nedoručiteln\w+|nelze doručit|kézbesíthetetlen|kézbesítés sikertelen|imposibil de livrat|nelivrat|"
    r"teslim edilemedi|iletilemedi|teslim edilemeyen|配信(?:不能|失敗|できません)|送信できません|宛先不明|退信|"
    r"系统退信|无法(?:投递|送达)|未送達|投递失败|"
    r"退回的|전달할 수 없|배달되지|반송|αδυναμία παράδοσης|δεν παραδόθηκε|לא ניתן למסור|تعذر التسليم|تعذر تسليم|"
    r"lỗi gửi thư|"
    r"không thể gửi",
    re.IGNORECASE,
)
_BODY = re.compile(
    r"this is the (?:qmail-send program|mail system at host|mail delivery|postfix)|i(?:'m| am) (?:sorry|"
    r"afraid) (?:to have to inform you|i wasn't able)|could not be delivered|couldn't be delivered|"
    r"delivery (?:to the following recipients?|has failed|failed)|"
    r"(?:was|were|has|have) not (?:been )?delivered|undeliverable|message (?:was )?not delivered|"
    r"permanent (?:fatal )?errors?|temporary failure|recipient(?:'s)? (?:address )?(?:was )?(?:rejected|not found|"
    r"unknown)|user unknown|no such user|unknown user|"
    r"mailbox (?:is )?(?:full|unavailable|not found)|over quota|quota exceeded|address (?:not found|rejected)|"
    r"unable to deliver|unrouteable address|"
    r"не удалось доставить|не доставлен|не может быть доставлен|не могло быть доставлено|невозможно доставить|"
    r"письмо, отправленное вами|отправка письма .{0,60}не удалась|пользователь не найден|"
    r"неизвестный (?:пользователь|получатель)|"
    r"ящик (?:переполнен|не существует|отключен|заблокирован)|user .{0,60}(?:not found|does not exist)|"
    r"\b55\d[ -]5\.\d\.\d|\b5\d\d[ -]\d\.\d\.\d|"
    r"konnte nicht zugestellt|n.a pas pu être (?:remis|délivré|distribué)|no (?:se )?(?:pudo|"
    r"ha podido) (?:ser )?entrega|não pôde ser entregue|non è stato (?:possibile|recapitato)|无法(?:投递|送达)|"
    r"配信できません",
    re.IGNORECASE,
)
_DELAY = re.compile(
    r"delay|warning|will (?:be )?retr|still (?:being )?trying|not yet been delivered|задерж|повторн\w+ попыт|"
    r"verzögert|retardé|retras|temporar",
    re.IGNORECASE,
)
_TRIES = re.compile(
    r"will (?:be )?(?:retr|keep trying|continue|try)|still (?:being )?trying|(?:retry|try) (?:again|until)|"
    r"not yet been delivered|повторн\w+ попыт|попытки .{0,40}продолж|ещё не доставлен|еще не доставлен|weiter versuch|"
    r"nouvelle tentative|seguirá intentando",
    re.IGNORECASE,
)
_STATUS = re.compile(r"\b([245])\.\d{1,3}\.\d{1,3}\b")
_SMTP = re.compile(r"\b([45])\d\d[ -]")
_ADDRESS = re.compile(r"[\w.+=#~^-]{1,100}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}")
_QUOTED_ID = re.compile(
    r"^[ \t>]*(?:original[ -])?message-id:[ \t]*\n?[ \t>]*(<[^<>\s]{1,998}>)", re.IGNORECASE | re.MULTILINE
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a bounce says. `message_ids`: mails of ours that it names, without brackets."""

    message_ids: tuple[str, ...] = ()
    recipient: str = ""
    permanent: bool = True  # the address is dead, not only full or away
    late: bool = False  # the server goes on trying
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipted:
    """Good news about mails of ours: `read` or `delivered`."""

    state: str
    message_ids: tuple[str, ...] = ()


def read_receipt(headers: Headers, body: Body, text: str) -> Receipted | None:
    """The receipt that a mail is (RFC 8098, RFC 3464 without a failure); None when it is none."""
    for part in body.reports:
        group = {name: value for each in _groups(part) for name, value in each.items()}
        if (
            part.content_type.endswith("disposition-notification")
            and "displayed" in group.get("disposition", "").lower()
        ):
            return Receipted(state="read", message_ids=message_ids(group.get("original-message-id", "")))
        if (
            part.content_type.endswith("delivery-status")
            and _action({"action": group.get("action", "")}) == "delivered"
        ):
            return Receipted(state="delivered", message_ids=_quoted_ids(headers, body, text))
    return None


def read_report(headers: Headers, sender: str, sender_name: str, subject: str, body: Body, text: str) -> Report | None:
    """The bounce that a mail is; None when it is none (a relay or read receipt is none either)."""
    statuses = [part for part in body.reports if part.content_type.endswith("delivery-status")]
    if any(part.content_type.endswith(("disposition-notification", "feedback-report")) for part in body.reports):
        return None
    groups = [group for part in statuses for group in _groups(part)]
    if any(group.get("action") for group in groups):
        return _standard(groups, headers, body, text)
    if statuses or headers.has("x-failed-recipients") or headers.has("x-ms-exchange-message-is-ndr"):
        return _free_form(headers, body, text, subject)
    if _is_home_made(headers, sender, sender_name, subject, text):
        return _free_form(headers, body, text, subject)
    return None


def _is_home_made(headers: Headers, sender: str, sender_name: str, subject: str, text: str) -> bool:
    """A machine that speaks of mail that was not delivered."""
    null_path = any(value.strip() in ("<>", "") for value in headers.all("return-path")[:1])
    local = sender.partition("@")[0]
    daemon = bool(_DAEMON.fullmatch(local)) or (bool(_DAEMON_NAME.search(sender_name)) and (null_path or not sender))
    says = bool(_SUBJECT.search(subject[:300]))
    tells = bool(_BODY.search(text[:_MAX_TEXT]))
    return (daemon and (says or tells)) or (null_path and says and tells)


def _groups(part: Part) -> list[dict[str, str]]:
    """The fields of a delivery-status part, one group for the message and one per recipient."""
    blocks = re.split(rb"(?:\r?\n){2,}", part.content().strip())
    return [
        {name: headers.source(value) for name, value in reversed(headers.fields)}
        for headers in map(parse_headers, blocks[:100])
    ]


def _standard(groups: list[dict[str, str]], headers: Headers, body: Body, text: str) -> Report | None:
    failing = [group for group in groups if _action(group) in ("failed", "delayed")]
    if not failing:
        return None  # delivered, relayed, expanded: good news
    worst = next((group for group in failing if _action(group) == "failed"), failing[0])
    status = worst.get("status", "")
    permanent = _action(worst) == "failed" and not status.strip().startswith("4")
    reason = _after_type(worst.get("diagnostic-code", "")) or status
    recipient = _after_type(worst.get("final-recipient", "") or worst.get("original-recipient", ""))
    return Report(
        message_ids=_quoted_ids(headers, body, text),
        recipient=_first_address(recipient),
        permanent=permanent,
        late=_action(worst) == "delayed",
        reason=" ".join(reason.split())[:500],
    )


def _action(group: dict[str, str]) -> str:
    return group.get("action", "").split("(")[0].strip().lower()


def _after_type(value: str) -> str:
    """`rfc822; a@b.example` without its type."""
    return value.partition(";")[2].strip() if ";" in value else value.strip()


def _free_form(headers: Headers, body: Body, text: str, subject: str) -> Report:
    text = text[:_MAX_TEXT]
    named = headers.get("x-failed-recipients") or text
    codes = _STATUS.findall(text) or _SMTP.findall(text)
    passing = bool(codes) and "5" not in codes and "4" in codes
    late = bool(_DELAY.search(subject)) or (passing and bool(_TRIES.search(text)))
    line = next((line.strip() for line in text.split("\n") if _STATUS.search(line) or _SMTP.search(line)), "")
    return Report(
        message_ids=_quoted_ids(headers, body, text),
        recipient=_first_address(named),
        permanent=not (late or passing),
        late=late,
        reason=" ".join((line or subject).split())[:500],
    )


def _first_address(text: str) -> str:
    found = _ADDRESS.search(text)
    return found.group().lower().strip(".") if found else ""


def _quoted_ids(headers: Headers, body: Body, text: str) -> tuple[str, ...]:
    """Ids of the mail that was returned: enclosed, as headers, copied into the text, or referred to."""
    found = [one_message_id(part.headers.get("message-id")) for part in body.enclosed]
    for part in body.reports:
        if part.content_type.endswith("headers"):
            found.append(one_message_id(parse_headers(part.content().strip()).get("message-id")))
        elif part.content_type.endswith("delivery-status"):
            found += message_ids("".join(group.get("x-original-message-id", "") for group in _groups(part)))
    found += [each.strip("<>") for each in _QUOTED_ID.findall(text[:_MAX_TEXT])]
    for name in ("in-reply-to", "references", "x-ms-exchange-parent-message-id"):
        found += message_ids(headers.get(name))
    return tuple(dict.fromkeys(each for each in found if each))
