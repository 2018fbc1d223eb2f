"""What is looked for, and what it meets: pure."""

from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omnidesk.domain import numbers, search
from omnidesk.domain.search import Document, Key, NothingToFind, Part, Person, TooMuch


def test_words_are_folded_so_that_both_sides_meet() -> None:
    assert search.words("Ещё РАЗ: и/или — «Ёлка»!") == "еще раз и или елка"
    assert search.parse("ЁЛКА ").parts == (Part(words="елка"),)


def test_quotes_make_a_phrase_and_the_last_word_may_go_on() -> None:
    assert search.parse('"красный велосипед" дост').parts == (
        Part(words="красный велосипед", phrase=True),
        Part(words="дост", prefix=True),
    )
    assert search.parse("«где мой заказ»").parts == (Part(words="где мой заказ", phrase=True),)
    assert search.parse("возврат денег ").parts == (Part(words="возврат"), Part(words="денег")), "a blank ends typing"
    assert search.parse("до").parts == (Part(words="до"),), "two letters are no beginning"


@pytest.mark.parametrize("said", ["483920174", "483-920-174", "№ 483 920 174"])
def test_a_number_is_known_however_it_is_written(said: str) -> None:
    assert Key("483920174", begins=True) in search.parse(said).whole


@pytest.mark.parametrize("language", ["ru", "en"])
def test_a_number_is_known_when_it_is_dictated(language: str) -> None:
    said = numbers.speakable("483920174", language)
    assert Key("483920174", begins=True) in search.parse(said).whole


def test_last_digits_find_a_number_by_its_key_written_backwards() -> None:
    assert Key("@r4710", begins=True) in search.parse("0174").whole
    assert search.parse("12").whole == (), "two digits are too few"


def test_a_telephone_is_known_in_any_spelling() -> None:
    for said in ("8 (916) 123-45-67", "+7 916 123 45 67", "79161234567"):
        assert Key("79161234567") in search.parse(said).whole


def test_an_order_is_one_thing_whatever_stands_between_its_parts() -> None:
    assert search.parse("AB-12345 ").parts == (Part(words="ab 12345", phrase=True, keys=(Key("ab12345"),)),)
    assert search.codes("мой заказ AB-12345, и ещё 17/204") == {"ab12345", "17204"}


def test_an_address_is_one_thing_and_its_beginning_is_enough() -> None:
    assert search.parse("Ivan@Example.net ").parts == (Part(keys=(Key("ivan@example.net"),)),)
    assert search.parse("ivan@exa").parts == (Part(keys=(Key("ivan@exa", begins=True),)),)


@pytest.mark.parametrize("empty", ["", "   ", "!?—", '""', "«»", "@@@"])
def test_nothing_to_find_is_said_so(empty: str) -> None:
    with pytest.raises(NothingToFind):
        search.parse(empty)


def test_too_much_is_said_so() -> None:
    with pytest.raises(TooMuch):
        search.parse("a" * 301)
    with pytest.raises(TooMuch):
        search.parse("да " * 60)


@given(st.text(max_size=300))
def test_whatever_is_typed_is_a_query_or_is_refused(text: str) -> None:
    try:
        query = search.parse(text)
    except (NothingToFind, TooMuch):
        return
    assert query.parts
    assert sum(part.prefix for part in query.parts) <= 1


@given(st.integers(min_value=0, max_value=30_000), st.integers(min_value=0, max_value=3_000))
def test_days_are_covered_once_and_by_few_keys(first: int, length: int) -> None:
    keys = search.cover(first, first + length)
    covered = [day for day in range(first - 5, first + length + 6) if set(search.day_keys(day)) & set(keys)]
    assert covered == list(range(max(first, 0), first + length + 1)) or first < 5
    assert len(keys) <= 31 * 4 + 3


def test_a_document_holds_what_a_ticket_is_found_by() -> None:
    made = UUID(int=7)
    document = Document(
        ticket_id=made,
        number="483920174",
        created_at=datetime.fromtimestamp(20_000 * 86_400, UTC),
        subject="Где мой заказ?",
        facts={"order": "AB-12345", "nested": {"no": 1}},
        people=[
            Person(kind="phone", address="+79161234567"),
            Person(kind="email", address="I'van@x.example", names=("Иван",)),
        ],
        texts=["Жду ответа", "Заказ 17-204"],
    )

    ticket, title, names, said, keys = document.row()

    assert ticket == made
    assert title == "где мой заказ"
    assert "иван" in names
    assert said == "жду ответа заказ 17 204"
    for key in (
        "'483920174':1A",
        "'79161234567':1B",
        "'i''van@x.example':1B",
        "'ab12345':1B",
        "'17204':1D",
        "'@d20000':1D",
    ):
        assert key in keys


def test_a_document_has_an_end() -> None:
    texts = ["слово " * 50_000, " ".join(f"x-{n}" for n in range(9_000))]
    now = datetime.now(UTC)
    document = Document(ticket_id=UUID(int=1), number="1", created_at=now, subject="", facts={}, texts=texts)
    _, _, _, said, keys = document.row()
    assert len(said) <= 60_000
    assert keys.count(":1") <= 500
