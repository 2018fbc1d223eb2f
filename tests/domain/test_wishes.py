import pytest

from omnidesk.domain.wishes import asks_for_senior


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
