"""Two links over real sockets: who may speak, what comes through, and what the operator is told."""

import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
import zmq

from petra.domain.messages import BillStatement, Envelope
from petra.errors import InputError
from petra.fabric.frames import Stored
from petra.fabric.refusals import LinkReason
from petra.fabric.zmq_client import ZmqClient
from petra.fabric.zmq_server import ZmqServer
from petra.ports import Link
from petra.wire.envelope import envelope_hash
from tests.integration.fabric.parties import NOW, Members, Party, client_of, party, received, server_of, until


@dataclass
class Line:
    """A DSO and a home, connected."""

    dso: Party
    home: Party
    members: Members
    server: ZmqServer
    client: ZmqClient


@pytest.fixture
def line() -> Iterator[Line]:
    """Yield a line that works."""
    dso, home, members = party("dso"), party("home"), Members()
    members.add(home)
    server = server_of(dso, members)
    client = client_of(home, dso, server.endpoint)
    try:
        until([server, client], lambda: bool(client.returned()))
        yield Line(dso, home, members, server, client)
    finally:
        client.close()
        server.close()


def test_an_unknown_key_is_told_so_in_one_sentence() -> None:
    """A home that is not enrolled cannot connect, and its operator reads why; once enrolled, it connects by itself."""
    dso, stranger, members = party("dso"), party("stranger"), Members()
    server = server_of(dso, members)
    client = client_of(stranger, dso, server.endpoint)
    try:
        until([server, client], lambda: client.trouble() is not None)
        assert "not enrolled" in str(client.trouble())
        assert not client.send(dso.account, stranger.says(dso.account).raw)
        members.add(stranger)
        until([server, client], lambda: client.trouble() is None)
        assert client.send(dso.account, stranger.says(dso.account).raw)
    finally:
        client.close()
        server.close()


def test_a_wrong_server_key_is_told_so_in_one_sentence() -> None:
    """Whoever answers with another key than the configured one is not spoken to."""
    dso, impostor, home, members = party("dso"), party("impostor"), party("home"), Members()
    members.add(home)
    server = server_of(impostor, members)
    client = client_of(home, dso, server.endpoint)
    try:
        until([server, client], lambda: client.trouble() is not None)
        assert "server key" in str(client.trouble())
    finally:
        client.close()
        server.close()


def test_nobody_there_is_told_so_in_one_sentence(line: Line) -> None:
    """A server that went away is reported, and nothing is queued for it."""
    line.server.close()
    until([line.client], lambda: line.client.trouble() is not None)
    assert "does not answer" in str(line.client.trouble())
    assert not line.client.send(line.dso.account, line.home.says(line.dso.account).raw)


def test_a_taken_port_is_one_clear_error(line: Line) -> None:
    """A second server on the same port says so, and leaves nothing open."""
    with pytest.raises(InputError, match="cannot listen"):
        server_of(line.dso, line.members, endpoint=line.server.endpoint)


def test_a_revoked_key_is_refused_on_its_open_connection(line: Line) -> None:
    """Revocation holds for the next message, in both directions, although the connection stays."""
    line.members.keys.clear()
    raw = line.home.says(line.dso.account).raw
    assert line.client.send(line.dso.account, raw)
    refused: list[tuple[bytes, str]] = []

    def told() -> bool:
        assert line.server.receive(10) == []
        line.client.receive(10)
        refused.extend(line.client.refused())
        return bool(refused)

    until([line.server, line.client], told)
    assert refused == [(envelope_hash(raw), LinkReason.REVOKED)]
    assert not line.server.send(line.home.account, line.dso.says(line.home.account, BillStatement(document=b"{}")).raw)


@pytest.mark.parametrize(
    ("ours", "theirs", "told"),
    [(600, 0, "finds our clock ahead"), (0, 600, "has a clock ahead of ours")],
    ids=["our clock is ahead", "our clock is behind"],
)
def test_a_clock_that_is_wrong_is_told_until_it_is_right(line: Line, ours: int, theirs: int, told: str) -> None:
    """A home whose connection stands, and whose messages nobody takes, tells its operator why."""

    def exchanged(*, created_here: int, created_there: int) -> None:
        line.client.send(line.dso.account, line.home.says(line.dso.account, created=created_here).raw)
        bill = line.dso.says(
            line.home.account, BillStatement(document=b"{}"), created=created_there, deadline=NOW + 900
        )
        line.server.send(line.home.account, bill.raw)
        for link in (line.server, line.client):
            link.acknowledge(link.receive(10))

    def complains() -> bool:
        exchanged(created_here=NOW + ours, created_there=NOW + theirs)
        return told in str(line.client.trouble())

    def is_silent() -> bool:
        exchanged(created_here=NOW, created_there=NOW)
        return line.client.trouble() is None

    until([line.server, line.client], complains)
    until([line.server, line.client], is_silent)


