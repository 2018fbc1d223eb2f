"""Which language a message is written in, from its letters and its most frequent words.

Meant for choosing between the catalogues we have (ru, en) and a fallback, so it is cheap and says
nothing when unsure: a wrong language annoys more than the desk's default.
"""

import re
from collections import Counter
from functools import lru_cache

_ENOUGH = 4_000  # characters looked at
_NOISE = re.compile(r"https?://\S*|www\.\S*|\S+@\S+|<[^<>]{0,200}>")
_NOISY = ("://", "www.", "@", "<")  # without one of these there is no noise
_WORD = re.compile(r"[^\W\d_]+")

_SCRIPTS = {  # first and last letter of each range
    "cyrillic": ["\u0400\u052f"],
    "latin": ["AZ", "az", "\u00c0\u024f"],
    "ja": ["\u3040\u30ff"],
    "zh": ["\u4e00\u9fff"],
    "ko": ["\uac00\ud7af", "\u1100\u11ff"],
    "ar": ["\u0600\u06ff"],
    "he": ["\u0590\u05ff"],
    "el": ["\u0370\u03ff"],
    "th": ["\u0e00\u0e7f"],
    "hi": ["\u0900\u097f"],
    "ka": ["\u10a0\u10ff"],
    "hy": ["\u0530\u058f"],
}
_FOREIGN = {  # Cyrillic letters that Russian does not have
    "uk": frozenset("іїєґ"),
    "be": frozenset("ўі"),
    "kk": frozenset("әқңұүһі"),
    "sr": frozenset("ђјљњћџ"),
    "mk": frozenset("ѓѕќџљњј"),
}
_LETTERS = {  # Latin letters that English does not have
    "de": frozenset("äöüß"),
    "fr": frozenset("àâçèêëîïôœùû"),
    "es": frozenset("ñ¿¡áéíóú"),
    "pt": frozenset("ãõçáâêóú"),
    "it": frozenset("àèìòù"),
    "pl": frozenset("ąćęłńśźż"),
    "tr": frozenset("ğışçİ"),
}
_ALL_FOREIGN, _ALL_LETTERS = frozenset[str]().union(*_FOREIGN.values()), frozenset[str]().union(*_LETTERS.values())
_FREQUENT = {
    "ru": "и в не на что я с по как это но мы вы за от из у меня мне есть был когда очень пожалуйста здравствуйте "
    "спасибо добрый день заказ почему где нет",
    "bg": "да не се съм ще моля няма какво благодаря поръчка поръчката ли от това може работи бих ми",
    "en": "the a an and is are was to of in it my your you i we have has had not no do does did dont can cant cannot "
    "please hello hi hey thanks thank with for this that but when what where why how on be been order refund help "
    "still would could want need get got any there from me am will just yes",
    "de": "der die das und ist ich nicht sie wir ein eine mit für auf bitte hallo danke meine mein habe hat wie kann "
    "zu von den dem im bestellung guten tag wann wo",
    "fr": "le la les et est je ne pas vous nous un une des pour avec mon ma mes bonjour merci commande dans sur que "
    "qui ai suis votre où comment cest",
    "es": "el la los las y es no que un una por para con mi su hola gracias pedido en de estoy tengo cuando donde "
    "puedo está buenos días",
    "it": "il la lo gli e è non che un una per con mio mia ciao grazie ordine di sono ho come quando dove buongiorno",
    "pt": "o a os as e é não que um uma por para com meu minha olá obrigado obrigada pedido de estou tenho quando "
    "onde bom dia",
    "pl": "i w nie na się jest to z do mam moje mój proszę dziękuję zamówienie dzień dobry kiedy gdzie jak czy",
    "tr": "ve bir bu ne için ile değil merhaba teşekkürler sipariş siparişim nerede nasıl çok benim var yok",
}
_LANGUAGES = {  # word -> the languages that have it
    word: [language for language, words in _FREQUENT.items() if word in words.split()]
    for word in " ".join(_FREQUENT.values()).split()
}
_LATIN = [language for language in _FREQUENT if language not in ("ru", "bg")]


def guess(text: str) -> str | None:
    """The language as BCP 47 (ru, en, and some others so that they are not taken for these), None when unsure.

    Addresses and tags are not read; only the first 4 000 characters are.
    """
    plain = text[:_ENOUGH].lower()
    if any(sign in plain for sign in _NOISY):
        plain = _NOISE.sub(" ", plain)
    chars = Counter(plain)
    letters: dict[str, int] = {}
    for char, count in chars.items():
        if script := _script(char):
            letters[script] = letters.get(script, 0) + count
    total = sum(letters.values())
    if total < 2:
        return None
    if letters.get("ja") and letters["ja"] + letters.get("zh", 0) > total / 2:
        return "ja"
    script = max(letters, key=lambda name: letters[name])
    if letters.get("cyrillic", 0) >= total * 0.35:  # product names and logs are Latin in Russian letters, too
        return _cyrillic(plain, chars, letters["cyrillic"])
    if letters[script] < total * 0.6:
        return None
    return _latin(plain, chars) if script == "latin" else script


@lru_cache(4_096)
def _script(char: str) -> str | None:
    return next((name for name, spans in _SCRIPTS.items() if any(span[0] <= char <= span[1] for span in spans)), None)


def _cyrillic(plain: str, chars: Counter[str], letters: int) -> str | None:
    if not _ALL_FOREIGN.isdisjoint(chars):
        foreign = {language: _count(chars, own) for language, own in _FOREIGN.items()}
        other = max(foreign, key=lambda name: foreign[name])
        if foreign[other] >= max(1, letters * 0.01):
            return other
    hits = _hits(plain)
    if hits["bg"] > hits["ru"] + 1 and not any(char in chars for char in "ыэё"):
        return "bg"
    return "ru" if letters >= 4 or hits["ru"] else None


def _latin(plain: str, chars: Counter[str]) -> str | None:
    found = _hits(plain)
    hits = {language: float(found[language]) for language in _LATIN}
    if not _ALL_LETTERS.isdisjoint(chars):
        for language, own in _LETTERS.items():
            hits[language] += min(_count(chars, own), 6) / 2
    best, second = sorted(hits, key=lambda name: -hits[name])[:2]
    enough = 1 if best == "en" else 1.5  # one short word is shared by many languages
    return best if hits[best] >= enough and hits[best] >= hits[second] * 1.25 + 0.25 else None


def _count(chars: Counter[str], own: frozenset[str]) -> int:
    return sum(chars[char] for char in own & chars.keys())


def _hits(plain: str) -> dict[str, int]:
    """How many of the words are frequent in each language."""
    hits = dict.fromkeys(_FREQUENT, 0)
    for word in _WORD.findall(plain.replace("'", "").replace("’", "")):
        for language in _LANGUAGES.get(word, ()):
            hits[language] += 1
    return hits
