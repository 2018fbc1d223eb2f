"""What every registered channel keeps, found by itself: bad input, splitting, lost calls, secrets.

A channel takes part by being registered. Required fields of its config are filled from `examples`
of the field where it has some. Bodies to mutilate come from `tests/channels/samples/<name>/`.
"""

import copy
import json
import random
import re
import traceback
import types
import typing
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import SecretStr
from pydantic_core import PydanticUndefined

from omnidesk.channels import base
from omnidesk.domain.messages import (
    Address,
    Arrival,
    Bounce,
    Deleted,
    Echo,
    Edited,
    Ignored,
    Inbound,
    Outbound,
    OutFile,
    Receipt,
    Sent,
)

SAMPLES = Path(__file__).parent / "samples"
ITEMS = (Inbound, Edited, Deleted, Echo, Receipt, Bounce, Ignored)
MANIFESTS = {  # not those of the tests themselves
    name: manifest for name, manifest in base.manifests().items() if not manifest.build.__module__.startswith("tests.")
}
SECRETIVE = re.compile(r"secret|password|token$|_key$|^key$")
each_channel = pytest.mark.parametrize("name", sorted(MANIFESTS))


def kinds(annotation: Any) -> set[Any]:
    """The plain types in an annotation: `Annotated[SecretStr, …] | None` is {SecretStr, NoneType}."""
    origin = typing.get_origin(annotation)
    if origin is typing.Annotated:
        return kinds(typing.get_args(annotation)[0])
    if origin in (typing.Union, types.UnionType):
        return set().union(*map(kinds, typing.get_args(annotation)))
    return {origin or annotation}


def sample_config(name: str) -> tuple[base.InboxConfig, list[str]]:
    """A config that the channel takes, and its secrets in clear."""
    values: dict[str, Any] = {}
    secrets: list[str] = []
    for key, field in MANIFESTS[name].config.model_fields.items():
        types_of = kinds(field.annotation)
        if field.examples:
            values[field.alias or key] = field.examples[0]
        elif field.is_required():
            filler = {int: 42, bool: True, list: [], dict: {}}
            values[field.alias or key] = next((v for t, v in filler.items() if t in types_of), f"sample-{key}-91f3c2")
        if SecretStr in types_of and (field.alias or key) in values:
            secrets.append(str(values[field.alias or key]))
    return MANIFESTS[name].config.model_validate(values), secrets


def build(name: str, transport: httpx.AsyncBaseTransport | None = None) -> tuple[Any, list[str]]:
    config, secrets = sample_config(name)
    http = httpx.AsyncClient(transport=transport or httpx.MockTransport(lambda _: httpx.Response(500)))
    tools = base.Tools(http=http, inbox_id="inb_1", addresses=("support@acme.example",), domain="acme.example")
    return MANIFESTS[name].build(config, tools), secrets


@each_channel
def test_the_form_explains_itself_and_hides_what_is_secret(name: str) -> None:
    manifest = MANIFESTS[name]
    assert manifest.title
    for key, field in manifest.config.model_fields.items():
        assert field.description, f"{name}.{key} has no description"
        if SECRETIVE.search(key):
            assert SecretStr in kinds(field.annotation), f"{name}.{key} would be shown"
    config, secrets = sample_config(name)
    assert not any(secret in repr(config) for secret in secrets)
    assert PydanticUndefined not in config.model_dump().values()


@each_channel
def test_an_unknown_field_is_refused_without_showing_what_was_typed(name: str) -> None:
    config, secrets = sample_config(name)
    typed = {key: value.get_secret_value() if isinstance(value, SecretStr) else value for key, value in config}
    with pytest.raises(ValueError, match="no_such_field") as caught:
        MANIFESTS[name].config.model_validate({**typed, "no_such_field": "typed-by-mistake"})
    assert not any(secret in str(caught.value) for secret in [*secrets, "typed-by-mistake"])


def strange_bodies() -> list[bytes]:
    deep = b"[" * 100_000 + b"]" * 100_000
    jsons: list[Any] = [None, True, 0, "", [], {}, {"object": None}, {"message": {"chat": []}}, [[]], {"": ""}, 1e308]
    return [
        b"",
        b"\0",
        b"\xff\xfe\xfd",
        b"x" * 2_000_000,
        deep,
        b'{"a":' * 5_000 + b"1" + b"}" * 5_000,
        b"a=1&b=%ff&&=",
        b'{"text": "\\ud800"}',
        b'{"n": 1' + b"0" * 5_000 + b"}",
        b"NaN",
        b"<xml/>",
        *(json.dumps(each).encode() for each in jsons),
    ]


