import re
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from omnidesk.desk import texts


def test_a_customer_reads_his_own_language() -> None:
    assert texts.say("ru-RU", "Hello, {name}!", name="Иван") == "Здравствуйте, Иван!"
    assert texts.say("en", "Hello, {name}!", name="Ivan") == "Hello, Ivan!"
    assert texts.say("fi", "Hello!") == "Hello!", "a language that we do not speak is English"


def test_every_russian_text_is_translated_and_keeps_its_names() -> None:
    catalog = texts._catalog("ru")
    for message in catalog:
        if message.id:
            wanted = message.id if isinstance(message.id, str) else message.id[-1]
            forms = [message.string] if isinstance(message.string, str) else list(message.string or ())
            assert forms
            for form in forms:
                assert form, message.id
                assert set(re.findall(r"{(\w+)}", form)) == set(re.findall(r"{(\w+)}", wanted))


@pytest.mark.parametrize(
    ("language", "expected"),
    [("ru", "вторник, 24 ноября 2026 г., 18:00 (МСК)"), ("en", "Tuesday, 24 November 2026, 18:00 (MSK)")],
)
def test_a_date_is_told_in_the_desks_zone(language: str, expected: str) -> None:
    at = datetime(2026, 11, 24, 15, 0, tzinfo=UTC)
    assert texts.moment(language, at, ZoneInfo("Europe/Moscow")) == expected
