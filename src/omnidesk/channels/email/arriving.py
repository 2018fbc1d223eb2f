"""Naming a mail that came in, cheaply: by its bytes, without parsing it. Pure.

A server that did not hear our 250 sends the same mail again, so the key is a digest of the mail.
Trace headers above it are left out: a second delivery of the same bytes gets new ones. Everything
below counts, Message-ID and Date included, so two mails never share a key.
"""

import hashlib
import json
import re
from collections.abc import Sequence

from omnidesk.domain.messages import Arrival

_TRACE = frozenset(
    b"received return-path delivered-to x-original-to envelope-to x-envelope-to delivery-date x-delivered-to".split()
)
_MAX_HEADER_BLOCK = 256 * 1024  # bytes that are searched for From and trace headers
_END = re.compile(rb"\r?\n\r?\n")
_FROM = re.compile(rb"(?im)^from[ \t]*:((?:[^\r\n]|\r?\n[ \t])*)")
_IN_BRACKETS = re.compile(rb"<[ \t]*([^<>@\s]{1,128}@[^<>@\s]{1,253})[ \t]*>")
_BARE = re.compile(rb"[^\s<>()\[\],;:\"]{1,128}@[^\s<>()\[\],;:\"]{1,253}")


def arrival_of(raw: bytes, *, mail_from: str, rcpt_to: Sequence[str], remote: str = "") -> Arrival:
    """A mail as an arrival; `rcpt_to` are the recipients of the envelope that belong to the inbox."""
    meta = {"mail_from": mail_from, "rcpt_to": json.dumps(list(rcpt_to), ensure_ascii=False), "remote": remote}
    return Arrival(dedupe_key=dedupe_key(raw), order_key=sender_of(raw) or mail_from.lower()[:254], body=raw, meta=meta)


def dedupe_key(raw: bytes) -> str:
    """The same for the same mail however often it is delivered, and only for it."""
    return "mail:" + hashlib.sha256(memoryview(raw)[_end_of_trace(raw) :]).hexdigest()


def _end_of_trace(raw: bytes) -> int:
    """Where the first header stands that is not a trace of the way here."""
    start = at = 0
    while at < min(len(raw), _MAX_HEADER_BLOCK):
        end = raw.find(b"\n", at) + 1 or len(raw)
        if raw[at : at + 1] not in (b" ", b"\t"):
            start = at
            if raw[at:end].partition(b":")[0].strip().lower() not in _TRACE:
                return start
        at = end
    return start


def sender_of(raw: bytes) -> str:
    """The address in From as it is written there, in lower case; empty when none is found."""
    block = raw[:_MAX_HEADER_BLOCK]
    end = _END.search(block)
    found = _FROM.search(block, 0, end.start() if end else len(block))
    if not found:
        return ""
    value = found[1][:4096]
    address = _IN_BRACKETS.search(value) or _BARE.search(value)
    return address[address.lastindex or 0].decode("utf-8", "replace").lower()[:254] if address else ""
