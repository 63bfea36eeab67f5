"""The door for newcomers, and what is published: what may be said there, and who hears it."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import pytest
import zmq

from petra.domain.messages import Enrolled, Envelope
from petra.fabric.intake import EVERYBODY, FROM_GUESTS
from petra.fabric.limits import Limits
from petra.fabric.publisher import PRICES
from petra.fabric.refusals import LinkReason
from petra.fabric.sockets import Raw
from petra.fabric.zmq_client import ZmqClient
from petra.fabric.zmq_server import ZmqServer
from petra.wire.envelope import envelope_hash
from tests.integration.fabric.parties import (
    ENROLMENT,
    PRICE_LIST,
    Members,
    Party,
    client_of,
    dso_intake,
    gathered,
    party,
    received,
    server_of,
    until,
)


@dataclass
class Desk:
    """A DSO that takes newcomers."""

    dso: Party
    members: Members
    server: ZmqServer
    door: str


@pytest.fixture
def desk() -> Iterator[Desk]:
    """Yield a DSO with both doors open."""
    dso, members = party("dso"), Members()
    server = server_of(dso, members, limits=Limits(enrolments_per_minute=3, redial_seconds=0.2))
    try:
        door = server.open_enrolment("tcp://127.0.0.1:*", replace(dso_intake(dso), kinds=FROM_GUESTS))
        yield Desk(dso, members, server, door)
    finally:
        server.close()


def test_a_newcomer_may_ask_to_be_enrolled_and_nothing_else(desk: Desk) -> None:
    """Any key may connect to the second door; only `enrol` is heard there, and its answer comes back."""
    newcomer = party("newcomer")
    client = client_of(newcomer, desk.dso, desk.door)
    try:
        for message in (newcomer.says(desk.dso.account), request := newcomer.says(desk.dso.account, ENROLMENT)):
            until([desk.server, client], lambda raw=message.raw: client.send(desk.dso.account, raw))  # type: ignore[misc]
        arrivals = received(desk.server, [client])
        assert [arrival.envelope for arrival in arrivals] == [request]
        assert desk.server.refusals == {LinkReason.KIND: 1}
        answer = desk.dso.says(newcomer.account, Enrolled(request_id=request.message_id, document=b"{}"))
        assert desk.server.send(newcomer.account, answer.raw)
        found = received(client, [desk.server])
        assert [arrival.envelope for arrival in found] == [answer]
        client.acknowledge(found)
        until([desk.server], lambda: not desk.server.receive(9) and bool(desk.server.delivered()))
    finally:
        client.close()


def test_newcomers_are_few_from_one_place(desk: Desk) -> None:
    """What one network address says beyond its rate is refused before any signature is checked."""
    newcomer = party("newcomer")
    client = client_of(newcomer, desk.dso, desk.door)
    try:
        until([desk.server, client], lambda: bool(client.returned()))
        raws = [newcomer.says(desk.dso.account, ENROLMENT).raw for _ in range(5)]
        assert all(client.send(desk.dso.account, raw) for raw in raws)
        answers: list[tuple[bytes, str]] = []

        def told() -> bool:
            desk.server.receive(9)
            client.receive(9)
            return gathered(answers, client.refused()) and len(answers) == 2

        until([desk.server, client], told)
        assert answers == [(envelope_hash(raw), LinkReason.RATE) for raw in raws[3:]]
    finally:
        client.close()


def test_the_key_of_zeros_opens_no_door(desk: Desk) -> None:
    """A public key that anybody can show is nobody's, whatever the directory says."""
    nobody = replace(party("nobody"), public=bytes(32))
    desk.members.keys[bytes(32)] = frozenset({nobody.account})
    for endpoint in (desk.server.endpoint, desk.door):
        client = client_of(nobody, desk.dso, endpoint)
        try:
            until([desk.server, client], lambda: client.trouble() is not None)  # noqa: B023
            assert not client.send(desk.dso.account, nobody.says(desk.dso.account, ENROLMENT).raw)
        finally:
            client.close()


