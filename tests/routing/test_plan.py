"""Stories of the plan: who gets what, and why somebody waits."""

from dataclasses import replace
from uuid import UUID

from omnidesk.routing import (
    Agent,
    ChannelPolicy,
    Decision,
    Exclusion,
    Held,
    Offer,
    Policy,
    Queue,
    Snapshot,
    Step,
    Ticket,
    UrgencyPolicy,
    plan,
)

NOW = 1_800_000_000_000
MINUTE = 60_000
CARDS, GENERAL = UUID(int=1), UUID(int=2)
POLICY = Policy(
    version=7,
    urgencies={
        "critical": UrgencyPolicy(weight=64, target_ms=10 * MINUTE, primary=True),
        "high": UrgencyPolicy(weight=4, target_ms=60 * MINUTE),
        "normal": UrgencyPolicy(weight=2, target_ms=240 * MINUTE),
        "low": UrgencyPolicy(weight=1, target_ms=1440 * MINUTE),
    },
    channels={
        "chat": ChannelPolicy(live=True, units=2),
        "phone": ChannelPolicy(live=True, units=6, accept_ms=20_000),
    },
)


def ticket(number: int, *, waited: int = 0, queue: UUID = CARDS, **more: object) -> Ticket:
    return replace(Ticket(id=UUID(int=1000 + number), queue_id=queue, waiting_since_ms=NOW - waited * MINUTE), **more)  # type: ignore[arg-type]


def agent(number: int, *skills: str, **more: object) -> Agent:
    return replace(Agent(id=UUID(int=10 + number), skills=dict.fromkeys(skills, 1)), **more)  # type: ignore[arg-type]


def decide(
    tickets: list[Ticket],
    agents: list[Agent],
    *,
    queue: Queue | None = None,
    offers: tuple[Offer, ...] = (),
    held: tuple[Held, ...] = (),
) -> list[Decision]:
    queues = (queue or Queue(id=CARDS, require=("cards",)), Queue(id=GENERAL))
    return plan(
        Snapshot(now_ms=NOW, tickets=tuple(tickets), agents=tuple(agents), queues=queues, offers=offers, held=held),
        POLICY,
    )


def pairs(decisions: list[Decision]) -> list[tuple[int, int]]:
    return [
        (d.ticket_id.int - 1000, d.agent_id.int - 10)
        for d in decisions
        if d.kind in ("assigned", "offered") and d.agent_id
    ]


def reasons(decisions: list[Decision]) -> list[str]:
    return [d.reason for d in decisions if d.kind == "waiting"]


def test_the_one_with_the_skill_gets_it() -> None:
    (decision,) = decide([ticket(1)], [agent(1), agent(2, "cards")])
    assert (decision.kind, decision.agent_id, decision.reason) == ("assigned", UUID(int=12), "only_fit")
    assert decision.counts == {"skill": 1, "eligible": 1}
    assert decision.policy_version == 7


def test_the_least_loaded_then_the_longest_idle_then_the_lowest_id() -> None:
    busy, fresh = agent(1, "cards", async_units=1), agent(2, "cards", last_assigned_ms=NOW - 5)
    rested, rested_too = agent(3, "cards", last_assigned_ms=NOW - 9), agent(4, "cards", last_assigned_ms=NOW - 9)
    (decision,) = decide([ticket(1)], [busy, fresh, rested_too, rested])
    assert (decision.agent_id, decision.loser_id, decision.lost_by) == (rested.id, rested_too.id, "id")
    (decision,) = decide([ticket(1)], [busy, fresh, rested])
    assert (decision.agent_id, decision.loser_id, decision.lost_by) == (rested.id, fresh.id, "idle")
    (decision,) = decide([ticket(1)], [busy, fresh])
    assert (decision.agent_id, decision.loser_id, decision.lost_by) == (fresh.id, busy.id, "load")


def test_generalists_are_kept_free_within_a_third_of_load_but_not_beyond() -> None:
    generalist = agent(1, "cards", "loans", "english")
    specialist = agent(2, "cards", async_units=1)
    assert pairs(decide([ticket(1)], [generalist, specialist])) == [(1, 2)]
    assert pairs(decide([ticket(1)], [generalist, replace(specialist, async_units=2)])) == [(1, 1)]


def test_capacity_ends() -> None:
    decisions = decide([ticket(1, waited=3), ticket(2, waited=2), ticket(3, waited=1)], [agent(1, "cards", units=2)])
    assert pairs(decisions) == [(1, 1), (2, 1)]
    assert reasons(decisions) == ["all_full"]


