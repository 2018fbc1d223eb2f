"""Which catalogue answers; nothing is better than wrong."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omnidesk.domain.language import guess


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Привет", "ru"),
        ("Где?", "ru"),
        ("Здравствуйте! Не приходит код, iPhone 14 Pro Max, iOS 17.5, app version 3.2.1 (build 455)", "ru"),
        ("hello, мой заказ 48213 не пришёл", "ru"),
        ("Where is my order?", "en"),
        ("Hello", "en"),
        ("I can't log in since this morning", "en"),
        ("My order from «Дом» did not arrive, where is it?", "en"),
        ("Привіт, де моє замовлення?", "uk"),
        ("Добрий день, не працює застосунок", "uk"),
        ("Добры дзень, калі ласка, дзе мой заказ? Ён не прыйшоў", "be"),
        ("Моля, не работи нищо, няма връзка, какво да правя", "bg"),
        ("Wo ist meine Bestellung? Bitte um Hilfe", "de"),
        ("Bonjour, où est ma commande ?", "fr"),
        ("Hola, ¿dónde está mi pedido?", "es"),
        ("Dzień dobry, gdzie jest moje zamówienie?", "pl"),
        ("Merhaba, siparişim nerede?", "tr"),
        ("こんにちは、注文はどこですか", "ja"),
        ("我的订单在哪里", "zh"),
        ("أين طلبي؟", "ar"),
    ],
)
def test_a_message_tells_its_language(text: str, language: str) -> None:
    assert guess(text) == language


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "123 456",
        "ok",
        "👍",
        "!!!",
        "asdf qwer zxcv",
        "https://shop.example/the/my/order",
        "ivan@the-shop.example",
    ],
)
def test_nothing_is_guessed_from_too_little(text: str) -> None:
    assert guess(text) is None


@given(st.text())
def test_any_text_gets_an_answer(text: str) -> None:
    language = guess(text)
    assert language is None or (2 <= len(language) <= 3 and language.islower())


def test_a_huge_text_is_read_at_once() -> None:
    assert guess("Где мой заказ? " * 100_000) == "ru"
    assert guess("<" * 1_000_000) is None
