"""Short answers to a question of ours mean what was asked for, and nothing longer does."""

import pytest

from omnidesk.domain.clarify import answer, bare_answers


@pytest.mark.parametrize(
    ("text", "missing", "given"),
    [
        ("48213", ["order"], {"order": "48213"}),
        ("№ 48213.", ["order"], {"order": "48213"}),
        ("AB-48213", ["order"], {"order": "AB-48213"}),
        ("48213\nivan_petrov", ["order", "login"], {"order": "48213", "login": "ivan_petrov"}),
        (
            "1. 48213\n2. ivan@customer.example",
            ["order", "login"],
            {"order": "48213", "login": "ivan@customer.example"},
        ),
        ("8 (916) 123-45-67", ["phone"], {"phone": "+79161234567"}),
        ("iPhone 14", ["device"], {"device": "iPhone 14"}),
        ("v5.2.1", ["app_version"], {"app_version": "5.2.1"}),
        ("не знаю", ["order"], {}),
        ("Я не помню номер, посмотрите по фамилии", ["order"], {}),
        ("48213\nСпасибо!", ["order"], {}),
        ("48213", ["order", "login"], {}),
        ("", ["order"], {}),
        ("x" * 100, ["device"], {}),
        ("вчера", ["occurred_at"], {}),
    ],
)
def test_a_bare_answer(text: str, missing: list[str], given: dict[str, str]) -> None:
    assert bare_answers(text, missing) == given


def test_what_was_said_in_full_words_counts_first_and_the_rest_is_still_missing() -> None:
    both = answer(["order", "receipt"], "0917", {"order": "48213", "amount": "10"})
    assert (dict(both.given), both.missing) == ({"order": "48213", "receipt": "0917"}, [])
    half = answer(["order", "login"], "Заказ 48213, а логина у меня нет", {"order": "48213"})
    assert (dict(half.given), half.missing) == ({"order": "48213"}, ["login"])
