"""Any outside system as a channel: it posts messages to the inbox, replies leave as signed webhooks.

Both directions are signed as Standard Webhooks 1.0 says: HMAC-SHA256 over `id.timestamp.body` with
a secret `whsec_…`, at most five minutes old. A reply keeps its `webhook-id` however often it is
sent, so the receiver sees it once and a lost call may be made again.
Source: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

import asyncio
import base64
import hashlib
import hmac
import html as entities
import json
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import httpx
import nh3
from pydantic import (
    AfterValidator,
    AnyHttpUrl,
    AwareDatetime,
    Base64Bytes,
    BaseModel,
    Field,
    SecretStr,
    ValidationError,
    model_validator,
)

from omnidesk.channels import base, outgoing
from omnidesk.channels.phones import e164
from omnidesk.domain.messages import (
    Address,
    Amendment,
    Arrival,
    File,
    Inbound,
    Item,
    Outbound,
    Part,
    Ref,
    RemoteFile,
    Sent,
)
from omnidesk.domain.webhooks import key_of, signed

TOLERANCE_S = 300
_MAX_INLINE = 10 * 1024 * 1024  # bytes of files in one webhook
_ACCEPTED = base.Reply(status=202, body=b'{"status":"accepted"}', content_type="application/json")
_EXAMPLE = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
_NEVER_AGAIN = {400, 404, 405, 406, 410, 411, 413, 414, 415, 422}


def _is_secret(secret: SecretStr) -> SecretStr:
    if not 24 <= len(key_of(secret.get_secret_value())) <= 64:
        raise ValueError("the secret holds 24 to 64 bytes")
    return secret


def _is_url(text: str) -> str:
    if text:
        AnyHttpUrl(text)
    return text


Secret = Annotated[SecretStr, AfterValidator(_is_secret)]
Key = Annotated[str, Field(min_length=1, max_length=500)]


class Config(base.InboxConfig):
    """What an administrator types in."""

    signing_secret: Secret = Field(
        title="Secret of messages in",
        description="whsec_…; the system signs what it posts with it",
        examples=[_EXAMPLE],
    )
    webhook_url: Annotated[str, AfterValidator(_is_url)] = Field(
        "", title="Address for replies", description="Replies are posted there; empty: the inbox only receives",
        examples=["https://shop.example/support/replies"],
    )  # fmt: skip
    webhook_secret: Secret | None = Field(
        None, title="Secret of replies", description="whsec_…; replies are signed with it", examples=[_EXAMPLE]
    )

    @model_validator(mode="after")
    def _replies_are_signed(self) -> "Config":
        if self.webhook_url and self.webhook_secret is None:
            raise ValueError("replies need a secret to be signed with")
        return self


class Person(BaseModel):
    """`kind` names the address space: `email` and `phone` are shared by the desk, any other is this inbox's own."""

    kind: str = Field("api", pattern=r"^[a-z][a-z0-9_]{0,30}$")
    address: Key
    name: str = Field("", max_length=500)


class PostedFile(BaseModel):
    """A file: its bytes in base64, or where to fetch it."""

    name: str = Field("", max_length=500)
    content_type: str = Field("", max_length=200)
    content: Base64Bytes | None = None
    url: AnyHttpUrl | None = None

    @model_validator(mode="after")
    def _one_of_both(self) -> "PostedFile":
        if (self.content is None) == (self.url is None):
            raise ValueError("a file has either content or url")
        return self


class Posted(BaseModel):
    """A message as the outside system posts it."""

    external_id: Key
    thread: Key
    sender: Person
    text: str = Field("", max_length=1_000_000)
    html: str = Field("", max_length=2_000_000)
    subject: str = Field("", max_length=2_000)
    sent_at: AwareDatetime | None = None
    language: str = Field("", max_length=35)
    category: str = Field("", max_length=200, description="What it is about, when you know it")
    files: list[PostedFile] = Field([], max_length=50)
    participants: list[Person] = Field([], max_length=200)
    references: list[Key] = Field([], max_length=200, description="external ids of messages that this one answers")


