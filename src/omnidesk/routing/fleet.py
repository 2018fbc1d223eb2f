"""All agents at once, as bits of big integers: one bit per agent, one integer per property.

An agent's bit stands where his place in the order (fewest skills, longest idle, id) is, so that the lowest bit
of an intersection is the one to pick. Agents with as many skills share a region; in a planner each region
has room at its end, because who was given something goes to the end.
"""

from bisect import bisect_left
from collections.abc import Hashable, Iterable
from uuid import UUID

from omnidesk.routing.decision import Seen
from omnidesk.routing.loads import BANDS, TALKS, Load, Loads
from omnidesk.routing.match import Need, Way, sane
from omnidesk.routing.values import Agent

_ROOM = 1024


class Desk:
    """An agent and what he holds, places kept for offers included."""

    __slots__ = ("agent", "bit", "keys", "load", "needs", "region")

    def __init__(self, agent: Agent, load: Load) -> None:
        self.agent, self.load = agent, load
        self.region = len(agent.skills)
        self.bit = 0  # place of the bit
        self.needs = 0  # numbers of the needs that he meets, as bits
        self.keys: tuple[Hashable, ...] = ()

    @property
    def online(self) -> bool:
        return self.agent.status == "online"

    @property
    def idle_key(self) -> tuple[int, int]:
        return self.agent.last_assigned_ms, self.agent.id.int

    @property
    def reserved(self) -> tuple[int, int, int]:
        """Units of primary and other work, and live talks, that are kept for offers."""
        load, agent = self.load, self.agent
        return load.primary - agent.primary_units, load.asynchronous - agent.async_units, load.live - agent.live

    def seen(self) -> Seen:
        load = self.load
        return self.agent, load.primary, load.asynchronous, load.live

    def own(self) -> Seen:
        """The same without places kept for offers."""
        agent = self.agent
        return agent, agent.primary_units, agent.async_units, agent.live

    def worse_by(self, other: "Desk", units: int, live: bool) -> str:
        """Where this one falls behind the other, by the order in which `pick` looks."""
        mine, its = self.load, other.load
        if live and (mine.live > 0) != (its.live > 0):
            return "live"
        if mine.excess(units) != its.excess(units):
            return "overcommit"
        if mine.band != its.band:
            return "band"
        if self.region != other.region:
            return "skills"
        if mine.share != its.share:
            return "load"
        return "id" if self.agent.last_assigned_ms == other.agent.last_assigned_ms else "idle"


