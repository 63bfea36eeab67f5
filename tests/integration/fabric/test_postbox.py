"""Store and forward over real sockets: loss, doubles, disorder, delay, and a server that dies."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush
from itertools import pairwise
from random import Random

import pytest

from petra.domain.messages import Kind
from petra.domain.terms import Address
from petra.fabric.postbox import Postbox
from petra.fabric.zmq_client import ZmqClient
from petra.fabric.zmq_server import ZmqServer
from petra.ports import Arrival, Link
from petra.wire.envelope import envelope_hash
from tests.integration.fabric.forgery import BODIES
from tests.integration.fabric.parties import Members, Party, Taker, client_of, party, server_of

LATE = 10.0**12


@dataclass
class LossyLink:
    """A link that loses, doubles and delays what it sends, acknowledgements too; delays differ, so order goes."""

    link: Link
    rng: Random
    loss: float = 0.1
    doubles: float = 0.1
    delay_seconds_max: float = 0.0
    _under_way: list[tuple[float, int, Callable[[], object]]] = field(default_factory=list)
    _count: int = 0

    def wait(self, seconds: float) -> None:
        """Wait, and let what is due go out."""
        while self._under_way and self._under_way[0][0] <= time.monotonic():
            heappop(self._under_way)[2]()
        self.link.wait(seconds)

    def wake(self) -> None:
        """Wake the link."""
        self.link.wake()

    def receive(self, limit: int) -> list[Arrival]:
        """Receive without loss: the other side has lost already."""
        return self.link.receive(limit)

    def acknowledge(self, arrivals: Sequence[Arrival]) -> None:
        """Acknowledge, perhaps."""
        for arrival in arrivals:
            self._later(lambda one=arrival: self.link.acknowledge([one]))  # type: ignore[misc]

    def busy(self, arrivals: Sequence[Arrival], retry_ms: int) -> None:
        """Put off."""
        self.link.busy(arrivals, retry_ms)

    def refuse(self, arrival: Arrival, reason: str) -> None:
        """Refuse."""
        self.link.refuse(arrival, reason)

    def send(self, recipient: Address, raw: bytes) -> bool:
        """Send, perhaps, and say that it is sent."""
        self._later(lambda: self.link.send(recipient, raw))
        return True

    def delivered(self) -> list[bytes]:
        """Return what is stored."""
        return self.link.delivered()

    def refused(self) -> list[tuple[bytes, str]]:
        """Return what is refused."""
        return self.link.refused()

    def returned(self) -> list[Address]:
        """Return who came back."""
        return self.link.returned()

    def trouble(self) -> str | None:
        """Return what the link says."""
        return self.link.trouble()

    def close(self) -> None:
        """Close the link."""
        self.link.close()

    def _later(self, act: Callable[[], object]) -> None:
        for _ in range(2 if self.rng.random() < self.doubles else 1):
            if self.rng.random() >= self.loss:
                self._count += 1
                at = time.monotonic() + self.rng.uniform(0, self.delay_seconds_max)
                heappush(self._under_way, (at, self._count, act))


@dataclass
class Pair:
    """A DSO and a home, their links and postboxes."""

    dso: Party
    home: Party
    members: Members
    server: ZmqServer
    client: ZmqClient

    def restart(self) -> None:
        """Let the DSO die, and come back at the same place with its keys."""
        endpoint = self.server.endpoint
        self.server.close()
        self.server = server_of(self.dso, self.members, endpoint=endpoint)


@pytest.fixture
def pair() -> Iterator[Pair]:
    """Yield a DSO and a home."""
    dso, home, members = party("dso"), party("home"), Members()
    members.add(home)
    server = server_of(dso, members)
    made = Pair(dso, home, members, server, client_of(home, dso, server.endpoint))
    try:
        yield made
    finally:
        made.client.close()
        made.server.close()


def _exchange(pair: Pair, count: int, *, delay_seconds_max: float, seconds: float) -> None:
    """Send messages both ways over bad links until all are stored; each must be taken exactly once."""
    rng = Random(4)
    takers = [
        Taker(LossyLink(link, Random(rng.random()), delay_seconds_max=delay_seconds_max))
        for link in (pair.server, pair.client)
    ]
    boxes = [Postbox(link=taker.link, rng=Random(rng.random())) for taker in takers]
    ways = ((pair.dso, pair.home, Kind.BILL), (pair.home, pair.dso, Kind.METER_READING))
    sent: list[set[bytes]] = [set(), set()]
    for side, (sender, recipient, kind) in enumerate(ways):
        for _ in range(count):
            envelope = sender.says(recipient.account, BODIES[kind])
            boxes[side].add(recipient.account, envelope.raw, LATE, time.monotonic())
            sent[side].add(envelope_hash(envelope.raw))
    delivered: list[list[bytes]] = [[], []]
    end = time.monotonic() + seconds
    while any(boxes):
        assert time.monotonic() < end, f"{[len(box) for box in boxes]} messages are under way after {seconds} s"
        for taker, box, answered in zip(takers, boxes, delivered, strict=True):
            taker.link.wait(0.001)
            taker.turn()
            box.pump(time.monotonic())
            answered.extend(box.delivered())
    assert [set(done) for done in delivered] == sent
    assert [set(taker.taken.values()) for taker in takers] == [sent[1], sent[0]]
    assert all(taker.first_times == count for taker in takers)


def test_every_message_arrives_over_a_bad_link_and_is_taken_once(pair: Pair) -> None:
    """10 % loss and doubles each way, of acknowledgements too, and some disorder."""
    _exchange(pair, 100, delay_seconds_max=0.05, seconds=30)


@pytest.mark.slow
def test_every_message_arrives_although_it_takes_two_seconds(pair: Pair) -> None:
    """The same with 2 s of delay: retries overtake what they repeat."""
    _exchange(pair, 1_000, delay_seconds_max=2.0, seconds=90)


def test_what_a_dead_server_did_not_store_arrives_when_it_is_back(pair: Pair) -> None:
    """Killed twice in the middle; what was acknowledged is not sent again, all else arrives."""
    box = Postbox(link=pair.client, rng=Random(1))
    raws = [pair.home.says(pair.dso.account).raw for _ in range(60)]
    for raw in raws:
        box.add(pair.dso.account, raw, LATE, time.monotonic())
    taken: list[bytes] = []
    deaths = [20, 40]
    end = time.monotonic() + 20
    while box:
        assert time.monotonic() < end
        pair.client.wait(0.002)
        assert not pair.client.receive(10)
        box.pump(time.monotonic())
        arrivals = pair.server.receive(7)
        # The last of each lot dies with the server: stored is what was acknowledged.
        stored = arrivals[:-1] if deaths else arrivals
        pair.server.acknowledge(stored)
        taken += [arrival.envelope.raw for arrival in stored]
        if deaths and len(taken) >= deaths[0]:
            del deaths[0]
            pair.restart()
    assert sorted(set(taken)) == sorted(raws)


def test_a_recipient_that_comes_back_is_served_at_once(pair: Pair) -> None:
    """The DSO's mail does not wait for the next try, which may be two seconds away."""
    box = Postbox(link=pair.server, rng=Random(1))
    pair.client.close()
    mail = pair.dso.says(pair.home.account, BODIES[Kind.BILL])
    now = 1000.0
    box.add(pair.home.account, mail.raw, LATE, now)
    for _ in range(8):
        box.pump(now)
        now += 2.5
    box.pump(now)
    pair.client = client_of(pair.home, pair.dso, pair.server.endpoint)
    end = time.monotonic() + 10
    while not (arrivals := pair.client.receive(10)):
        assert time.monotonic() < end
        assert not pair.server.receive(10)
        box.pump(now)  # time stands still: no try is due
        for link in (pair.client, pair.server):
            link.wait(0.002)
    assert [arrival.envelope for arrival in arrivals] == [mail]


