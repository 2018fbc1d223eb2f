"""A customer dictates a number over the phone; a slip must not open somebody else's ticket."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omnidesk.domain import numbers

KEY = bytes(range(32))
FIRST_LENGTH = 90_000_000  # sequences that get nine digits
SECOND_LENGTH = 900_000_000
sequences = st.integers(0, FIRST_LENGTH + SECOND_LENGTH + 10_000_000)


def test_a_batch_of_tickets_gets_numbers_of_one_length_without_collisions() -> None:
    made = [numbers.make(sequence, KEY) for sequence in range(50_000)]
    assert len(set(made)) == len(made)
    assert {len(number) for number in made} == {9}
    assert all(number[0] != "0" and numbers.is_valid(number) for number in made)


@given(sequences, sequences)
def test_two_tickets_never_share_a_number(one: int, other: int) -> None:
    assert (numbers.make(one, KEY) == numbers.make(other, KEY)) == (one == other)


def test_the_permutation_reaches_every_payload_of_a_small_part_once() -> None:
    """Neighbours at both ends of the range stay inside it and apart."""
    edges = [*range(20_000), *range(FIRST_LENGTH - 20_000, FIRST_LENGTH)]
    payloads = {numbers.make(sequence, KEY)[:-1] for sequence in edges}
    assert len(payloads) == len(edges)
    assert all(10_000_000 <= int(payload) <= 99_999_999 for payload in payloads)


def test_when_nine_digits_are_used_up_numbers_grow_by_a_digit() -> None:
    assert len(numbers.make(FIRST_LENGTH - 1, KEY)) == 9
    assert len(numbers.make(FIRST_LENGTH, KEY)) == 10
    assert len(numbers.make(FIRST_LENGTH + SECOND_LENGTH, KEY)) == 11


@pytest.mark.parametrize("sequence", [-1, 10**13])
def test_a_sequence_outside_the_range_is_refused(sequence: int) -> None:
    with pytest.raises(ValueError):
        numbers.make(sequence, KEY)


@given(sequences, st.data())
def test_every_wrong_digit_is_caught(sequence: int, data: st.DataObject) -> None:
    number = numbers.make(sequence, KEY)
    for place, right in enumerate(number):
        for wrong in set("0123456789") - {right}:
            assert not numbers.is_valid(number[:place] + wrong + number[place + 1 :])


@given(sequences)
def test_every_swap_of_neighbours_is_caught(sequence: int) -> None:
    number = numbers.make(sequence, KEY)
    for place in range(len(number) - 1):
        if number[place] != number[place + 1]:
            swapped = number[:place] + number[place + 1] + number[place] + number[place + 2 :]
            assert not numbers.is_valid(swapped)


def test_numbers_show_neither_order_nor_volume() -> None:
    """Over many neighbours, the next number is as often smaller as bigger, and no step repeats."""
    made = [int(numbers.make(sequence, KEY)) for sequence in range(4_000)]
    rises = sum(second > first for first, second in pairwise(made))
    assert 1_800 < rises < 2_200
    assert len({second - first for first, second in pairwise(made)}) > 3_990
    thirds = [sum(low <= number < low + 300_000_000 for number in made) for low in range(10**8, 10**9, 300_000_000)]
    assert all(1_150 < third < 1_520 for third in thirds)


def test_another_key_gives_other_numbers() -> None:
    ours = {numbers.make(sequence, KEY) for sequence in range(1_000)}
    theirs = {numbers.make(sequence, b"another key") for sequence in range(1_000)}
    assert len(ours & theirs) < 5


def test_numbers_stay_the_same_over_upgrades() -> None:
    """Frozen on purpose: a change of the permutation would give a second ticket a number already told."""
    assert [numbers.make(sequence, b"k" * 32) for sequence in (0, 1, 2)] == ["257128431", "743797624", "605925977"]


@pytest.mark.parametrize("text", ["", "0", "572", "12345678", "abcdefghi", "١٢٣٤٥٦٧٨٩", "1" * 5_000, " 123456789"])
def test_what_is_no_number_is_not_valid(text: str) -> None:
    assert not numbers.is_valid(text)


def test_the_check_digit_is_that_of_damm() -> None:
    """The worked example of the literature: 572 has the check digit 4."""
    assert numbers._check_digit("572") == 4
    assert numbers._check_digit("5724") == 0


@pytest.mark.parametrize(
    ("number", "shown"),
    [("123456789", "123-456-789"), ("1234567890", "123-456-7890"), ("12345678901", "123-456-789-01")],
)
def test_numbers_are_shown_in_groups(number: str, shown: str) -> None:
    assert numbers.grouped(number) == shown


@given(sequences, st.sampled_from(["ru", "en", "ru-RU", "de"]))
def test_what_we_dictate_is_understood_when_read_back(sequence: int, language: str) -> None:
    number = numbers.make(sequence, KEY)
    assert numbers.normalise(numbers.speakable(number, language)) == number
    assert numbers.normalise(numbers.grouped(number)) == number


def test_a_number_is_dictated_in_the_customers_language() -> None:
    assert numbers.speakable("120456789", "ru") == "один два ноль, четыре пять шесть, семь восемь девять"
    assert numbers.speakable("120456789", "en") == "one two zero, four five six, seven eight nine"


@pytest.mark.parametrize(
    ("said", "digits"),
    [
        ("123-456-789", "123456789"),
        ("№ 123 456 789", "123456789"),
        ("#123.456.789", "123456789"),
        ("N° 123456789", "123456789"),
        ("Номер заявки: 123‑456‑789", "123456789"),
        ("ticket no. 123–456–789", "123456789"),
        ("１２３－４５６－７８９", "123456789"),
        ("١٢٣ ٤٥٦ ٧٨٩", "123456789"),
        ("сорок восемь двести тринадцать", "48213"),
        ("Сорок восемь тысяч двести тринадцать", "48213"),
        ("сто двадцать три, четыреста пятьдесят шесть, семьсот восемьдесят девять", "123456789"),
        ("двадцать ноль пять", "2005"),
        ("одиннадцать ноль семь", "1107"),
        ("две семёрки, три нуля, пятёрка", "770005"),
        ("тысяча пять", "1005"),
        ("двенадцать 34 пятьдесят шесть", "123456"),
        ("forty-eight, two one three", "48213"),
        ("forty eight two hundred and thirteen", "48213"),
        ("double five triple oh seven", "550007"),
        ("my number is one two three", "123"),
    ],
)
def test_a_number_is_understood_as_people_write_and_say_it(said: str, digits: str) -> None:
    assert numbers.normalise(said) == digits


@pytest.mark.parametrize(
    "said", ["", "   ", "привет", "где мой заказ 48213", "hundred", "1" * 14, "один " * 1_000, "12a4"]
)
def test_what_is_not_a_number_is_none(said: str) -> None:
    assert numbers.normalise(said) is None


@given(st.text())
def test_any_text_gives_digits_or_none(said: str) -> None:
    digits = numbers.normalise(said)
    assert digits is None or (digits.isascii() and digits.isdecimal() and len(digits) <= 13)