@each_channel
def test_the_door_takes_or_refuses_whatever_comes(name: str) -> None:
    channel, secrets = build(name)
    if not isinstance(channel, base.Called):
        pytest.skip("is not called")
    odd = {
        "content-type": "application/json; charset=nonsense",
        "content-length": "-1",
        "": "",
        "authorization": "\x00ÿ",
    }
    for body in strange_bodies():
        for headers in ({}, odd, signature_like("²"), signature_like("A" * 10_000)):
            for method in ("POST", "GET"):
                request = base.WebhookRequest(method=method, path="", query={"x": "\0"}, headers=headers, body=body)
                check_accept(channel, request, secrets)


def signature_like(value: str) -> dict[str, str]:
    names = (
        "x-hub-signature-256",
        "x-telegram-bot-api-secret-token",
        "webhook-signature",
        "webhook-id",
        "webhook-timestamp",
        "x-viber-content-signature",
        "x-discourse-event-signature",
        "x-slack-signature",
        "x-slack-request-timestamp",
        "x-max-bot-api-secret",
        "x-twilio-signature",
        "signature",
    )
    return dict.fromkeys(names, value)


def check_accept(channel: base.Called, request: base.WebhookRequest, secrets: list[str]) -> None:
    accepted = accepted_or_refused(channel, request)
    if isinstance(accepted, base.ChannelError):
        assert not any(secret in shown(accepted) for secret in secrets)
        return
    for arrival in accepted.arrivals:
        assert arrival.dedupe_key
        assert isinstance(arrival.body, bytes)


def accepted_or_refused(channel: base.Called, request: base.WebhookRequest) -> base.Accepted | base.ChannelError:
    try:
        return channel.accept(request)
    except (base.BadSignature, base.BadPayload) as error:
        return error


def shown(error: BaseException) -> str:
    """All that a log would show of an error."""
    return repr(error) + "".join(traceback.format_exception(error))


def originals(name: str) -> list[bytes]:
    found = [path.read_bytes() for path in sorted((SAMPLES / name).glob("*")) if path.is_file()]
    mail = b"From: a <a@b.example>\r\nSubject: =?utf-8?b?0JTQsA==?=\r\nMessage-ID: <1@b>\r\n\r\nhi\r\n"
    return found or [
        mail,
        b'{"type":"message","event_id":"1","text":"hi","sender":{"id":1},"date":1763800000,"items":[{}]}',
    ]


def mutilated(body: bytes, chance: random.Random) -> bytes:
    """The body with something wrong: cut, flipped, doubled, or a value of another kind in it."""
    kind = chance.randrange(4)
    if kind == 0:
        return body[: chance.randrange(len(body) + 1)]
    if kind == 1:
        at = chance.randrange(max(1, len(body)))
        return body[:at] + bytes([chance.randrange(256)]) * chance.randrange(1, 9) + body[at + 1 :]
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return body[chance.randrange(max(1, len(body))) :] + body
    return json.dumps(with_another_value(copy.deepcopy(value), chance)).encode()


def with_another_value(value: Any, chance: random.Random) -> Any:
    places = list(leaves(value))
    if not places:
        return chance.choice([None, [], {}, "x"])
    holder, key = chance.choice(places)
    holder[key] = chance.choice(
        [
            None,
            "",
            "x" * 5_000,
            "\0\ud800\u202e",
            -1,
            0,
            10**30,
            1e300,
            True,
            [],
            [None],
            {},
            {"id": {}},
            "https://",
            "9999-99-99",
        ]
    )
    return value


