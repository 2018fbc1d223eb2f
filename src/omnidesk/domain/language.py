"""Which language a message is written in, from its letters and its most frequent words.

Meant for choosing between the catalogues we have (ru, en) and a fallback, so it is cheap and says
nothing when unsure: a wrong language annoys more than the desk's default.
"""

import re
from collections import Counter
from collections.abc import Iterable

_ENOUGH = 4_000  # characters looked at
_NOISE = re.compile(r"https?://\S*|www\.\S*|\S+@\S+|<[^<>]{0,200}>")
_WORD = re.compile(r"[^\W\d_]+")

_SCRIPTS = {
    "cyrillic": re.compile("[\u0400-\u052f]"),
    "latin": re.compile("[A-Za-z\u00c0-\u024f]"),
    "ja": re.compile("[\u3040-\u30ff]"),
    "zh": re.compile("[\u4e00-\u9fff]"),
    "ko": re.compile("[\uac00-\ud7af\u1100-\u11ff]"),
    "ar": re.compile("[\u0600-\u06ff]"),
    "he": re.compile("[\u0590-\u05ff]"),
    "el": re.compile("[\u0370-\u03ff]"),
    "th": re.compile("[\u0e00-\u0e7f]"),
    "hi": re.compile("[\u0900-\u097f]"),
    "ka": re.compile("[\u10a0-\u10ff]"),
    "hy": re.compile("[\u0530-\u058f]"),
}
_FOREIGN = {  # Cyrillic letters that Russian does not have
    "uk": re.compile("[іїєґ]"),
    "be": re.compile("[ўі]"),
    "kk": re.compile("[әқңұүһі]"),
    "sr": re.compile("[ђјљњћџ]"),
    "mk": re.compile("[ѓѕќџљњј]"),
}
_LETTERS = {  # Latin letters that English does not have
    "de": re.compile("[äöüß]"),
    "fr": re.compile("[àâçèêëîïôœùû]"),
    "es": re.compile("[ñ¿¡áéíóú]"),
    "pt": re.compile("[ãõçáâêóú]"),
    "it": re.compile("[àèìòù]"),
    "pl": re.compile("[ąćęłńśźż]"),
    "tr": re.compile("[ğışçİ]"),
}
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
_WORDS = {language: frozenset(words.split()) for language, words in _FREQUENT.items()}
_LATIN = [language for language in _WORDS if language not in ("ru", "bg")]


def guess(text: str) -> str | None:
    """The language as BCP 47 (ru, en, and some others so that they are not taken for these), None when unsure.

    Addresses and tags are not read; only the first 4 000 characters are.
    """
    plain = _NOISE.sub(" ", text[:_ENOUGH]).lower()
    letters = {script: len(found) for script, shape in _SCRIPTS.items() if (found := shape.findall(plain))}
    total = sum(letters.values())
    if total < 2:
        return None
    if letters.get("ja") and letters["ja"] + letters.get("zh", 0) > total / 2:
        return "ja"
    script = max(letters, key=lambda name: letters[name])
    if letters.get("cyrillic", 0) >= total * 0.35:  # product names and logs are Latin in Russian letters, too
        return _cyrillic(plain, letters["cyrillic"])
    if letters[script] < total * 0.6:
        return None
    return _latin(plain) if script == "latin" else script


def _cyrillic(plain: str, letters: int) -> str | None:
    foreign = {language: len(shape.findall(plain)) for language, shape in _FOREIGN.items()}
    other = max(foreign, key=lambda name: foreign[name])
    if foreign[other] >= max(1, letters * 0.01):
        return other
    hits = _hits(plain, ("ru", "bg"))
    if hits["bg"] > hits["ru"] + 1 and not re.search("[ыэё]", plain):
        return "bg"
    return "ru" if letters >= 4 or hits["ru"] else None


def _latin(plain: str) -> str | None:
    hits = _hits(plain, _LATIN)
    for language, shape in _LETTERS.items():
        hits[language] += min(len(shape.findall(plain)), 6) / 2
    best, second = sorted(hits, key=lambda name: -hits[name])[:2]
    enough = 1 if best == "en" else 1.5  # one short word is shared by many languages
    return best if hits[best] >= enough and hits[best] >= hits[second] * 1.25 + 0.25 else None


def _hits(plain: str, languages: Iterable[str]) -> dict[str, float]:
    words = Counter(_WORD.findall(plain.replace("'", "").replace("’", "")))
    return {language: sum(words[word] for word in words.keys() & _WORDS[language]) for language in languages}
