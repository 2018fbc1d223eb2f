"""Secrets of customers never reach what is kept, and ordinary mail stays as it was written."""

import html
import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omnidesk.domain import secret_words
from omnidesk.domain.redaction import MASK, asks_for_secret, mask, mask_html, mask_parts
from tests.domain import secrets_generator as generator

SEEDS = [1, 2]


def shown(markup: str) -> str:
    """What a reader of the markup sees, and what its attributes hold."""
    return re.sub(r"<[^>]*>", "", html.unescape(markup))


def ascii_digits(text: str) -> str:
    return "".join(str(unicodedata.decimal(char)) for char in text if char.isdecimal())


@pytest.mark.row(11, part="rules")
@pytest.mark.parametrize("seed", SEEDS)
def test_of_a_thousand_secrets_none_survives(seed: int) -> None:
    for canary in generator.canaries(seed, 1_000):
        assert canary.secret in canary.text.replace("\u00a0", " ") or "\u00a0" in canary.secret
        kept = mask(canary.text).text
        assert canary.secret not in kept, canary
        assert canary.secret not in kept.replace("\u00a0", " "), canary
        if canary.kind == "card":
            assert ascii_digits(canary.secret) not in ascii_digits(kept), canary


@pytest.mark.row(11, part="rules")
@pytest.mark.parametrize("seed", SEEDS)
def test_of_a_thousand_secrets_in_html_none_survives(seed: int) -> None:
    for canary in generator.canaries(seed, 1_000):
        kept = mask_html(canary.html).text
        assert canary.secret not in shown(kept), canary
        assert canary.secret not in html.unescape(kept), canary
        assert kept.count("<") == canary.html.count("<"), canary  # its tags stay


@pytest.mark.row(11, part="rules")
@pytest.mark.parametrize("seed", SEEDS)
def test_of_a_thousand_harmless_mails_hardly_one_is_changed(seed: int) -> None:
    changed = [mail for mail in generator.harmless(seed, 1_000) if mask(mail).text != mail]
    assert len(changed) < 10, changed


@pytest.mark.parametrize("seed", SEEDS)
def test_masking_twice_is_masking_once(seed: int) -> None:
    for canary in generator.canaries(seed, 300):
        once = mask(canary.text).text
        assert mask(once).text == once, canary


@pytest.mark.parametrize(
    ("text", "kept", "found"),
    [
        ("мой пароль Qwerty!23, не могу войти", f"мой пароль {MASK}, не могу войти", ("password",)),
        ("логин/пароль: ivan / Qwerty!23", f"логин/пароль: ivan / {MASK}", ("password",)),
        ("сменил пароль с Qwerty1 на Qwerty2", f"сменил пароль с {MASK} на {MASK}", ("password",)),
        ("password: correct horse battery staple", f"password: {MASK}", ("password",)),
        ("?login=a&password=abc&x=1", f"?login=a&password={MASK}&x=1", ("password",)),
        ("Карта 4111 1111 1111 1111 12/27 IVAN 123", f"Карта {MASK} 12/27 IVAN {MASK}", ("card", "cvv")),
        ("Пароль: iPhone14", f"Пароль: {MASK}", ("password",)),
        ("my password is a12345", f"my password is {MASK}", ("password",)),
        ("пароль v#3fYxA3vFFx yesterday", f"пароль {MASK} yesterday", ("password",)),
        ("Use\u00a0971\u00a0993 as your login code", f"Use\u00a0{MASK} as your login code", ("code",)),
        ("код из смс 123456", f"код из смс {MASK}", ("code",)),
        ("Пароль:\n> Qwerty!23", f"Пароль:\n> {MASK}", ("password",)),
        ("Пароль abc-12x. Повторяю: abc-12x!", f"Пароль {MASK}. Повторяю: {MASK}!", ("password",)),
        ("па\u00adроль Qwe\u200brty1", f"па\u00adроль {MASK}\u200b", ("password",)),
        ("nothing here", "nothing here", ()),
        ("", "", ()),
    ],
)
def test_only_the_secret_goes(text: str, kept: str, found: tuple[str, ...]) -> None:
    masked = mask(text)
    assert (masked.text, masked.found) == (kept, found)


@pytest.mark.parametrize(
    ("markup", "kept"),
    [
        ("<p>Пароль:</p><p>Qwe<b>rty</b>!23</p>", f"<p>Пароль:</p><p>{MASK}<b></b></p>"),
        ("4111&nbsp;1111<br> <i>1111</i> 1111", f"{MASK}<br><i></i>"),
        ('<a href="tel:4111111111111111">4111 1111 1111 1111</a>', f'<a href="tel:{MASK}">{MASK}</a>'),
        ("<td>password</td><td>Hunter2x</td>", f"<td>password</td><td>{MASK}</td>"),
        ("<!-- пароль: Qwerty1 --><b>hello</b>", "<!-- пароль: Qwerty1 --><b>hello</b>"),
        ("пароль: a&lt;b1&gt;c&amp;d x", f"пароль: {MASK} x"),
        ("a < b & c", "a < b & c"),
    ],
)
def test_a_secret_is_masked_where_the_reader_sees_it(markup: str, kept: str) -> None:
    assert mask_html(markup).text == kept


def test_a_subject_may_announce_what_the_body_tells() -> None:
    subject, body, quoted = mask_parts("Мой пароль", "Qwerty!23\nне подходит", "> Qwerty!23")
    assert (subject.text, body.text, quoted.text) == ("Мой пароль", f"{MASK}\nне подходит", f"> {MASK}")
    assert (subject.found, body.found) == ((), ("password",))
    assert "Qwerty" not in repr(body)