@base.register("api", title="API", config=Config, edits=True, deletes=True, repeats_safely=True)
class ApiChannel:
    def __init__(self, config: Config, tools: base.Tools) -> None:
        self._key = key_of(config.signing_secret.get_secret_value())
        self._reply_key = key_of(config.webhook_secret.get_secret_value()) if config.webhook_secret else b""
        self._url = config.webhook_url
        self._http = tools.http
        self._realm = f"api:{tools.inbox_id}"

    def accept(self, request: base.WebhookRequest) -> base.Accepted:
        """A signed post. Raises BadSignature, BadPayload."""
        verify(self._key, request, now_s=time.time())
        return self._accepted(request.body, {"auth": "signature"})

    def accept_from(self, key_id: str, body: bytes) -> base.Accepted:
        """A post that the desk's own API has authenticated by one of its keys. Raises BadPayload."""
        return self._accepted(body, {"auth": "key", "key": key_id})

    def _accepted(self, body: bytes, meta: dict[str, str]) -> base.Accepted:
        posted = _posted(body)
        arrival = Arrival(dedupe_key=f"m:{posted.external_id}", order_key=posted.thread, body=body, meta=meta)
        return base.Accepted(arrivals=(arrival,), reply=_ACCEPTED)

    def read(self, arrival: Arrival) -> list[Item]:
        """A message of a person, always."""
        try:
            posted = _posted(arrival.body)
        except base.BadPayload as error:
            raise base.Unreadable(str(error)) from None
        return [self._inbound(posted)]

    def _inbound(self, posted: Posted) -> Inbound:
        return Inbound(
            ref=Ref(realm=self._realm, external_id=posted.external_id),
            thread_key=posted.thread,
            sender=self._address(posted.sender),
            text=_clean(posted.text) or _text_of(posted.html),
            html=nh3.clean(_clean(posted.html)) if posted.html else "",
            subject=" ".join(_clean(posted.subject).split()),
            sent_at=posted.sent_at,
            language=posted.language,
            category=" ".join(_clean(posted.category).split()),
            digest=hashlib.sha256(f"{posted.subject}\0{posted.text}\0{posted.html}".encode()).digest(),
            files=tuple(_file(each) for each in posted.files),
            participants=tuple(self._address(each) for each in posted.participants),
            references=tuple(Ref(realm=self._realm, external_id=each) for each in reversed(posted.references)),
        )

    def _address(self, person: Person) -> Address:
        shared = person.kind in {"email", "phone"}
        address = _clean(person.address).strip()
        if person.kind == "phone":
            address = e164(address) or address
        return Address(
            kind=person.kind,
            address=address.lower() if person.kind == "email" else address,
            realm="" if shared else self._realm,
            name=_clean(person.name).strip(),
        )

    answers_at_once = True  # who posts with a key hears the number and the date in the answer

    @property
    def answers(self) -> bool:
        """Not without an address for replies."""
        return bool(self._url)

    def split(self, message: Outbound) -> list[Part]:
        """The text with as many files as fit into one call; what is left goes in calls of its own."""
        groups: list[list[int]] = [[]]
        room = _MAX_INLINE
        for index, file in enumerate(message.files):
            if file.size > room and groups[-1]:
                groups.append([])
                room = _MAX_INLINE
            groups[-1].append(index)
            room -= file.size
        return [
            Part(index=i, count=len(groups), text="" if i else message.text, files=tuple(group))
            for i, group in enumerate(groups)
        ]

    async def send(self, message: Outbound, part: Part, before_call: base.BeforeCall) -> Sent:
        """Post one reply; the same `webhook-id` at every try."""
        body = await asyncio.to_thread(_body_of, message, part)
        return await self._post(f"{message.delivery_id}:{part.index}", body, before_call)

    async def amend(self, amendment: Amendment, before_call: base.BeforeCall) -> None:
        """Post `message.edited` or `message.deleted`; a `webhook-id` of its own, the same at every try."""
        await self._post(f"{amendment.delivery_id}:{amendment.key}", _body_of_amendment(amendment), before_call)

    async def _post(self, key: str, body: bytes, before_call: base.BeforeCall) -> Sent:
        if not self._url:
            raise base.SendRejected("the inbox has no address for replies")
        await before_call()
        headers = {"content-type": "application/json", **signed([self._reply_key], key, int(time.time()), body)}
        try:
            answer = await outgoing.call(self._http, "POST", self._url, headers=headers, content=body)
        except (outgoing.NotAllowed, httpx.InvalidURL):
            raise base.SendRejected("the address for replies is not a public https address") from None
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout):
            raise base.SendDeferred("the address for replies cannot be reached") from None
        except httpx.TransportError:
            raise base.SendUnknown("connection lost after the reply was posted") from None
        return _sent(answer, key, self._realm)


