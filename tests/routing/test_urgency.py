"""How urgent real-looking messages are, and what gives no points."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omnidesk.routing.urgency import score


@pytest.mark.parametrize(
    ("text", "points"),
    [
        ("У меня украли карту", 4),
        ("Мошенники списали деньги", 4),
        ("Деньги списали без моего ведома", 4),
        ("Мой кабинет взломали", 4),
        ("My card was stolen and there is fraud on it", 4),
        ("We suspect a data breach", 4),
        ("Подам в суд", 2),
        ("Напишу претензию в прокуратуру", 2),
        ("My lawyer will call you", 2),
        ("I will file a chargeback", 2),
        ("Ни у кого в офисе не работает", 3),
        ("Сайт лежит с утра", 3),
        ("Сервис упал", 3),
        ("Ошибка 502 при заходе", 3),
        ("The site is down", 3),
        ("Production is failing since noon", 3),
        ("Не могу войти в приложение", 2),
        ("Не проходит оплата заказа", 2),
        ("Приложение зависает", 2),
        ("I cannot log in", 2),
        ("My payment fails every time", 2),
        ("Нужно срочно", 2),
        ("Ответьте немедленно", 2),
        ("This is urgent", 2),
        ("Reply asap", 2),
        ("Жду ответа через час", 2),
        ("Ответьте как можно скорее", 1),
        ("У нас горит отчёт", 1),
        ("The deadline is close", 1),
        ("I need it today", 1),
        ("Уйду к другим", 1),
        ("I will cancel my account", 1),
        ("Здравствуйте, заказ пришёл не полностью", 0),
        ("My parcel has not arrived", 0),
    ],
)
def test_each_feature_has_its_points(text: str, points: int) -> None:
    assert score(text).points == points, score(text)


@pytest.mark.parametrize(
    ("text", "level"),
    [
        ("Срочно! С карты украли деньги", "critical"),
        ("Urgent: production is down, we lose money, asap", "high"),
        ("Сайт лежит, срочно, иначе суд", "critical"),
        ("Не могу войти, ответьте как можно скорее", "high"),
        ("Срочно нужна справка", "normal"),
        ("Спасибо, всё получилось!", "low"),
        ("Подскажите, как изменить адрес доставки?", "low"),
        ("Предлагаю добавить тёмную тему", "low"),
        ("How can I change my address?", "low"),
        ("Когда вернёте деньги? Заказ не пришёл. Спасибо", "normal"),
        ("", "normal"),
    ],
)
def test_levels(text: str, level: str) -> None:
    assert score(text).level == level, score(text)


@pytest.mark.parametrize(
    "text",
    [
        "не срочно",
        "Это не очень срочно",
        "Not urgent",
        "It is not really that urgent",
        "This isn't urgent at all",
        "Срочности нет",
        "Без спешки, не горит",
        "Карту не украли",
        "No fraud here",
    ],
)
def test_a_negation_takes_the_points_of_its_word(text: str) -> None:
    found = score(text)
    assert found.points <= 0, found
    assert any(reason.endswith("negated") for reason in found.reasons)


def test_a_negation_takes_no_other_points() -> None:
    assert score("Не срочно, но с карты украли деньги").points == 4
    assert score("Не горит, но срочно").points == 2
    assert score("Денег нет. Срочно помогите").points == 2
    assert score("Срочно! Не могу войти").points == 4


@pytest.mark.parametrize(
    "text",
    [
        "Верните 500 рублей",
        "Посылка лежит на почте",
        "Телефон упал в воду",
        "Судя по отзывам, всё хорошо",
        "I sat down and read the manual",
        "Сегодня получил заказ",
        "Рассудок и судьба",
        "The downloads page",
    ],
)
def test_words_that_only_look_alike_give_nothing(text: str) -> None:
    assert score(text).points <= 0, score(text)


@pytest.mark.parametrize(
    "calm",
    [
        "не могу войти в кабинет, помогите",
        "срочно верните деньги, с карты украли пять тысяч",
        "где мой заказ",
        "the site is down, please help us soon",
    ],
)
def test_shouting_gives_no_points_and_is_noted(calm: str) -> None:
    loud = score(calm.upper() + "!!!!!!")
    assert (loud.level, loud.points) == (score(calm).level, score(calm).points)
    assert loud.tone == ("capitals", "exclamation marks")
    assert score(calm).tone == ()


def test_insults_and_praise_are_noted_only() -> None:
    assert score("Вы идиоты").tone == ("insult",)
    assert score("Вы идиоты").points == 0
    assert score("Вы молодцы").tone == ("praise",)


def test_repeating_a_word_adds_nothing() -> None:
    assert score("срочно " * 50).points == score("срочно").points
    assert score("срочно, немедленно, asap, urgent").points == 2


def test_the_customers_field_is_input_and_capped_for_those_who_overuse_it() -> None:
    assert score("", explicit="critical").points == 4
    assert score("", explicit="nothing_works", overuser=True).points == 2
    assert score("", explicit="blocks_me").points == 2
    assert score("", explicit="low").level == "low"
    assert score("Украли карту", explicit="low").level == "high"


def test_repeated_contacts_and_incidents_add_up() -> None:
    assert [score("Где заказ", repeat_count=n).points for n in (0, 1, 2, 9)] == [0, 1, 2, 2]
    assert score("Не могу войти", incident=True).level == "high"
    assert score("Не могу войти", incident=True, repeat_count=2).level == "critical"


def test_a_public_mention_lifts_by_one_class_and_says_so() -> None:
    lifted = score("Где заказ", public_mention=True)
    assert (lifted.level, lifted.points, lifted.reasons) == ("high", 0, ("public escalation",))
    assert score("Срочно! Украли карту", public_mention=True).level == "critical"


def test_reasons_name_the_word_and_its_points() -> None:
    assert score("Срочно: украли карту").reasons == ("time: срочно +2", "safety: украли +4")


@given(st.text(max_size=300), st.text(max_size=50))
def test_more_urgent_words_never_lower_the_level(text: str, more: str) -> None:
    assert score(text + ". украли. " + more).points >= 4


@given(st.text(max_size=200))
def test_case_is_nothing(text: str) -> None:
    assert score(text.lower()).points == score(text.lower().lower()).points


def test_a_huge_message_is_read_in_linear_time() -> None:
    started = time.process_time()
    score("не срочно " * 200_000)
    score("́" * 1_000_000)
    assert time.process_time() - started < 1
