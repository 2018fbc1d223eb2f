"""What people on a filled desk write: two vocabularies whose words are as unevenly used as real ones.

A few words stand in an exact share of the messages, so that searches of a known weight can be measured. They occur
nowhere else.
"""

import random
from collections.abc import Callable
from itertools import accumulate

SHARES = {  # word: the share of messages in which it stands
    "доставка": 0.1,
    "delivery": 0.1,
    "гарантия": 0.01,
    "warranty": 0.01,
    "бегемот": 0.0001,
    "platypus": 0.0001,
}
OLD_SHARES = {"факсимиле": 0.1, "телеграмма": 0.001}  # in the first third of the time, and never again
PHRASE = "красный велосипед"  # in one message of a thousand; its words also stand alone

_VOCABULARY = 12_000
_SENTENCES = 6_000
_COMMON = {
    "ru": (
        "не в и на что я с по у заказ деньги вернуть можно пожалуйста здравствуйте когда почему оплата карта "
        "приложение ошибка войти пароль кабинет товар магазин курьер адрес чек возврат ответ вопрос спасибо жду "
        "помогите проблема телефон письмо номер сегодня вчера завтра счёт договор скидка подписка клиент менеджер"
    ),
    "en": (
        "the to and i of a is my order money back please hello when why payment card app error sign in password "
        "account item shop courier address receipt refund answer question thanks waiting help problem phone letter "
        "number today yesterday tomorrow invoice contract discount subscription customer manager"
    ),
}
_SYLLABLES = {
    "ru": "ва ло ри ме то ка ну ши пе до ля су ми ро зе ту ба га не жи по ры со де ки ле",
    "en": "ba lo ri me to ka nu shi pe do la su mi ro ze tu va ga ne ji po ry so de ki le",
}
_ENDS = {"ru": ("", "а", "ы", "ом", "ами", "ной", "ный", "ить"), "en": ("", "s", "ed", "ing", "er", "ly")}
_NAMES = {
    "ru": ("Анна Иван Мария Пётр Ольга Олег Елена Семён", "Иванов Котов Лебедев Орлов Соколов Зайцев Белов Фомин"),
    "en": ("Ada Grace Linus Maria John Peter Olga Tom", "Brown Smith Miller Clark Young Walker Hill Wood"),
}


class Speech:
    """Sentences, names and messages of one seed."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self._sentences = {language: self._said(language) for language in _COMMON}

    def _said(self, language: str) -> list[str]:
        words, chance = self._vocabulary(language), self._chance
        weights = list(accumulate(1 / rank for rank in range(1, len(words) + 1)))
        lengths = chance.choices(range(5, 13), k=_SENTENCES)
        drawn = iter(chance.choices(words, cum_weights=weights, k=sum(lengths)))
        return [" ".join(next(drawn) for _ in range(length)).capitalize() + "." for length in lengths]

    def _vocabulary(self, language: str) -> list[str]:
        chance, syllables, ends = self._chance, _SYLLABLES[language].split(), _ENDS[language]
        words = dict.fromkeys(_COMMON[language].split())
        while len(words) < _VOCABULARY:
            words["".join(chance.choices(syllables, k=chance.randint(2, 4))) + chance.choice(ends)] = None
        for known in (*SHARES, *OLD_SHARES, *PHRASE.split()):
            words.pop(known, None)
        return list(words)

    def name(self, language: str) -> str:
        return " ".join(self._chance.choice(names.split()) for names in _NAMES[language])

    def subject(self, language: str) -> str:
        return " ".join(self._chance.choice(self._sentences[language]).rstrip(".").split()[:6])

    def message(self, language: str, age: float) -> str:
        """What somebody writes; `age` is 1 for the oldest message and 0 for the newest."""
        draw: Callable[[], float] = self._chance.random
        sentences = self._sentences[language]
        said = [sentences[int(draw() * _SENTENCES)] for _ in range(1 + int(draw() * 3))]
        said += [f"{word}." for word, share in SHARES.items() if draw() < share]
        if age > 2 / 3:
            said += [f"{word}." for word, share in OLD_SHARES.items() if draw() < share]
        if draw() < 0.001:
            said.append(f"{PHRASE}.")
        elif draw() < 0.002:
            said.append("велосипед не красный.")
        return " ".join(said)