def verify(key: bytes, request: base.WebhookRequest, *, now_s: float) -> None:
    """Is the post signed with the key, and fresh? Raises BadSignature."""
    message_id, stamp = request.headers.get("webhook-id", ""), request.headers.get("webhook-timestamp", "")
    if not message_id or not stamp.isascii() or not stamp.isdigit() or len(stamp) > 12:
        raise base.BadSignature("webhook-id or webhook-timestamp missing")
    if abs(now_s - int(stamp)) > TOLERANCE_S:
        raise base.BadSignature("webhook-timestamp too old or in the future")
    expected = signed([key], message_id, int(stamp), request.body)["webhook-signature"].encode()
    given = [each.encode("utf-8", "replace") for each in request.headers.get("webhook-signature", "").split()[:20]]
    if not any(hmac.compare_digest(each, expected) for each in given):
        raise base.BadSignature("signature missing or wrong")


def _posted(body: bytes) -> Posted:
    try:
        return Posted.model_validate_json(body)
    except ValidationError as error:
        fields = sorted({".".join(map(str, each["loc"][:2])) or "body" for each in error.errors(include_input=False)})
        raise base.BadPayload(f"not a message: {', '.join(fields)[:200]}") from None


def _clean(text: str) -> str:
    """Without NUL, which no database takes, and without half characters."""
    return text.encode("utf-8", "replace").decode().replace("\0", "")


def _text_of(html: str) -> str:
    return entities.unescape(nh3.clean(_clean(html), tags=set())).strip()


def _file(posted: PostedFile) -> File | RemoteFile:
    name, kind = " ".join(_clean(posted.name).split()), _clean(posted.content_type)
    if posted.content is None:
        return RemoteFile(url=str(posted.url), name=name, content_type=kind)
    return File(name=name, content_type=kind, content=posted.content)


def _body_of(message: Outbound, part: Part) -> bytes:
    """A reply as the outside system gets it; the same at every try."""
    written_at = message.created_at or datetime.fromtimestamp(0, UTC)
    data = {
        "id": str(message.delivery_id),
        "message_ref": message.message_ref,
        "part": part.index + 1,
        "parts": part.count,
        "thread": message.thread_key,
        "to": [{"kind": each.kind, "address": each.address, "name": each.name} for each in message.to],
        "from_name": message.from_name,
        "text": part.text,
        "html": message.html if part.index == 0 else "",
        "subject": message.subject,
        "in_reply_to": message.in_reply_to,
        "ticket_number": message.ticket_number,
        "automatic": message.automatic,
        "language": message.language,
        "files": [_inline(message, index) for index in part.files],
    }
    event = {"type": "message.sent", "timestamp": written_at.isoformat(), "data": data}
    return json.dumps(event, ensure_ascii=False).encode("utf-8", "replace")


def _body_of_amendment(amendment: Amendment) -> bytes:
    changed_at = amendment.changed_at or datetime.fromtimestamp(0, UTC)
    data: dict[str, object] = {
        "id": str(amendment.delivery_id),
        "message_ref": amendment.message_ref,
        "thread": amendment.thread_key,
        "to": [{"kind": each.kind, "address": each.address, "name": each.name} for each in amendment.to],
    }
    if not amendment.deleted:
        data |= {"text": amendment.text, "html": amendment.html}
    what = "message.deleted" if amendment.deleted else "message.edited"
    event = {"type": what, "timestamp": changed_at.isoformat(), "data": data}
    return json.dumps(event, ensure_ascii=False).encode("utf-8", "replace")


def _inline(message: Outbound, index: int) -> dict[str, str]:
    file = message.files[index]
    try:
        content = base64.b64encode(Path(file.path).read_bytes()).decode()
    except OSError:
        raise base.SendRejected("a file of the message is missing") from None
    return {"name": file.name, "content_type": file.content_type, "content": content}


def _sent(answer: outgoing.Answer, key: str, realm: str) -> Sent:
    """Any 2xx is a yes; 410 and what says that the message itself is wrong are a no for ever."""
    if 200 <= answer.status < 300:
        return Sent(external_id=key, realm=realm)
    reason = f"the address for replies answered {answer.status}"
    if answer.status in {401, 403}:
        raise base.NeedsReauth(reason)
    if answer.status in _NEVER_AGAIN or 300 <= answer.status < 400:
        raise base.SendRejected(reason)
    after = answer.headers.get("retry-after", "")
    raise base.SendDeferred(reason, after_s=min(float(after), 3600) if after.isascii() and after.isdigit() else None)
