"""A telephone number has one spelling inside, however people and telephone systems write it."""

import pytest

from omnidesk.channels.phones import e164


@pytest.mark.parametrize(
    ("written", "country", "stored"),
    [
        ("8 (916) 123-45-67", "RU", "+79161234567"),
        ("79161234567", "RU", "+79161234567"),
        ("9161234567", "RU", "+79161234567"),
        ("sip:+79161234567@pbx.example", "RU", "+79161234567"),
        ("0049 30 1234567", "RU", "+49301234567"),
        ("442071234567", "RU", "+442071234567"),
        ("020 7123 4567", "GB", "+442071234567"),
        ("8 800 555-35-35 доб. 12", "RU", "+78005553535"),
        ("12", "RU", None),
        ("anonymous", "RU", None),
        ("", "RU", None),
    ],
)
def test_a_number_is_stored_in_one_spelling(written: str, country: str, stored: str | None) -> None:
    assert e164(written, country) == stored