class Fleet:
    def __init__(self, agents: Iterable[Agent], *, room: bool = False) -> None:
        self.loads = Loads()
        self.desks: dict[UUID, Desk] = {}
        self.version = 0  # changes with every place and property, but not with loads
        self._room = room
        self._numbers: dict[Need, int] = {}
        self._levels: dict[str, list[tuple[int, int]]] = {}  # skill -> level and number of its needs
        for agent in map(sane, agents):
            self.desks[agent.id] = Desk(agent, self._load(agent, (0, 0, 0)))
            self._know_skills(agent)
        self.rebuild()

    # --- places ---------------------------------------------------------------------------------

    def rebuild(self) -> None:
        """Give every agent his place anew and make all bits from scratch."""
        self.version += 1
        regions: dict[int, list[Desk]] = {}
        for desk in self.desks.values():
            regions.setdefault(desk.region, []).append(desk)
        self.at: list[Desk] = []  # by place; a free place shows somebody who left it
        self._regions: dict[int, _Region] = {}
        places: dict[Hashable, list[int]] = {}
        filled: dict[int, list[int]] = {}
        for size in sorted(regions):
            members = sorted(regions[size], key=lambda desk: desk.idle_key)
            room = len(members) + _ROOM if self._room else 0
            self._regions[size] = _Region(members, len(self.at), room)
            for desk in members:
                desk.bit = len(self.at)
                self.at.append(desk)
                desk.keys = self._static_keys(desk)
                for key in desk.keys:
                    places.setdefault(key, []).append(desk.bit)
                for number in desk.load.sets:
                    filled.setdefault(number, []).append(desk.bit)
            self.at.extend(members[-1:] * room)
        self.masks: dict[Hashable, int] = {key: _mask(found, len(self.at)) for key, found in places.items()}
        self.filled = [_mask(filled.get(number, []), len(self.at)) for number in range(self.loads.size)]

    def put(self, agent: Agent, reserved: tuple[int, int, int] = (0, 0, 0)) -> Desk:
        """Enter an agent or what has changed about him; `reserved` is held for offers (primary, other, talks)."""
        agent = sane(agent)
        old = self.desks.get(agent.id)
        if old is not None and _same_place(old.agent, agent):
            old.agent = agent
            before, old.load = old.load, self._load(agent, reserved)
            self._fill(before.sets ^ old.load.sets, 1 << old.bit)
            return old
        self.remove(agent.id)
        desk = self.desks[agent.id] = Desk(agent, self._load(agent, reserved))
        self._know_skills(agent)
        self._insert(desk)
        return desk

    def remove(self, agent_id: UUID) -> None:
        desk = self.desks.pop(agent_id, None)
        if desk is None:
            return
        self.version += 1
        self._move(desk, 1 << desk.bit)
        self._regions[desk.region].drop(desk)

    def _insert(self, desk: Desk) -> None:
        region = self._regions.get(desk.region)
        if region is None or region.end == region.limit:
            self.rebuild()
            return
        self.version += 1
        desk.keys = self._static_keys(desk)
        after = region.insert(desk)
        place = region.end
        region.end += 1
        for other in reversed(after):  # few: mostly the newcomer is the one last assigned
            self._move(other, 1 << other.bit | 1 << place)
            other.bit, place = place, other.bit
            self.at[other.bit] = other
        desk.bit = place
        self.at[place] = desk
        self._move(desk, 1 << place)

    # --- properties -----------------------------------------------------------------------------

    def _static_keys(self, desk: Desk) -> tuple[Hashable, ...]:
        agent = desk.agent
        keys: list[Hashable] = ["all"]
        if agent.status == "online":
            keys.append("online")
        keys.extend(["every channel"] if agent.channels is None else [("channel", name) for name in agent.channels])
        keys.extend(["every queue"] if agent.queues is None else [("queue", queue_id) for queue_id in agent.queues])
        desk.needs = 0
        for skill, level in agent.skills.items():
            for least, number in self._levels[skill]:
                if level >= least:
                    keys.append(number)
                    desk.needs |= 1 << number
        return tuple(keys)

    def _move(self, desk: Desk, bits: int) -> None:
        """Enter the agent at a free place, take him from his, or both."""
        masks = self.masks
        for key in desk.keys:
            masks[key] = masks.get(key, 0) ^ bits
        self._fill(desk.load.sets, bits)

    def _fill(self, sets: Iterable[int], bits: int) -> None:
        filled = self.filled
        filled.extend([0] * (self.loads.size - len(filled)))
        for number in sets:
            filled[number] ^= bits

    # --- loads ----------------------------------------------------------------------------------

    def _load(self, agent: Agent, reserved: tuple[int, int, int]) -> Load:
        primary, asynchronous, live = reserved
        return self.loads.at(
            agent.primary_units + primary, agent.async_units + asynchronous, agent.units, agent.live + live
        )

    def take(self, desk: Desk, units: int, primary: bool, live: int) -> None:
        """The agent now holds so many units and talks more, or less."""
        desk.load, sets = desk.load.steps.get((units, primary, live)) or self._step(desk.load, units, primary, live)
        bit, filled = 1 << desk.bit, self.filled
        for number in sets:
            filled[number] ^= bit

    def _step(self, load: Load, units: int, primary: bool, live: int) -> tuple[Load, tuple[int, ...]]:
        found = self.loads.step(load, units, primary, live)
        self._fill((), 0)
        return found

    def know_units(self, units: int) -> None:
        """Work of that size exists; must be said before it is asked for."""
        if not self.loads.know(units):
            return
        self._fill((), 0)
        for desk in self.desks.values():
            before, seen = desk.load, desk.load
            desk.load = self.loads.at(seen.primary, seen.asynchronous, seen.capacity, seen.live)
            self._fill(before.sets ^ desk.load.sets, 1 << desk.bit)

    def number(self, need: Need) -> int:
        """The number of a need, which is also its key."""
        if need not in self._numbers:
            self._new_number(need)
            number, (skill, level) = self._numbers[need], need
            for desk in self.desks.values():
                if desk.agent.skills.get(skill, 0) >= level:
                    desk.keys = (*desk.keys, number)
                    desk.needs |= 1 << number
                    self.masks[number] = self.masks.get(number, 0) | 1 << desk.bit
        return self._numbers[need]

    def _know_skills(self, agent: Agent) -> None:
        for skill in agent.skills:
            if skill not in self._levels:
                self._new_number((skill, 1))

    def _new_number(self, need: Need) -> None:
        skill, level = need
        number = self._numbers[need] = len(self._numbers)
        self._levels.setdefault(skill, []).append((level, number))

    # --- questions ------------------------------------------------------------------------------

    def reach(self, channel: str, ways: tuple[Way, ...]) -> tuple[int, int, int]:
        """Who speaks the channel; of those, who is a member; of those, who has the skills of his way."""
        get = self.masks.get
        speaking = get("every channel", 0) | get(("channel", channel), 0)
        everywhere = get("every queue", 0)
        members = able = 0
        for queue_id, needs in ways:
            here = speaking & (everywhere | get(("queue", queue_id), 0))
            members |= here
            for need in needs:
                here &= get(self.number(need), 0)
            able |= here
        return speaking, members, able

    def bits(self, agent_ids: Iterable[UUID]) -> int:
        return sum(1 << self.desks[agent_id].bit for agent_id in agent_ids if agent_id in self.desks)

    def first(self, mask: int) -> Desk | None:
        return self.at[(mask & -mask).bit_length() - 1] if mask else None

    def fitting(self, units: int, primary: bool) -> int:
        return self.filled[self.loads.fitting[units, primary]]

    def pick(self, able: int, units: int, primary: bool, live: bool) -> tuple[Desk, Desk | None, str]:
        """The best of these agents, the next best and where that one fell behind."""
        pool = self._narrow(able, units, primary, live)
        winner = self.at[(pool & -pool).bit_length() - 1]
        rest = pool & (pool - 1)
        if not rest:
            others = able ^ 1 << winner.bit
            if not others:
                return winner, None, ""
            rest = self._narrow(others, units, primary, live)
        loser = self.at[(rest & -rest).bit_length() - 1]
        return winner, loser, loser.worse_by(winner, units, live)

    def _narrow(self, pool: int, units: int, primary: bool, live: bool) -> int:
        """Those whom nothing but idleness and id tell apart."""
        if not pool & (pool - 1):
            return pool
        filled = self.filled
        if live:
            pool = pool & filled[TALKS] or pool
        if primary:
            pool = pool & filled[self.loads.fitting[units, False]] or self._least_overcommitted(pool, units)
        for band in BANDS:
            if found := pool & filled[band]:
                pool = found
                break
        pool &= self._regions[self.at[(pool & -pool).bit_length() - 1].region].mask
        if pool & (pool - 1):
            for _, number in self.loads.shares[band]:
                if found := pool & filled[number]:
                    return found
        return pool

    def _least_overcommitted(self, pool: int, units: int) -> int:
        for slack, number in reversed(self.loads.slacks):
            if slack < units and (found := pool & self.filled[number]):
                return found
        return pool


