"""How urgent a message is: points with reasons, added up from several features, never from one word alone.

    customer's own field   nothing works +4, blocks me +2 (at most +2 from those who overuse it)
    safety                 theft, fraud, break-in, leak +4          law      court, regulator, claim +2
    outage                 down for all, 5xx +3; locked out, payment fails, freezes +2; an incident runs +2
    time                   at once, asap +2; soon, deadline +1      leaving  a stated consequence +1
    repeat                 third contact in 72 hours +2, second +1

Each feature counts once, with its biggest points: saying it ten times adds nothing. Capitals, exclamation
marks, insults and praise are noted for the agent and give no points: facts count, not emotions. A public
mention by somebody with an open ticket lifts the level by one.
"""

import re
import unicodedata
from dataclasses import dataclass
from typing import NamedTuple

from omnidesk.domain.text import normal
from omnidesk.domain.tickets import Urgency as Level

CRITICAL_FROM, HIGH_FROM, LOW_TO = 6, 3, -1
MAX_CHARS = 20_000  # what stands further down is not read
_LEVELS = tuple(Level)
_EXPLICIT = {"critical": 4, "nothing_works": 4, "high": 2, "blocks_me": 2}
_OVERUSED_MOST = 2
_NEAR = 4  # words on either side where the rest of a phrase may stand
_NEGATES = 3  # words after a negation that it reaches
_THANKS_MOST = 12  # a message with more words is not just thanks


@dataclass(frozen=True, slots=True)
class Urgency:
    """`reasons` are readable, one per feature that counted or was negated; `tone` is for the agent's eyes."""

    level: Level
    points: int
    reasons: tuple[str, ...]
    tone: tuple[str, ...] = ()


class _Words(NamedTuple):
    """Words, and beginnings of words."""

    exact: frozenset[str]
    stems: tuple[str, ...]

    def meet(self, words: list[str]) -> bool:
        if not self.exact.isdisjoint(words):
            return True
        stems = self.stems
        return bool(stems) and any(word.startswith(stems) for word in words)


def _words(*words: str) -> _Words:
    """A word that ends in * is a stem, any other stands for itself."""
    stems = tuple(word[:-1] for word in words if word.endswith("*"))
    return _Words(frozenset(word for word in words if not word.endswith("*")), stems)


class _Sign(NamedTuple):
    feature: str
    points: int
    near: _Words | None = None  # one of these must stand near; None: the word suffices
    also: _Words | None = None  # and one of these, too


def score(
    text: str,
    *,
    explicit: str | None = None,
    overuser: bool = False,
    repeat_count: int = 0,
    incident: bool = False,
    public_mention: bool = False,
) -> Urgency:
    """The urgency of what was written now, subject included, without quotes and signature.

    `explicit` is the customer's own field (critical or nothing_works, high or blocks_me, normal, low) and
    `overuser` says that he always chooses the highest; `repeat_count` is how many of his contacts came in
    the 72 hours before this one; `incident`: many of this category came within ten minutes.
    """
    read = _read(text)
    points, reasons = read.points, list(read.reasons)
    facts = (
        ("customer's field", _own_field(explicit, overuser)),
        ("incident", 2 if incident else 0),
        ("repeated contact", min(2, max(0, repeat_count))),
    )
    for name, extra in facts:
        if extra:
            points += extra
            reasons.append(f"{name} +{extra}")
    mild = read.mild or ("customer's field" if explicit == "low" else "")
    if not points and mild:
        points = -1
        reasons.append(f"{mild} -1")
    level = _level(points)
    if public_mention:
        level = _LEVELS[min(len(_LEVELS) - 1, _LEVELS.index(level) + 1)]
        reasons.append("public escalation")
    return Urgency(level, points, tuple(reasons), _tone(text, read.tone))


def _own_field(explicit: str | None, overuser: bool) -> int:
    points = _EXPLICIT.get(explicit or "", 0)
    return min(points, _OVERUSED_MOST) if overuser else points


def _level(points: int) -> Level:
    if points >= CRITICAL_FROM:
        return Level.CRITICAL
    if points >= HIGH_FROM:
        return Level.HIGH
    return Level.LOW if points <= LOW_TO else Level.NORMAL


class _Read(NamedTuple):
    points: int
    reasons: tuple[str, ...]
    mild: str  # thanks, question or suggestion, when nothing in the text speaks of trouble
    tone: frozenset[str]


_TOKEN = re.compile(r"\w+(?:'\w+)?|[.!?;:,\n()]")


