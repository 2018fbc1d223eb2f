"""Contacts: the tier of service that a person has."""

from typing import Annotated

from pydantic import Field

from omnidesk.api.deps import Body, Clean, ContactId, Db, Now, Shown, WritesTickets
from omnidesk.api.route import router
from omnidesk.db import contacts
from omnidesk.domain.errors import NotFound

routes = router("contacts")


class TierIn(Body):
    tier: Annotated[Clean | None, Field(min_length=1, max_length=100, examples=["vip"], description="null: none")]


class PersonOut(Shown):
    id: ContactId
    name: str
    language: str | None
    zone: str | None
    tier: str | None = Field(description="Chooses rows of the SLA table")
    version: int


@routes.put("/contacts/{contact_id}/tier", summary="Say which tier of service a person has")
async def set_tier(contact_id: ContactId, body: TierIn, actor: WritesTickets, db: Db, now: Now) -> PersonOut:
    """It holds for what he asks from now on; what runs already keeps its terms."""
    async with db.transaction() as tx:
        found = await contacts.set_tier(tx, contact_id, body.tier, now)
    if found is None:
        raise NotFound("There is no such contact.")
    return PersonOut.model_validate(found)
