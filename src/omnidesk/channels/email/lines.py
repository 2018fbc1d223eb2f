"""Lines of a body, and format=flowed (RFC 3676)."""

import re
from dataclasses import dataclass

MAX_LINES = 20_000  # read as lines; what stands below is history
_SHARED_LINE = re.compile(
    r"(\S.*?)(?:[ \t]*-{2,}[ \t]*|[ \t]+)(On (?:Mon|Tue|Wed|Thu|Fri|Sat|Sun|Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|"
    r"Oct|Nov|Dec|\d).*\d.* wrote:[ \t]*)"
)


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a body. `quoted` and `signature`: the markup says so (or the `>` of plain text)."""

    text: str
    quoted: bool = False
    signature: bool = False


def lines_of_text(text: str) -> list[Line]:
    """Plain text as lines; those that start with `>` are quoted, and so is all below `MAX_LINES`."""
    lines: list[Line] = []
    *rows, tail = [*text.split("\n", MAX_LINES), ""] if text.count("\n") < MAX_LINES else text.split("\n", MAX_LINES)
    for number, row in enumerate(rows):
        reply, attribution = _shared(row, rows[number + 1] if number + 1 < len(rows) else "")
        if attribution:
            lines.append(Line(reply))
            row = attribution
        lines.append(Line(row.rstrip(), is_quote(row)))
    return [*lines, Line(tail, quoted=True)] if tail else lines


def is_quote(row: str) -> bool:
    """Does a row of plain text carry a quote mark? A lone bar is a table, not a quote."""
    stripped = row.lstrip(" \t\ufeff")
    if len(row) - len(stripped) > 3:
        return False
    return stripped.startswith((">", "&gt;")) or bool(stripped.startswith("| ") and stripped.count("|") == 1)


def _shared(row: str, following: str) -> tuple[str, str]:
    """An answer typed in front of `On … wrote:` on the same row."""
    if not row.rstrip().endswith("wrote:") or len(row) > 400 or not is_quote(following):
        return row, ""
    found = _SHARED_LINE.fullmatch(row)
    return (found[1], found[2]) if found else (row, "")


def unflow(text: str, *, delsp: bool) -> str:
    """Rows that end in a space go on in the next row of the same quote depth."""
    out: list[str] = []
    joined: list[str] = []
    depth_before = -1
    for row in text.split("\n"):
        body = row.lstrip(">")
        depth = len(row) - len(body)
        body = body.removeprefix(" ")
        if joined and depth != depth_before:
            out.append("".join(joined))
            joined = []
        if not joined and depth:
            joined.append(">" * depth + " ")
        soft = body.endswith(" ") and body != "-- "
        joined.append(body[:-1] if soft and delsp else body)
        depth_before = depth
        if not soft:
            out.append("".join(joined))
            joined = []
    return "\n".join([*out, *(["".join(joined)] if joined else [])])
