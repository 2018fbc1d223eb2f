"""New ids: UUIDv7 that rise within a process, so that what was said first stands first even in one millisecond."""

import secrets
import threading
from datetime import UTC, datetime
from uuid import UUID

from omnidesk.domain import ids

_lock = threading.Lock()
_last = (0, 0)  # millisecond, counter


def new_id(now: datetime | None = None) -> UUID:
    """An id of this moment, bigger than every one made before it here.

    Source: RFC 9562, section 6.2, method 1: the twelve bits behind the time count.
    """
    global _last
    ms = int((now or datetime.now(UTC)).timestamp() * 1000)
    with _lock:
        last_ms, count = _last
        if ms <= last_ms:
            ms, count = (last_ms, count + 1) if count < 0xFFF else (last_ms + 1, 0)
        else:
            count = 0
        _last = (ms, count)
    return ids.uuid7(ms, (count << 64 | secrets.randbits(62)).to_bytes(10, "big"))