def leaves(value: Any) -> Iterator[tuple[Any, Any]]:
    """Where something may be put: (dict or list, key)."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield value, key
        yield from leaves(inner)


@each_channel
def test_reading_makes_items_of_a_body_or_calls_it_unreadable(name: str) -> None:
    channel, _ = build(name)
    chance = random.Random(20261122)
    bodies = originals(name)
    bodies += [mutilated(chance.choice(bodies), chance) for _ in range(400)]
    for body in [*bodies, *strange_bodies()]:
        arrival = Arrival(dedupe_key="k", order_key="o", body=body, meta={"mail_from": "a@b.example", "rcpt_to": "[]"})
        try:
            items = channel.read(arrival)
        except base.Unreadable:
            continue
        for item in items:
            check_item(item)


def check_item(item: object) -> None:
    assert isinstance(item, ITEMS)
    if isinstance(item, Inbound):
        assert item.ref.external_id
        assert item.thread_key
        assert item.sender.address
        assert item.sent_at is None or item.sent_at.tzinfo is not None
        assert "\0" not in item.text + item.subject + item.sender.name + item.thread_key + item.ref.external_id
        (item.text + item.html + item.subject + item.sender.name).encode()  # no half characters
    if isinstance(item, Ignored):
        assert item.reason


def outbound(text: str, files: int = 0) -> Outbound:
    return Outbound(
        delivery_id=UUID(int=7),
        message_ref="ref-7",
        to=(Address(kind="email", address="17@b.example", name="Ivan"),),
        text=text,
        thread_key="17",
        files=tuple(OutFile(name=f"{n}.txt", content_type="text/plain", size=9, path=__file__) for n in range(files)),
        created_at=datetime(2026, 11, 22, tzinfo=UTC),
    )


@each_channel
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    text=st.text(st.characters(codec="utf-8"), max_size=60),
    times=st.sampled_from([1, 40, 400]),
    files=st.integers(0, 12),
)
def test_splitting_keeps_the_text_in_order_and_every_file_once(name: str, text: str, times: int, files: int) -> None:
    channel, _ = build(name)
    if not isinstance(channel, base.Answering):
        pytest.skip("does not answer")
    message = outbound(text * times, files)

    parts = channel.split(message)

    assert [(part.index, part.count) for part in parts] == [(i, len(parts)) for i in range(len(parts))]
    assert "".join("".join(part.text for part in parts).split()) == "".join(message.text.split())
    assert [index for part in parts for index in part.files] == list(range(files))
    assert parts == channel.split(message)


@each_channel
@pytest.mark.parametrize(
    ("happens", "allowed"),
    [
        (httpx.ConnectError("x"), (base.SendDeferred, base.SendRejected)),
        (httpx.ConnectTimeout("x"), (base.SendDeferred, base.SendRejected)),
        (httpx.ReadTimeout("x"), (base.SendUnknown, base.SendDeferred, base.SendRejected)),
        (httpx.RemoteProtocolError("x"), (base.SendUnknown, base.SendDeferred, base.SendRejected)),
        (httpx.Response(500, content=b"<html>oops"), (base.ChannelError,)),
        (httpx.Response(429, headers={"retry-after": "soon"}, content=b"\xff"), (base.ChannelError,)),
        (httpx.Response(401, json={"error": []}), (base.ChannelError,)),
        (httpx.Response(403, json=[]), (base.ChannelError,)),
        (httpx.Response(400, json={"error": {"code": "x", "message": None}}), (base.ChannelError,)),
        (httpx.Response(200, content=b"not json"), (base.ChannelError, Sent)),
        (httpx.Response(200, json=[None]), (base.ChannelError, Sent)),
    ],
)
async def test_a_call_that_fails_says_what_became_of_it_and_shows_no_secret(
    name: str, happens: Exception | httpx.Response, allowed: tuple[type, ...]
) -> None:
    announced: list[bool] = []

    async def before_call() -> None:
        announced.append(True)

    def answered(request: httpx.Request) -> httpx.Response:
        if isinstance(happens, Exception):
            raise happens
        return happens

    channel, secrets = build(name, httpx.MockTransport(answered))
    if not isinstance(channel, base.Answering):
        pytest.skip("does not answer")
    message = outbound("Здравствуйте!")
    outcome = await outcome_of(lambda: channel.send(message, channel.split(message)[0], before_call))

    assert isinstance(outcome, allowed), outcome
    if isinstance(outcome, Sent | base.SendUnknown):
        assert announced == [True]
    if isinstance(outcome, BaseException):
        assert not any(secret in shown(outcome) for secret in secrets)


async def outcome_of(call: Callable[[], Awaitable[Sent]]) -> Sent | base.ChannelError:
    try:
        return await call()
    except base.ChannelError as error:
        return error
