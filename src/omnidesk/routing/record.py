"""Records of decisions: the same decision made again from what was written down."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from uuid import UUID

from omnidesk.routing.decision import Decision
from omnidesk.routing.plan import plan
from omnidesk.routing.values import (
    Agent,
    ChannelPolicy,
    Exclusion,
    Held,
    Offer,
    Policy,
    Queue,
    Snapshot,
    Step,
    Ticket,
    UrgencyPolicy,
)


def replay(decision: Decision) -> Decision:
    """Plan the reduced snapshot of this decision again; the result says the same."""
    return replay_inputs(decision.kind, decision.inputs)


def replay_inputs(kind: str, inputs: Mapping[str, Any]) -> Decision:
    """The decision of this kind that follows from recorded `inputs`.

    Agents beside the winner and the best loser are not in the record; how many there were is taken from it.
    Raises ValueError when the record is damaged, or no such decision follows from it.
    """
    try:
        snapshot, policy = _snapshot(inputs), _policy(inputs["policy"])
        counts = {str(cause): int(number) for cause, number in inputs["counts"].items()}
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise ValueError("this is no record of a decision") from error
    found = next((decision for decision in plan(snapshot, policy) if decision.kind == kind), None)
    if found is None:
        raise ValueError(f"the record leads to nothing {kind}")
    full, eligible = counts.pop("full", 0), counts.pop("eligible", 0)
    setting = found.scene.setting._replace(counts=counts)
    return found._replace(scene=found.scene._replace(setting=setting, full=full, eligible=eligible))


def _snapshot(inputs: Mapping[str, Any]) -> Snapshot:
    ticket, held, offer = _ticket(inputs["ticket"]), inputs["held"], inputs["offer"]
    return Snapshot(
        now_ms=inputs["now_ms"],
        tickets=() if held else (ticket,),
        agents=tuple(_agent(plain) for plain in inputs["agents"]),
        queues=tuple(_queue(plain) for plain in inputs["queues"]),
        offers=(Offer(**_with_ids(offer)),) if offer else (),
        held=(replace(Held(**_with_ids({**held, "ticket": ticket})), ticket=ticket),) if held else (),
    )


def _with_ids(plain: Mapping[str, Any]) -> dict[str, Any]:
    """Ids in text become ids again."""
    ids = {key: UUID(value) for key, value in plain.items() if key.endswith("_id") or key == "id" if value is not None}
    return {**plain, **ids}


def _ticket(plain: Mapping[str, Any]) -> Ticket:
    sets = {key: frozenset(plain[key]) for key in ("required", "preferred")}
    excluded = tuple(Exclusion(**_with_ids(one)) for one in plain["excluded"])
    return Ticket(**{**_with_ids(plain), **sets, "excluded": excluded, "because": tuple(plain["because"])})


def _agent(plain: Mapping[str, Any]) -> Agent:
    channels, queues = plain["channels"], plain["queues"]
    return Agent(
        **{
            **_with_ids(plain),
            "channels": None if channels is None else frozenset(channels),
            "queues": None if queues is None else frozenset(UUID(queue_id) for queue_id in queues),
        }
    )


def _queue(plain: Mapping[str, Any]) -> Queue:
    lists = {key: tuple(plain[key]) for key in ("require", "prefer")}
    return Queue(**{**_with_ids(plain), **lists, "steps": tuple(_step(step) for step in plain["steps"])})


def _step(plain: Mapping[str, Any]) -> Step:
    overflow = plain["overflow"]
    return Step(**{**plain, "keep": tuple(plain["keep"]), "overflow": UUID(overflow) if overflow else None})


def _policy(plain: Mapping[str, Any]) -> Policy:
    urgencies = {name: UrgencyPolicy(**one) for name, one in plain["urgencies"].items()}
    channels = {name: ChannelPolicy(**one) for name, one in plain["channels"].items()}
    return Policy(**{**plain, "urgencies": urgencies, "channels": channels})
