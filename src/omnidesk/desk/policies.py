"""The policy in force: the newest one that can be read."""

from dataclasses import replace

import structlog

from omnidesk.db import policies as store
from omnidesk.db.session import Tx
from omnidesk.domain.errors import Invalid
from omnidesk.routing.policy import DEFAULT, parse
from omnidesk.routing.values import Policy

log = structlog.get_logger(__name__)


async def current(tx: Tx) -> Policy:
    """Version 0 is the one that the program brings."""
    stored = await store.policy(tx)
    if stored is None:
        return replace(DEFAULT, version=0)
    version, plain = stored
    try:
        return parse(plain, version=version)
    except Invalid as error:  # made by a newer program, or by hand: tickets must still go somewhere
        log.error("policy.unreadable", version=version, keys=[field.pointer for field in error.errors])
        return replace(DEFAULT, version=0)
