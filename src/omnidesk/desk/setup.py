"""The desk's configuration: what a new desk begins with, and what each batch of intake sees of it."""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from omnidesk.db import calendars, setup
from omnidesk.db.calendars import StoredCalendar
from omnidesk.db.session import Database, Tx
from omnidesk.desk import policies
from omnidesk.desk.calendars import filled
from omnidesk.desk.inboxes import Opened
from omnidesk.desk.new_ids import new_id
from omnidesk.domain.business_time import Calendar, parse_week
from omnidesk.routing import sla
from omnidesk.routing.classify import CategoryRule
from omnidesk.routing.rules import QueueRule, parse_optional
from omnidesk.routing.values import Category, Policy

OFFICE_HOURS = "mon-fri 09:00-18:00"


@dataclass(frozen=True, slots=True, kw_only=True)
class Queue:
    """A queue as intake needs it."""

    id: UUID
    name: str
    rule: QueueRule
    calendar_id: UUID
    reply_days: int
    is_default: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """The configuration as one batch sees it."""

    queues: Mapping[UUID, Queue]  # in the order in which their rules are asked
    calendars: Mapping[UUID, StoredCalendar]
    policy: Policy
    categories: Sequence[CategoryRule]
    needs: Mapping[str, Category]  # categories that need facts, by name
    number_key: bytes
    own_addresses: frozenset[str]
    domain: str

    _terms: dict[sla.Class, sla.Terms] = field(default_factory=dict, repr=False, compare=False)

    def terms(self, of: sla.Class) -> sla.Terms:
        """What was agreed for such tickets."""
        known = self._terms.get(of)
        if known is None:
            known = self._terms[of] = sla.terms(self.policy.sla, of)
        return known

    def domain_of(self, opened: Opened) -> str:
        """The domain of our Message-IDs: the inbox's own when it has addresses."""
        address = next(iter(opened.config.addresses()), "")
        return address.rpartition("@")[2] or self.domain


async def read(tx: Tx, *, own_addresses: frozenset[str], domain: str) -> Setup:
    """Raises LookupError on a desk that was never founded (`omnidesk up` and `omnidesk migrate` do that)."""
    number_key = await setup.setting(tx, "number_key")
    if number_key is None:
        raise LookupError("this desk has no settings yet: run `omnidesk migrate`")
    policy = await policies.current(tx)
    return Setup(
        queues={
            row.id: Queue(
                id=row.id,
                name=row.name,
                rule=QueueRule(
                    queue_id=row.id,
                    name=row.name,
                    match=parse_optional(row.match),
                    position=row.position,
                    fallback=row.is_default,
                ),
                calendar_id=row.calendar_id,
                reply_days=row.reply_days,
                is_default=row.is_default,
            )
            for row in await setup.queues(tx)
        },
        calendars={stored.id: stored for stored in await calendars.every(tx)},
        policy=policy,
        categories=[
            CategoryRule(category=one.name, match=rule, position=position)
            for position, one in enumerate(policy.categories)
            if (rule := parse_optional(one.match))
        ],
        needs={one.name: one for one in policy.categories if one.needs},
        number_key=bytes.fromhex(number_key),
        own_addresses=own_addresses,
        domain=domain,
    )


async def found(db: Database, *, zone: str, country: str, language: str, now: datetime) -> bool:
    """Give a new desk its first calendar, queue and number key; False when it has them. Safe to call at each start."""
    async with db.transaction() as tx:
        await tx.driver.execute("LOCK TABLE settings IN SHARE ROW EXCLUSIVE MODE")
        if await setup.setting(tx, "number_key") is not None:
            return False
        await setup.make_setting(tx, "number_key", secrets.token_hex(32))
        calendar_id, queue_id = new_id(now), new_id(now)
        hours = filled(Calendar(zone=zone, week=parse_week(OFFICE_HOURS)), country, now=now)
        await calendars.insert(tx, calendar_id, "Офис" if language == "ru" else "Office", country, hours)
        await setup.insert_first_queue(tx, queue_id, "Поддержка" if language == "ru" else "Support", calendar_id)
        return True
