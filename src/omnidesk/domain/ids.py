"""Ids: UUIDv7 inside, TypeIDs (a prefix per noun and 26 characters of base32) at the API.

Sources: RFC 9562, section 5.7; the TypeID specification 0.3.
"""

from uuid import UUID

PREFIXES = {
    "ticket": "tkt",
    "message": "msg",
    "conversation": "cnv",
    "contact": "cnt",
    "identity": "idn",
    "contact_merge": "cmg",
    "erasure": "era",
    "revision": "rev",
    "agent": "agt",
    "inbox": "inb",
    "queue": "que",
    "attachment": "att",
    "key": "key",
    "job": "job",
    "arrival": "arr",
    "delivery": "dlv",
    "decision": "dec",
    "promise": "prm",
    "calendar": "cal",
    "clock": "clk",
    "handoff": "hof",
    "correction": "cor",
    "proposal": "prp",
    "event": "evt",
    "upload": "upl",
    "webhook": "whk",
    "webhook_delivery": "whd",
}
_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_PAIRS = [first + second for first in _ALPHABET for second in _ALPHABET]  # of ten bits
_VALUES = {char: value for value, char in enumerate(_ALPHABET)}


def uuid7(unix_ms: int, entropy: bytes) -> UUID:
    """A UUIDv7 of a moment (milliseconds since 1970) and ten random bytes; sorts by the moment."""
    value = (unix_ms & (1 << 48) - 1) << 80 | int.from_bytes(entropy[:10], "big")
    value = value & ~(0xF << 76) | 0x7 << 76
    return UUID(int=value & ~(0x3 << 62) | 0x2 << 62)


def encode(noun: str, value: UUID) -> str:
    """`encode("ticket", …)` gives `tkt_01h455vb4pex5vsknk084sn02q`."""
    number = value.int
    return PREFIXES[noun] + "_" + "".join([_PAIRS[number >> shift & 1023] for shift in range(120, -1, -10)])


def decode(noun: str, text: str) -> UUID:
    """The id behind a TypeID of this noun. Raises ValueError for anything else."""
    prefix, _, suffix = text.rpartition("_")
    if prefix != PREFIXES[noun] or len(suffix) != 26 or suffix[0] > "7":
        raise ValueError(f"not an id of a {noun}")
    number = 0
    for char in suffix:
        if char not in _VALUES:
            raise ValueError(f"not an id of a {noun}")
        number = number << 5 | _VALUES[char]
    return UUID(int=number)
