"""The fabric in memory: when messages arrive, and whether."""

from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from petra.domain.terms import Address
from petra.errors import InputError, WorldError
from petra.fabric.memory import MemoryFabric
from petra.ports import Fabric

DSO = Address("0x3535353535353535353535353535353535353535")
HOME = Address("0x3636363636363636363636363636363636363636")
AGES = 2**40
Delivery = tuple[int, Address, bytes]


def fabric(seed: int = 1, **settings: Any) -> MemoryFabric:
    """Return a fabric with a generator of its own."""
    return MemoryFabric(Random(seed), **settings)


def run(fabric: MemoryFabric, count: int = 200) -> list[Delivery]:
    """Send numbered messages, one a second, collecting whenever something is due; return what came and when."""
    arrived: list[Delivery] = []
    for now in range(count):
        fabric.send(DSO if now % 2 else HOME, now.to_bytes(4), now)
    while (now_due := fabric.next_due()) is not None:
        arrived += [(now_due, recipient, raw) for recipient, raw in fabric.due(now_due)]
    return arrived


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"delay_seconds_min": -1}, "delay"),
        ({"delay_seconds_min": 3, "delay_seconds_max": 2}, "delay"),
        ({"loss": 1.1}, "loss"),
        ({"loss": float("nan")}, "loss"),
        ({"duplication": -0.1}, "duplication"),
    ],
)
def test_impossible_settings_are_refused(settings: dict[str, Any], reason: str) -> None:
    """Crossed bounds and shares outside 0..1 are refused by name."""
    with pytest.raises(InputError, match=reason):
        fabric(**settings)


def test_a_full_queue_refuses_and_keeps_what_it_has() -> None:
    """Above the limit the sender is told; what was taken before still arrives, and room that it leaves is used."""
    full = fabric(queue_max=2)
    for number in (b"0", b"1"):
        full.send(DSO, number, 0)
    with pytest.raises(WorldError, match="at most 2 messages"):
        full.send(DSO, b"2", 0)
    assert sorted(raw for _, raw in full.due(1)) == [b"0", b"1"]
    full.send(DSO, b"3", 1)
    assert full.due(2) == [(DSO, b"3")]


def test_total_loss_delivers_nothing() -> None:
    """With a loss of 1 nothing is ever under way."""
    silent = fabric(loss=1.0, duplication=1.0)
    for number in range(100):
        silent.send(DSO, bytes([number]), number)
        assert silent.next_due() is None
    assert silent.due(AGES) == []


def test_total_duplication_delivers_twice() -> None:
    """With a duplication of 1 every message arrives exactly twice, each copy in its own time."""
    arrived = run(fabric(duplication=1.0, delay_seconds_max=5))
    raws = [raw for _, _, raw in arrived]
    assert sorted(raws) == sorted(2 * [now.to_bytes(4) for now in range(200)])
    assert len({(at, raw) for at, _, raw in arrived}) > 200


def test_by_default_everything_arrives_once_within_a_second() -> None:
    """Without settings no message is lost or doubled; both delays of 0 and 1 s occur."""
    arrived = run(fabric())
    assert sorted(raw for _, _, raw in arrived) == [now.to_bytes(4) for now in range(200)]
    assert {at - int.from_bytes(raw) for at, _, raw in arrived} == {0, 1}
    assert all(recipient == (DSO if raw[3] % 2 else HOME) for _, recipient, raw in arrived)


def test_delays_keep_their_bounds_and_reorder() -> None:
    """Every delay from the shortest to the longest occurs, no other, and messages overtake one another."""
    arrived = run(fabric(delay_seconds_min=3, delay_seconds_max=9))
    sent = [int.from_bytes(raw) for _, _, raw in arrived]
    assert {at - now for (at, _, _), now in zip(arrived, sent, strict=True)} == set(range(3, 10))
    assert sent != sorted(sent)


def test_messages_of_one_second_arrive_in_the_order_of_sending() -> None:
    """Where time does not decide, the order of sending does, whatever the bytes."""
    punctual = fabric(delay_seconds_max=0)
    raws = [b"b", b"c", b"a"]
    for raw in raws:
        punctual.send(DSO, raw, 7)
    assert punctual.due(6) == []
    assert punctual.next_due() == 7
    assert [raw for _, raw in punctual.due(7)] == raws
    assert punctual.next_due() is None


@given(st.integers(0, 2**32), st.floats(0, 1), st.floats(0, 1))
def test_equal_seed_gives_equal_deliveries(seed: int, loss: float, duplication: float) -> None:
    """A run can be played again from its seed."""
    runs = [
        run(fabric(seed, delay_seconds_max=20, loss=loss, duplication=duplication), count=50) for _ in range(2)
    ]
    assert runs[0] == runs[1]


def test_another_seed_gives_other_deliveries() -> None:
    """The seed is really used."""
    assert run(fabric(1, delay_seconds_max=20)) != run(fabric(2, delay_seconds_max=20))


def test_loss_changes_no_delay() -> None:
    """The messages that survive arrive when they would have arrived without loss, so runs can be compared."""
    whole, lossy = (run(fabric(delay_seconds_max=20, loss=loss)) for loss in (0.0, 0.5))
    assert set(lossy) < set(whole)
    assert 60 < len(lossy) < 140


def test_it_is_a_fabric() -> None:
    """It serves wherever the port is asked for."""
    port: Fabric = fabric()
    port.send(DSO, b"hello", 0)
