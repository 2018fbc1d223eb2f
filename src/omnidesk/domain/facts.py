"""What a customer states in a message, as facts: order, login, when it happened, receipt, amount, phone, device.

Facts are claims found by their words, Russian and English; nothing is guessed beyond that. Read
them from masked text."""
# ruff: noqa: E501  tables of phrases

import re
from collections.abc import Callable, Iterator
from datetime import datetime
from decimal import Decimal

from omnidesk.domain.moments import occurred_at
from omnidesk.domain.text import is_plain

_READ = 50_000  # characters looked at
_DIGIT = re.compile(r"\d")
_BLANKS = str.maketrans("\u00a0\u202f\u2009", "   ")


def facts(text: str, now: datetime, zone: str) -> dict[str, str]:
    """The facts stated in the text, each the first time it is stated; absent keys were not stated.

    order, login, receipt; occurred_at (ISO 8601 in the customer's `zone`, a bare date when no time
    was told); amount (exact, a point before the cents) with currency (ISO 4217); phone (E.164);
    device, os, browser, app_version; urgency (the words that say it, in lower case).
    Raises ValueError when `now` is naive, ZoneInfoNotFoundError (a KeyError) for an unknown zone.
    """
    if now.tzinfo is None:
        raise ValueError("now without time zone")
    text = text[:_READ]
    if not is_plain(text):
        text = text.translate(_BLANKS)
    lower = text.lower()
    found = {}
    for key, (words, read) in _READERS.items():
        if any(word in lower for word in words) and (value := read(text)):
            found[key] = value
    if when := occurred_at(text, now, zone):
        found["occurred_at"] = when
    if sum_ := _amount(text):
        found["amount"], found["currency"] = str(sum_[0]), sum_[1]
    return found


# Money


_CURRENCIES = {
    "RUB": r"₽|руб(?:л\w+|\.|\b)|р\.|\bRUB\b|\bRUR\b|р\b",
    "USD": r"\$|\bUSD\b|доллар\w*|dollars?\b|bucks\b",
    "EUR": r"€|\bEUR\b|евро\b|euros?\b",
    "GBP": r"£|\bGBP\b|pounds?\b",
    "KZT": r"₸|\bKZT\b|тенге\b|тг\b",
    "BYN": r"\bBYN\b|Br\b|бел\. ?руб\w*",
    "UAH": r"₴|\bUAH\b|гривен\w*|грн\b",
}
_SIGNS = {"₽": "RUB", "$": "USD", "€": "EUR", "£": "GBP", "₸": "KZT", "₴": "UAH"}
_NUMBER = r"(?<![\w.,])(?P<{0}>\d{{1,3}}(?:[ '.,]\d{{3}})+(?:[.,]\d{{1,2}})?|\d{{1,12}}(?:[.,]\d{{1,2}})?)(?![\d])"
_AFTER = "|".join(f"(?P<{code}>{shape})" for code, shape in _CURRENCIES.items())
_AMOUNT = re.compile(
    rf"(?P<sign>[₽$€£₸₴]) ?{_NUMBER.format('after')}|{_NUMBER.format('before')} ?(?P<thousand>тыс\.? ?)?(?:{_AFTER})"
    r"(?: ?(?P<cents>\d{1,2}) ?(?:коп|cents|c\b))?",
    re.IGNORECASE,
)


def amount(text: str) -> tuple[Decimal, str] | None:
    """The first sum of money with its currency (ISO 4217): "1 299,90 ₽" is exactly 1299.90 RUB."""
    return _amount(text.translate(_BLANKS))


def _amount(text: str) -> tuple[Decimal, str] | None:
    found = _AMOUNT.search(text) if _DIGIT.search(text) else None
    if not found:
        return None
    if found["sign"]:
        return _decimal(found["after"]), _SIGNS[found["sign"]]
    sum_ = _decimal(found["before"]) * (1000 if found["thousand"] else 1)
    if found["cents"]:
        sum_ += Decimal(found["cents"]) / 100
    return sum_, next(code for code in _CURRENCIES if found[code])


def _decimal(text: str) -> Decimal:
    """A separator before one or two last digits is the decimal one, all others group thousands."""
    whole, cents = re.fullmatch(r"(.*?)(?:[.,](\d{1,2}))?", text, re.DOTALL).groups()  # type: ignore[union-attr]
    return Decimal(re.sub(r"\D", "", whole) + ("." + cents if cents else ""))


# Phones


_PHONE = re.compile(r"(?<![\w.+#№-])(?:\+|00)?\d(?:[ ()\-–.]{0,3}\d){8,14}(?![\d]|[.,:-]\d)")


