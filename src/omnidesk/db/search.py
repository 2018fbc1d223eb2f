"""The search row of each ticket: what it says, what is due to be read again, and the newest that fit a query."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Text, cast, func, literal, select, tuple_
from sqlalchemy.dialects.postgresql import TSQUERY

from omnidesk.db import tables, tickets
from omnidesk.db.session import Tx
from omnidesk.db.tickets import Filter
from omnidesk.domain.people import Actor
from omnidesk.domain.search import Document, Key, Part, Person, Query, quoted

STATE = "search"  # the setting that says how far the rows are
MOST_MESSAGES = 500  # of a ticket, the newest
MOST_OF_A_MESSAGE = 4_000  # characters
SHORTEST_STEM = 3  # that may be a beginning

s = tables.ticket_search.c
t = tables.tickets.c


# --- what a query means to PostgreSQL -------------------------------------------------------------


async def compiled(tx: Tx, query: Query) -> str | None:
    """The query as the text of a `tsquery`; None when it has nothing but words that stand everywhere."""
    said = [part for part in query.parts if part.words]
    rows = await tx.driver.fetch(
        """
        SELECT CASE WHEN phrase THEN phraseto_tsquery('pg_catalog.russian', words)
                    ELSE plainto_tsquery('pg_catalog.russian', words) END::text AS stems
          FROM unnest($1::text[], $2::bool[]) WITH ORDINALITY AS p (words, phrase, n) ORDER BY n
        """,
        [part.words for part in said],
        [part.phrase for part in said],
    )
    stems = {id(part): row["stems"] for part, row in zip(said, rows, strict=True)}
    parts = [found for part in query.parts if (found := _part(part, stems.get(id(part), "")))]
    both = " & ".join(f"({part})" for part in parts)
    return " | ".join([*([f"({both})"] if both else []), *map(_key, query.whole)]) or None


def _part(part: Part, stems: str) -> str:
    found = [f"({stems})"] if stems else []
    if part.prefix:
        stem = stems[1:-1]
        whole = len(stem) >= SHORTEST_STEM and part.words.startswith(stem)
        found = [_key(Key(stem, begins=True))] if whole else [*found, _key(Key(part.words, begins=True))]
    return " | ".join([*found, *map(_key, part.keys)])


def _key(key: Key) -> str:
    return quoted(key.text) + (":*" if key.begins else "")


# --- finding --------------------------------------------------------------------------------------


Moment = tuple[datetime, UUID]  # of a ticket: when it was made, and its id


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    at: datetime
    id: UUID
    rank: float


def _asked(query: str) -> Any:
    return cast(cast(literal(query), Text), TSQUERY)


async def newest(
    tx: Tx, query: str, keys: Sequence[str], wanted: Filter, actor: Actor, *, upto: Moment | None, limit: int
) -> list[Hit]:
    """The newest tickets within the days of `keys` that fit, newest first, with their rank; at most `limit`.

    `upto` is the newest that is looked at. Raises QueryCanceledError when the transaction's time is over.
    """
    within = f"({query}) & ({' | '.join(map(quoted, keys))})"
    some = (
        select(t.id, t.created_at)
        .select_from(tables.tickets.join(tables.ticket_search, s.ticket_id == t.id))
        .where(s.words.op("@@")(_asked(within)), *tickets.conditions(wanted, actor))
        .order_by(t.created_at.desc(), t.id.desc())
        .limit(limit)
    )
    if upto is not None:
        some = some.where(tuple_(t.created_at, t.id) <= tuple_(literal(upto[0]), literal(upto[1])))
    found = some.cte("found")
    ranked = (
        select(found.c.created_at, found.c.id, func.ts_rank(s.words, _asked(query), 1).label("rank"))
        .select_from(found.join(tables.ticket_search, s.ticket_id == found.c.id))
        .order_by(found.c.created_at.desc(), found.c.id.desc())
    )
    found_rows = (await tx.execute(ranked)).mappings()
    return [Hit(at=row["created_at"], id=row["id"], rank=row["rank"]) for row in found_rows]


async def oldest(tx: Tx) -> datetime | None:
    """When the first ticket of the desk came."""
    found: datetime | None = await tx.driver.fetchval("SELECT min(created_at) FROM tickets")
    return found


async def limit_time(tx: Tx, milliseconds: int) -> None:
    """How long each statement of this transaction may take; its plans are made for its own values."""
    await tx.driver.execute(
        f"SET LOCAL statement_timeout = {int(milliseconds)}; SET LOCAL plan_cache_mode = force_custom_plan"
    )


# --- the rows -------------------------------------------------------------------------------------


async def documents(tx: Tx, ticket_ids: Sequence[UUID]) -> list[Document]:
    """What tickets say now; those that are gone are left out."""
    wanted = list(ticket_ids)
    rows = await tx.driver.fetch(
        "SELECT id, number, created_at, subject, facts FROM tickets WHERE id = ANY($1::uuid[])", wanted
    )
    people = await tx.driver.fetch(
        """
        SELECT DISTINCT c.ticket_id, i.kind, i.address, i.name, k.name AS contact
          FROM conversations AS c JOIN participants AS p ON p.conversation_id = c.id
          JOIN identities AS i ON i.id = p.identity_id JOIN contacts AS k ON k.id = i.contact_id
         WHERE c.ticket_id = ANY($1::uuid[])
         UNION
        SELECT t.id, i.kind, i.address, i.name, k.name
          FROM tickets AS t JOIN identities AS i ON i.id = t.requester_id JOIN contacts AS k ON k.id = i.contact_id
         WHERE t.id = ANY($1::uuid[])
        """,
        wanted,
    )
    texts = await tx.driver.fetch(
        """
        SELECT w.id AS ticket_id, said.text
          FROM unnest($1::uuid[]) AS w (id)
         CROSS JOIN LATERAL (
               SELECT left(m.text, $3) AS text FROM (
                   SELECT m.at, m.id, m.text FROM conversations AS c JOIN messages AS m ON m.conversation_id = c.id
                    WHERE c.ticket_id = w.id AND m.text <> ''
                    UNION ALL
                   SELECT n.at, n.id, n.text FROM messages AS n WHERE n.ticket_id = w.id AND n.text <> ''
               ) AS m ORDER BY m.at DESC, m.id DESC LIMIT $2
         ) AS said
        """,
        wanted,
        MOST_MESSAGES,
        MOST_OF_A_MESSAGE,
    )
    takes_part: dict[UUID, list[Person]] = {}
    for row in people:
        takes_part.setdefault(row["ticket_id"], []).append(
            Person(kind=row["kind"], address=row["address"], names=(row["name"], row["contact"]))
        )
    said: dict[UUID, list[str]] = {}
    for row in texts:
        said.setdefault(row["ticket_id"], []).append(row["text"])
    return [
        Document(
            ticket_id=row["id"],
            number=row["number"],
            created_at=row["created_at"],
            subject=row["subject"],
            facts=row["facts"],
            people=takes_part.get(row["id"], ()),
            texts=said.get(row["id"], ()),
        )
        for row in rows
    ]


async def write(tx: Tx, found: Sequence[Document]) -> None:
    """Write these rows anew."""
    if found:
        rows = [document.row() for document in found]
        await tx.driver.execute(
            """
            INSERT INTO ticket_search AS s (ticket_id, words)
            SELECT ticket_id, setweight(to_tsvector('pg_catalog.russian', title), 'A')
                              || setweight(to_tsvector('pg_catalog.russian', names), 'B')
                              || to_tsvector('pg_catalog.russian', said) || keys::tsvector
              FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[])
                   AS r (ticket_id, title, names, said, keys)
             ORDER BY ticket_id
            ON CONFLICT (ticket_id) DO UPDATE SET words = excluded.words WHERE s.words <> excluded.words
            """,
            *([row[column] for row in rows] for column in range(5)),
        )


async def touch(tx: Tx, ticket_ids: Sequence[UUID]) -> None:
    """Have the rows of these tickets made anew soon: for changes that no event of the ticket tells of."""
    if ticket_ids:
        await tx.driver.execute(
            """
            INSERT INTO ticket_search_due (ticket_id) SELECT id FROM unnest($1::uuid[]) AS d (id) ORDER BY id
            ON CONFLICT DO NOTHING
            """,
            list(ticket_ids),
        )


async def touch_contacts(tx: Tx, contact_ids: Sequence[UUID]) -> None:
    """The same for the tickets in which these people, or those merged into them, take part."""
    await tx.driver.execute(
        """
        INSERT INTO ticket_search_due (ticket_id)
        SELECT t.id FROM identities AS i JOIN tickets AS t ON t.requester_id = i.id
         WHERE i.contact_id = ANY($1::uuid[])
         UNION
        SELECT c.ticket_id FROM identities AS i JOIN participants AS p ON p.identity_id = i.id
          JOIN conversations AS c ON c.id = p.conversation_id
         WHERE i.contact_id = ANY($1::uuid[])
         ORDER BY 1
        ON CONFLICT DO NOTHING
        """,
        list(contact_ids),
    )


async def take_due(tx: Tx, limit: int) -> list[UUID]:
    """Tickets whose rows are due, taken off the list."""
    rows = await tx.driver.fetch(
        """
        DELETE FROM ticket_search_due WHERE ticket_id = ANY (ARRAY(
            SELECT ticket_id FROM ticket_search_due ORDER BY ticket_id LIMIT $1 FOR UPDATE SKIP LOCKED
        )) RETURNING ticket_id
        """,
        limit,
    )
    return [row["ticket_id"] for row in rows]


async def before(tx: Tx, ticket_id: UUID | None, limit: int) -> list[UUID]:
    """The next older tickets, newest first; from the newest one when none is named."""
    rows = await tx.driver.fetch(
        "SELECT id FROM tickets WHERE $1::uuid IS NULL OR id < $1 ORDER BY id DESC LIMIT $2", ticket_id, limit
    )
    return [row["id"] for row in rows]


# --- how far they are -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """The last event that was followed, and where the older tickets are gone through: None when all have rows."""

    seq: int
    below: UUID | None
    filling: bool


async def lock_state(tx: Tx) -> State | None:
    """The state, locked until the commit; None while another process has it, or when there is none yet."""
    row = await tx.driver.fetchrow("SELECT value FROM settings WHERE name = $1 FOR UPDATE SKIP LOCKED", STATE)
    return _state(row["value"]) if row else None


async def keep_still(tx: Tx) -> None:
    """Nobody follows until this transaction ends: what was read before is written before, the rest is read after."""
    await tx.driver.execute("SELECT FROM settings WHERE name = $1 FOR UPDATE", STATE)


async def begin(tx: Tx, *, seq: int, filling: bool) -> bool:
    """Note where following begins; False when it is noted."""
    tag = await tx.driver.execute(
        "INSERT INTO settings (name, value) VALUES ($1, $2::jsonb) ON CONFLICT (name) DO NOTHING",
        STATE,
        _json(State(seq=seq, below=None, filling=filling)),
    )
    return bool(tag.endswith("1"))


async def save_state(tx: Tx, state: State) -> None:
    await tx.driver.execute("UPDATE settings SET value = $2::jsonb WHERE name = $1", STATE, _json(state))


def _state(value: Mapping[str, Any]) -> State:
    below = value.get("below")
    return State(seq=value["seq"], below=UUID(below) if below else None, filling=value["filling"])


def _json(state: State) -> str:
    below = str(state.below) if state.below else None
    return json.dumps({"seq": state.seq, "below": below, "filling": state.filling})
