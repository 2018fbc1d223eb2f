"""An outside system posts messages and gets replies, both signed; a stranger's library checks ours."""

import base64
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
from pydantic import SecretStr, ValidationError
from standardwebhooks import Webhook

from omnidesk.channels import base, outgoing
from omnidesk.channels.api import ApiChannel, Config
from omnidesk.domain.messages import Address, Arrival, File, Inbound, Outbound, OutFile, Ref, RemoteFile
from tests.channels.test_outgoing import Hook, hook
from tests.servers import free_port

IN = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OUT = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
MESSAGE = {
    "external_id": "m-1",
    "thread": "order-42",
    "sender": {"address": "u17", "name": "Иван"},
    "text": "Где мой заказ?",
    "sent_at": "2026-11-22T10:00:00Z",
}


def channel(url: str = "", http: httpx.AsyncClient | None = None) -> ApiChannel:
    config = Config(signing_secret=SecretStr(IN), webhook_url=url, webhook_secret=SecretStr(OUT) if url else None)
    return ApiChannel(config, base.Tools(http=http or outgoing.client(), inbox_id="inb_1"))


def post(
    body: bytes, *, at: datetime | None = None, secret: str = IN, changed: dict[str, str] | None = None
) -> base.WebhookRequest:
    """A post as the reference library signs it."""
    at = at or datetime.now(UTC)
    signature = Webhook(secret).sign("msg_1", at, body.decode("latin-1"))
    given = {"webhook-id": "msg_1", "webhook-timestamp": str(int(at.timestamp())), "webhook-signature": signature}
    return base.WebhookRequest(method="POST", path="", query={}, headers={**given, **(changed or {})}, body=body)


def body_of(**changes: Any) -> bytes:
    return json.dumps({**MESSAGE, **changes}).encode()


def read(**changes: Any) -> Inbound:
    [arrival] = channel().accept(post(body_of(**changes))).arrivals
    [item] = channel().read(arrival)
    assert isinstance(item, Inbound)
    return item


def test_a_signed_message_is_accepted_once_and_read() -> None:
    accepted = channel().accept(post(body_of()))
    [arrival] = accepted.arrivals
    item = read()

    assert (arrival.dedupe_key, arrival.order_key, arrival.meta["auth"]) == ("m:m-1", "order-42", "signature")
    assert accepted.reply.status == 202
    assert (item.ref, item.thread_key, item.text) == (
        Ref(realm="api:inb_1", external_id="m-1"),
        "order-42",
        "Где мой заказ?",
    )
    assert item.sender == Address(kind="api", realm="api:inb_1", address="u17", name="Иван")
    assert item.sent_at == datetime(2026, 11, 22, 10, tzinfo=UTC)


def test_everything_that_a_message_may_carry() -> None:
    item = read(
        sender={"kind": "email", "address": "Ivan@Mail.example"},
        html="<p onclick=x()>a&amp;b</p><script>x</script>",
        text="",
        subject="two\nlines",
        files=[
            {"name": "a.txt", "content": base64.b64encode(b"\0\xff").decode()},
            {"url": "https://cdn.example/b.png"},
        ],
        participants=[{"kind": "phone", "address": "+79161234567"}],
        references=["m-0", "m-0.5"],
    )

    assert item.sender == Address(kind="email", address="ivan@mail.example")
    assert (item.html, item.text, item.subject) == ("<p>a&amp;b</p>", "a&b", "two lines")
    assert item.files == (
        File(name="a.txt", content_type="", content=b"\0\xff"),
        RemoteFile(url="https://cdn.example/b.png"),
    )
    assert item.participants == (Address(kind="phone", address="+79161234567"),)
    assert [ref.external_id for ref in item.references] == ["m-0.5", "m-0"]


def test_a_post_by_one_of_the_desks_keys_says_so() -> None:
    [arrival] = channel().accept_from("key_1", body_of()).arrivals
    assert dict(arrival.meta) == {"auth": "key", "key": "key_1"}


def test_who_does_not_know_the_secret_is_not_heard() -> None:
    now, body = datetime.now(UTC), body_of()
    forged = [
        post(body, secret=OUT),
        post(body, at=now - timedelta(minutes=6)),
        post(body, at=now + timedelta(minutes=6)),
        post(body, changed={"webhook-signature": ""}),
        post(body, changed={"webhook-id": "msg_2"}),
        post(body, changed={"webhook-timestamp": "²"}),
        post(body, changed={"webhook-timestamp": "9" * 5000}),
        base.WebhookRequest(method="POST", path="", query={}, headers=post(body).headers, body=body + b" "),
        base.WebhookRequest(method="POST", path="", query={}, headers={}, body=body),
    ]
    for request in forged:
        with pytest.raises(base.BadSignature):
            channel().accept(request)
    rotated = post(body)
    both = {**rotated.headers, "webhook-signature": f"v1,AAAA v2,x {rotated.headers['webhook-signature']}"}
    assert channel().accept(base.WebhookRequest(method="POST", path="", query={}, headers=both, body=body)).arrivals


