"""Does an agent's reply ask the customer for a secret? A warning not to tell one is welcome.

Read clause by clause: a request (an imperative, "could you send", «нужен ваш») and a secret as its
object, without a negation and without somebody else as the one who asks.
"""
# ruff: noqa: E501  tables of phrases

import re

_HARMLESS_OPENING = re.compile(
    r"не\s+(?:переживайте|волнуйтесь|беспокойтесь|стесняйтесь|бойтесь)|(?:don'?’?t|do\s+not)\s+(?:worry|hesitate|be\s+afraid)|"
    r"no\s+worries|,\s*ever\s*,|не\s+затруднит|не\s+трудно|not\s+a\s+problem",
    re.IGNORECASE,
)
_PLEASE = re.compile(
    r",\s{0,3}(?:пожалуйста|please|плиз)\s{0,3},|(?:,\s{0,3})?\bпожалуйста\b(?:\s{0,3},)?", re.IGNORECASE
)
_CLAUSE = re.compile(r"[.!?;\n…]+|,(?=\s)|\s[—–-]\s|\s(?:но|а|but|so|поэтому|иначе|otherwise)\s", re.IGNORECASE)
_NO = re.compile(
    r"\b(?:никогда|никому|ни|нельзя|незачем|без|запрещено|never|nobody|no\s+one|cannot|without)\b|n['’]t\b|\b(?:not|no\s+need)\b|"
    r"\bне\b(?!\s+(?:могли|можете|мог\b|моглa|смогли|сможете|подскажете|скажете))",
    re.IGNORECASE,
)
_OTHERS = re.compile(
    r"мошенник\w*|злоумышленник\w*|посторонн\w*|кто-то|кто-нибудь|кто-либо|\bесли\s+(?:у\s+)?вас\s+прос\w+|\bони\b|просят|просит\b|"
    r"спрашивают|scammer\w*|fraudster\w*|someone|somebody|anyone|anybody|attacker\w*|phish\w*|\bthey\b|whoever|third\s+part\w+",
    re.IGNORECASE,
)
_NOT_TO_US = re.compile(
    r"\b(?:чтобы|если|ли|когда|удалось|получилось|ссылк\w+|how|whether|if|when|that|link|worked|works?|hint|manager)\b",
    re.IGNORECASE,
)
_ASK = re.compile(
    r"""(?<![^\W_])(?:
      (?:при|вы|пере|ото|со|от)?(?:шлите|сылайте|правьте|правляйте) | сообщ(?:ите|айте) | назовите | назови | укажите | (?:на)?пишите
      | (?:под)?скажите | (?:про)?диктуйте | предоставьте | дайте | скиньте | киньте | передайте | пришли | отправь | сообщи | подтвердите
      | продублируйте | вставьте | оставьте | отпишите | (?:прислать|выслать|отправить|сообщить|назвать|указать|написать|сказать
        |продиктовать|предоставить|дать|скинуть|передать|подтвердить|получить|узнать)
      | (?:нужен|нужна|нужны|нужно|необходим\w*|требуется|требуются|потребуется|понадобится|ждем|ждём|жду|ожидаем|прошу|просим|хватит)
      | каков | какой | какая | какие
      | send(?:ing)? | tell | give | provide | share | e-?mail | forward | supply | submit | message | text | post | dm | confirm | verify
      | reply\s+(?:\w+\s+)?with | respond\s+with | answer\s+with | type | write | state | specify | let\s+(?:us|me)\s+(?:know|have) | drop
      | (?:we|i)(?:'ll|’ll|\s+will|\s+do)?\s+(?:also\s+)?(?:need|require) | (?:is|are)\s+(?:needed|required) | what(?:'s|’s|\s+is|\s+was|\s+are)
    )(?![^\W_])""",
    re.IGNORECASE | re.VERBOSE,
)
_BARE_VERB = re.compile(r"(?:ть|send|sending|tell|give|provide|share|email|e-mail|forward|supply|submit|message|text|post|dm|"
    r"confirm|verify|type|write|state|specify|drop)$", re.IGNORECASE)  # fmt: skip
