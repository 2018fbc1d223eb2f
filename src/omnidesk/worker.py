"""A worker process: the loops that do the desk's work. Any number of them run beside each other."""

import asyncio
from dataclasses import dataclass

from omnidesk.db.listen import Listener
from omnidesk.db.session import Database
from omnidesk.desk import clarify, delay, erasures, escalate, notices
from omnidesk.desk.accept import Door
from omnidesk.desk.deliver import Deliverer
from omnidesk.desk.feed import run_sequencer
from omnidesk.desk.files import FileStore
from omnidesk.desk.frozen import run_thaw
from omnidesk.desk.housekeeping import Housekeeper
from omnidesk.desk.inboxes import Channels
from omnidesk.desk.intake import Intake
from omnidesk.desk.jobs import Runner
from omnidesk.desk.planner import Planner
from omnidesk.desk.search_rows import run_following
from omnidesk.desk.timers import HANDLERS, run_timers
from omnidesk.desk.watches import Watches
from omnidesk.desk.webhook_feed import run_telling
from omnidesk.process import together


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What the loops work with; all of one process and one event loop."""

    db: Database
    listener: Listener
    channels: Channels
    door: Door
    intake: Intake
    deliverer: Deliverer
    webhooks: Deliverer  # of its own: a slow receiver takes no room from answers to customers
    files: FileStore
    jobs: Runner


async def work(parts: Parts, stop: asyncio.Event) -> None:
    """Run all loops until `stop`; what was begun is finished, or given back, within seconds.

    What must be single (planning, housekeeping, the watch of an inbox) is held by leases. Agents who left are
    noticed by the planner, calls whose process died by the deliverer, holidays are filled in by the housekeeper.
    """
    db, listener, channels = parts.db, parts.listener, parts.channels
    handlers = {**HANDLERS, **escalate.handlers(channels), **notices.handlers(channels)}
    handlers |= {**clarify.handlers(channels), **delay.handlers(channels)}
    await together(
        stop,
        listener.run(stop),
        parts.intake.run(stop, listener),
        parts.deliverer.run(stop),
        parts.webhooks.run(stop),
        run_telling(db, listener, stop),
        parts.jobs.run(stop),
        run_sequencer(db, listener, stop),
        run_following(db, listener, stop),
        Planner(db, listener).run(stop),
        run_timers(db, stop, handlers=handlers, listener=listener),
        Watches(db, parts.channels, parts.door).run(stop),
        Housekeeper(db, lambda: parts.files.sweep(db)).run(stop),
        erasures.run(db, parts.files, stop),
        run_thaw(db, stop),
    )