def phone_number(text: str, country: str = "7") -> str | None:
    """A phone in E.164: 8 (916) 123-45-67 is +79161234567; None when it cannot be one.

    Numbers without + or 00 belong to `country` (its calling code), in Russia with or without the 8.
    """
    plain = text.strip()
    digits = "".join(char for char in plain if char.isdecimal() and char.isascii())
    if not re.fullmatch(r"[+0-9][0-9 ()\-–—.\u00a0]*", plain) or not digits:
        return None
    if plain.startswith("+") or digits.startswith("00"):
        digits = digits.removeprefix("00") if not plain.startswith("+") else digits
    elif country == "7" and len(digits) == 11 and digits[0] in "78":
        digits = "7" + digits[1:]
    elif len(digits) == 10:
        digits = country + digits
    else:
        return None
    if digits[0] == "7" and (len(digits) != 11 or digits[1] in "125"):
        return None
    return f"+{digits}" if 8 <= len(digits) <= 15 and digits[0] != "0" else None


def _phone(text: str) -> str | None:
    for found in _PHONE.finditer(text):
        bare = re.sub(r"\D", "", found[0])
        is_said = found[0][0] == "+" or re.search(
            r"(?:тел|phone|звон|call|номер|моб|whats|связ)[^\n]{0,20}$", text[: found.start()][-40:], re.I
        )
        if (is_said or re.fullmatch(r"8\d{10}|79\d{9}|9\d{9}", bare)) and (number := phone_number(found[0])):
            return number
    return None


# Words and numbers


_ORDER = re.compile(
    r"(?<!\w)(?:(?:№|номер|number|no\.?) )?(?:заказ(?:а|у|ом|е|ы)?|order(?! (?:number|no|id)? ?(?:of|for)\b))(?: (?:номер|number|no\.?|num|id|за))*"
    r"(?: is)?[\s:#№.-]{0,4}(?P<value>(?:[A-ZА-Я]{1,4}-?)?\d[\dA-ZА-Я]*(?:[-/]\d[\dA-ZА-Я]*)*)(?![.,:]\d|\w| ?(?:₽|руб|шт|дн|час|мин|раз|days|items))",
    re.IGNORECASE,
)
_RECEIPT = re.compile(
    r"(?<!\w)(?:(?:№|номер) )?(?:чек(?:а|у|ом|е)?|квитанци\w|receipt)(?: (?:номер|number|no\.?|num|id|от терминала))*(?: is)?[\s:#№.-]{0,4}"
    r"(?P<value>[A-ZА-Я]{0,3}-?\d[\w-]{1,30})(?![.,:]\d| ?(?:₽|руб))",
    re.IGNORECASE,
)
_LOGIN = re.compile(
    r"(?<!\w)(?P<said>(?:мой |my )?(?:логин\w{0,2}|login|user ?name|user ?id|имя пользователя|уч[её]тн\w+ запис\w+))(?: name)?"
    r"(?P<link>(?: is| это)?\s{0,3}[:=—–-]?\s{0,3}| (?:is|это) )[\"'«“]?(?P<value>[A-Za-z0-9][\w.@+-]{1,63})",
    re.IGNORECASE,
)
_NO_LOGIN = frozenset({
    "is", "and", "or", "page", "form", "does", "doesn", "screen", "button", "name", "not", "with", "to", "failed", "fails", "error",
    "problem", "issue", "in", "via", "the", "password", "using", "on", "at", "for", "was", "has", "from", "but", "email", "details", "data",
})  # fmt: skip
_DEVICE = re.compile(
    r"(?<!\w)(?:iPhone (?:SE|X[SR]?|\d{1,2})(?: ?(?:Pro Max|Pro|Plus|mini|Max))?|iPhone|iPad(?: (?:Pro|Air|mini))?(?: \d{1,2})?|"
    r"(?:Samsung )?Galaxy [A-Z]\w{0,3}\d{1,3}(?: (?:Ultra|Plus|FE))?|Samsung [A-Z]\w{0,3}\d{1,3}|(?:Xiaomi )?Redmi(?: Note)? \w{1,4}(?: Pro)?|"
    r"(?:Xiaomi|Huawei|Honor|POCO|Realme|OnePlus|Nokia)(?: [A-Z]?\w{0,4}\d\w{0,3})(?: (?:Pro|Lite|Ultra))?|(?:Google )?Pixel \d\w?(?: Pro)?|"
    r"MacBook(?: (?:Pro|Air))?)(?!\w)",
    re.IGNORECASE,
)
_OS = re.compile(
    r"(?<!\w)(?:iOS|iPadOS|Android|Windows|macOS|HarmonyOS|Ubuntu|Debian|MIUI|Аврора)(?:(?: версии| version| v)? ?\d{1,4}(?:\.\d{1,4}){0,3}| (?:XP|Vista))?(?!\w)",
    re.IGNORECASE,
)
_BROWSER = re.compile(
    r"(?<!\w)(?:Chrome|Firefox|Safari|Edge|Opera|Яндекс[. ]?Браузер\w*|Yandex Browser|Samsung Internet)(?: ?\d{1,4}(?:\.\d{1,6}){0,3})?(?!\w)",
    re.IGNORECASE,
)
_APP = re.compile(
    r"(?<!\w)(?:верси\w+(?: приложени\w+)?|приложени\w+ верси\w+|app(?:lication)?(?: version| v\.?)|version|ver\.|build|сборк\w+)[\s:№-]{0,3}"
    r"(?P<value>v?\d{1,4}(?:\.\d{1,6}){0,3}(?: ?\(\d{1,8}\))?)(?![\d])|(?<!\w)(?P<short>v\d{1,4}(?:\.\d{1,6}){1,3})(?!\w)",
    re.IGNORECASE,
)
_URGENT = re.compile(
    r"(?<!\w)(?:(?:очень )?срочн\w+|немедленн\w+|как можно (?:скорее|быстрее)|безотлагательно|горит|critical|urgent(?:ly)?|asap|"
    r"immediately|as soon as possible|right away|emergency)(?!\w)",
    re.IGNORECASE,
)
_NEGATED = re.compile(r"(?:\bне|\bnot|n't|\bno|\bnothing|\bничего)\s+(?:\w+\s+){0,2}$", re.IGNORECASE)


