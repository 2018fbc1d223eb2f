"""What customers state about their trouble is found and never invented."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omnidesk.domain.facts import amount, facts, phone_number
from omnidesk.domain.moments import occurred_at

NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)  # a Sunday, noon in Moscow
MOSCOW = "Europe/Moscow"


@pytest.mark.row(1, part="rules")
def test_a_mail_with_order_login_and_time() -> None:
    assert facts("заказ 48213, логин ivan@example.com, вчера 14:30", NOW, MOSCOW) == {
        "order": "48213",
        "login": "ivan@example.com",
        "occurred_at": "2026-11-21T14:30:00+03:00",
    }


@pytest.mark.row(8, part="rules")
def test_a_mail_that_names_the_device() -> None:
    stated = facts("Не работает на iPhone 14, iOS 17.5, версия приложения 3.2.1", NOW, MOSCOW)
    assert stated == {"device": "iPhone 14", "os": "iOS 17.5", "app_version": "3.2.1"}


@pytest.mark.row(10, part="rules")
def test_a_mail_about_a_payment() -> None:
    stated = facts("Срочно! чек 0917, 1 299,90 ₽, оплата 20.11.2026", NOW, MOSCOW)
    assert stated == {
        "receipt": "0917", "amount": "1299.90", "currency": "RUB", "occurred_at": "2026-11-20", "urgency": "срочно",
    }  # fmt: skip
    assert Decimal(stated["amount"]) == Decimal("1299.90")


@pytest.mark.parametrize(
    ("text", "when"),
    [
        ("вчера в 14:30", "2026-11-21T14:30:00+03:00"),
        ("yesterday at 2pm", "2026-11-21T14:00:00+03:00"),
        ("yesterday around 2:15 p.m.", "2026-11-21T14:15:00+03:00"),
        ("сегодня в 9 утра", "2026-11-22T09:00:00+03:00"),
        ("позавчера около 7 вечера", "2026-11-20T19:00:00+03:00"),
        ("вчера не смог войти", "2026-11-21"),
        ("в пятницу в 18:00", "2026-11-20T18:00:00+03:00"),
        ("it broke on Friday", "2026-11-20"),
        ("в воскресенье", "2026-11-15"),
        ("20.11.2026 в 10.15", "2026-11-20T10:15:00+03:00"),
        ("20.11 10:15", "2026-11-20T10:15:00+03:00"),
        ("2026-11-20 10:15", "2026-11-20T10:15:00+03:00"),
        ("2026-11-20T10:15", "2026-11-20T10:15:00+03:00"),
        ("25.12 не пришло", "2025-12-25"),
        ("20 ноября в 23:05", "2026-11-20T23:05:00+03:00"),
        ("on November 20th, 2026 at 11 pm", "2026-11-20T23:00:00+03:00"),
        ("20 Nov 2026", "2026-11-20"),
        ("11/20/2026", "2026-11-20"),
        ("в 8:45 перестало работать", "2026-11-22T08:45:00+03:00"),
        ("в 23:50 перестало работать", "2026-11-21T23:50:00+03:00"),
        ("at 14:30 yesterday", "2026-11-21T14:30:00+03:00"),
        ("2 часа назад", "2026-11-22T10:00:00+03:00"),
        ("полчаса назад", "2026-11-22T11:30:00+03:00"),
        ("час назад", "2026-11-22T11:00:00+03:00"),
        ("an hour ago", "2026-11-22T11:00:00+03:00"),
        ("3 days ago", "2026-11-19"),
        ("неделю назад", "2026-11-15"),
    ],
)
def test_when_it_happened_is_told_in_the_zone_of_the_customer(text: str, when: str) -> None:
    assert occurred_at(text, NOW, MOSCOW) == when


def test_yesterday_is_that_of_the_customer() -> None:
    """At 21:30 UTC it is Monday in Vladivostok and still Sunday in New York."""
    now = datetime(2026, 11, 22, 21, 30, tzinfo=UTC)
    assert occurred_at("вчера 14:30", now, "Asia/Vladivostok") == "2026-11-22T14:30:00+10:00"
    assert occurred_at("yesterday 14:30", now, "America/New_York") == "2026-11-21T14:30:00-05:00"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "завтра",
        "доставка 25.12.2026",
        "31.02.2026",
        "версия 17.5",
        "1 299,90 ₽",
        "заказ 48213",
        "24/7",
        "192.168.1.10",
        "iOS 17.5.1",
    ],
)
def test_no_moment_is_made_up(text: str) -> None:
    assert occurred_at(text, NOW, MOSCOW) is None


@pytest.mark.parametrize(
    ("text", "sum_"),
    [
        ("1 299,90 ₽", ("1299.90", "RUB")),
        ("1\u00a0299,90\u202fруб.", ("1299.90", "RUB")),
        ("списали 1299 рублей", ("1299", "RUB")),
        ("1299.5 р.", ("1299.5", "RUB")),
        ("12 345 678,01 RUB", ("12345678.01", "RUB")),
        ("$1,299.90", ("1299.90", "USD")),
        ("€ 5", ("5", "EUR")),
        ("1.299,90 €", ("1299.90", "EUR")),
        ("1,299 USD", ("1299", "USD")),
        ("5 тыс. руб", ("5000", "RUB")),
        ("100 руб 50 коп", ("100.5", "RUB")),
        ("0,10 ₽", ("0.10", "RUB")),
        ("15000 тенге", ("15000", "KZT")),
        ("заказ 48213", None),
        ("5 раз", None),
    ],
)
def test_money_is_exact(text: str, sum_: tuple[str, str] | None) -> None:
    assert amount(text) == ((Decimal(sum_[0]), sum_[1]) if sum_ else None)


@given(st.decimals(0, 10**9, places=2))
def test_every_sum_is_read_as_it_was_written(sum_: Decimal) -> None:
    russian = f"{sum_:,.2f}".replace(",", " ").replace(".", ",")
    assert amount(f"{russian} ₽") == (sum_, "RUB")
    assert amount(f"${sum_:,.2f}") == (sum_, "USD")


@pytest.mark.parametrize(
    ("said", "number"),
    [
        ("8 (916) 123-45-67", "+79161234567"),
        ("+7 916 123 45 67", "+79161234567"),
        ("79161234567", "+79161234567"),
        ("916 123-45-67", "+79161234567"),
        ("8-800-555-35-35", "+78005553535"),
        ("+44 20 7946 0958", "+442079460958"),
        ("0044 20 7946 0958", "+442079460958"),
        ("+1 (415) 555-2671", "+14155552671"),
        ("123", None),
        ("+7 916 123", None),
        ("", None),
        ("phone", None),
        ("+7 916 123-45-67 доб. 5", None),
        ("+" + "1" * 16, None),
    ],
)
def test_phones_are_kept_in_one_form(said: str, number: str | None) -> None:
    assert phone_number(said) == number


@pytest.mark.parametrize(
    ("text", "key", "value"),
    [
        ("order #48213", "order", "48213"),
        ("Order number: AB-48213", "order", "AB-48213"),
        ("номер заказа 48213-1", "order", "48213-1"),
        ("№ заказа: 0048213", "order", "0048213"),
        ("по заказу №48213.", "order", "48213"),
        ("заказ 2 дня назад", "order", None),
        ("заказал 48213 штук", "order", None),
        ("заказ 21.11.2026", "order", None),
        ("in order to log in", "order", None),
        ("логин: ivan77, пароль забыл", "login", "ivan77"),
        ("мой логин — ivan.petrov", "login", "ivan.petrov"),
        ("my login is ivan", "login", "ivan"),
        ("username: ivan_77.", "login", "ivan_77"),
        ("логин не подходит", "login", None),
        ("login page is broken", "login", None),
        ("login doesn't work", "login", None),
        ("receipt no. 0917", "receipt", "0917"),
        ("квитанция № A-0917", "receipt", "A-0917"),
        ("нет чека", "receipt", None),
        ("мой телефон 8 (916) 123-45-67", "phone", "+79161234567"),
        ("call me at +44 20 7946 0958", "phone", "+442079460958"),
        ("заказ 123456789012", "phone", None),
        ("Samsung Galaxy S23 Ultra", "device", "Samsung Galaxy S23 Ultra"),
        ("у меня Android 14", "os", "Android 14"),
        ("Windows 11 и Chrome 120.0", "browser", "Chrome 120.0"),
        ("app version 3.2.1 (455)", "app_version", "3.2.1 (455)"),
        ("СРОЧНО!!! asap", "urgency", "срочно, asap"),
        ("это не срочно", "urgency", None),
        ("not urgent at all", "urgency", None),
    ],
)
def test_one_fact_at_a_time(text: str, key: str, value: str | None) -> None:
    assert facts(text, NOW, MOSCOW).get(key) == value


@given(st.text())
def test_any_text_gives_facts_as_texts(text: str) -> None:
    assert all(isinstance(value, str) and value for value in facts(text, NOW, MOSCOW).values())


@pytest.mark.parametrize("piece", ["1 ", "вчера ", "заказ ", "11.11.", "$1,", "+7 ", "login: ", "\n", "версия ", "не "])
def test_a_huge_text_is_read_at_once(piece: str) -> None:
    facts(piece * 500_000, NOW, MOSCOW)


def test_a_clock_without_zone_is_refused() -> None:
    with pytest.raises(ValueError):
        facts("вчера", datetime(2026, 11, 22), MOSCOW)  # noqa: DTZ001
    with pytest.raises(KeyError):
        facts("вчера", NOW, "Mars/Olympus")


@pytest.mark.parametrize("text", ["вчера в 14:30.", "вчера 14:30: ошибка", "вчера в 14.30, потом снова"])
def test_a_time_may_end_a_sentence(text: str) -> None:
    found = facts(text, datetime(2026, 11, 22, 12, tzinfo=UTC), "Europe/Moscow")
    assert found["occurred_at"] == "2026-11-21T14:30:00+03:00"
