"""The API of one process, put together from its parts."""

import asyncio
from typing import Any

from fastapi import FastAPI

from omnidesk.api import (
    agents,
    arrivals,
    assignments,
    attachments,
    contact_exports,
    contact_merges,
    contact_timeline,
    contacts,
    corrections,
    decisions,
    docs,
    erasures,
    errors,
    events,
    health,
    hooks,
    idempotency,
    identities,
    inboxes,
    jobs,
    keys,
    lookups,
    messages,
    openapi,
    policy,
    proposals,
    queues,
    sessions,
    taking,
    tickets,
    timeline,
    webhooks,
)
from omnidesk.api.deps import Parts
from omnidesk.api.edge import Edge
from omnidesk.api.health import Figures
from omnidesk.api.paging import Cursors
from omnidesk.desk.access import Keyring, Standing

ROUTERS = (
    tickets.routes,
    assignments.routes,
    decisions.routes,
    corrections.routes,
    proposals.routes,
    taking.routes,
    timeline.routes,
    messages.routes,
    attachments.routes,
    agents.routes,
    queues.routes,
    policy.routes,
    contacts.routes,
    identities.routes,
    contact_merges.routes,
    contact_timeline.routes,
    contact_exports.routes,
    erasures.routes,
    lookups.routes,
    inboxes.routes,
    arrivals.routes,
    events.routes,
    keys.routes,
    webhooks.routes,
    jobs.routes,
    sessions.routes,
    health.routes,
    docs.routes,
)
UPLOAD_OVERHEAD = 64 * 1024  # the other parts of a form


def create_api(parts: Parts) -> FastAPI:
    """The ASGI application. Further routers (webhooks' door, pages) may be added to it.

    `app.state` holds `parts`, `keyring`, `standing`, `cursors` and `figures`. Errors anywhere in it become problem
    documents.
    """
    app = FastAPI(
        title="Omnidesk",
        version=parts.settings.version,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
    )
    app.state.parts = parts
    app.state.keyring = Keyring(parts.db)
    app.state.standing = Standing(parts.db, parts.now)
    app.state.cursors = Cursors(parts.vault.derived("cursors"))
    app.state.figures = figures = Figures(parts.db, version=parts.settings.version)
    parts.door.measure = figures.door.observe
    app.state.keyed = asyncio.Semaphore(idempotency.AT_ONCE)
    errors.install(app)
    for routes in ROUTERS:
        app.router.routes.extend(routes.routes)
    upload = parts.settings.max_upload + UPLOAD_OVERHEAD
    limits = {"/v1/attachments": upload, "/v1/inboxes/": 2 * upload, "/hooks/": 2 * upload}
    app.add_middleware(hooks.Hooks)
    app.add_middleware(
        Edge,
        limits={**limits, **parts.settings.body_limits},
        default_limit=parts.settings.max_body,
        measure=figures.measure,
        https=parts.settings.https,
    )
    app.openapi = lambda: _document(app)  # type: ignore[method-assign]
    return app


def _document(app: FastAPI) -> dict[str, Any]:
    """Made once, when first asked for."""
    if app.openapi_schema is None:
        settings = app.state.parts.settings
        app.openapi_schema = openapi.document(app, version=settings.version, https=settings.https)
    return app.openapi_schema
