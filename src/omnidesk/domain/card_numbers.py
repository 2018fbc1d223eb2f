"""Card numbers in text: 13 to 19 digits of a card scheme's range that pass Luhn.

Many other numbers pass Luhn as well (one in ten by chance, every IMEI), so the range, the way the
digits are grouped and the words in front decide. Source: ISO/IEC 7812-1 (Luhn, annex B) and the
published ranges of the schemes.
"""

import re
import unicodedata
from collections.abc import Iterator
from itertools import pairwise

_SEPARATOR = r"[\s.,\-\u2010-\u2015\u2212_/*·•|]"
_CHAIN = re.compile(rf"(?<!\d)\d(?:{_SEPARATOR}{{0,3}}\d){{12,}}(?!\d)")
_GROUP = re.compile(r"\d+")
_IBAN = re.compile(r"(?<![^\W_])[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,4})?(?![^\W_])", re.ASCII)
_URL = re.compile(r"(?:https?://|www\.)\S{0,200}$", re.IGNORECASE)
_SENTENCE = re.compile(r"[.!?]\s|\n\s*\n")
_CARD_WORDS = (
    r"карт[аеуыо]\w*|картой|cards?\b|visa|виза|master\s?card|мастеркард|\bмир\b|\bmir\b|maestro|\bpan\b|amex|"
    r"american express|unionpay|\bjcb\b|discover|diners|дебет\w*|кредитк\w*|debit|credit"
)
_OTHER_WORDS = (
    r"заказ\w*|трек\w*|отслежив\w*|посылк\w*|отправлени\w*|накладн\w*|сч[её]т\w*|фактур\w*|инвойс\w*|договор\w*|"
    r"квитанци\w*|чек\w*|транзакци\w*|операци\w*|плат[её]ж\w*|серийн\w*|штрих\w*|артикул\w*|товар\w*|полис\w*|снилс|"
    r"инн|огрн\w*|кпп|бик|р/с|л/с|к/с|имей|телефон\w*|тел\b|обращени\w*|заявк\w*|лояльност\w*|скидочн\w*|бонусн\w*|"
    r"orders?\b|track\w*|parcel|shipment|waybill|invoice|account|iban|receipt|transaction|payment id|reference|ref\b|"
    r"serial|s/n|imei|iccid|sim\b|barcode|ean|upc|isbn|sku|contract|policy|phone|tel\b|ticket|case|loyalty|bonus|id\b|"
    r"awb|usps|ups\b|fedex|dhl|сдэк|cdek|почт\w* росси\w*"
)
_CONTEXT = re.compile(rf"(?P<card>{_CARD_WORDS})|(?P<other>{_OTHER_WORDS})", re.IGNORECASE)
_SCHEMES = (
    (re.compile(r"4"), (13, 16, 19)),  # Visa
    (re.compile(r"5[1-5]|222[1-9]|22[3-9]|2[3-6]|27[01]|2720"), (16,)),  # Mastercard
    (re.compile(r"220[0-4]"), (16, 17, 18, 19)),  # Mir
    (re.compile(r"3[47]"), (15,)),  # American Express
    (re.compile(r"62|81"), (16, 17, 18, 19)),  # UnionPay
    (re.compile(r"352[89]|35[3-8]"), (16, 17, 18, 19)),  # JCB
    (re.compile(r"6011|64[4-9]|65"), (16, 17, 18, 19)),  # Discover
    (re.compile(r"5018|5020|5038|5893|6304|6759|676[1-3]"), (13, 14, 15, 16, 17, 18, 19)),  # Maestro
    (re.compile(r"8600|9860|9112|9792"), (16,)),  # Uzcard, Humo, Belkart, Troy
)


def find(text: str) -> Iterator[tuple[int, int]]:
    """(start, end) of every card number in the text, in order."""
    chains = list(_CHAIN.finditer(text))
    ibans = [found.span() for found in _IBAN.finditer(text) if _is_iban(found[0])] if chains else []
    for chain in chains:
        if not any(start < chain.end() and chain.start() < end for start, end in ibans):
            yield from _cards_of(text, chain.start(), chain.end())


def passes_luhn(digits: str) -> bool:
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (1 + place % 2)
        total += value - 9 if value > 9 else value
    return total % 10 == 0


def _cards_of(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Cards within one chain of digit groups; an expiry date or a phone may stand in the same chain."""
    groups = [found.span() for found in _GROUP.finditer(text, start, end)]
    digits = ["".join(str(unicodedata.decimal(char)) for char in text[a:b]) for a, b in groups]
    is_even = len({text[a:b] for (_, a), (b, _) in pairwise(groups)}) == 1  # else dates, phones …
    context = _context(text, start)
    first = 0
    while first < len(groups):
        if first and len(digits[first]) < 4 and (context != "card" or groups[first][0] - start > 60):
            first += 1
            continue
        last = _longest_card(digits, first, context if groups[first][0] - start < 60 else "", is_even=is_even)
        span = (groups[first][0], groups[last - 1][1])
        if last == first or not (context == "card" or _stands_free(text, *span)):
            first += 1
            continue
        yield span
        first = last


def _longest_card(digits: list[str], first: int, context: str, *, is_even: bool) -> int:
    """The end of the longest run of groups from `first` that is a card number; `first` when there is none."""
    best, number = first, ""
    for last in range(first, len(digits)):
        number += digits[last]
        if len(number) > 19:
            break
        if len(number) >= 13 and _is_card(number, digits[first : last + 1], context, is_even=is_even):
            best = last + 1
    return best


def _is_card(number: str, groups: list[str], context: str, *, is_even: bool) -> bool:
    if context == "card":
        return number[0] != "0" and len(set(number)) > 1 and passes_luhn(number)
    sizes = [len(group) for group in groups]
    diners = sizes == [4, 6, 4] and re.match(r"30[0-5]|36|3[89]", number) is not None
    in_scheme = diners or any(len(number) in lengths and prefix.match(number) for prefix, lengths in _SCHEMES)
    is_grouped_like_one = sizes[0] >= 4 and all(size >= 3 for size in sizes[1:-1])
    is_even = is_even and len(sizes) > 6 and len(set(sizes[:-1])) == 1  # "4 1 1 1 …", "41 11 11 …"
    return context != "other" and in_scheme and (is_grouped_like_one or is_even) and passes_luhn(number)


def _stands_free(text: str, start: int, end: int) -> bool:
    """Not a part of a code, a phone number with + or an address."""
    before, after = text[max(0, start - 1) : start], text[end : end + 1]
    return not (before.isalpha() or after.isalpha() or before == "+" or _URL.search(text[max(0, start - 200) : start]))


def _context(text: str, start: int) -> str:
    """The last word in front that says what kind of number comes: card, other or nothing."""
    kind, before = "", text[max(0, start - 60) : start]
    for found in _CONTEXT.finditer(before):
        kind = found.lastgroup or ""
        if kind == "other" and _SENTENCE.search(before, found.end()):
            kind = ""  # that was the sentence before
    return kind


def _is_iban(text: str) -> bool:
    compact = text.replace(" ", "")
    if not 15 <= len(compact) <= 34:
        return False
    return int("".join(str(int(char, 36)) for char in compact[4:] + compact[:4])) % 97 == 1