def _order(text: str) -> str | None:
    return next((found["value"] for found in _ORDER.finditer(text) if sum(map(str.isdigit, found["value"])) >= 3), None)


def _receipt(text: str) -> str | None:
    found = _RECEIPT.search(text)
    return found["value"].rstrip("-") if found else None


def _login(text: str) -> str | None:
    for found in _LOGIN.finditer(text):
        value = found["value"].rstrip(".-")
        is_clear = any(char in value for char in "@_.0123456789") or re.search(r"[:=—–]|is|это", found["link"])
        if value.lower() not in _NO_LOGIN and (
            is_clear or not found["said"].isascii() or found["said"].lower().startswith("my ")
        ):
            return value
    return None


def _os(text: str) -> str | None:
    named = [found[0] for found in _OS.finditer(text)]
    return next((name for name in named if name[-1].isdigit()), named[0] if named else None)


def _app_version(text: str) -> str | None:
    for found in _APP.finditer(text):
        if not re.search(
            r"(?:iOS|Android|Windows|macOS|OS|Chrome|браузер\w*)\s*$", text[: found.start()][-20:], re.IGNORECASE
        ):
            return found["value"] or found["short"]
    return None


def _urgency(text: str) -> str:
    return ", ".join(dict.fromkeys(_stated(text)))


def _stated(text: str) -> Iterator[str]:
    for found in _URGENT.finditer(text):
        if not _NEGATED.search(text[max(0, found.start() - 40) : found.start()]):
            yield found[0].lower()


def _first(shape: re.Pattern[str]) -> Callable[[str], str | None]:
    def read(text: str) -> str | None:
        found = shape.search(text)
        return " ".join(found[0].split()) if found else None

    return read


# The words without which a fact cannot be there: looking for them first is many times cheaper.
_READERS: dict[str, tuple[tuple[str, ...], Callable[[str], str | None]]] = {
    "order": (("заказ", "order"), _order),
    "login": (("логин", "login", "user", "пользовател", "запис"), _login),
    "receipt": (("чек", "квитанц", "receipt"), _receipt),
    "phone": (tuple("0123456789"), _phone),
    "device": (
        (
            "iphone",
            "ipad",
            "galaxy",
            "samsung",
            "redmi",
            "xiaomi",
            "huawei",
            "honor",
            "poco",
            "realme",
            "oneplus",
            "nokia",
            "pixel",
            "macbook",
        ),
        _first(_DEVICE),
    ),
    "os": (("ios", "ipados", "android", "windows", "macos", "harmonyos", "ubuntu", "debian", "miui", "аврора"), _os),
    "browser": (("chrome", "firefox", "safari", "edge", "opera", "браузер", "browser", "internet"), _first(_BROWSER)),
    "app_version": (
        (
            "верси",
            "version",
            "app",
            "ver.",
            "build",
            "сборк",
            "v0",
            "v1",
            "v2",
            "v3",
            "v4",
            "v5",
            "v6",
            "v7",
            "v8",
            "v9",
        ),
        _app_version,
    ),
    "urgency": (
        (
            "срочн",
            "немедл",
            "скорее",
            "быстрее",
            "безотлаг",
            "горит",
            "critical",
            "urgent",
            "asap",
            "immediat",
            "possible",
            "right away",
            "emergency",
        ),
        _urgency,
    ),
}
