"""Is the process alive, is the desk ready, and its figures for Prometheus."""

import asyncio
import time
from collections.abc import Callable

from fastapi import Request, Response
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from pydantic import BaseModel, Field

from omnidesk.api.auth import authenticate
from omnidesk.api.deps import Home
from omnidesk.api.route import router
from omnidesk.db import figures
from omnidesk.db.session import Database
from omnidesk.desk.access import rights
from omnidesk.domain.errors import Forbidden, Unavailable

routes = router("health", prefix="")

FRESH_S = 5.0
PATIENCE_S = 2.0


class Alive(BaseModel):
    status: str = Field("ok", examples=["ok"])


class Ready(BaseModel):
    status: str = Field("ok", examples=["ok"])
    waiting_s: float = Field(description="How long the oldest arrival has waited to be read")


class Figures:
    """The figures of one process, and those of the desk, read from the database every few seconds at most."""

    def __init__(self, db: Database, *, version: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._db, self._clock, self._read_at = db, clock, float("-inf")
        self._reading = asyncio.Lock()
        self.registry = registry = CollectorRegistry()
        self._requests = Counter(
            "omnidesk_http_requests_total", "Requests answered", ["method", "route", "status"], registry=registry
        )
        self._seconds = Histogram(
            "omnidesk_http_request_seconds",
            "How long answers took",
            ["method", "route"],
            buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10),
            registry=registry,
        )
        self.door = Histogram(
            "omnidesk_door_seconds",
            "How long it took until what came was durable, by mail and by HTTP",
            buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10),
            registry=registry,
        )
        self._gauges = {
            name: Gauge(f"omnidesk_{name}", text, labels, registry=registry)
            for name, text, labels in (
                ("arrivals", "Arrivals that wait, by state", ["state"]),
                ("arrivals_oldest_seconds", "Age of the oldest arrival that waits to be read", []),
                ("outbox", "Calls to the outside that are not finished, webhooks aside, by state", ["state"]),
                (
                    "intake_seconds",
                    "From door to ticket, of the last five minutes; 0: nothing came",
                    ["quantile"],
                ),
                ("outbox_ended_in_an_hour", "How calls ended in the last hour, webhooks aside", ["state"]),
                ("outbox_oldest_seconds", "Age of the oldest unfinished call that is due, webhooks aside", []),
                ("webhook_deliveries", "What webhooks are told: waiting, and how it ended in the last hour", ["state"]),
                ("webhooks_oldest_seconds", "Age of the oldest delivery that waits", []),
                ("webhooks_behind", "Events that a webhook was not queued for yet", []),
                ("webhooks_failing", "Webhooks whose calls all fail", []),
                ("webhooks_off", "Webhooks that the desk switched off", []),
                ("jobs", "Jobs that are not over, by state", ["state"]),
                ("timers_late_seconds", "How late the oldest timer is that is due", []),
                ("planner_absent_seconds", "How long nobody has planned who gets what", []),
                ("search_behind", "Events that the search rows have not followed yet", []),
                ("events_unnumbered", "Events that have no number yet", []),
                ("tickets_unassigned", "Tickets that wait for an agent", []),
                ("agents_online", "Agents who are here", []),
                ("inboxes_failing", "Inboxes of which a direction does not work", []),
                ("database_up", "Whether the database answers", []),
            )
        }
        self._deadlocks = Gauge("omnidesk_deadlocks", "Transactions repeated after a deadlock", registry=registry)
        Gauge("omnidesk_info", "This program", ["version"], registry=registry).labels(version).set(1)

    def measure(self, method: str, route: str, status: int, seconds: float) -> None:
        method = method if method in {"GET", "POST", "PATCH", "PUT", "DELETE", "HEAD", "OPTIONS"} else "other"
        self._requests.labels(method, route, str(status)).inc()
        self._seconds.labels(method, route).observe(seconds)

    async def text(self) -> bytes:
        async with self._reading:
            if self._clock() - self._read_at > FRESH_S:
                await self._read()
                self._read_at = self._clock()
        return generate_latest(self.registry)

    async def _read(self) -> None:
        self._deadlocks.set(self._db.deadlocks)
        try:
            async with asyncio.timeout(PATIENCE_S), self._db.connection() as tx:
                found = await figures.read(tx)
        except Exception:  # whatever it is: these figures say that it is, and the others still come
            self._gauges["database_up"].set(0)
            return
        self._gauges["database_up"].set(1)
        for name, values in found.items():
            for label, value in values.items():
                (self._gauges[name].labels(label) if label else self._gauges[name]).set(value)


@routes.get("/health/live", summary="Is the process alive")
async def live() -> Alive:
    """The process runs; says nothing about its parts."""
    return Alive(status="ok")


@routes.get("/health/ready", summary="Is the desk ready for work")
async def ready(parts: Home) -> Ready:
    """200 when the database answers and what comes in is read in time; else 503 with the reason."""
    try:
        async with asyncio.timeout(PATIENCE_S), parts.db.connection() as tx:
            waiting_s = await figures.oldest_arrival_s(tx)
    except TimeoutError:
        raise Unavailable("The database does not answer in time.", code="database_slow") from None
    if waiting_s > parts.settings.ready_lag_s:
        raise Unavailable("What came in is not read in time.", code="intake_late")
    return Ready(status="ok", waiting_s=round(waiting_s, 1))


@routes.get(
    "/metrics",
    summary="Figures for Prometheus",
    response_class=Response,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
)
async def metrics(request: Request, parts: Home) -> Response:
    """From this machine to anybody, from elsewhere with the scope `events:read`. At most five seconds old."""
    await _may_read(request)
    found: Figures = request.app.state.figures
    return Response(await found.text(), media_type=CONTENT_TYPE_LATEST)


async def _may_read(request: Request) -> None:
    """A proxy on this machine speaks for others, so its forwarded requests are not local."""
    local = request.client is not None and request.client.host in {"127.0.0.1", "::1"}
    forwarded = any(name in request.headers for name in ("x-forwarded-for", "forwarded", "x-real-ip"))
    if local and not forwarded:
        return
    actor = await authenticate(request)
    if "events:read" not in rights(actor):
        raise Forbidden("This needs the scope events:read.", code="missing_scope", details={"scope": "events:read"})
