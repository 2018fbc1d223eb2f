"""What the simulated customers write, and what the simulated agents answer.

A play is known by its subject, as agents know a case from experience. `{name}` is the customer,
`{order}` the number in his first mail.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

_ORDER = re.compile(r"\b\d{5}\b")
_PREFIX = re.compile(r"^(?:re|fwd|отв)\s*:\s*", re.IGNORECASE)
_THANKS = ("спасибо", "thank")

Then = Literal["pending", "resolved"]


@dataclass(frozen=True, slots=True)
class Turn:
    """An agent's answer, where the ticket goes with it, and what the customer says to that ("" for nothing)."""

    agent: str
    then: Then = "resolved"
    customer: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Play:
    """`habit` is how the customer, or his mail server, behaves."""

    subject: str
    language: Literal["ru", "en"]
    says: str
    turns: tuple[Turn, ...]
    habit: Literal["", "chases", "is away", "is unknown"] = ""
    file: str = ""


@dataclass(frozen=True, slots=True)
class Person:
    name: str
    address: str
    language: str


PLAYS: Sequence[Play] = (
    Play(
        subject="Где мой заказ?",
        language="ru",
        says="Здравствуйте!\n\nЗаказ {order} должен был приехать ещё во вторник, а его всё нет. Где он?\n\n{name}",
        turns=(
            Turn(
                "Здравствуйте, {name}!\n\nЗаказ {order} застрял на сортировке. Удобно получить его завтра с 10 до 14?",
                "pending",
                "Да, завтра с 10 до 14 подойдёт. Я буду дома.",
            ),
            Turn(
                "Договорились: курьер приедет завтра с 10 до 14 и позвонит за час.",
                customer="Спасибо, вы очень помогли!",
            ),
        ),
    ),
    Play(
        subject="Cannot sign in",
        language="en",
        says="Hi,\n\nsince this morning I cannot sign in to my account. It says that my session has expired, again and"
        " again. The screenshot is attached.\n\nRegards,\n{name}",
        file="screenshot.png",
        turns=(
            Turn(
                "Hello {name},\n\nthank you for the screenshot. Which browser do you use, and in which version?",
                "pending",
                "It is Firefox 141 on Windows 11.",
            ),
            Turn(
                "That helps. Please clear the cookies of our site and sign in once more: the old ones confuse it.",
                customer="That did it. Thank you!",
            ),
        ),
    ),
    Play(
        subject="Списали деньги дважды",
        language="ru",
        says="Добрый день. За заказ {order} деньги с карты 4111 1111 1111 1111 списали два раза, по 3 490 рублей."
        " Верните лишнее, пожалуйста.\n\n{name}",
        turns=(
            Turn(
                "Здравствуйте, {name}!\n\nВторой платёж по заказу {order} мы вернули, банк покажет его через день.\n\n"
                "Номер карты мы из письма убрали: не отправляйте его почтой, мы никогда о нём не просим.",
                customer="Спасибо, деньги пришли.",
            ),
        ),
    ),
    Play(
        subject="Refund for order",
        language="en",
        says="Hello,\n\nI returned order {order} two weeks ago and still wait for my refund. The receipt of the"
        " post office is attached.\n\n{name}",
        file="receipt.txt",
        turns=(
            Turn(
                "Hello {name},\n\nyour parcel reached our warehouse on Monday. Did you pay by card or by transfer?",
                "pending",
                "By card.",
            ),
            Turn("The refund for order {order} has left today. Cards take up to five days to show it."),
        ),
    ),
    Play(
        subject="Не приходит код",
        language="ru",
        says="Не могу войти: не приходит SMS, уже пять попыток. Что делать?\n\n{name}",
        habit="chases",
        turns=(
            Turn(
                "Здравствуйте, {name}!\n\nПодскажите, пожалуйста, вы в России или в роуминге?",
                "pending",
                "В роуминге, в Турции.",
            ),
            Turn(
                "Так и думали: в роуминге SMS опаздывают. Войдите через приложение, ему SMS не нужны.\n\n"
                "И никому не сообщайте код.",
                customer="Получилось, спасибо!",
            ),
        ),
    ),
    Play(
        subject="Счёт для бухгалтерии",
        language="ru",
        says="Добрый день!\n\nНужны счёт и акт за прошлый месяц по договору 7741.\n\nС уважением,\n{name}",
        habit="is away",
        turns=(Turn("Здравствуйте, {name}!\n\nСчёт и акт отправили через ЭДО, они у вас во входящих."),),
    ),
    Play(
        subject="Change of delivery address",
        language="en",
        says="Dear support,\n\nplease send order {order} to my office instead: 12 Harbour Street.\n\nYours,\n{name}",
        turns=(
            Turn(
                "Hello {name},\n\ngladly. Until what time is somebody there to take it?",
                "pending",
                "The reception is open until 18:00.",
            ),
            Turn("Done: order {order} goes to 12 Harbour Street and arrives before 18:00."),
        ),
    ),
    Play(
        subject="Товар пришёл разбитым",
        language="ru",
        says="Посылка пришла, а кружка в ней разбита! Заказ {order}. Фото прилагаю. Очень обидно.\n\n{name}",
        file="photo.png",
        turns=(
            Turn(
                "{name}, нам очень жаль! Прислать новую кружку или вернуть деньги?",
                "pending",
                "Пришлите, пожалуйста, новую.",
            ),
            Turn("Новая кружка выезжает сегодня, осколки возвращать не нужно.", customer="Спасибо большое!"),
        ),
    ),
    Play(
        subject="Do you ship to Norway?",
        language="en",
        says="Hi there, do you ship to Norway, and what does it cost? {name}",
        turns=(
            Turn(
                "Hello {name},\n\nwe do: 9.90 euros, four to six days. From 80 euros it is free.",
                customer="Great, thank you",
            ),
        ),
    ),
    Play(
        subject="Отмените подписку",
        language="ru",
        says="Прошу отменить подписку и больше не присылать рекламу.\n\n{name}",
        habit="is unknown",
        turns=(Turn("Здравствуйте, {name}!\n\nПодписка отменена, рекламы больше не будет."),),
    ),
)

