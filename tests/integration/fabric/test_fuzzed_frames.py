"""Frames that chance altered, over a real connection of a member: nothing is taken that its key did not sign."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from random import Random

import pytest
import zmq

from petra.domain.messages import Kind
from petra.fabric.frames import Busy, Hello, Message, Refused, Stored, encode
from petra.fabric.intake import FROM_GUESTS, TO_DSO, Intake
from petra.fabric.limits import Limits
from petra.fabric.mailbox_proof import mailbox_proof, proven_account
from petra.fabric.refusals import LinkReason
from petra.fabric.zmq_server import ZmqServer
from tests.integration.fabric.forgery import BODIES, Draft, draft
from tests.integration.fabric.parties import DOMAIN, NOW, Members, Party, dso_intake, party

LOT = 100


@dataclass
class Range:
    """A DSO, and a socket of a member that says what it likes."""

    dso: Party
    home: Party
    server: ZmqServer
    socket: "zmq.Socket[bytes]"

    def right(self, kind: Kind) -> Draft:
        """Return a right message of the member."""
        return draft(kind, self.dso, self.home, self.home)

    def fire(self, frames: list[list[bytes]], mark: Draft) -> list[bytes]:
        """Send frames and a right message after them; return the envelopes that were taken before it came."""
        for parts in frames:
            self.socket.send_multipart(parts)
        self.socket.send_multipart(encode(Message(mark.raw)))
        taken: list[bytes] = []
        while mark.raw not in taken:
            self.server.wait(5)
            arrivals = self.server.receive(50)
            self.server.acknowledge(arrivals)
            taken += [arrival.envelope.raw for arrival in arrivals]
        while self.socket.poll(0):
            self.socket.recv_multipart()
        return taken[:-1]


@pytest.fixture
def shooting_range() -> Iterator[Range]:
    """Yield a connection."""
    dso, home, members = party("dso"), party("home"), Members()
    members.add(home)
    intake = replace(dso_intake(dso), kinds=TO_DSO | FROM_GUESTS, bytes_max=4_096)
    server = ZmqServer("tcp://127.0.0.1:*", dso.curve, members, intake, limits=Limits(messages_per_second=0))
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    socket = context.socket(zmq.DEALER)
    socket.linger = 0
    socket.curve_publickey, socket.curve_secretkey = home.curve
    socket.curve_serverkey = dso.public
    socket.connect(server.endpoint)
    try:
        yield Range(dso, home, server, socket)
    finally:
        socket.close()
        context.term()
        server.close()


def altered(raw: bytes, rng: Random) -> bytes:
    """Return bytes with a few bits, bytes, pieces or lengths wrong."""
    data = bytearray(raw)
    for _ in range(rng.choice((1, 1, 2, 5))):
        at = rng.randrange(len(data) + 1)
        match rng.randrange(7):
            case 0 if at < len(data):
                data[at] ^= 1 << rng.randrange(8)
            case 1 if at < len(data):
                data[at] = rng.randrange(256)
            case 2:
                del data[at : at + rng.randrange(1, 40)]
            case 3:
                data[at:at] = rng.randbytes(rng.randrange(1, 40))
            case 4:
                data[at:at] = data[at : at + rng.randrange(1, 40)]
            case 5:
                data[at : at + 8] = rng.choice((bytes(8), b"\xff" * 8, rng.randbytes(8)))
            case _:
                del data[at:]
    return bytes(data)


def fuzzed(right: Draft, rng: Random) -> tuple[list[bytes], bytes]:
    """Return a frame, and the envelope that its sender has signed: chance may leave it as it was."""
    chance = rng.random()
    if chance < 0.45:  # hostile bodies, well signed: they reach Cap'n Proto
        signed = replace(right, data=altered(right.data, rng)[:3_000]).raw
        return encode(Message(signed)), signed
    if chance < 0.75:
        return encode(Message(altered(right.raw, rng))), right.raw
    digest = rng.randbytes(32)
    parts = encode(rng.choice((Stored(digest), Busy(digest, 9), Refused(digest, "busy"), Hello(), Message(right.raw))))
    at = rng.randrange(len(parts))
    match rng.randrange(4):
        case 0:
            parts[at] = altered(parts[at], rng)
        case 1:
            parts[at:at] = [rng.randbytes(rng.randrange(64))]
        case 2:
            del parts[at]
        case _:
            parts[0] = rng.randbytes(1)
    return parts or [b""], right.raw


def fuzz(shooting_range: Range, seed: int, count: int) -> Counter[str]:
    """Fire so many frames; return how often each answer came."""
    rng = Random(seed)
    kinds = sorted(TO_DSO | FROM_GUESTS)
    outcomes: Counter[str] = Counter()
    for _ in range(count // LOT):
        shots = [fuzzed(shooting_range.right(rng.choice(kinds)), rng) for _ in range(LOT)]
        taken = shooting_range.fire([parts for parts, _ in shots], shooting_range.right(Kind.RECEIPT))
        assert set(taken) <= {signed for _, signed in shots}
        outcomes["taken"] += len(taken)
    outcomes.update(shooting_range.server.refusals)
    return outcomes


def test_frames_that_chance_altered_do_no_harm(shooting_range: Range) -> None:
    """A thousand, among them each kind of refusal that needs no clock."""
    outcomes = fuzz(shooting_range, seed=1, count=1_000)
    assert {LinkReason.MALFORMED, LinkReason.TRUNCATED, LinkReason.SIGNATURE, LinkReason.VERSION} <= outcomes.keys()


@pytest.mark.slow
def test_two_hundred_thousand_frames_that_chance_altered_do_no_harm(shooting_range: Range) -> None:
    """The same at length; seed, count and answers are printed."""
    seed, count = 2, 200_000
    outcomes = fuzz(shooting_range, seed, count)
    print(f"fuzzed frames: seed {seed}, count {count}, answers {dict(sorted(outcomes.items()))}")  # noqa: T201
    assert sum(outcomes.values()) > count * 0.9  # the others were answers to nothing


def test_answers_that_chance_altered_do_no_harm_at_home() -> None:
    """The same checks stand before a home: bodies that the DSO signed and chance made."""
    rng = Random(3)
    dso, home = party("dso"), party("home")
    intake = Intake(domain=DOMAIN, addresses={home.account}, kinds=frozenset(Kind), clock=lambda: float(NOW))
    for kind in BODIES:
        right = draft(kind, dso, home, home)
        right = replace(right, sender=dso, signer=dso, recipient=home.account)
        for _ in range(60):
            opened = intake.open(replace(right, data=altered(right.data, rng)).raw, {dso.account})
            assert isinstance(opened, LinkReason) or opened.sender == dso.account


def test_proofs_that_chance_altered_open_no_mailbox() -> None:
    """A header is the one that was signed, or refused."""
    rng, home = Random(4), party("home")
    header = mailbox_proof(home.account, NOW, home.key.sign, DOMAIN)
    assert proven_account(header, NOW, DOMAIN) == home.account
    for _ in range(2_000):
        other = altered(header.encode(), rng).decode("latin-1")
        assert other.casefold() == header.casefold() or isinstance(proven_account(other, NOW, DOMAIN), LinkReason)
