"""A platform whose messages hurt their reader: `plain`, with two more things that a message can do.

`"once": path` keeps the first process that reads it busy for some seconds; it leaves its process id there.
"""

import json
import os
import time
from pathlib import Path

from omnidesk.channels import base
from omnidesk.domain.messages import Arrival, Item
from tests import plain

BUSY_S = 4.0


@base.register("frail", title="Frail", config=plain.Config)
class FrailChannel(plain.PlainChannel):
    def read(self, arrival: Arrival) -> list[Item]:
        said = json.loads(arrival.body)
        if "once" in said:
            try:
                file = os.open(said["once"], os.O_WRONLY | os.O_CREAT | os.O_EXCL)
            except FileExistsError:
                pass
            else:
                os.write(file, str(os.getpid()).encode())
                os.close(file)
                time.sleep(BUSY_S)
        return super().read(arrival)


def busy(path: Path) -> int | None:
    """The process that is busy with the message of this path, once there is one."""
    return int(path.read_text() or 0) or None if path.exists() else None
