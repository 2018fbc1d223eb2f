"""What strangers write must be storable, readable in the order it is read, and comparable."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omnidesk.domain import text

anything = st.text(st.characters())  # lone surrogates too


@pytest.mark.parametrize(
    ("given_", "kept"),
    [
        ("one\r\ntwo\rthree\u2028four", "one\ntwo\nthree\nfour"),
        ("nul\x00 bell\x07 esc\x1b[31m", "nul bell esc[31m"),
        ("pay\u202egpj.exe", "paygpj.exe"),
        ("\ufeffпривет\u2066!\u2069", "привет!"),
        ("cafe\u0301", "café"),
        ("broken \ud83d half", "broken \ufffd half"),
        ("tab\tstays, 👩\u200d💻 too", "tab\tstays, 👩\u200d💻 too"),
    ],
)
def test_what_harms_is_dropped_and_the_rest_stays(given_: str, kept: str) -> None:
    assert text.clean(given_) == kept


@given(anything)
def test_clean_text_can_be_stored_and_is_clean_once_and_for_all(given_: str) -> None:
    kept = text.clean(given_)
    kept.encode()
    assert "\x00" not in kept
    assert not any(unicodedata.category(char) == "Cc" for char in kept.replace("\n", "").replace("\t", ""))
    assert text.clean(kept) == kept


@given(st.text(st.characters(categories=["L", "N", "P"], max_codepoint=0x52F)))
def test_ordinary_words_are_only_composed(given_: str) -> None:
    assert text.clean(given_) == unicodedata.normalize("NFC", given_)


def test_a_wall_of_combining_marks_is_handled_at_once() -> None:
    """Sorting 400 KB of them as one run would take minutes; no mark is lost."""
    wall = "a" + "\u0316\u0300" * 200_000
    kept = text.clean(wall)
    assert len(kept.replace("\u034f", "")) >= len(wall) - 1
    assert len(text.folded(wall)) >= len(wall) - 1
    assert text.clean(kept) == kept


def test_thirty_marks_on_a_letter_are_left_alone() -> None:
    marks = "я" + "\u0301" * 30
    assert text.clean(marks) == marks


@pytest.mark.parametrize(
    ("given_", "length", "shown"),
    [
        ("short", 5, "short"),
        ("longer than this", 12, "longer than…"),
        ("longerthanthiswithoutspaces", 10, "longertha…"),
        ("привет, мир", 7, "привет…"),
        ("cafe\u0301s are open", 5, "caf…"),  # the accent is not torn from its e
        ("ab👩\u200d💻cd", 5, "ab…"),
        ("xyz", 1, "…"),
    ],
)
def test_long_text_ends_in_an_ellipsis(given_: str, length: int, shown: str) -> None:
    assert text.shorten(given_, length) == shown


@given(anything, st.integers(1, 40))
def test_shortened_text_fits(given_: str, length: int) -> None:
    shown = text.shorten(given_, length)
    assert len(shown) <= length
    assert shown == given_ or (shown.endswith("…") and given_.startswith(shown[:-1]))


def test_text_cannot_be_shortened_to_nothing() -> None:
    with pytest.raises(ValueError):
        text.shorten("something", 0)


@pytest.mark.parametrize(
    "prefix",
    [
        "Re: ", "RE:", "re : ", "Fwd: ", "FW: ", "Re[2]: ", "Re (3): ", "Re^2: ", "AW: ", "WG: ", "SV: ",
        "Отв: ", "Ответ: ", "НА: ", "Пересл.: ", "TR: ", "RV: ", "Odp: ", "回复：", "Re：", "Re: Fwd: Отв: AW: ",
        "\r\n Re:\t", "re:re:re:",
    ],
)  # fmt: skip
def test_prefixes_of_mail_programs_are_not_part_of_a_subject(prefix: str) -> None:
    assert text.subject(prefix + "Где мой заказ?") == "Где мой заказ?"


@pytest.mark.parametrize(
    "kept", ["Refund: where is it", "Response: none", "Заказ: 48213", "No reply", "Ref: 123", "на складе: нет"]
)
def test_words_that_only_look_like_prefixes_stay(kept: str) -> None:
    assert text.subject(kept) == kept


def test_a_subject_of_prefixes_only_is_empty() -> None:
    assert text.subject("Re: Fwd:") == ""
    assert text.subject("") == ""


@pytest.mark.parametrize(
    "long", ["Re: " * 300_000 + "x", "Re" * 500_000, " " * 1_000_000 + "x", "Re[1" * 250_000, "re " * 300_000]
)
def test_a_huge_subject_is_read_at_once(long: str) -> None:
    assert len(text.subject(long)) <= len(long)


@given(anything)
def test_the_subject_has_one_line_and_no_prefix_left(given_: str) -> None:
    title = text.subject("Re: " + given_)
    assert "\n" not in title
    assert text.subject(title) == title


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Ёлка", "елка"),
        ("е\u0308лка", "ЁЛКА"),
        ("ＡＢＣ１２３", "abc123"),
        ("STRASSE", "straße"),
        ("a\u00a0 b\n", " A B"),
        ("№ 5", "no 5"),
    ],
)
def test_texts_that_mean_the_same_are_equal_when_folded(one: str, other: str) -> None:
    assert text.folded(one) == text.folded(other)


def test_different_letters_stay_different() -> None:
    assert text.folded("и") != text.folded("й")
