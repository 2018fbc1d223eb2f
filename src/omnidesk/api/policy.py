"""The policy: how tickets are ranked and given away, and what is agreed with customers."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import Query, Request, Response
from pydantic import Field

from omnidesk.api import etags
from omnidesk.api.deps import Body, Db, IfMatch, IfNoneMatch, Now, ReadsQueues, RequestId, Shown, WritesQueues
from omnidesk.api.route import router
from omnidesk.db.policies import StoredPolicy
from omnidesk.desk import configure

routes = router("policy")


Settings = dict[str, Any]


class PolicyIn(Body):
    """As configuration; what is left out is as the program brings it."""

    policy: Settings = Field(
        default_factory=dict, description="order, sharpness, notice, explain", examples=[{"order": "edd"}]
    )
    urgency: Settings = Field(default_factory=dict, description="weight, target and primary of each urgency")
    channel: Settings = Field(default_factory=dict, description="live, units, lift and accept of each channel")
    agent: Settings = Field(default_factory=dict, description="defaults: units, offline_grace, misses_to_away, exclude")
    classify: Settings = Field(
        default_factory=dict, description="threshold, fallback_queue (what no rule claims and has no category)"
    )
    category: list[Settings] = Field(
        default_factory=list,
        description=(
            "What tickets may be about: name; match, the rule that finds it, asked in this order; needs, the facts "
            "that the customer is asked for; patience, how long his answer is waited for"
        ),
        examples=[[{"name": "payment", "match": 'text contains "оплат"', "needs": ["order"], "patience": "9h"}]],
    )
    sla: list[Settings] = Field(
        default_factory=list, description="Rows of the SLA table", examples=[[{"channel": "vk", "first_reply": "1h"}]]
    )


class PolicyOut(Shown):
    version: int = Field(description="0: the one that the program brings", examples=[3])
    policy: dict[str, Any] = Field(description="Complete")
    created_at: datetime


def _policy(stored: StoredPolicy, response: Response) -> PolicyOut:
    response.headers["ETag"] = etags.of(stored.version)
    return PolicyOut.model_validate(stored)


@routes.get("/policy", summary="Read the policy", response_model=PolicyOut)
async def read_policy(
    request: Request,
    response: Response,
    actor: ReadsQueues,
    db: Db,
    _: IfNoneMatch,
    version: Annotated[int | None, Query(ge=0, le=2_000_000_000, description="An older version")] = None,
) -> Any:
    """The policy in force, or an earlier version of it."""
    async with db.connection() as tx:
        found = await configure.read_policy(tx, version)
    return etags.answer(request, response, found.version) or _policy(found, response)


@routes.put("/policy", summary="Change the policy")
async def write_policy(
    body: PolicyIn, response: Response, actor: WritesQueues, db: Db, version: IfMatch, request_id: RequestId, now: Now
) -> PolicyOut:
    """Makes the next version; decisions and clocks remember by which they were made. The same again makes none."""
    made = await configure.write_policy(
        db, actor, body.model_dump(exclude_unset=True), version=version, request_id=request_id, now=now
    )
    return _policy(made, response)
