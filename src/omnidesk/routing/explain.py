"""A decision in one sentence, in Russian or English."""

from collections.abc import Callable, Mapping
from uuid import UUID

from omnidesk.routing import match
from omnidesk.routing.decision import Decision

_EN = {
    "assigned": "Given to {agent}",
    "offered": "Offered to {agent}",
    "last_agent": ", who served this customer last",
    "only_fit": ", the only one of {all} who could take it now",
    "best_fit": ", the best of {eligible} who could take it now, ahead of {loser}, who {lost_by}",
    "live": "has no chat open yet",
    "overcommit": "would be overloaded more",
    "band": "is clearly busier",
    "skills": "has more skills and is kept free for what needs them",
    "load": "has more work",
    "idle": "was given something more recently",
    "id": "is equal in everything but comes later in the list",
    "missed no_accept": "Taken back from {agent}, who did not accept in time{away}",
    "away": " and was set away",
    "missed agent_left": "Taken back from {agent}, who left before accepting",
    "returned agent_offline": "Taken back from {agent}, who has been gone too long",
    "waiting no_skill": "Waits because none of {all} agents has the skills, queue and channel that it needs{needs}",
    "needs": ": {skills}",
    "lacks": "; {agent}, who comes nearest, lacks {skills}",
    "waiting all_offline": "Waits because all {offline} who could take it are away",
    "waiting closed_hours": "Waits because the queue is closed and all {offline} who could take it are away",
    "waiting all_declined": "Waits because all {excluded} who could take it now have just declined it",
    "waiting all_full": "Waits because all {full} who could take it have their hands full",
    "waiting sticky_hold": "Waits a little for {loser}, who served this customer last and has his hands full",
    "waiting no_queue": "Waits because its queue is not known here",
    "somebody": "an agent",
}
_RU = {
    "assigned": "Назначено: {agent}",
    "offered": "Предложено: {agent}",
    "last_agent": " — вёл прошлое обращение этого клиента",
    "only_fit": " — единственный из {all}, кто может взять сейчас",
    "best_fit": " — лучший из {eligible}, кто может взять сейчас; следующий, {loser}, {lost_by}",
    "live": "ещё не ведёт чатов",
    "overcommit": "был бы перегружен сильнее",
    "band": "заметно сильнее загружен",
    "skills": "владеет большим числом навыков, его берегут для них",
    "load": "загружен сильнее",
    "idle": "получал обращение позже",
    "id": "равен во всём, но стоит позже в списке",
    "missed no_accept": "Возвращено в очередь: {agent} вовремя не принял(а) обращение{away}",
    "away": " и переведён(а) в статус «отошёл»",
    "missed agent_left": "Возвращено в очередь: {agent} вышел(а), не приняв обращение",
    "returned agent_offline": "Возвращено в очередь: {agent} слишком долго не в сети",
    "waiting no_skill": "Ждёт: среди сотрудников ({all}) нет никого с нужными навыками, очередью и каналом{needs}",
    "needs": ": {skills}",
    "lacks": "; ближе всех {agent}, не хватает: {skills}",
    "waiting all_offline": "Ждёт: все, кто может взять ({offline}), не на месте",
    "waiting closed_hours": "Ждёт: очередь закрыта, и все, кто может взять ({offline}), не на месте",
    "waiting all_declined": "Ждёт: все, кто может взять сейчас ({excluded}), только что отказались",
    "waiting all_full": "Ждёт: все, кто может взять ({full}), заняты",
    "waiting sticky_hold": "Недолго ждёт: {loser} — вёл прошлое обращение этого клиента и сейчас занят",
    "waiting no_queue": "Ждёт: очередь обращения здесь неизвестна",
    "somebody": "сотрудник",
}


def explain(decision: Decision, language: str = "en", names: Mapping[UUID, str] | None = None) -> str:
    """Why this was decided, for an agent to read: `ru…` is Russian, all else English.

    `names` are the names of agents; somebody who is not among them is called an agent.
    """
    words = _RU if language.lower().startswith("ru") else _EN
    known, counts = names or {}, decision.counts

    def name(agent_id: UUID | None) -> str:
        return known.get(agent_id, words["somebody"]) if agent_id else words["somebody"]

    if decision.kind in ("assigned", "offered"):
        text = words[decision.kind] + words[decision.reason]
    else:
        text = words[f"{decision.kind} {decision.reason}"]
    facts = {
        "agent": name(decision.agent_id),
        "loser": name(decision.loser_id),
        "lost_by": words.get(decision.lost_by, ""),
        "needs": _needs(decision, words, name) if decision.reason == "no_skill" else "",
        "away": words["away"] if decision.away else "",
        "all": sum(counts.values()),
        **{cause: counts.get(cause, 0) for cause in ("eligible", "full", "offline", "excluded")},
    }
    return text.format(**facts) + "."


def _needs(decision: Decision, words: Mapping[str, str], name: Callable[[UUID | None], str]) -> str:
    """Which skills are missing: all that it needs in this step, and what the nearest member lacks of them."""
    ticket, scene = decision.ticket, decision.scene
    queues = {queue.id.int: queue for queue in scene.setting.queues}
    queue = queues.get(ticket.queue_id.int)
    if queue is None:
        return ""
    [(_, needs), *_] = match.ways(ticket, queue, match.step_of(queue, decision.step), queues)
    if not needs:
        return ""
    text = words["needs"].format(skills=_skills(needs))
    lacking = tuple(need for need in needs if scene.agents and not match.is_able(scene.agents[0][0], (need,)))
    if not lacking:
        return text
    return text + words["lacks"].format(agent=name(decision.loser_id), skills=_skills(lacking))


def _skills(needs: tuple[match.Need, ...]) -> str:
    return ", ".join(name if level == 1 else f"{name}>={level}" for name, level in needs)
