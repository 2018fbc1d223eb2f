"""`/docs`: the API's reference, drawn here from the OpenAPI document; no request leaves for another host."""

import hashlib
import json
from base64 import b64encode
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from fastapi import Request, Response
from fastapi.responses import HTMLResponse, JSONResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from omnidesk.api.route import router

routes = router("docs", prefix="")

_HERE = Path(__file__).parent / "templates"
_pages = Environment(loader=FileSystemLoader(_HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True)
_STYLE = (_HERE / "docs.css").read_text(encoding="utf-8")
_SCRIPT = (_HERE / "docs.js").read_text(encoding="utf-8")


def _digest(text: str) -> str:
    return "'sha256-" + b64encode(hashlib.sha256(text.encode()).digest()).decode() + "'"


CSP = (
    f"default-src 'none'; style-src {_digest(_STYLE)}; script-src {_digest(_SCRIPT)}; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; img-src data:"
)


@routes.get("/openapi.json", include_in_schema=False)
async def openapi_document(request: Request) -> JSONResponse:
    return JSONResponse(request.app.openapi())


@routes.get("/docs", include_in_schema=False)
async def page(request: Request) -> Response:
    found = getattr(request.app.state, "docs_page", None)
    if found is None:
        found = request.app.state.docs_page = rendered(request.app.openapi())
    return HTMLResponse(found, headers={"Content-Security-Policy": CSP})


def rendered(document: Mapping[str, Any]) -> str:
    groups: dict[str, list[Mapping[str, Any]]] = {tag["name"]: [] for tag in document["tags"]}
    for operation in _operations(document):
        groups.setdefault(operation["tag"], []).append(operation)
    return _pages.get_template("docs.html").render(
        title=document["info"]["title"],
        version=document["info"]["version"],
        about=_prose(document["info"]["description"]),
        groups={name: found for name, found in groups.items() if found},
        texts={tag["name"]: tag["description"] for tag in document["tags"]},
        style=Markup(_STYLE),  # noqa: S704 - our own file
        script=Markup(_SCRIPT),  # noqa: S704 - our own file
    )


def _operations(document: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            body = _body(document, operation)
            yield {
                "id": operation["operationId"],
                "tag": operation["tags"][-1],
                "method": method.upper(),
                "path": path,
                "summary": operation["summary"],
                "text": _prose(operation.get("description", "")),
                "parameters": [_resolved(document, parameter) for parameter in operation.get("parameters", ())],
                "body": body,
                "example": json.dumps(_example(document, body), ensure_ascii=False, indent=2) if body else "",
                "fields": list(_fields(document, body)) if body else [],
                "answers": list(_answers(document, operation)),
            }


def _body(document: Mapping[str, Any], operation: Mapping[str, Any]) -> Mapping[str, Any] | None:
    content = operation.get("requestBody", {}).get("content", {})
    found: Mapping[str, Any] | None = content.get("application/json", {}).get("schema")
    return found


def _answers(document: Mapping[str, Any], operation: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for status, answer in sorted(operation["responses"].items()):
        full = _resolved(document, answer)
        schema = next((one.get("schema") for one in full.get("content", {}).values()), None)
        good = status.startswith("2") and schema is not None
        yield {
            "status": status,
            "text": full.get("description", ""),
            "example": json.dumps(_example(document, schema), ensure_ascii=False, indent=2) if good and schema else "",
        }


def _resolved(document: Mapping[str, Any], node: Mapping[str, Any]) -> Mapping[str, Any]:
    """What a reference points to."""
    while "$ref" in node:
        found: Any = document
        for step in node["$ref"].removeprefix("#/").split("/"):
            found = found[step]
        node = found
    return node


def _fields(document: Mapping[str, Any], schema: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    full = _resolved(document, schema)
    needed = full.get("required", ())
    for name, value in full.get("properties", {}).items():
        yield {
            "name": name,
            "kind": _kind(document, value),
            "needed": name in needed,
            "text": value.get("description", ""),
        }


def _kind(document: Mapping[str, Any], schema: Mapping[str, Any]) -> str:
    full = _resolved(document, schema)
    if "anyOf" in full:
        return " or ".join(_kind(document, one) for one in full["anyOf"])
    if "enum" in full:
        return " | ".join(str(value) for value in full["enum"])
    if "const" in full:
        return str(full["const"])
    if full.get("type") == "array":
        return "list of " + _kind(document, full.get("items", {}))
    kind = str(full.get("format") or full.get("type") or "anything")
    return str(full.get("title", kind)) if kind == "object" and "properties" in full else kind


def _example(document: Mapping[str, Any], schema: Mapping[str, Any], depth: int = 0) -> Any:
    """A value that fits a schema: its example, its default, or the smallest thing of its type."""
    full = {**_resolved(document, schema), **{k: v for k, v in schema.items() if k != "$ref"}}
    if full.get("examples"):
        return full["examples"][0]
    for word in ("example", "default", "const"):
        if word in full:
            return full[word]
    if "enum" in full:
        return full["enum"][0]
    for word in ("anyOf", "oneOf"):
        if word in full:
            return _example(document, full[word][0], depth)
    if full.get("type") == "array":
        return [_example(document, full.get("items", {}), depth + 1)] if depth < 4 else []
    if full.get("type") == "object":
        return {name: _example(document, one, depth + 1) for name, one in full.get("properties", {}).items()}
    if full.get("format") == "date-time":
        return "2026-11-22T09:00:00Z"
    return {"integer": 1, "number": 1.0, "boolean": True, "null": None}.get(str(full.get("type")), "…")


def _prose(text: str) -> Markup:
    """Paragraphs, `code`, **words** and lists of our own descriptions as HTML."""
    blocks = []
    for block in text.strip().split("\n\n"):
        lines = block.strip().splitlines()
        if lines and all(line.startswith("- ") for line in lines):
            items = Markup("").join(Markup("<li>{}</li>").format(_inline(line[2:])) for line in lines)
            blocks.append(Markup("<ul>{}</ul>").format(items))
        elif lines:
            blocks.append(Markup("<p>{}</p>").format(_inline(" ".join(lines))))
    return Markup("\n").join(blocks)


def _inline(text: str) -> Markup:
    found = Markup("")
    for at, piece in enumerate(text.split("`")):
        if at % 2:
            found += Markup("<code>{}</code>").format(piece)
            continue
        for bold, word in enumerate(piece.split("**")):
            found += Markup("<strong>{}</strong>").format(word) if bold % 2 else escape(word)
    return found