def test_a_revoked_home_tells_its_operator(line: Line) -> None:
    """The connection stands, so nothing else would."""
    line.members.keys.clear()
    line.client.send(line.dso.account, line.home.says(line.dso.account).raw)

    def complains() -> bool:
        assert not line.server.receive(9) and not line.client.receive(9)
        return line.client.trouble() is not None

    until([line.server, line.client], complains)
    assert "revoked" in str(line.client.trouble())


def test_a_member_cannot_speak_for_another(line: Line) -> None:
    """A message whose sender is not the owner of the connection's key is refused, though its signature is good."""
    other = party("other")
    line.members.add(other)
    raw = other.says(line.dso.account).raw
    line.client.send(line.dso.account, raw)
    until([line.server, line.client], lambda: bool(line.server.receive(10) or line.server.refusals))
    assert line.server.refusals == {LinkReason.SENDER_KEY: 1}


def test_a_message_comes_through_and_is_acknowledged_when_stored(line: Line) -> None:
    """Both directions; `delivered` tells the sender only after `acknowledge`."""
    reading = line.home.says(line.dso.account)
    bill = line.dso.says(line.home.account, BillStatement(document=b"{}" * 100_000))
    _exchange(line.client, line.server, reading)
    _exchange(line.server, line.client, bill)


def _exchange(sender: Link, taker: Link, message: Envelope) -> None:
    assert sender.send(message.recipient, message.raw)
    arrivals = received(taker, [sender])
    assert [arrival.envelope for arrival in arrivals] == [message]
    assert sender.delivered() == []
    taker.acknowledge(arrivals)
    until([sender, taker], lambda: not sender.receive(10) and sender.delivered() == [envelope_hash(message.raw)])


def test_a_busy_or_refusing_recipient_says_so(line: Line) -> None:
    """The sender learns when to try again, or why never."""
    raw = line.home.says(line.dso.account).raw
    line.client.send(line.dso.account, raw)
    (arrival,) = received(line.server, [line.client])
    line.server.busy([arrival], 250)
    line.client.send(line.dso.account, raw)
    (arrival,) = received(line.server, [line.client])
    line.server.refuse(arrival, LinkReason.REPLAYED)
    answers: list[tuple[bytes, str]] = []

    def told() -> bool:
        line.client.receive(10)
        answers.extend(line.client.refused())
        return len(answers) == 2

    until([line.client], told)
    assert answers == [(envelope_hash(raw), "busy 250"), (envelope_hash(raw), "replayed")]


def test_nobody_can_acknowledge_what_went_to_another(line: Line) -> None:
    """A member who knows the hash of another's mail cannot make the DSO believe that it arrived."""
    other = party("other")
    line.members.add(other)
    intruder = client_of(other, line.dso, line.server.endpoint)
    try:
        bill = line.dso.says(line.home.account, BillStatement(document=b"{}"))
        until([line.server, intruder], lambda: bool(line.server.receive(1)) or bool(intruder.returned()))
        assert line.server.send(line.home.account, bill.raw)
        intruder._sent(Stored(envelope_hash(bill.raw)))
        mark = other.says(line.dso.account)
        until([line.server, intruder], lambda: intruder.send(line.dso.account, mark.raw))
        assert received(line.server, [intruder])[0].envelope == mark
        assert line.server.delivered() == []
    finally:
        intruder.close()


def test_a_wait_ends_when_woken(line: Line) -> None:
    """`wake` counts although it came before the wait, and only once."""
    for link in (line.server, line.client):
        link.wake()
        begin = time.monotonic()
        link.wait(5)
        assert time.monotonic() - begin < 1
        link.wait(0.01)


def test_frames_without_curve_never_arrive(line: Line) -> None:
    """A plain ZeroMQ socket gets no answer."""
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    plain = context.socket(zmq.DEALER)
    plain.linger = 0
    plain.connect(line.server.endpoint)
    plain.send_multipart([b"H"])
    try:
        line.server.wait(0.2)
        assert line.server.receive(10) == []
        assert not plain.poll(50)
    finally:
        plain.close()
        context.term()
