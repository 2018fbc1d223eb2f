"""Files: uploaded first, then named in a reply or note; downloaded by whoever may see their ticket."""

import hashlib
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from email.message import Message
from typing import Annotated, Any, BinaryIO
from urllib.parse import unquote

from fastapi import Query, Request, Response
from fastapi.responses import FileResponse
from pydantic import Field
from starlette.datastructures import UploadFile

from omnidesk.api import etags, idempotency
from omnidesk.api.auth import authenticate
from omnidesk.api.deps import AttachmentId, Db, Home, Now, ReadsTickets, Shown, WritesMessages, new_id
from omnidesk.api.errors import Malformed
from omnidesk.api.route import router
from omnidesk.db import files as rows
from omnidesk.db import tickets
from omnidesk.db.session import Database
from omnidesk.desk import files
from omnidesk.domain import ids
from omnidesk.domain.errors import Conflict, Gone, NotFound
from omnidesk.domain.people import Actor

routes = router("attachments")

CHUNK = 256 * 1024
INLINE = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})
SANDBOX = "sandbox; default-src 'none'; frame-ancestors 'none'"


class AttachmentOut(Shown):
    id: AttachmentId
    name: str
    content_type: str = Field(description="As found in the file's bytes, whatever was claimed")
    size: int = Field(description="Bytes")
    state: str = Field(description="stored, pending (being fetched), failed, skipped, deleted or erased")
    error: str | None = None
    created_at: datetime


@routes.post(
    "/attachments",
    status_code=201,
    summary="Upload a file",
    response_model=AttachmentOut,
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                "application/octet-stream": {"schema": {"type": "string", "format": "binary"}},
                "multipart/form-data": {
                    "schema": {
                        "type": "object",
                        "properties": {"file": {"type": "string", "format": "binary"}},
                        "required": ["file"],
                    }
                },
            },
        }
    },
)
@idempotency.unaffected
async def upload(
    request: Request,
    actor: WritesMessages,
    parts: Home,
    now: Now,
    name: Annotated[str | None, Query(max_length=500, description="The file's name, of a raw body")] = None,
) -> Response:
    """The raw bytes as the body (name in `name` or Content-Disposition), or a form with one `file`.

    Streamed and limited in size. The file waits some days for the reply or note that names it.
    """
    async with _brought(request, name) as (source, its_name, claimed):
        if request.headers.get("idempotency-key") is None:
            return await _store(request, source, its_name, claimed)
        with tempfile.TemporaryFile() as kept:  # its hash must be known before anything is done
            digest = await _spool(source, kept, parts.settings.max_upload)
            body_hash = hashlib.sha256(f"{its_name}\0{claimed}\0".encode() + digest).digest()

            async def once(request: Request) -> Response:
                kept.seek(0)
                return await _store(request, _pieces(kept), its_name, claimed)

            return await idempotency.guard(request, once, way="joined", body_hash=body_hash)


async def _store(request: Request, source: AsyncIterator[bytes], name: str, claimed: str) -> Response:
    parts, actor = request.app.state.parts, await authenticate(request)
    db: Database = getattr(request.state, "db", None) or parts.db
    now: datetime = parts.now()
    attachment_id = new_id(now)
    most: int = parts.settings.max_upload
    stored = await files.upload(
        db,
        parts.files,
        source,
        attachment_id=attachment_id,
        name=name,
        claimed=claimed,
        uploader=str(actor),
        most=most,
    )
    shown = AttachmentOut(
        id=attachment_id,
        name=files.clean_name(name),
        content_type=stored.content_type,
        size=stored.size,
        state="stored",
        created_at=now,
    )
    location = f"/v1/attachments/{ids.encode('attachment', attachment_id)}"
    return Response(
        shown.model_dump_json(), status_code=201, media_type="application/json", headers={"Location": location}
    )


