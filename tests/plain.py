"""A platform for tests: JSON messages in, answers taken as told. A real channel, only its platform is small."""

import json
import os
import time
from datetime import datetime
from typing import Any

from pydantic import SecretStr

from omnidesk.channels import base
from omnidesk.domain.messages import (
    Address,
    Arrival,
    Bounce,
    Deleted,
    Edited,
    Ignored,
    Inbound,
    Item,
    Outbound,
    Part,
    Ref,
    Sent,
)


class Config(base.InboxConfig):
    account: str = "acme"
    token: SecretStr = SecretStr("t")

    def realm(self) -> str:
        return self.account


SENT: list[tuple[str, str]] = []  # (address, text) that reached the platform of this process


@base.register("plain", title="Plain", config=Config)
class PlainChannel:
    def __init__(self, config: Config, tools: base.Tools) -> None:
        self._realm = config.account

    def read(self, arrival: Arrival) -> list[Item]:
        said = json.loads(arrival.body)
        match said.get("do"):
            case "die":
                os._exit(9)
            case "hang":
                time.sleep(60)
            case "unreadable":
                raise base.Unreadable("this is not a message")
            case "crash":
                raise RuntimeError("secret of the customer")
            case "nothing":
                return [Ignored(reason="nothing in it")]
            case "edit":
                return [Edited(ref=self._ref(said["id"]), text=said["text"])]
            case "delete":
                return [Deleted(ref=self._ref(said["id"]))]
            case "bounce":
                return [Bounce(references=(self._ref(said["id"]),), recipient=said["from"], reason="no such user")]
        return [self._message(said)]

    def _message(self, said: dict[str, Any]) -> Inbound:
        return Inbound(
            ref=self._ref(said["id"]),
            thread_key=said.get("thread", said["from"]),
            sender=self._person(said["from"], said.get("name", "")),
            text=said["text"],
            subject=said.get("subject", ""),
            sent_at=datetime.fromisoformat(said["at"]) if "at" in said else None,
            group_key=said.get("group", ""),
            participants=tuple(self._person(person) for person in said.get("cc", [])),
            references=tuple(self._ref(ref) for ref in said.get("references", [])),
            tokens=tuple(said.get("tokens", [])),
            numbers=tuple(said.get("numbers", [])),
            automatic=said.get("automatic", False),
            spam=said.get("spam", ""),
            suspicious=said.get("suspicious", ""),
            digest=said["text"].encode(),
        )

    def _ref(self, external_id: str) -> Ref:
        return Ref(realm=f"plain:{self._realm}", external_id=external_id)

    def _person(self, address: str, name: str = "") -> Address:
        return Address(kind="plain", realm=self._realm, address=address, name=name)

    def split(self, message: Outbound) -> list[Part]:
        return [Part(text=message.text)]

    async def send(self, message: Outbound, part: Part, before_call: base.BeforeCall) -> Sent:
        await before_call()
        SENT.append((message.to[0].address, part.text))
        return Sent(external_id=f"out-{message.delivery_id}", realm=f"plain:{self._realm}")


def arrival(sender: str, text: str = "Where is my refund?", *, id: str, **more: Any) -> Arrival:  # noqa: A002
    """What the platform sends for a message; `more` are further members of its JSON."""
    body = json.dumps({"id": id, "from": sender, "text": text, **more}, ensure_ascii=False).encode()
    return Arrival(dedupe_key=more.pop("key", id), order_key=sender, body=body)
