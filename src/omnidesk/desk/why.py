"""Why a ticket is where it is: recorded decisions in words, made again from their records, and turned around."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from omnidesk import routing
from omnidesk.db import routing as store
from omnidesk.db import tickets
from omnidesk.db.session import Database, Tx
from omnidesk.db.tickets import Decision
from omnidesk.desk import clarify, snapshot
from omnidesk.desk.planner import current_policy
from omnidesk.desk.snapshot import Rows
from omnidesk.domain.errors import NotFound, Refused
from omnidesk.routing import Policy
from omnidesk.routing.decision import plain
from omnidesk.routing.explain import explain
from omnidesk.routing.paper import holding
from omnidesk.routing.record import replay_inputs
from omnidesk.routing.simulate import Change, what_would

LANGUAGES = ("ru", "en")
_WORDS: Mapping[str, Mapping[str, str]] = {
    "en": {
        "queued": "Put into the queue {queue}: {why}; {category}, urgency {urgency}.",
        "category": "category {name} ({source})",
        "no category": "no category",
        "by field": "as the sender says",
        "by inbox": "that of its inbox",
        "by rule": "rule {reason}",
        "by model": "learned, {reason}",
        "triage": "no rule fits, and it has no category",
        "explicit": "it was asked for",
        "inbox": "its inbox belongs there",
        "rule": "the rule {rule} fits",
        "fallback": "no rule fits",
        "clarified complete": "The customer told what he was asked for: {given}.",
        "clarified incomplete": "The customer answered; still unknown: {missing}.",
        "clarified no_answer": "The customer did not answer in time: it goes on without {missing}.",
        "asked": " The customer was asked for {missing} first.",
        "not asked complete": " All that its category needs is known.",
        "not asked": " Its category needs {missing}; he was not asked: {why}.",
        "critical": "it is critical",
        "live": "somebody is talking with him",
        "no_way": "no message may or can be sent to him",
        "other": "Decided: {kind}, {reason}.",
        "status": "{agent} is online",
        "hours": "it is within the working hours of {agent}",
        "channel": "{agent} takes the channel {value}",
        "queue": "{agent} is a member of the ticket's queue",
        "skill": "{agent} has the skill {value}",
        "capacity": "{agent} takes {value} units at once",
        "free": "{agent} holds fewer units: {value}",
        "allow": "{agent} had not declined it",
        "last_agent": "{agent} is the one who served this customer last",
        "withdraw": "the offer that stands in the way is taken back",
        "outrank": "the ticket is more urgent, or has waited longer",
        "others": "those who come before {agent} do not take it",
    },
    "ru": {
        "queued": "Очередь {queue}: {why}; {category}, срочность {urgency}.",
        "category": "категория {name} ({source})",
        "no category": "без категории",
        "by field": "её назвал отправитель",
        "by inbox": "её задаёт ящик",
        "by rule": "правило {reason}",
        "by model": "выучено, {reason}",
        "triage": "ни одно правило не подошло, категории нет",
        "explicit": "её указали",
        "inbox": "к ней относится ящик",
        "rule": "подошло правило {rule}",
        "fallback": "ни одно правило не подошло",
        "clarified complete": "Клиент сообщил то, о чём его спросили: {given}.",
        "clarified incomplete": "Клиент ответил; всё ещё неизвестно: {missing}.",
        "clarified no_answer": "Клиент не ответил вовремя: обращение идёт дальше без данных: {missing}.",
        "asked": " Сначала клиента спросили: {missing}.",
        "not asked complete": " Всё, что нужно для категории, известно.",
        "not asked": " Для категории нужно: {missing}; клиента не спросили: {why}.",
        "critical": "обращение критическое",
        "live": "с ним уже разговаривают",
        "no_way": "ему нельзя или некуда написать",
        "other": "Решено: {kind}, {reason}.",
        "status": "{agent} на месте",
        "hours": "идут рабочие часы: {agent}",
        "channel": "{agent} принимает канал {value}",
        "queue": "{agent} состоит в очереди обращения",
        "skill": "{agent} владеет навыком {value}",
        "capacity": "{agent} берёт одновременно единиц: {value}",
        "free": "у {agent} меньше работы, на единиц: {value}",
        "allow": "{agent} не отказывался(ась) от обращения",
        "last_agent": "{agent} вёл(а) прошлое обращение этого клиента",
        "withdraw": "предложение, которое мешает, отозвано",
        "outrank": "обращение срочнее или ждёт дольше",
        "others": "те, кто раньше {agent}, его не берут",
    },
}


async def sentences(tx: Tx, decisions: Sequence[Decision]) -> list[dict[str, str]]:
    """Each decision in one sentence, in every language."""
    made = [_remade(one) for one in decisions]
    people = {agent for one in made if one for agent in (one.agent_id, one.loser_id) if agent}
    names = await tickets.agent_names(tx, sorted(people))
    return [
        {language: explain(again, language, names) if again else _plainly(one, language) for language in LANGUAGES}
        for one, again in zip(decisions, made, strict=True)
    ]


def _remade(one: Decision) -> routing.Decision | None:
    """The decision made again from its record; None when it is another kind of record, or damaged."""
    inputs = one.detail.get("inputs") if isinstance(one.detail, Mapping) else None
    if not isinstance(inputs, Mapping) or "now_ms" not in inputs:
        return None
    try:
        return replay_inputs(one.kind, inputs)
    except ValueError:
        return None


def _plainly(one: Decision, language: str) -> str:
    words, detail = _WORDS[language], one.detail if isinstance(one.detail, Mapping) else {}
    if one.kind == "clarified" and f"clarified {one.reason}" in words:
        facts = {name: clarify.named(language, detail.get(name, [])) for name in ("given", "missing")}
        return words[f"clarified {one.reason}"].format(**facts)
    if one.kind != "queued" or one.reason not in words:
        return words["other"].format(kind=one.kind, reason=one.reason)
    why = words[one.reason].format(rule=detail.get("rule", ""))
    urgency, about = detail.get("urgency") or {}, detail.get("category") or {}
    category = words["no category"]
    if about.get("name"):
        source = words.get(f"by {about['source']}", about["source"]).format(reason=about.get("reason", ""))
        category = words["category"].format(name=about["name"], source=source)
    said = words["queued"].format(
        queue=detail.get("queue", ""), why=why, category=category, urgency=urgency.get("level", "")
    )
    return said + _clarification(detail.get("clarification") or {}, words, language)


def _clarification(asked: Mapping[str, Any], words: Mapping[str, str], language: str) -> str:
    """Was the customer asked for what its category needs, and if not, why?"""
    if not asked:
        return ""
    missing, because = clarify.named(language, asked.get("missing", [])), asked.get("because", "")
    if asked.get("asked"):
        return words["asked"].format(missing=missing)
    return words.get(f"not asked {because}") or words["not asked"].format(
        missing=missing, why=words.get(because, because)
    )


# --- what would have sent it to somebody ------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """One thing that would have to be otherwise; ids as text."""

    kind: str
    agent_id: UUID | None
    ticket_id: UUID | None
    value: Any
    text: Mapping[str, str]


async def would(db: Database, ticket_id: UUID, agent_id: UUID, *, now: datetime) -> list[Told]:
    """What would send the ticket to this agent if it were given away now; [] when it goes to him as things are.

    All of it is needed, and together it does. Raises NotFound, Refused (`nobodys_work`: the ticket is not
    one to be worked on now).
    """
    policy = await current_policy(db)
    rows = await snapshot.read(db, now=now)
    async with db.connection() as tx:
        ticket = await store.one_ticket(tx, ticket_id)
        names = await tickets.agent_names(tx, [agent_id])
    if ticket is None:
        raise Refused("Nobody is to work on this ticket now.", code="nobodys_work")
    if agent_id not in names:
        raise NotFound("There is no such agent.")
    try:
        changes = await asyncio.to_thread(_changes, rows, policy, ticket, agent_id)
    except LookupError as error:
        raise Refused("This agent takes no tickets any more.", code="agent_disabled") from error
    off = any(one.id == agent_id and one.status == "online" and not snapshot.at_work(one, now) for one in rows.agents)
    return [_told(change, names[agent_id], off=off) for change in changes]


def _changes(rows: Rows, policy: Policy, ticket: store.Waiting, agent_id: UUID) -> list[Change]:
    """Of the desk as it stands, with the ticket back in its queue."""
    others = [row for row in rows.waiting if row.id != ticket.id]
    held = [row for row in rows.held if row.id != ticket.id]
    desk = snapshot.build(replace(rows, waiting=[*others, ticket], held=held), policy)
    if ticket.held_by:
        back = next(one for one in desk.tickets if one.id == ticket.id)
        freed = (holding(a, back, policy, -1) if a.id == ticket.held_by else a for a in desk.agents)
        desk = replace(desk, agents=tuple(freed))
    return what_would(desk, policy, ticket.id, agent_id)


def _told(change: Change, name: str, *, off: bool) -> Told:
    """`off`: he is here, but it is not his time."""
    value, kind = plain(change.value), "hours" if off and change.kind == "status" else str(change.kind)
    if change.kind == "skill":
        shown = f"{value[0]}>={value[1]}" if value[1] > 1 else str(value[0])
    else:
        shown = str(sum(value)) if change.kind == "free" else str(value)
    text = {language: _WORDS[language][kind].format(agent=name, value=shown) for language in LANGUAGES}
    return Told(kind=kind, agent_id=change.agent_id, ticket_id=change.ticket_id, value=value, text=text)
