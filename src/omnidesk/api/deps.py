"""What endpoints are handed: the parts of the desk, the caller and what he may, time, ids, pages, versions."""

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import Depends, Header, Request, Response
from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from omnidesk.api import etags
from omnidesk.api.auth import Needs, authenticate
from omnidesk.api.paging import Pager
from omnidesk.db.session import Database
from omnidesk.desk.accept import Door
from omnidesk.desk.feed import Feed
from omnidesk.desk.inboxes import Channels
from omnidesk.desk.vault import Vault
from omnidesk.domain import ids
from omnidesk.domain.errors import FieldError, Invalid
from omnidesk.domain.people import Actor
from omnidesk.domain.text import clean


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The settings that the API needs."""

    public_url: str = "http://127.0.0.1:8000"  # as browsers see the desk, without a slash at the end
    version: str = "0.1.0"
    max_body: int = 1_000_000  # bytes of a JSON body
    max_upload: int = 25_000_000  # bytes of an uploaded file
    body_limits: Mapping[str, int] = field(default_factory=dict)  # path prefix -> bytes, for other routers
    loopback: bool = False  # webhooks may go to this machine, also by http
    ready_lag_s: float = 60.0  # the oldest arrival may wait so long before the desk says it is not ready

    @property
    def https(self) -> bool:
        return self.public_url.startswith("https://")


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What the composition root hands to the API; all of one process and one event loop."""

    db: Database
    vault: Vault
    channels: Channels
    door: Door
    feed: Feed
    intake: Any
    files: Any
    settings: Settings = field(default_factory=Settings)
    now: Callable[[], datetime] = lambda: datetime.now(UTC)  # aware, UTC


def _parts(request: Request) -> Parts:
    parts: Parts = request.app.state.parts
    return parts


def _db(request: Request) -> Database:
    """The database; within an idempotent request, its one transaction."""
    db: Database = getattr(request.state, "db", None) or request.app.state.parts.db
    return db


def _now(request: Request) -> datetime:
    now: datetime = request.app.state.parts.now()
    return now


async def _pager(request: Request, response: Response) -> Pager:
    actor = await authenticate(request)
    return Pager(request, response, request.app.state.cursors, str(actor))


def _if_match(
    request: Request,
    if_match: Annotated[
        str | None, Header(description="The ETag of the version that the change is meant for; `*`: whatever it is")
    ] = None,
) -> int | None:
    return etags.wanted(request)


def _if_none_match(
    if_none_match: Annotated[str | None, Header(description="The ETag that you have; 304 when it is current")] = None,
) -> None:
    """For the docs; `etags.answer` reads the header."""


def _request_id(request: Request) -> str:
    return str(request.scope.get("request_id", ""))


def new_id(now: datetime) -> UUID:
    return ids.uuid7(int(now.timestamp() * 1000), secrets.token_bytes(10))


def address(request: Request) -> str:
    """Whose address called; behind a trusted proxy, the server has put the caller's here."""
    return request.client.host if request.client else "unknown"


Home = Annotated[Parts, Depends(_parts)]
Db = Annotated[Database, Depends(_db)]
Now = Annotated[datetime, Depends(_now)]
RequestId = Annotated[str, Depends(_request_id)]
Pages = Annotated[Pager, Depends(_pager)]
IfMatch = Annotated[int | None, Depends(_if_match)]
IfNoneMatch = Annotated[None, Depends(_if_none_match)]

Anybody = Annotated[Actor, Depends(Needs(None))]
ReadsTickets = Annotated[Actor, Depends(Needs("tickets:read"))]
WritesTickets = Annotated[Actor, Depends(Needs("tickets:write"))]
WritesMessages = Annotated[Actor, Depends(Needs("messages:write"))]
ReadsContacts = Annotated[Actor, Depends(Needs("contacts:read"))]
WritesContacts = Annotated[Actor, Depends(Needs("contacts:write"))]
ReadsAgents = Annotated[Actor, Depends(Needs("agents:read"))]
WritesAgents = Annotated[Actor, Depends(Needs("agents:write"))]
ReadsQueues = Annotated[Actor, Depends(Needs("queues:read"))]
WritesQueues = Annotated[Actor, Depends(Needs("queues:write"))]
ReadsInboxes = Annotated[Actor, Depends(Needs("inboxes:read"))]
WritesInboxes = Annotated[Actor, Depends(Needs("inboxes:write"))]
ReadsArrivals = Annotated[Actor, Depends(Needs("arrivals:read"))]
WritesArrivals = Annotated[Actor, Depends(Needs("arrivals:write"))]
ReadsEvents = Annotated[Actor, Depends(Needs("events:read"))]
ReadsWebhooks = Annotated[Actor, Depends(Needs("webhooks:read"))]
WritesWebhooks = Annotated[Actor, Depends(Needs("webhooks:write"))]


