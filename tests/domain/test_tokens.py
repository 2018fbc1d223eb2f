"""Where a reply belongs, and what a stranger cannot forge."""

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omnidesk.domain import tokens

KEY = b"k" * 32
ten_bytes = st.binary(min_size=10, max_size=10)


@given(ten_bytes)
def test_a_reply_finds_its_token_whatever_servers_do_to_the_case(entropy: bytes) -> None:
    token = tokens.reply_token(entropy)
    address = tokens.reply_address("support@acme.example", token)
    assert len(token) == 16
    assert token == token.lower()
    for seen in (address, address.upper(), address.title(), f" {address} "):
        assert tokens.split_reply_address(seen) == ("support@acme.example", token)


@given(ten_bytes, ten_bytes)
def test_two_conversations_have_two_tokens(one: bytes, other: bytes) -> None:
    assert (tokens.reply_token(one) == tokens.reply_token(other)) == (one == other)


def test_a_mailbox_that_has_a_subaddress_keeps_it() -> None:
    address = tokens.reply_address("support+eu@acme.example", "a" * 16)
    assert tokens.split_reply_address(address) == ("support+eu@acme.example", "a" * 16)


@pytest.mark.parametrize(
    "address",
    [
        "",
        "support@acme.example",
        "support+@acme.example",
        "support+news@acme.example",
        "+aaaaaaaaaaaaaaaa@acme.example",
        "support+aaaaaaaaaaaaaaaa",
        "support+aaaaaaaaaaaaaaaa@",
        "support+aaaaaaaaaaaaaaa@acme.example",  # 15
        "support+aaaaaaaaaaaaaaaaa@acme.example",  # 17
        "support+aaaaaaaaaaaaaaa1@acme.example",  # 1 is no base32
        "support+aaaaaaaaaaaaaaaа@acme.example",  # a Cyrillic а
        "support+" + "a" * 100_000 + "@acme.example",
    ],
)
def test_other_addresses_carry_no_token(address: str) -> None:
    assert tokens.split_reply_address(address) is None


@pytest.mark.parametrize("entropy", [b"", b"123456789", b"12345678901"])
def test_a_token_of_less_or_more_than_80_bits_is_refused(entropy: bytes) -> None:
    with pytest.raises(ValueError):
        tokens.reply_token(entropy)


@pytest.mark.parametrize(("address", "token"), [("support", "a" * 16), ("@acme.example", "a" * 16), ("a@b", "short")])
def test_a_reply_address_is_made_of_an_address_and_a_token(address: str, token: str) -> None:
    with pytest.raises(ValueError):
        tokens.reply_address(address, token)


def test_a_message_id_carries_all_its_random_bits() -> None:
    assert tokens.message_id(bytes(10), "Acme.Example") == "aaaaaaaaaaaaaaaa@acme.example"
    assert len({tokens.message_id(bytes([bit]) + bytes(15), "acme.example") for bit in range(256)}) == 256
    with pytest.raises(ValueError):
        tokens.message_id(bytes(9), "acme.example")


@given(st.uuids(), st.binary(max_size=64))
def test_a_bounce_names_the_delivery_that_we_sent(delivery: UUID, key: bytes) -> None:
    path = tokens.return_path(delivery, key, "twenty-characters-xx@Acme.Example")
    assert len(path.partition("@")[0]) <= 64  # RFC 5321, section 4.5.3.1.1
    assert tokens.returned_delivery(path, key) == delivery
    assert tokens.returned_delivery(path.upper(), key) == delivery
    assert tokens.returned_delivery(path, key + b"!") is None
    assert tokens.returned_delivery(path) is None
    assert tokens.is_return_path(path)


@given(st.uuids(), st.data())
def test_a_forged_bounce_is_nobodys(delivery: UUID, data: st.DataObject) -> None:
    path = tokens.return_path(delivery, KEY, "bounces@acme.example")
    place = data.draw(st.integers(len("bounces+"), path.index("@") - 1))
    char = data.draw(st.sampled_from("abcdefghijklmnopqrstuvwxyz234567").filter(lambda c: c != path[place]))
    assert tokens.returned_delivery(path[:place] + char + path[place + 1 :], KEY) is None


def test_bounces_of_before_a_change_of_keys_are_still_understood() -> None:
    path = tokens.return_path(UUID(int=1), b"old", "bounces@acme.example")
    assert tokens.returned_delivery(path, b"new", b"old") == UUID(int=1)


@pytest.mark.parametrize(
    "address", ["", "acme.example", "@acme.example", "bounces@", "a-very-long-local-part@b.example"]
)
def test_a_return_path_has_a_short_local_part(address: str) -> None:
    with pytest.raises(ValueError):
        tokens.return_path(UUID(int=1), KEY, address)


def test_a_reply_address_is_no_return_path() -> None:
    assert not tokens.is_return_path("support+abcdefgh23456777@acme.example")


def test_the_mark_of_a_desk_tells_desks_apart_and_nothing_of_the_key() -> None:
    assert tokens.loop_mark(b"one") != tokens.loop_mark(b"two")
    assert len(tokens.loop_mark(b"one")) == 16


@given(st.text())
def test_any_text_is_an_address_without_tokens(text: str) -> None:
    assert tokens.split_reply_address(text) is None
    assert tokens.returned_delivery(text, KEY) is None