def test_live_work_pauses_asynchronous_work_but_never_other_live_work() -> None:
    full_of_mail = agent(1, "cards", units=2, async_units=2)
    assert pairs(decide([ticket(1, channel="chat")], [full_of_mail])) == [(1, 1)]
    chatting = agent(1, "cards", units=2, primary_units=2, live=1)
    assert reasons(decide([ticket(1, channel="chat")], [chatting])) == ["all_full"]
    assert reasons(decide([ticket(1)], [full_of_mail])) == ["all_full"]


def test_a_critical_letter_is_primary() -> None:
    full_of_mail = agent(1, "cards", units=1, async_units=1)
    assert pairs(decide([ticket(1, urgency="critical")], [full_of_mail])) == [(1, 1)]


def test_a_chat_goes_to_who_is_chatting_already_and_a_letter_does_not() -> None:
    chatting, free = agent(1, "cards", primary_units=2, live=1), agent(2, "cards")
    assert pairs(decide([ticket(1, channel="chat")], [chatting, free])) == [(1, 1)]
    assert pairs(decide([ticket(1)], [chatting, free])) == [(1, 2)]


def test_the_least_overcommitted_is_interrupted() -> None:
    both = [agent(1, "cards", async_units=6), agent(2, "cards", async_units=5)]
    (decision,) = decide([ticket(1, channel="chat")], both)
    assert (decision.agent_id, decision.lost_by) == (both[1].id, "overcommit")


def test_urgency_outranks_age_until_age_outranks_urgency() -> None:
    one_place = [agent(1, "cards", units=1)]
    assert pairs(decide([ticket(1, waited=60), ticket(2, waited=30, urgency="high")], one_place)) == [(2, 1)]
    assert pairs(decide([ticket(1, waited=600), ticket(2, waited=30, urgency="high")], one_place)) == [(1, 1)]


def test_each_way_of_waiting_has_its_reason() -> None:
    mine = ticket(1)
    assert reasons(decide([mine], [agent(1, "loans")])) == ["no_skill"]
    assert reasons(decide([mine], [])) == ["no_skill"]
    assert reasons(decide([mine], [agent(1, "cards", status="away")])) == ["all_offline"]
    closed = Queue(id=CARDS, require=("cards",), open=False)
    assert reasons(decide([mine], [agent(1, "cards", status="offline")], queue=closed)) == ["closed_hours"]
    assert reasons(decide([mine], [agent(1, "cards", units=0)])) == ["all_full"]
    declined = replace(mine, excluded=(Exclusion(agent_id=agent(1).id, until_ms=NOW + 1),))
    assert reasons(decide([declined], [agent(1, "cards")])) == ["all_declined"]
    assert reasons(decide([replace(mine, queue_id=UUID(int=9))], [agent(1, "cards")])) == ["no_queue"]


def test_a_reason_is_recorded_once() -> None:
    assert decide([ticket(1, waiting_reason="no_skill")], []) == []
    assert reasons(decide([ticket(1, waiting_reason="no_skill")], [agent(1, "cards", units=0)])) == ["all_full"]


def test_an_exclusion_ends_with_its_time() -> None:
    over = ticket(1, excluded=(Exclusion(agent_id=agent(1).id, until_ms=NOW),))
    assert pairs(decide([over], [agent(1, "cards")])) == [(1, 1)]


STEPS = Queue(
    id=CARDS,
    require=("cards", "lang:{language}"),
    prefer=("vip",),
    steps=(
        Step(until_ms=2 * MINUTE, last_agent=True),
        Step(until_ms=7 * MINUTE, keep=("vip",)),
        Step(until_ms=15 * MINUTE),
        Step(overflow=GENERAL),
    ),
)


def test_the_last_agent_is_waited_for_two_minutes_while_he_is_there() -> None:
    last, vip = agent(1, "cards", units=1, async_units=1), agent(2, "cards", "vip")
    early, late = ticket(1, waited=1, last_agent_id=last.id), ticket(1, waited=2, last_agent_id=last.id)
    (hold,) = decide([early], [last, vip], queue=STEPS)
    assert (hold.kind, hold.reason, hold.until_ms) == ("waiting", "sticky_hold", NOW + MINUTE)
    assert pairs(decide([late], [last, vip], queue=STEPS)) == [(1, 2)]
    assert pairs(decide([early], [replace(last, status="away"), vip], queue=STEPS)) == [(1, 2)]
    (back,) = decide([early], [replace(last, async_units=0), vip], queue=STEPS)
    assert (back.agent_id, back.reason, back.counts) == (last.id, "last_agent", {"sticky": 1, "eligible": 1})


def test_preferred_skills_drop_after_their_time_and_required_ones_never() -> None:
    plain, stranger = agent(1, "cards"), agent(2, "vip")
    assert reasons(decide([ticket(1, waited=6)], [plain, stranger], queue=STEPS)) == ["no_skill"]
    assert pairs(decide([ticket(1, waited=7)], [plain, stranger], queue=STEPS)) == [(1, 1)]
    assert reasons(decide([ticket(1, waited=14)], [stranger], queue=STEPS)) == ["no_skill"]