def _read(text: str) -> _Read:
    """One pass over the words."""
    words = _TOKEN.findall(_folded(text[:MAX_CHARS]))
    best: dict[str, tuple[int, str]] = {}
    negated: list[str] = []
    exact, stems = _EXACT, _STEMS
    for at, word in enumerate(words):
        signs = exact.get(word) or stems.get(word[:4])
        if signs is None:
            continue
        for stem, sign in signs:
            if not word.startswith(stem) or sign.points <= best.get(sign.feature, _NONE)[0]:
                continue
            if sign.near is None:
                if sign.points and _is_negated(words, at):
                    negated.append(f"{word}: negated")
                    continue
            elif not _stands(words, at, sign.near, sign.also):
                continue
            best[sign.feature] = (sign.points, word)
    counted = [(feature, points, word) for feature, (points, word) in best.items() if points]
    reasons = (*(f"{feature}: {word} +{points}" for feature, points, word in counted), *dict.fromkeys(negated))
    others = frozenset(feature for feature, (points, _) in best.items() if not points)
    return _Read(sum(points for _, points, _ in counted), reasons, _mild(words, others), others & _TONES)


def _folded(text: str) -> str:
    if not text.isascii():
        if not unicodedata.is_normalized("NFKC", text):
            text = normal("NFKC", text)
        return text.lower().replace("ё", "е").replace("’", "'")
    return text.lower()


def _stands(words: list[str], at: int, near: _Words, also: _Words | None) -> bool:
    around = words[max(0, at - _NEAR) : at] + words[at + 1 : at + 1 + _NEAR]
    return near.meet(around) and (also is None or also.meet(around))


def _is_negated(words: list[str], at: int) -> bool:
    """Is there a «не» or "not" up to three words before, in the same clause, or a «нет» right behind?"""
    for word in reversed(words[max(0, at - _NEGATES) : at]):
        if word in _NEGATIONS or word.endswith(_SHORT_NOT):
            return True
        if word in _BREAKS:
            return False
    return words[at + 1 : at + 2] == ["нет"]


def _mild(words: list[str], others: frozenset[str]) -> str:
    if not others or "trouble" in others or not _NEGATIONS.isdisjoint(words) or _SHORT_NOT in " ".join(words):
        return ""
    if "suggestion" in others:
        return "suggestion"
    if "question" in others and "?" in words:
        return "plain question"
    return "thanks" if "thanks" in others and len(words) <= _THANKS_MOST else ""


def _tone(text: str, found: frozenset[str]) -> tuple[str, ...]:
    noted = set(found)
    if "!!" in text:
        noted.add("exclamation marks")
    head = text[:1_000]
    if len(head) >= 12 and head.isupper():
        noted.add("capitals")
    return tuple(sorted(noted))


_NONE = (-1, "")
_TONES = frozenset({"insult", "praise"})
_NEGATIONS = frozenset({"не", "нет", "ни", "без", "not", "no", "never", "without", "isnt", "dont"})
_SHORT_NOT = "n't"
_BREAKS = frozenset({*".!?;:,()\n", "но", "а", "зато", "but", "however"})

_SYSTEMS = _words(
    "сайт*", "сервер*", "сервис*", "приложени*", "систем*", "прод", "прода", "проде", "база", "базы", "api", "касса",
    "кассы", "терминал*", "портал*", "платформ*", "кабинет*", "магазин*", "сеть", "интернет*", "все", "site", "website",
    "server*", "service*", "app", "system*", "production", "prod", "platform*", "portal*", "database", "network",
    "everything", "store", "shop", "checkout", "is", "are", "went",
)  # fmt: skip
_ERRORS = _words(
    "ошибк*", "error*", "http*", "код*", "code*", "status*", "статус*", "server*", "сервер*", "gateway*", "internal*",
    "unavailable*", "return*", "выда*", "сайт*", "api",
)  # fmt: skip
_FAULTS = _words(
    "down", "fail*", "broke*", "issue*", "error*", "incident*", "crash*", "stop*", "outage*", "unavailable*"
)
_NOT = _words("не", "not", "no", "нет", "cannot", "can't", "couldn't", "unable", "doesn't", "won't", "isn't", "didn't")
_ENTER = _words("войти", "зайти", "вход*", "авториз*", "залогин*", "log", "login", "logging", "sign", "access", "enter")
_PAYING = _words("оплат*", "платеж*", "заплат*", "payment*", "pay", "checkout", "transaction*")
_NEEDED = _words("нужн*", "надо", "необходим*", "успе*", "срок*", "до", "need*", "must", "by", "due", "before", "until")

