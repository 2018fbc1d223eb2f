import pytest

from omnidesk.domain.wishes import asks_for_senior, asks_why_so_long, plain_answer


@pytest.mark.parametrize(
    "text",
    [
        "Позовите старшего!",
        "Это невозможно. Соедините меня, пожалуйста, с руководителем",
        "я хочу поговорить с вашим начальником",
        "Требую руководство",
        "Переключите на старшего специалиста",
        "Let me talk to a manager.",
        "I want to speak with your supervisor, please",
        "Please transfer me to a senior",
    ],
)
def test_who_asks_for_somebody_more_senior_is_heard(text: str) -> None:
    assert asks_for_senior(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Мой начальник доволен вашей работой",
        "Не зовите старшего, всё хорошо",
        "Старший брат тоже не может войти",
        "The manager app crashes on start",
        "My supervisor uses the same plan",
        "Не работает менеджер паролей",
    ],
)
def test_a_mere_mention_is_no_wish(text: str) -> None:
    assert not asks_for_senior(text)


def test_a_huge_text_is_read_at_once() -> None:
    assert not asks_for_senior("менеджер " * 1_000_000)


@pytest.mark.parametrize(
    "text",
    [
        "Почему так долго?",
        "Здравствуйте. Почему до сих пор нет ответа",
        "Сколько ещё ждать?",
        "Когда же вы ответите?",
        "Долго мне ещё ждать?",
        "Why is it taking so long?",
        "Why haven’t you answered me?",
        "What's taking so long?",
        "How much longer?",
        "When will I hear from you?",
        "why so long",
    ],
)
def test_he_asks_why_it_takes_so_long(text: str) -> None:
    assert asks_why_so_long(text)


@pytest.mark.parametrize(
    "text",
    [
        "Почему не приходит код?",
        "Приложение долго загружается, почему?",
        "Когда вы работаете?",
        "Why was my card declined?",
        "When will the store open?",
        "How long is the cable?",
        "Я долго искал, но нашёл. Спасибо",
        "",
    ],
)
def test_he_asks_something_else(text: str) -> None:
    assert not asks_why_so_long(text)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Да", True),
        ("да, спасибо!", True),
        ("Да, согласна.", True),
        ("Подходит", True),
        ("Yes, please.", True),
        ("I agree", True),
        ("Нет", False),
        ("нет, спасибо", False),
        ("Нет, не подходит.", False),
        ("no", False),
        ("No, thank you", False),
        ("I don’t agree", False),
        ("Да?", None),
        ("Да, но только завтра", None),
        ("Да нет", None),
        ("Нет проблем", None),
        ("Не знаю", None),
        ("ok", None),
        ("Да 👍", None),
        ("Yes, but the red one", None),
        ("no problem", None),
        ("Мне не пришло ничего", None),
        ("", None),
    ],
)
def test_a_plain_yes_or_no_and_nothing_else(text: str, said: bool | None) -> None:
    assert plain_answer(text) is said