def test_secrets_of_one_part_are_masked_in_the_html_of_another() -> None:
    body = mask("пароль Qwerty!23")
    assert mask_html("<p>Qwerty!23</p>", body.secrets).text == f"<p>{MASK}</p>"


@pytest.mark.parametrize(
    "text",
    [
        "заказ 4111111111111111", "IMEI 490154203237518", "DE89 3704 0044 0532 0130 00", "р/с 40817810099910004312",
        "+7 916 123-45-67, +7 916 123-45-68", "22.02.2026 15.03.2026", "4111111111111112", "1732300000000",
        "Карта 4276****1234",
        "https://shop.example/t/4111111111111111", "0000 0000 0000 0000",
    ],
)  # fmt: skip
def test_numbers_that_are_no_cards_stay(text: str) -> None:
    assert mask(text).text == text


@pytest.mark.parametrize(
    ("subject", "kept"),
    [
        ("парольМурзик", f"пароль{MASK}"), ("Мой пароль:Qwerty12", f"Мой пароль:{MASK}"),
        ("passwordSecret1", f"password{MASK}"), ("МойПарольBarsik, не пускает", f"МойПароль{MASK}, не пускает"),
        ("Не входит! парольqwerty", f"Не входит! пароль{MASK}"), ("ПАРОЛЬ48213907.", f"ПАРОЛЬ{MASK}."),
        ("passwordКотик7", f"password{MASK}"), ("логин ivan парольЗима!24", f"логин ivan пароль{MASK}"),
    ],
)  # fmt: skip
def test_a_dropped_blank_does_not_keep_a_password(subject: str, kept: str) -> None:
    assert mask(subject).text == kept
    assert mask(kept).text == kept


@pytest.mark.parametrize(
    "text",
    [
        "парольный", "ПАРОЛЬНЫЙ", "паролем не пользуюсь", "passwordless", "PasswordReset", "PasswordResetToken2",
        "passwordHash", "парольНеПодходит", "парольПомогите", "Забыл парольИван", "парольДобрый день", "password2",
        "PasswordManager 2024", "src/passwordUtils2.py", "passwordAttempts=3", "беспарольный вход", "Passwords2Go",
        "парольWiFi не подошёл",
    ],
)  # fmt: skip
def test_words_that_begin_like_a_password_stay(text: str) -> None:
    assert mask(text).text == text


@given(st.text())
def test_any_text_can_be_masked(text: str) -> None:
    masked = mask(text)
    assert mask_html(text).text is not None
    assert (masked.text == text) == (not masked.found)


@pytest.mark.parametrize(
    "piece",
    [
        "пароль ",
        "пароль: a1 ",
        "парольЗима1 ",
        "парольП",
        "код 123456 ",
        "логин/пароль: a / b ",
        "1 ",
        "4111 ",
        "\n",
        '<a "',
        "<!--",
        "&#1;",
        "«",
        "password=a&",
        "a1!",
    ],
)
def test_a_huge_text_takes_time_in_proportion(piece: str) -> None:
    """A quadratic rule would need minutes for these 100 KB; the suite would not end."""
    text = piece * (100_000 // len(piece))
    mask(text)
    mask_html(text)


# Replies of agents


@pytest.mark.row(11, part="rules")
@pytest.mark.parametrize("seed", SEEDS)
def test_replies_that_warn_pass(seed: int) -> None:
    refused = [reply for reply in generator.warnings(seed, 200) if asks_for_secret(reply)]
    assert refused == []


@pytest.mark.row(11, part="rules")
@pytest.mark.parametrize("seed", SEEDS)
def test_replies_that_ask_for_a_secret_are_refused(seed: int) -> None:
    passed = [reply for reply in generator.requests(seed, 200) if not asks_for_secret(reply)]
    assert passed == []


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        ("пришлите пароль", "password"),
        ("Send us your CVV, please.", "cvv"),
        ("Пожалуйста, назовите ПИН-код", "pin"),
        ("Назовите кодовое слово", "codeword"),
        ("Сообщите код из СМС", "code"),
        ("Пришлите номер карты", "card"),
        ("никому не сообщайте пароль", None),
        ("never share your password", None),
        ("мы никогда не спрашиваем CVV", None),
        ("you can reset your password here", None),
        ("", None),
    ],
)
def test_the_kind_that_is_asked_for_is_told(reply: str, kind: str | None) -> None:
    assert asks_for_secret(reply) == kind


@given(
    around=st.tuples(st.text(max_size=20), st.text(max_size=20)),
    announced=st.from_regex(secret_words.KEYWORDS, fullmatch=True),
)
def test_the_quick_look_misses_no_announcement(around: tuple[str, str], announced: str) -> None:
    text = announced.join(around)
    assert secret_words.may_announce(secret_words.looked_at(text)) or not secret_words.KEYWORDS.search(text)


@given(
    around=st.tuples(st.text(max_size=20), st.text(max_size=20)),
    announced=st.from_regex(secret_words.PAIR, fullmatch=True),
)
def test_the_quick_look_misses_no_pair(around: tuple[str, str], announced: str) -> None:
    text = announced.join(around)
    assert secret_words.may_pair(secret_words.looked_at(text)) or not secret_words.PAIR.search(text)
