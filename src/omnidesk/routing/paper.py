"""Decisions carried out on paper: the desk as it will stand, without any of it happening."""

from collections.abc import Iterable
from dataclasses import replace
from uuid import UUID

from omnidesk.routing import match
from omnidesk.routing.decision import Decision
from omnidesk.routing.values import Agent, Held, Offer, Policy, Snapshot, Ticket


def applied(snapshot: Snapshot, decisions: Iterable[Decision], policy: Policy) -> Snapshot:
    """The snapshot after these decisions were carried out, at the same moment."""
    paper = _Paper(snapshot, policy)
    for decision in decisions:
        paper.follow(decision)
    return paper.snapshot()


def holding(agent: Agent, ticket: Ticket, policy: Policy, sign: int = 1) -> Agent:
    """The agent with this ticket on his desk, or without it (`sign` -1); he never holds less than nothing."""
    units = sign * match.units_of(policy, ticket)
    primary, live = match.is_primary(policy, ticket), match.channel_of(policy, ticket).live
    agent = match.sane(agent)
    return match.sane(
        replace(
            agent,
            primary_units=agent.primary_units + (units if primary else 0),
            async_units=agent.async_units + (0 if primary else units),
            live=agent.live + (sign if live else 0),
        )
    )


class _Paper:
    def __init__(self, snapshot: Snapshot, policy: Policy) -> None:
        self._start, self._policy = snapshot, policy
        self._tickets: dict[UUID, Ticket] = {ticket.id: ticket for ticket in snapshot.tickets}
        self._agents: dict[UUID, Agent] = {agent.id: agent for agent in snapshot.agents}
        self._offers: dict[UUID, Offer] = {offer.ticket_id: offer for offer in snapshot.offers}
        self._held: dict[UUID, Held] = {held.ticket.id: held for held in snapshot.held}

    def snapshot(self) -> Snapshot:
        return replace(
            self._start,
            tickets=tuple(self._tickets.values()),
            agents=tuple(self._agents.values()),
            offers=tuple(self._offers.values()),
            held=tuple(self._held.values()),
        )

    def follow(self, decision: Decision) -> None:
        match decision.kind:
            case "waiting":
                waiting = replace(self._tickets[decision.ticket_id], waiting_reason=decision.reason)
                self._tickets[decision.ticket_id] = waiting
            case "assigned":
                self._assign(decision)
            case "offered":
                self._offer(decision)
            case "missed":
                self._miss(decision)
            case "returned":
                held = self._held.pop(decision.ticket_id)
                self._tickets[decision.ticket_id] = replace(held.ticket, waiting_reason="")
                if held.agent_id in self._agents:
                    agent = self._agents[held.agent_id]
                    self._agents[held.agent_id] = holding(agent, held.ticket, self._policy, -1)

    def _assign(self, decision: Decision) -> None:
        if decision.agent_id is None:
            raise ValueError("an assignment without an agent")
        ticket, agent = self._tickets.pop(decision.ticket_id), self._agents[decision.agent_id]
        agent = holding(agent, ticket, self._policy)
        self._agents[agent.id] = replace(agent, last_assigned_ms=self._start.now_ms)

    def _offer(self, decision: Decision) -> None:
        if decision.agent_id is None or decision.until_ms is None:
            raise ValueError("an offer without an agent or an end")
        ticket = self._tickets[decision.ticket_id]
        self._tickets[ticket.id] = offered(ticket)
        offer = Offer(ticket_id=ticket.id, agent_id=decision.agent_id, expires_ms=decision.until_ms)
        self._offers[ticket.id] = offer

    def _miss(self, decision: Decision) -> None:
        offer = self._offers.pop(decision.ticket_id)
        ticket = replace(self._tickets[decision.ticket_id], waiting_reason="")
        if decision.reason == "no_accept":
            ticket = match.excluding(ticket, offer.agent_id, self._start.now_ms, self._policy)
            agent = self._agents[offer.agent_id]
            status = "away" if decision.away else agent.status
            self._agents[agent.id] = replace(agent, misses=agent.misses + 1, status=status)
        self._tickets[ticket.id] = ticket


def offered(ticket: Ticket) -> Ticket:
    """The ticket once somebody was asked: those who declined before may be asked again."""
    return replace(ticket, excluded=(), waiting_reason="")