def test_every_member_hears_what_is_published_however_late_it_comes(desk: Desk) -> None:
    """A subscriber of before gets each schedule, one that comes after gets the newest; strangers get none."""
    homes = [party("home 1"), party("home 2")]
    desk.members.add(*homes)
    prices = desk.server.open_publisher("tcp://127.0.0.1:*")
    early = client_of(homes[0], desk.dso, desk.server.endpoint, prices=prices)
    late = stranger = None
    try:
        until([desk.server, early], lambda: bool(early.returned()))
        schedules = [desk.dso.says(EVERYBODY, PRICE_LIST) for _ in range(2)]
        heard: list[Envelope] = []
        for schedule in schedules:
            desk.server.publish(PRICES, schedule.raw)
            until([desk.server, early], lambda: gathered(heard, _envelopes(early)) and heard[-1] == schedule)  # noqa: B023
        assert list(dict.fromkeys(heard)) == schedules  # the first may come twice, as the answer to the subscription
        late = client_of(homes[1], desk.dso, desk.server.endpoint, prices=prices)
        stranger = client_of(party("stranger"), desk.dso, desk.server.endpoint, prices=prices)
        found = received(late, [desk.server, stranger])
        assert [arrival.envelope for arrival in found] == schedules[1:]
        late.acknowledge(found)
        assert stranger.receive(9) == []
    finally:
        for client in filter(None, (early, late, stranger)):
            client.close()


def test_a_member_can_subscribe_to_what_is_published_and_to_nothing_else(desk: Desk) -> None:
    """What nobody publishes is not remembered, so that a member cannot fill memory with topics; nor is 'everything'."""
    home = party("home")
    desk.members.add(home)
    prices = desk.server.open_publisher("tcp://127.0.0.1:*")
    with zmq.Context() as context:
        greedy, modest = (_subscriber(context, home, desk.dso, prices) for _ in range(2))
        for topic in (b"", b"p", *(f"topic {number}".encode() for number in range(3_000))):
            greedy.subscribe(topic)
        modest.subscribe(PRICES)

        def published() -> bool:
            desk.server.publish(PRICES, b"schedule")
            return modest.poll(20) != 0

        until([desk.server], published)
        assert modest.recv_multipart() == [PRICES, b"schedule"]
        assert greedy.poll(300) == 0
        for one in (greedy, modest):
            one.close(linger=0)


def _subscriber(context: "zmq.Context[Raw]", home: Party, dso: Party, endpoint: str) -> Raw:
    made = context.socket(zmq.SUB)
    made.curve_publickey, made.curve_secretkey = home.curve
    made.curve_serverkey = dso.public
    made.connect(endpoint)
    return made


def _envelopes(client: ZmqClient) -> list[Envelope]:
    return [arrival.envelope for arrival in client.receive(9)]


def test_nobody_but_the_dso_publishes(desk: Desk) -> None:
    """A schedule that another account signed, or another kind of message, is dropped and counted."""
    home = party("home")
    desk.members.add(home)
    prices = desk.server.open_publisher("tcp://127.0.0.1:*")
    client = client_of(home, desk.dso, desk.server.endpoint, prices=prices)
    try:
        until([desk.server, client], lambda: bool(client.returned()))
        forged = party("other").says(EVERYBODY, PRICE_LIST).raw
        answer = desk.dso.says(home.account, Enrolled(request_id=bytes(16), document=b"")).raw
        for raw, reason in ((forged, LinkReason.SENDER_KEY), (answer, LinkReason.KIND), (b"", LinkReason.TRUNCATED)):
            desk.server.publish(PRICES, raw)
            until([desk.server, client], lambda: bool(client.receive(9) or client.refusals[reason]))  # noqa: B023
        assert client.receive(9) == []
    finally:
        client.close()
