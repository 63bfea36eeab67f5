"""Every class of bad message, for every kind, over both transports: refused by name, nothing changes, nothing ends."""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import pytest

from petra.domain.messages import Kind
from petra.fabric.intake import FROM_GUESTS, TO_DSO
from petra.fabric.refusals import LinkReason
from petra.fabric.zmq_server import ZmqServer
from petra.ports import Link
from petra.wire.envelope import envelope_hash
from tests.integration.fabric.certificates import self_signed
from tests.integration.fabric.forgery import WRONGS, Draft, draft
from tests.integration.fabric.parties import (
    DOMAIN,
    QUICK,
    Members,
    Party,
    Taker,
    client_of,
    dso_intake,
    gateway_client_of,
    gateway_of,
    party,
    until,
)


@dataclass
class Line:
    """A DSO and a home, connected by one transport."""

    dso: Party
    home: Party
    other: Party
    members: Members
    at_dso: Taker
    at_home: Taker

    def right(self, kind: Kind) -> Draft:
        """Return a right message of a kind."""
        return draft(kind, self.dso, self.home, self.other)

    def answers(self, raws: Sequence[bytes], *, to_home: bool) -> dict[bytes, str]:
        """Send messages and return what each was answered: a reason, or `stored`."""
        sender, recipient = (self.at_dso, self.home) if to_home else (self.at_home, self.dso)
        answers: dict[bytes, str] = {}

        def told() -> bool:
            self.at_dso.turn()
            self.at_home.turn()
            answers.update(dict.fromkeys(sender.link.delivered(), "stored"))
            answers.update(sender.link.refused())
            return len(answers) == len(set(raws))

        until(self.links, lambda: all(sender.link.send(recipient.account, raw) for raw in raws) or told())
        until(self.links, told)
        return answers

    @property
    def links(self) -> tuple[Link, Link]:
        """The two links."""
        return self.at_dso.link, self.at_home.link


@pytest.fixture(scope="module", params=["zmq", "https"])
def line(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Line]:
    """Yield a line that works, the same for all tests of one transport."""
    dso, home, other, members = party("dso"), party("home"), party("other"), Members()
    members.add(home, other)
    with contextlib.ExitStack() as stack:
        server: Link
        client: Link
        if request.param == "zmq":
            # Here the member may also ask to be enrolled, so that this kind is tried like the others.
            zmq_server = ZmqServer(
                "tcp://127.0.0.1:*",
                dso.curve,
                members,
                replace(dso_intake(dso), kinds=TO_DSO | FROM_GUESTS),
                limits=QUICK,
            )
            server, client = zmq_server, client_of(home, dso, zmq_server.endpoint)
        else:
            tls = self_signed(tmp_path_factory.mktemp("tls"))
            # As there; so many wrong ones come that their number must not be what refuses them.
            gateway = gateway_of(dso, members, tls, limits=replace(QUICK, enrolments_per_minute=1_000_000))
            server, client = gateway, gateway_client_of(home, dso, gateway.port, tls)
        stack.callback(server.close)
        stack.callback(client.close)
        yield Line(dso, home, other, members, Taker(server), Taker(client))


@pytest.mark.parametrize("name", WRONGS)
def test_it_is_refused_by_name_and_changes_nothing(line: Line, name: str) -> None:
    """Each kind that the class concerns gets the same word; nothing is taken; right messages pass before and after."""
    wrong = WRONGS[name]
    for to_home in (False, True):
        rights = [right for kind in wrong.kinds if (right := line.right(kind)).to_home is to_home]
        raws = [wrong.make(right) for right in rights]
        before = dict(line.at_dso.taken), dict(line.at_home.taken)
        answers = line.answers(raws, to_home=to_home)
        assert answers == dict.fromkeys(map(envelope_hash, raws), wrong.reason)
        assert (line.at_dso.taken, line.at_home.taken) == before
        passed = [right.raw for right in rights]
        assert line.answers(passed, to_home=to_home) == dict.fromkeys(map(envelope_hash, passed), "stored")


def test_a_used_message_id_is_refused_for_other_bytes_and_acknowledged_for_the_same(line: Line) -> None:
    """A replay is answered as the first time and taken once; another message under its id is refused."""
    for kind in Kind:
        right = line.right(kind)
        again = replace(right, sequence=1)
        for raw, answer in ((right.raw, "stored"), (again.raw, LinkReason.REPLAYED), (right.raw, "stored")):
            assert line.answers([raw], to_home=right.to_home) == {envelope_hash(raw): answer}
        taken = (line.at_home if right.to_home else line.at_dso).taken
        assert taken[right.sender.account, right.message_id] == envelope_hash(right.raw)


def test_another_accounts_message_id_is_no_replay(line: Line) -> None:
    """Ids are each sender's own: nobody can use up those of another."""
    for kind in TO_DSO:
        theirs = line.right(kind)
        line.at_dso.taken[line.other.account, theirs.message_id] = bytes(32)
        assert line.answers([theirs.raw], to_home=False) == {envelope_hash(theirs.raw): "stored"}


def test_a_key_that_is_no_longer_enrolled_is_refused_on_its_open_connection(line: Line) -> None:
    """Each kind, until the key is enrolled again."""
    raws = [line.right(kind).raw for kind in TO_DSO]
    saved = dict(line.members.keys)
    line.members.keys.clear()
    try:
        answers = line.answers(raws, to_home=False)
    finally:
        line.members.keys.update(saved)
    assert set(answers.values()) <= {LinkReason.REVOKED, LinkReason.UNKNOWN}
    assert line.answers(raws, to_home=False) == dict.fromkeys(map(envelope_hash, raws), "stored")


def test_what_the_dso_did_not_sign_is_refused_at_home(line: Line) -> None:
    """A member's good signature is none of the DSO's."""
    for kind in Kind:
        right = line.right(kind)
        if right.to_home:
            forged = replace(right, sender=line.other, signer=line.other).raw
            assert line.answers([forged], to_home=True) == {envelope_hash(forged): LinkReason.SENDER_KEY}


def test_the_classes_are_many() -> None:
    """The table above has not lost any: with those of the other tests at least the sixty that we promise."""
    assert len(WRONGS) >= 55
    assert {wrong.reason for wrong in WRONGS.values()} | {
        LinkReason.SENDER_KEY,
        LinkReason.REPLAYED,
        LinkReason.UNKNOWN,
        LinkReason.REVOKED,
        LinkReason.RATE,
        LinkReason.BUSY,
    } == set(LinkReason)
    assert DOMAIN != bytes(32)