def test_the_overflow_queue_judges_by_its_own_skills_but_keeps_those_of_the_ticket() -> None:
    general, member = agent(1, queues=frozenset({GENERAL})), agent(2, queues=frozenset({CARDS}))
    assert reasons(decide([ticket(1, waited=14)], [general, member], queue=STEPS)) == ["no_skill"]
    assert pairs(decide([ticket(1, waited=15)], [general, member], queue=STEPS)) == [(1, 1)]
    assert reasons(decide([ticket(1, waited=15, required=frozenset({"law"}))], [general], queue=STEPS)) == ["no_skill"]


def test_a_skill_may_name_the_language_and_a_level() -> None:
    russian, english = agent(1, "cards", "lang:ru"), agent(2, "cards", "lang:en")
    assert pairs(decide([ticket(1, waited=8, language="en")], [russian, english], queue=STEPS)) == [(1, 2)]
    novice = replace(agent(3), skills={"cards": 2})
    expert = replace(agent(4), skills={"cards": 3, "a": 1, "b": 1})
    needs_three = Queue(id=CARDS, require=("cards>=3",))
    assert pairs(decide([ticket(1)], [novice, expert], queue=needs_three)) == [(1, 4)]


def test_an_agent_gets_only_his_channels() -> None:
    writer = agent(1, "cards", channels=frozenset({"email"}))
    assert pairs(decide([ticket(1), ticket(2, channel="chat")], [writer])) == [(1, 1)]


def test_a_call_is_offered_and_keeps_its_place() -> None:
    (offered,) = decide([ticket(1, channel="phone")], [agent(1, "cards")])
    assert (offered.kind, offered.until_ms) == ("offered", NOW + 20_000)
    offer = Offer(ticket_id=ticket(1).id, agent_id=agent(1).id, expires_ms=NOW + 20_000)
    calls = [ticket(1, channel="phone"), ticket(2, channel="phone")]
    assert reasons(decide(calls, [agent(1, "cards")], offers=(offer,))) == ["all_full"]


def test_an_offer_not_taken_goes_to_the_next_with_its_age() -> None:
    call = ticket(1, channel="phone", waited=2)
    offer = Offer(ticket_id=call.id, agent_id=agent(1).id, expires_ms=NOW)
    missed, again = decide([call], [agent(1, "cards"), agent(2, "cards")], offers=(offer,))
    assert (missed.kind, missed.reason, missed.agent_id, missed.away) == ("missed", "no_accept", agent(1).id, False)
    assert (again.kind, again.agent_id) == ("offered", agent(2).id)
    assert again.ticket.waiting_since_ms == call.waiting_since_ms


def test_the_second_miss_sets_away_and_takes_the_other_offers_back() -> None:
    one, two = ticket(1, channel="chat"), ticket(2, channel="chat")
    offers = (
        Offer(ticket_id=one.id, agent_id=agent(1).id, expires_ms=NOW),
        Offer(ticket_id=two.id, agent_id=agent(1).id, expires_ms=NOW + 1),
    )
    first, second, *waiting = decide([one, two], [agent(1, "cards", misses=1)], offers=offers)
    assert (first.reason, first.away, second.reason, second.away) == ("no_accept", True, "agent_left", False)
    assert [d.reason for d in waiting] == ["all_offline", "all_offline"]


def test_work_of_an_agent_who_left_comes_back_after_the_grace_unless_it_is_a_talk() -> None:
    gone = agent(1, "cards", status="offline", offline_since_ms=NOW - 60_000)
    letter = Held(ticket=ticket(1, waited=90), agent_id=gone.id, answered=True)
    talk = Held(ticket=ticket(2, channel="chat"), agent_id=gone.id, answered=True)
    unanswered = Held(ticket=ticket(3, channel="chat"), agent_id=gone.id)
    decisions = decide([], [gone, agent(2, "cards")], held=(letter, talk, unanswered))
    assert [d.ticket_id.int - 1000 for d in decisions if d.kind == "returned"] == [1, 3]
    assert sorted(pairs(decisions)) == [(1, 2), (3, 2)]
    just_left = replace(gone, offline_since_ms=NOW - 59_999)
    assert decide([], [just_left], held=(letter, unanswered)) == []


def test_someone_online_outside_the_hours_does_get_work() -> None:
    closed = Queue(id=CARDS, require=("cards",), open=False, clock_ms=5)
    assert pairs(decide([ticket(1)], [agent(1, "cards")], queue=closed)) == [(1, 1)]
