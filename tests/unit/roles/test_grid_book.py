"""The feeder's book while homes come and go: exact after any history, and never unsafe."""

from dataclasses import replace
from random import Random
from typing import NamedTuple

import pytest

from petra.domain.terms import Address
from petra.errors import InputError
from petra.grid import Box, Envelope, Granted, ReactivePower, SafetyLedger
from petra.grid.tree import problems
from petra.roles.dso.grid_book import GridBook, Kept, Unenrolled
from tests.unit.grid import made_up
from tests.unit.grid.random_feeders import random_feeder

NO_VAR = ReactivePower(absorbed_per_import=0.0)
NOBODY = Unenrolled(0, 0)
HOME, OTHER = Address("0xA"), Address("0xB")
NODE = "e"  # a home is connected here from the beginning
FEEDER = replace(
    made_up.FEEDER, nodes=tuple(replace(node, connected=node.node == NODE) for node in made_up.FEEDER.nodes)
)
LINE_WATTS = 222_000  # what the line to c carries at the lowest allowed voltage, less a little


class Asset(NamedTuple):
    """An asset that is granted or given back."""

    power: int
    start: int
    end: int


def home_at(node: str, import_watts: int = 0, export_watts: int = 0, first: int = 0) -> Envelope:
    """Return an envelope."""
    return Envelope(node=node, import_watts=import_watts, export_watts=export_watts, first=first)


def book(unenrolled: Unenrolled = NOBODY) -> GridBook:
    """Return the book of the made-up feeder without any member."""
    return GridBook(FEEDER, {}, NO_VAR, unenrolled)