_INVITES = re.compile(
    r"(?:^|\b(?:please|pls|kindly|just|simply|could\s+you|can\s+you|would\s+you|will\s+you|you\s+(?:to|should|must|can|could|may)|"
    r"you\s+(?:need|have)\s+to|to\s+(?:proceed|continue)|then|and|also|first|next|now|mind|"
    r"пожалуйста|просим|прошу|можете|могли\s+бы|могли|сможете|нужно|надо|необходимо|требуется|следует|должны|затруднит|трудно|"
    r"просьба|предлагаем|хотели\s+бы|осталось|попрошу|попросим))\W*(?:(?:вас|вы|нам|мне|ещё|еще|также|бы|ли|us|me|also|also\s+)\W+){0,3}$",
    re.IGNORECASE,
)
_NEED = re.compile(r"(?:нуж|необходим|требу|потреб|понадоб|is|are)\w*(?:\s+\w+)?", re.IGNORECASE)
_FOR_US = re.compile(r"\b(?:нам|мне|ваш[аеиу]?|прислать|сообщить|назвать|your|us)\b", re.IGNORECASE)
_FOR_YOU = re.compile(
    r"\b(?:для\s+(?:входа|авторизации)|чтобы\s+войти|вам\s+нуж\w+|to\s+(?:log|sign)\s+in)\b", re.IGNORECASE
)
_SECRETS = (
    ("cvv", r"[cс][vв][vвcс]2?|цвв|свв|csc|(?:три|3)\s+цифр\w*\s+(?:с|на)\s+(?:об\w+|задн\w+)|(?:card\s+)?security\s+code|"
            r"(?:three|3)[\s-]digits?\s+(?:code\s+)?(?:on|from)\s+the\s+back|код\s+(?:на\s+обороте|с\s+обратной)"),
    ("pin", r"пин(?:[\s-]?код)?|pin(?:[\s-]?code|[\s-]?number)?"),
    ("codeword", r"(?:кодов|секретн|контрольн)\w+\s+(?:слов\w+|ответ\w*)|девичь\w+\s+фамили\w+|secret\s+(?:word|answer)|"
                 r"security\s+answer|maiden\s+name"),
    ("code", r"(?:смс|sms)[\s-]?код\w*|(?:одноразов|проверочн)\w+\s+(?:код|парол)\w*|код(?:ы)?(?=\s+(?:из|с|со|от|подтвержд\w*|"
             r"авторизац\w*|вход\w*|безопасн\w*|для\s+вход\w*|котор\w+|что))|(?<!qr-)(?<!qr )(?<!штрих-)код(?=\s*(?:$|[\"»”)]))|"
             r"otp|(?:one[\s-]?time|verification|confirmation|sms|authenticat\w+|login|log-in|sign-in|2fa)\s+(?:pass)?(?:code|password|pin)s?|"
             r"(?<=your )codes?|codes?(?=\s+(?:from|we\s+sent|you\s+(?:got|received)|that|in\s+the\s+(?:sms|text)))|passcode"),
    ("password", r"парол(?:ь|и|ем|я\s+от)|pass\s?words?|passwd|passphrase|pwd"),
    ("card", r"(?:полн\w+\s+)?номер\w*\s+(?:\w+\s+)?карт(?:ы|очки)|(?:данные|реквизиты|фото\w*|скан\w*|снимок)\s+(?:\w+\s+)?карт(?:ы|очки)|"
             r"(?:full\s+)?(?:credit|debit|bank|payment)?\s*card\s+(?:number|details|data|photo)|(?:photo|picture|scan)\s+of\s+(?:your|the)\s+card|pan"),
)  # fmt: skip
_SECRET = re.compile("|".join(rf"(?<![^\W_])(?P<{kind}>{shape})(?![^\W_])" for kind, shape in _SECRETS), re.IGNORECASE)
_ABOUT = re.compile(  # about a secret, not the secret
    r"\s*-?(?:reset|recovery|change|link|manager|policy|page|field|hint|form|не\s|сброш|смен|измен|ошибк|товар|заказ|"
    r"лояльн|скидочн|бонусн|магазин|подарочн|loyalty|protected|works?|worked|was|is\s+(?:reset|changed|accepted)|приш[её]л|"
    r"подош[её]л|сработал|удалось)",
    re.IGNORECASE,
)
_PARTLY = re.compile(r"последн\w+\s+(?:\w+\s+){0,2}(?:цифр\w*\s+)?$|(?:last|first)\s+(?:four|4|six|6)\s+(?:digits\s+)?(?:of\s+)?(?:\w+\s+)?$", re.IGNORECASE)  # fmt: skip
_OTHER_CARD = re.compile(r"(?:loyalty|gift|bonus|discount|membership|club)\s+$", re.IGNORECASE)
_REACH = 200  # characters of the clause around a secret that are read
_NEAR_ENOUGH = 90  # characters between the request and its object
_BARE = re.compile(r"\W*(?:плиз|пожалуйста|please)", re.IGNORECASE)
_HERE = re.compile(
    r"(?:введите|введи|enter|type\s+in|put)\b.{0,60}?(?:(?:здесь|сюда|в\s+чат\w*|в\s+ответ\w*|в\s+этом\s+чате|в\s+письме)|"
    r"(?:in\s+(?:this|the|your)\s+(?:chat|reply|message|e-?mail)|here\s*$|in\s+reply))",
    re.IGNORECASE,
)


def asks_for_secret(text: str) -> str | None:
    """The kind of secret (password, card, cvv, code, pin, codeword) that a reply asks for; None when it asks for none."""
    plain = _PLEASE.sub(" please ", _HARMLESS_OPENING.sub(" ", text.replace("\u00a0", " ")))
    for clause in _CLAUSE.split(plain):
        if kind := _asked_in(clause.strip()):
            return kind
    return None


def _asked_in(clause: str) -> str | None:
    for secret in _SECRET.finditer(clause):
        before = clause[max(0, secret.start() - _REACH) : secret.start()]
        after = clause[secret.end() : secret.end() + _REACH]
        if _ABOUT.match(after) or _PARTLY.search(before[-60:]) or _OTHER_CARD.search(before[-30:]):
            continue
        if _NO.search(before) or _OTHERS.search(before) or _OTHERS.search(after):
            continue
        if any(_is_request(before, verb) for verb in _ASK.finditer(before, max(0, len(before) - _NEAR_ENOUGH))):
            return secret.lastgroup
        is_bare = len(before.split()) < 3 and _BARE.match(after)  # "Your password, please"
        if is_bare or _HERE.search(before + secret[0] + after):
            return secret.lastgroup
    return None


def _is_request(before: str, verb: re.Match[str]) -> bool:
    """Is the secret the object of this verb, and is the verb a request to the reader?"""
    if _NOT_TO_US.search(before[verb.end() :]):
        return False
    if _NEED.fullmatch(verb[0]):
        return _FOR_US.search(before) is not None and not _FOR_YOU.search(before)
    return not _BARE_VERB.search(verb[0]) or _INVITES.search(before[: verb.start()][-80:]) is not None