UNFORESEEN: Mapping[str, Play] = {
    "ru": Play(
        subject="",
        language="ru",
        says="",
        turns=(
            Turn(
                "Здравствуйте, {name}!\n\nСпасибо за письмо. Расскажите, пожалуйста, подробнее: когда это началось?",
                "pending",
            ),
            Turn("Теперь всё понятно, проследим. Если что-то останется, просто ответьте на это письмо."),
        ),
    ),
    "en": Play(
        subject="",
        language="en",
        says="",
        turns=(
            Turn(
                "Hello {name},\n\nthank you for writing. Could you tell us a little more: since when is it so?",
                "pending",
            ),
            Turn("That is clear now, and we see to it. If anything is left, just reply to this mail."),
        ),
    ),
}

CHASING = {"ru": "Есть новости? Очень жду.", "en": "Any news? I am still waiting."}
AWAY = {
    "ru": ("Автоответ: я в отпуске", "Я в отпуске до понедельника и отвечу, когда вернусь."),
    "en": ("Out of office", "I am on holiday until Monday."),
}

_NAMES = {
    "ru": (
        "Иван Петров ivan.petrov", "Мария Соколова m.sokolova", "Алексей Ким a.kim", "Татьяна Орлова t.orlova",
        "Дмитрий Волков volkov.d", "Анна Лебедева lebedeva", "Сергей Зайцев s.zaytsev", "Елена Белова e.belova",
        "Рустам Алиев rustam.aliev", "Ольга Новикова o.novikova",
    ),
    "en": (
        "Ada Brown ada.brown", "John Miller jmiller", "Maria Garcia m.garcia", "Liam Wilson liam.wilson",
        "Chen Wei chen.wei", "Emily Clark e.clark", "Noah Evans noah.evans", "Sofia Rossi sofia.rossi",
    ),
}  # fmt: skip


def people(language: str) -> list[Person]:
    """Everybody who may write in this language."""
    found = []
    for entry in _NAMES[language]:
        first, last, mailbox = entry.split()
        found.append(Person(f"{first} {last}", f"{mailbox}@customer.example", language))
    return found


def play_of(subject: str, language: str) -> Play:
    """The play that a ticket belongs to, or what one says in any other case."""
    bare = _PREFIX.sub("", subject.strip())
    known = next((play for play in PLAYS if play.subject == bare), None)
    return known or UNFORESEEN["ru" if language == "ru" else "en"]


def is_thanks(text: str) -> bool:
    """A short mail of thanks asks for no answer."""
    return len(text) < 80 and any(word in text.lower() for word in _THANKS) and "?" not in text


def filled(text: str, *, name: str, first: str) -> str:
    """An agent's words for this customer, whose first mail was `first`."""
    order = _ORDER.search(first)
    return text.replace("{name}", name.split()[0] if name else "").replace("{order}", order[0] if order else "")