@asynccontextmanager
async def _brought(request: Request, name: str | None) -> AsyncIterator[tuple[AsyncIterator[bytes], str, str]]:
    """(bytes, name, claimed type) of the file in a request. Raises Malformed."""
    kind = request.headers.get("content-type", "")
    if not kind.lower().startswith("multipart/form-data"):
        yield request.stream(), name or _disposition_name(request) or "file", kind.partition(";")[0].strip()
        return
    async with request.form(max_files=1, max_fields=4) as form:
        given = form.get("file")
        if not isinstance(given, UploadFile):
            raise Malformed("The form has no file in the field `file`.", code="no_file")
        yield _pieces(given.file), name or given.filename or "file", given.content_type or ""


def _disposition_name(request: Request) -> str:
    """The file name of a Content-Disposition (RFC 6266, with the UTF-8 form of RFC 8187)."""
    header = Message()
    header["content-disposition"] = request.headers.get("content-disposition", "")
    extended = header.get_param("filename*", header="content-disposition")
    if isinstance(extended, str) and extended.lower().startswith("utf-8'"):
        return unquote(extended.split("'", 2)[-1])
    return header.get_filename() or ""


async def _spool(source: AsyncIterator[bytes], kept: BinaryIO, most: int) -> bytes:
    digest, size = hashlib.sha256(), 0
    async for piece in source:
        size += len(piece)
        if size > most:
            raise files.TooLarge(f"A file may have at most {most} bytes.", details={"limit": most})
        digest.update(piece)
        kept.write(piece)
    return digest.digest()


async def _pieces(source: BinaryIO) -> AsyncIterator[bytes]:
    while piece := source.read(CHUNK):
        yield piece


async def _seen(db: Database, attachment_id: Any, actor: Actor) -> dict[str, Any]:
    """The attachment, if its ticket is visible, or it is the actor's own upload."""
    async with db.connection() as tx:
        row = await rows.read(tx, attachment_id)
        if row is None:
            raise NotFound("There is no such attachment.")
        own = row["ticket_id"] is None and row["uploader"] == str(actor)
        if not own and (row["ticket_id"] is None or await tickets.read(tx, row["ticket_id"], actor) is None):
            raise NotFound("There is no such attachment.")
    return row


@routes.get("/attachments/{attachment_id}", summary="Read about an attachment")
async def read_attachment(attachment_id: AttachmentId, actor: ReadsTickets, db: Db) -> AttachmentOut:
    """What is known of a file; its bytes are at `/content`."""
    return AttachmentOut.model_validate(await _seen(db, attachment_id, actor))


@routes.get(
    "/attachments/{attachment_id}/content",
    summary="Download a file",
    response_class=FileResponse,
    responses={
        200: {"content": {"*/*": {"schema": {"type": "string", "format": "binary"}}}},
        206: {"description": "The range that was asked for"},
        304: {"description": "You have it already"},
    },
)
async def download(
    attachment_id: AttachmentId,
    request: Request,
    actor: ReadsTickets,
    parts: Home,
    db: Db,
    inline: Annotated[bool, Query(description="To be shown in place: png, jpeg, gif, webp only")] = False,
) -> Response:
    """As an attachment that no browser runs; takes `Range`. The ETag is the hash of its bytes."""
    row = await _seen(db, attachment_id, actor)
    if row["state"] in {"deleted", "erased"}:
        raise Gone("This file was deleted.", code=f"attachment_{row['state']}")
    if row["sha256"] is None:
        raise Conflict("This file is not here (yet).", code="not_stored", details={"state": row["state"]})
    parts.files.open(row["sha256"]).close()  # NotFound rather than a broken answer
    etag = f'"{row["sha256"].hex()}"'
    headers = {"ETag": etag, "Content-Security-Policy": SANDBOX, "Cache-Control": "private, no-cache"}
    if etags.unchanged(request, etag):
        return Response(status_code=304, headers=headers)
    shown = inline and row["content_type"] in INLINE
    return FileResponse(
        parts.files.path(row["sha256"]),
        media_type=row["content_type"],
        filename=row["name"],
        content_disposition_type="inline" if shown else "attachment",
        headers=headers,
    )