class Traffic:
    """Homes that come, go, ask and give back at random, on a feeder on which strangers draw and feed too."""

    def __init__(self, rng: Random, size: int) -> None:
        """Begin with strangers at the nodes."""
        drawn = random_feeder(rng, size=size)
        below = (node.node != drawn.source_node for node in drawn.nodes)
        nodes = tuple(
            replace(node, connected=is_below and rng.random() < 0.5)
            for node, is_below in zip(drawn.nodes, below, strict=True)
        )
        self.rng, self.feeder, self.now, self.count = rng, replace(drawn, nodes=nodes), 0, 0
        self.book = GridBook(self.feeder, {}, ReactivePower(supplied_per_export=0.1), Unenrolled(300, 100))
        self.nodes = [node.node for node in self.feeder.nodes if node.node != self.feeder.source_node]
        self.held: list[tuple[Address, Asset]] = []
        self.members: list[Address] = []
        self.told = {"join": 0, "turned away": 0, "later": 0, "leave": 0, "grant": 0, "refuse": 0, "give back": 0}

    def step(self) -> None:
        """Do one thing; time passes now and then."""
        match self.rng.randrange(10):
            case 0:
                self.now += self.rng.randrange(3)
                self.book.expire(self.now)
            case 1 | 2:
                self.join()
            case 3 if self.members:
                self.leave(self.members.pop(self.rng.randrange(len(self.members))))
            case 4 | 5 if self.held:
                account, asset = self.held.pop(self.rng.randrange(len(self.held)))
                self.book.give_back(account, asset, self.now + 1)
                self.told["give back"] += 1
            case _ if self.members:
                self.ask(self.rng.choice(self.members))

    def join(self) -> None:
        """Let a home join as soon as it may, or be turned away."""
        self.count += 1
        imports, exports = (self.rng.choice((0, 500, 3_000, 400_000 // len(self.nodes))) for _ in range(2))
        envelope = home_at(self.rng.choice(self.nodes), imports, exports, first=self.now + 1)
        first = self.book.first_safe(envelope)
        if first is None:
            self.told["turned away"] += 1
            return
        self.told["later" if first > self.now + 1 else "join"] += 1
        self.members.append(Address(f"0x{self.count}"))
        self.book.join(self.members[-1], replace(envelope, first=first))

    def leave(self, account: Address) -> None:
        """Let a home leave after its last grant."""
        rows = self.book.ledger.reservations.granted
        last = max([self.now, *(timestep for timestep, row in rows.items() if account in row)])
        self.book.leave(account, last)
        self.told["leave"] += 1

    def ask(self, account: Address) -> None:
        """Ask for something in the next timesteps."""
        start = self.now + self.rng.randrange(1, 6)
        watts = self.rng.choice((-1, 1)) * self.rng.choice((100, 5_000, 900_000 // len(self.nodes)))
        asset = Asset(watts, start, start + self.rng.randrange(3))
        if not self.book.allows(account, [asset]):
            self.told["refuse"] += 1
            return
        self.book.book(account, [asset])
        self.held.append((account, asset))
        self.told["grant"] += 1

    def check(self) -> None:
        """Compare with a book made anew, and look at every limit of every timestep to come."""
        ledger = self.book.ledger
        kept = {
            timestep: {Address(account): Kept(*one) for account, one in row.items()}
            for timestep, row in ledger.reservations.granted.items()
        }
        assert self.book.agrees_with(kept)
        for timestep in range(self.now, self.now + 20):
            assert list(problems(ledger.coefficients, ledger.bounds(timestep))) == []


@pytest.mark.parametrize(
    ("size", "steps", "every"),
    [(3, 1_500, 25), (25, 1_500, 100), pytest.param(129, 20_000, 500, marks=pytest.mark.slow)],
)
def test_homes_that_come_and_go_leave_what_a_rebuild_gives(size: int, steps: int, every: int) -> None:
    """Bit for bit, and safe, after any number of joins, leaves, grants, refusals, releases and passed timesteps."""
    traffic = Traffic(Random(size), size)
    for number in range(1, steps + 1):
        traffic.step()
        if number % every == 0:
            traffic.check()
    assert all(traffic.told.values()), traffic.told
    assert max(traffic.book.ledger.reservations.granted) <= traffic.now + 8
    assert min(one.last for one in traffic.book.ledger.reservations.envelopes.values()) >= traffic.now


def test_rebuild_would_show_an_envelope_that_was_entered_wrongly() -> None:
    """The comparison above sees a timestep that still has the old envelope."""
    own = book()
    own.join(HOME, home_at("c", 1_000, first=3))
    assert own.ledger.equals(own.ledger.rebuilt())
    own.ledger.bounds(2)[:] = own.ledger.bounds(3)
    assert not own.ledger.equals(own.ledger.rebuilt())


def test_strangers_that_are_unsafe_by_themselves_are_refused() -> None:
    """What homes may do that are no members is part of the promise from the beginning."""
    with pytest.raises(InputError, match="of each envelope would be safe"):
        book(Unenrolled(400_000, 0))


def test_envelope_for_which_there_is_no_room_is_turned_away() -> None:
    """With nobody granted anything, the last home that does not fit may never join."""
    own = book()
    own.join(HOME, home_at("c", LINE_WATTS))
    assert own.first_safe(home_at("c", 1_000)) is None
    assert own.first_safe(home_at("b", 1_000)) == 0


def test_newcomer_waits_for_room_that_others_were_granted() -> None:
    """What was granted stands: the newcomer joins after it, and is granted nothing before."""
    own = book()
    own.join(HOME, home_at("c"))
    own.book(HOME, [Asset(-LINE_WATTS, 4, 5)])
    envelope = home_at("c", 1_000, first=2)
    assert own.first_safe(envelope) == 6
    own.join(OTHER, home_at("c", 1_000, first=6))
    assert not own.allows(OTHER, [Asset(-500, 5, 6)])
    assert own.allows(OTHER, [Asset(-500, 6, 7)])
    assert [own.ledger.box(OTHER, timestep) for timestep in (5, 6)] == [Box(0, 0), Box(1_000, 0)]
    assert own.agrees_with({timestep: {HOME: Kept(0, LINE_WATTS)} for timestep in (4, 5)})


def test_newcomer_takes_the_place_of_a_stranger() -> None:
    """The room of a home that is connected without being a member is its own once it joins."""
    own = book(Unenrolled(200_000, 0))
    assert own.unserved == 1
    assert own.first_safe(home_at(NODE, 200_000)) == 0
    own.join(HOME, home_at(NODE, 200_000, first=3))
    assert own.unserved == 0
    assert [own.ledger.loads(timestep)[NODE].import_watts for timestep in (2, 3)] == [200_000, 200_000]


def test_room_of_a_home_that_left_is_free_when_its_grants_have_passed() -> None:
    """Until then nobody gets it; afterwards it draws as any stranger, no more than it did."""
    own = book()
    own.join(HOME, home_at("c", 1_000))
    own.book(HOME, [Asset(-LINE_WATTS, 4, 5)])
    own.join(OTHER, home_at("c"))
    own.leave(HOME, 5)
    assert not own.allows(OTHER, [Asset(-2_000, 5, 5)])
    assert own.allows(OTHER, [Asset(-LINE_WATTS, 6, 6)])
    assert not own.allows(HOME, [Asset(-1, 6, 6)])
    own.expire(6)
    assert str(HOME) not in own.ledger.reservations.envelopes
    assert own.agrees_with({})


def test_home_that_left_stays_connected() -> None:
    """Its wires are there: what strangers may draw stays reserved, unless it had agreed to less."""
    own = book(Unenrolled(2_000, 500))
    own.join(HOME, home_at(NODE, 5_000, 200))
    own.leave(HOME, 7)
    assert [own.ledger.loads(timestep)[NODE][:2] for timestep in (7, 8)] == [(5_000, 200), (2_000, 200)]
    assert own.unserved == 1


def test_ledger_restored_from_its_integers_keeps_beginnings_and_ends() -> None:
    """A ledger made from envelopes, grants and the time alone is the same."""
    own = book()
    own.join(HOME, home_at("c", 1_000, first=2))
    own.book(HOME, [Asset(9_000, 3, 4)])
    own.expire(1)
    granted = {timestep: {str(HOME): Granted(9_000, 0)} for timestep in (3, 4)}
    envelopes = own.ledger.reservations.envelopes
    restored = SafetyLedger(FEEDER, envelopes, reactive=NO_VAR, granted=granted, first=1)
    assert own.ledger.equals(restored)


def test_home_that_leaves_before_it_could_join_takes_no_room() -> None:
    """A newcomer that waits for room and is taken out again leaves others what they were granted."""
    own = book()
    own.join(HOME, home_at("c"))
    own.book(HOME, [Asset(-LINE_WATTS, 4, 5)])
    own.join(OTHER, home_at("c", 1_000, first=6))
    own.leave(OTHER, 1)
    assert [own.ledger.loads(timestep)["c"].import_watts for timestep in (3, 5, 6)] == [0, LINE_WATTS, 0]
    assert own.ledger.equals(own.ledger.rebuilt())