def test_tries_grow_rarer_and_end_at_the_deadline(pair: Pair) -> None:
    """From 0.1 s doubled to 2 s, +- 20 %, then expired and forgotten."""
    pair.client.close()
    box = Postbox(link=pair.server, rng=Random(1))
    raw = pair.dso.says(pair.home.account).raw
    box.add(pair.home.account, raw, 1030.0, 1000.0)
    due = [1000.0]
    while box:
        box.pump(due[-1])
        if (later := box.next_due()) is not None:
            due.append(later)
    pauses = [later - earlier for earlier, later in pairwise(due)]
    for pause, expected in zip(pauses, (0.5, 1.0, 2.0, 2.0), strict=False):
        assert 0.8 * expected <= pause <= 1.2 * expected
    assert len(set(pauses)) == len(pauses)
    assert 1030 < due[-1] < 1030 + 2.4
    assert box.expired() == [envelope_hash(raw)] and box.expired() == []


def test_a_clock_that_is_set_back_stops_no_message(pair: Pair) -> None:
    """What was planned by the wrong clock is planned anew."""
    box = Postbox(link=pair.server, rng=Random(1))
    box.add(pair.home.account, pair.dso.says(pair.home.account).raw, LATE, 10_000.0)
    box.pump(10_000.0)
    box.pump(1_000.0)
    assert (due := box.next_due()) is not None
    assert due < 1_003


def test_a_full_postbox_says_so(pair: Pair) -> None:
    """One message more than fits is not taken; the same one again is no other."""
    box = Postbox(link=pair.server, rng=Random(1), parcels_max=2)
    raws = [pair.dso.says(pair.home.account).raw for _ in range(3)]
    assert [box.add(pair.home.account, raw, LATE, 0.0) for raw in (*raws, raws[0])] == [True, True, False, True]
    assert len(box) == 2


def test_answers_decide_what_becomes_of_a_message(pair: Pair) -> None:
    """Put off: again after the time that was named. Refused: forgotten, with its reason."""
    box = Postbox(link=pair.client, rng=Random(1))
    raws = [pair.home.says(pair.dso.account).raw for _ in range(2)]
    for raw in raws:
        box.add(pair.dso.account, raw, LATE, 0.0)
    arrivals: list[Arrival] = []
    end = time.monotonic() + 10
    while len(box) == 2:
        assert time.monotonic() < end
        box.pump(0.0)
        arrivals = pair.server.receive(10)
        pair.server.busy([one for one in arrivals if one.envelope.raw == raws[0]], 7_000)
        for arrival in arrivals:
            if arrival.envelope.raw == raws[1]:
                pair.server.refuse(arrival, "replayed")
        for link in (pair.client, pair.server):
            link.wait(0.002)
        pair.client.receive(10)
    assert box.refused() == [(envelope_hash(raws[1]), "replayed")]
    assert box.next_due() == 7.0
