"""What a channel remembers of an inbox from one process to the next: sealed, beside the inbox's settings."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from omnidesk.db import setup
from omnidesk.db.session import Database
from omnidesk.desk.vault import CannotDecrypt, Vault


@dataclass(frozen=True, slots=True)
class InboxMemory:
    """A few texts of one inbox; see `channels.base.Memory`."""

    db: Database
    vault: Vault
    inbox_id: UUID

    @property
    def _name(self) -> str:
        return f"memory:{self.inbox_id}"

    async def read(self) -> dict[str, str]:
        """What was kept last; empty when there is nothing that our keys open."""
        async with self.db.connection() as tx:
            kept = await setup.setting(tx, self._name)
        try:
            return dict(json.loads(self.vault.decrypt(bytes.fromhex(kept), self._name))) if kept else {}
        except CannotDecrypt:
            return {}

    async def write(self, values: Mapping[str, str]) -> None:
        sealed = self.vault.encrypt(json.dumps(dict(values)).encode(), self._name)
        async with self.db.transaction() as tx:
            await setup.put_setting(tx, self._name, sealed.hex())
