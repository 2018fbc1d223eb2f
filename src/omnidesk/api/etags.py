"""Versions of resources as strong ETags, and what depends on them (RFC 9110, section 13).

An ETag is `"<version>"`; where more than the resource is shown (`include`), a digest follows:
`"<version>-<digest>"`. If-Match compares the version only.
"""

import re
import zlib

from fastapi import Request, Response

from omnidesk.api.errors import Malformed, NeedsVersion

_ONE = re.compile(r'(?:W/)?"(\d{1,18})(?:-[0-9a-f]{1,16})?"')


def of(version: int, shown: bytes | None = None) -> str:
    return f'"{version}"' if shown is None else f'"{version}-{zlib.crc32(shown):08x}"'


def wanted(request: Request) -> int | None:
    """The version that a change is meant for; None for `*`. Raises NeedsVersion (428), Malformed (400).

    Of several versions the newest counts: they can only match the current one.
    """
    given = request.headers.get("if-match")
    if given is None:
        raise NeedsVersion
    if given.strip() == "*":
        return None
    versions = []
    for item in given.split(","):
        found = _ONE.fullmatch(item.strip())
        if not found or item.strip().startswith("W/"):
            raise Malformed("If-Match does not name a version of this resource.", code="bad_if_match")
        versions.append(int(found[1]))
    return max(versions)


def unchanged(request: Request, etag: str) -> bool:
    """Whether If-None-Match names this representation already (weak comparison)."""
    given = request.headers.get("if-none-match")
    if given is None:
        return False
    return given.strip() == "*" or etag in (item.strip().removeprefix("W/") for item in given.split(","))


def answer(request: Request, response: Response, version: int) -> Response | None:
    """Set the ETag; the 304 to give when the caller has this version already."""
    response.headers["ETag"] = etag = of(version)
    return Response(status_code=304, headers={"ETag": etag}) if unchanged(request, etag) else None