_TABLE: tuple[tuple[_Sign, str], ...] = (
    (_Sign("safety", 4), "украл* украд* краж* мошен* взлом* взлама* утечк* вымога*"),
    (_Sign("safety", 4), "stolen stole theft fraud* hacked hacker* breach* scam scammed scammer* phish* unauthori*"),
    (_Sign("safety", 4, _words("без"), _words("ведом*", "соглас*", "разреш*")), "списал* списан* снял* перевел*"),
    (_Sign("law", 2), "суд суда суде суду судом судебн* прокурат* прокурор* претензи* роспотреб* адвокат* юрист*"),
    (_Sign("law", 2), "lawyer* attorney* lawsuit* chargeback* regulator* court sue suing ombudsman*"),
    (_Sign("outage", 3, _words("ни"), _words("у")), "кого"),
    (_Sign("outage", 3, _SYSTEMS), "лежит лежат упал упала упало упали down"),
    (_Sign("outage", 3), "outage*"),
    (_Sign("outage", 3, _FAULTS), "production prod"),
    (_Sign("outage", 3, _ERRORS), "500 502 503 504"),
    (_Sign("outage", 2, _NOT, _ENTER), "могу можем могут получа* удает* пуска* способ* log login sign access"),
    (_Sign("outage", 2, _ENTER), "cannot can't couldn't unable"),
    (_Sign("outage", 2, _NOT, _PAYING), "могу можем могут получа* удает*"),
    (_Sign("outage", 2, _PAYING), "cannot can't couldn't unable"),
    (_Sign("outage", 2, _NOT, _PAYING), "проход* прошел прошла прошло прошли going went accept*"),
    (_Sign("outage", 2, _PAYING), "fail fails failed failing declin* отклон*"),
    (_Sign("outage", 2), "зависа* завис зависло зависла freez* frozen hangs hanging"),
    (_Sign("time", 2), "срочн* немедл* безотлаг* urgent* asap immediate* emergency"),
    (_Sign("time", 2, _words("через", "within", "in", "течение")), "час часа hour"),
    (_Sign("time", 1, _words("как", "as"), _words("можно", "possible")), "скорее быстрее скорей soon quickly"),
    (_Sign("time", 1), "горит горят дедлайн* deadline*"),
    (_Sign("time", 1, _NEEDED), "сегодня today tonight"),
    (_Sign("leaving", 1, _words("друг*", "конкур*", "вас")), "уйду уйдем уходим ухожу"),
    (_Sign("leaving", 1, _words("договор*", "счет*", "аккаунт*", "подписк*")), "расторг* закрою закроем отменю"),
    (
        _Sign("leaving", 1, _words("account*", "subscription*", "contract*")),
        "cancel cancelling canceling close closing",
    ),
    (_Sign("leaving", 1, _words("competitor*", "provider*")), "switch switching leave leaving"),
    (
        _Sign("trouble", 0),
        "ошибк* проблем* слома* сбой сбоит вернит* жалоб* error* problem* broke* fail* issue* refund*",
    ),
    (_Sign("trouble", 0), "wrong missing complain* lost cannot unable пропал* потеря* задерж* delay* слетел*"),
    (_Sign("thanks", 0), "спасибо благодар* thank thanks"),
    (_Sign("question", 0), "подскаж* как где когда какой какие можно сколько how where when what which can could"),
    (_Sign("suggestion", 0), "предлагаю предложение пожелани* suggest* idea proposal"),
    (_Sign("insult", 0), "идиот* дурак* дебил* тупые тупой уроды сволоч* idiot* stupid* moron* useless"),
    (_Sign("praise", 0), "молодц* отличн* прекрасн* супер замечат* great awesome excellent wonderful"),
)


def _compiled() -> tuple[dict[str, list[tuple[str, _Sign]]], dict[str, list[tuple[str, _Sign]]]]:
    """Words by themselves, and stems by their first four letters; a word that is both has all its signs."""
    exact: dict[str, list[tuple[str, _Sign]]] = {}
    stems: dict[str, list[tuple[str, _Sign]]] = {}
    for sign, words in _TABLE:
        for word in words.split():
            if word.endswith("*"):
                stems.setdefault(word[:4], []).append((word[:-1], sign))
            else:
                exact.setdefault(word, []).append((word, sign))
    for word, signs in exact.items():
        signs.extend(found for found in stems.get(word[:4], []) if word.startswith(found[0]))
    return exact, stems


_EXACT, _STEMS = _compiled()
