"""The API's description as it is kept in the repository: `make openapi` writes it, a test compares it."""

import json
from pathlib import Path
from typing import Any

from fastapi import FastAPI

from omnidesk.api import openapi
from omnidesk.api.factory import ROUTERS

KEPT = Path(__file__).parents[2] / "docs" / "openapi.json"


def described() -> dict[str, Any]:
    """The document of every endpoint that there is, without a running desk."""
    app = FastAPI()
    for routes in ROUTERS:
        app.router.routes.extend(routes.routes)
    return openapi.document(app, version="0.1.0", https=True)


def text(document: dict[str, Any]) -> str:
    return json.dumps(document, indent=1, ensure_ascii=False, sort_keys=True) + "\n"


if __name__ == "__main__":
    KEPT.write_text(text(described()))