class _Region:
    """The agents with the same number of skills, longest idle first, and the places that are theirs."""

    def __init__(self, members: list[Desk], start: int, room: int) -> None:
        self.members = members
        self.keys = [desk.idle_key for desk in members]
        self.end = start + len(members)
        self.limit = self.end + room
        self.mask = (1 << self.limit) - (1 << start)

    def insert(self, desk: Desk) -> list[Desk]:
        """Enter the desk; returns those behind it."""
        index = bisect_left(self.keys, desk.idle_key)
        after = self.members[index:]
        self.members.insert(index, desk)
        self.keys.insert(index, desk.idle_key)
        return after

    def drop(self, desk: Desk) -> None:
        index = bisect_left(self.keys, desk.idle_key)
        del self.members[index], self.keys[index]


def _same_place(old: Agent, new: Agent) -> bool:
    """Do both stand at the same place, with the same properties?"""
    return (
        old.last_assigned_ms == new.last_assigned_ms
        and old.status == new.status
        and old.units == new.units
        and old.skills == new.skills
        and old.channels == new.channels
        and old.queues == new.queues
    )


def _mask(places: list[int], size: int) -> int:
    found = bytearray(size // 8 + 1)
    for place in places:
        found[place >> 3] |= 1 << (place & 7)
    return int.from_bytes(found, "little")
