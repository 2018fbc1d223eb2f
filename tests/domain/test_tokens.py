"""Where a reply belongs, and what a stranger cannot forge."""

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


names = st.from_regex(r"[a-z0-9-]{1,32}", fullmatch=True)


@given(names, st.binary(max_size=64))
def test_a_bounce_names_the_delivery_that_we_sent(name: str, key: bytes) -> None:
    path = tokens.return_path(name, key, "acme.example")
    assert len(path.partition("@")[0]) <= 64  # RFC 5321, section 4.5.3.1.1
    assert tokens.bounced_token(path, key) == name
    assert tokens.bounced_token(path.upper(), key) == name
    assert tokens.bounced_token(path, key + b"!") is None
    assert tokens.bounced_token(path) is None


@given(names, st.data())
def test_a_forged_bounce_is_nobodys(name: str, data: st.DataObject) -> None:
    path = tokens.return_path(name, KEY, "acme.example")
    place = data.draw(st.integers(len("bounces+"), path.index("@") - 1))
    char = data.draw(st.sampled_from("abcdefghijklmnopqrstuvwxyz234567").filter(lambda c: c != path[place]))
    assert tokens.bounced_token(path[:place] + char + path[place + 1 :], KEY) is None


def test_bounces_of_before_a_change_of_keys_are_still_understood() -> None:
    path = tokens.return_path("d1", b"old", "acme.example")
    assert tokens.bounced_token(path, b"new", b"old") == "d1"


@pytest.mark.parametrize("name", ["", "a" * 33, "a.b", "a b", "é"])
def test_a_return_path_names_something_short_and_plain(name: str) -> None:
    with pytest.raises(ValueError):
        tokens.return_path(name, KEY, "acme.example")


@given(st.text())
def test_any_text_is_an_address_without_tokens(text: str) -> None:
    assert tokens.split_reply_address(text) is None
    assert tokens.bounced_token(text, KEY) is None