class TypeId:
    """Turns a UUID into the TypeID of a noun at the API, and back."""

    def __init__(self, noun: str) -> None:
        self.noun = noun

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(
            self._read, serialization=core_schema.plain_serializer_function_ser_schema(self._write, when_used="json")
        )

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        prefix = ids.PREFIXES[self.noun]
        example = ids.encode(self.noun, UUID("01920000-0000-7000-8000-000000000001"))
        return {"type": "string", "pattern": f"^{prefix}_[0-7][0-9a-hjkmnp-tv-z]{{25}}$", "examples": [example]}

    def _read(self, value: Any) -> UUID:
        if isinstance(value, UUID):
            return value
        try:
            return ids.decode(self.noun, value)
        except (ValueError, AttributeError, TypeError):
            raise PydanticCustomError("bad_id", "not an id of this kind") from None

    def _write(self, value: UUID) -> str:
        return ids.encode(self.noun, value)


TicketId = Annotated[UUID, TypeId("ticket")]
MessageId = Annotated[UUID, TypeId("message")]
ConversationId = Annotated[UUID, TypeId("conversation")]
ContactId = Annotated[UUID, TypeId("contact")]
IdentityId = Annotated[UUID, TypeId("identity")]
ContactMergeId = Annotated[UUID, TypeId("contact_merge")]
ErasureId = Annotated[UUID, TypeId("erasure")]
RevisionId = Annotated[UUID, TypeId("revision")]
AgentId = Annotated[UUID, TypeId("agent")]
InboxId = Annotated[UUID, TypeId("inbox")]
QueueId = Annotated[UUID, TypeId("queue")]
AttachmentId = Annotated[UUID, TypeId("attachment")]
KeyId = Annotated[UUID, TypeId("key")]
ArrivalId = Annotated[UUID, TypeId("arrival")]
DeliveryId = Annotated[UUID, TypeId("delivery")]
DecisionId = Annotated[UUID, TypeId("decision")]
PromiseId = Annotated[UUID, TypeId("promise")]
HandoffId = Annotated[UUID, TypeId("handoff")]
ProposalId = Annotated[UUID, TypeId("proposal")]
CorrectionId = Annotated[UUID, TypeId("correction")]
ClockId = Annotated[UUID, TypeId("clock")]
CalendarId = Annotated[UUID, TypeId("calendar")]
JobId = Annotated[UUID, TypeId("job")]
WebhookId = Annotated[UUID, TypeId("webhook")]
WebhookDeliveryId = Annotated[UUID, TypeId("webhook_delivery")]


def _written(value: Any) -> Any:
    """A number is no date here, although it could be read as seconds since 1970."""
    if not isinstance(value, datetime) and not (isinstance(value, str) and "-" in value[1:]):
        raise PydanticCustomError("bad_moment", "not a moment as RFC 3339 writes it")
    return value


Clean = Annotated[str, AfterValidator(clean)]
"""Text for storage: composed, without control characters."""
Utc = Annotated[AwareDatetime, BeforeValidator(_written), AfterValidator(lambda moment: moment.astimezone(UTC))]
"""A moment with an offset (RFC 3339); shown in UTC."""


class Body(BaseModel):
    """What is sent to us: a field that we do not know is refused, never ignored."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)


class Shown(BaseModel):
    """What we show."""

    model_config = ConfigDict(from_attributes=True)


def given(body: BaseModel, *nullable: str) -> dict[str, Any]:
    """The fields of a merge patch (RFC 7396) that were sent. Raises Invalid where null would remove what must stay."""
    values = {name: getattr(body, name) for name in body.model_fields_set}
    gone = [name for name, value in values.items() if value is None and name not in nullable]
    if gone:
        fields = [FieldError(pointer=f"/{name}", code="null", message="This field cannot be removed.") for name in gone]
        raise Invalid("Some fields are not right.", fields)
    return values