@pytest.mark.parametrize(
    "changes",
    [
        {"external_id": ""},
        {"thread": None},
        {"sender": "u17"},
        {"sent_at": "2026-11-22T10:00:00"},
        {"files": [{}]},
        {"files": [{"content": "x y"}]},
    ],
)
def test_an_authentic_post_that_is_no_message_names_the_field_and_not_its_value(changes: dict[str, Any]) -> None:
    with pytest.raises(base.BadPayload, match=next(iter(changes))):
        channel().accept(post(body_of(**changes)))


def test_a_url_without_a_secret_is_refused_and_errors_show_no_secrets() -> None:
    for bad in (
        {"webhook_url": "https://shop.example"},
        {"signing_secret": "whsec_c2hvcnQtc2VjcmV0"},
        {"webhook_url": "nonsense"},
    ):
        with pytest.raises(ValidationError) as caught:
            Config.model_validate({"signing_secret": IN, **bad})
        assert "c2hvcnQ" not in str(caught.value)
        assert IN[6:] not in str(caught.value)


def answer(**changes: Any) -> Outbound:
    given: dict[str, Any] = {
        "delivery_id": UUID(int=7),
        "message_ref": "ref-1",
        "to": (Address(kind="api", address="u17", realm="api:inb_1"),),
        "text": "Завтра.",
        "thread_key": "order-42",
        "created_at": datetime(2026, 11, 22, tzinfo=UTC),
    }
    return Outbound(**{**given, **changes})


async def called() -> None:
    """The outbox would note the call here."""


async def sends(server: Hook, message: Outbound, index: int = 0) -> None:
    async with outgoing.client(loopback=True) as http:
        api = channel(server.url, http)
        await api.send(message, api.split(message)[index], called)


async def test_a_reply_arrives_signed_and_a_repeat_has_the_same_id_and_body() -> None:
    async with hook() as server:
        await sends(server, answer())
        await sends(server, answer())

    (_, headers, body), (_, again, same) = server.got
    payload = Webhook(OUT).verify(body, headers)
    assert payload["data"]["text"] == "Завтра."
    assert payload["data"]["thread"] == "order-42"
    assert (headers["webhook-id"], body) == (again["webhook-id"], same)


async def test_files_travel_with_the_reply_and_large_ones_in_calls_of_their_own(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"\0a")
    big = 9 * 1024 * 1024
    message = answer(
        files=tuple(OutFile(name=f"{n}.bin", content_type="", size=big, path=str(tmp_path / "a")) for n in range(3))
    )
    parts = channel().split(message)

    assert [(part.text, part.files) for part in parts] == [("Завтра.", (0,)), ("", (1,)), ("", (2,))]
    async with hook() as server:
        await sends(server, message, 0)
        await sends(server, message, 2)
    first, last = (json.loads(body)["data"] for _, _, body in server.got)
    assert base64.b64decode(first["files"][0]["content"]) == b"\0a"
    assert (last["part"], last["parts"], last["text"], last["files"][0]["name"]) == (3, 3, "", "2.bin")
    assert len({headers["webhook-id"] for _, headers, _ in server.got}) == 2


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (500, base.SendDeferred),
        (503, base.SendDeferred),
        (429, base.SendDeferred),
        (408, base.SendDeferred),
        (401, base.NeedsReauth),
        (403, base.NeedsReauth),
        (410, base.SendRejected),
        (404, base.SendRejected),
        (422, base.SendRejected),
        (302, base.SendRejected),
    ],
)
async def test_what_the_receiver_says_decides(status: int, error: type[base.ChannelError]) -> None:
    async with hook() as server:
        server.answer = f"HTTP/1.1 {status} X\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n".encode()
        with pytest.raises(error, match=str(status)) as caught:
            await sends(server, answer())
    if isinstance(caught.value, base.SendDeferred):
        assert caught.value.after_s == 7


async def test_nobody_listens_or_the_answer_is_lost() -> None:
    with pytest.raises(base.SendDeferred):
        await sends(Hook(port=free_port()), answer())
    async with hook() as server:
        server.answer = b""
        with pytest.raises(base.SendUnknown):
            await sends(server, answer())
    with pytest.raises(base.SendRejected, match="public"):
        await channel("http://127.0.0.1/").send(answer(), channel().split(answer())[0], called)


def test_a_body_that_was_changed_in_the_journal_is_unreadable_and_nothing_worse() -> None:
    with pytest.raises(base.Unreadable):
        channel().read(Arrival(dedupe_key="x", order_key="x", body=b"{"))
