"""Values become JSON and come back the same, or are refused with their place."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from petra.domain.blocks import Checkpoint, LedgerRecord, Outcome
from petra.domain.events import AssetDeposited, LedgerEvent, MarketUnlocked
from petra.domain.messages import Direction, PriceSchedule, RequestedAsset, WithdrawAssets
from petra.domain.terms import Address, Terms
from petra.domain.timeline import Interval
from petra.errors import StoreError
from petra.roles.effects import CurtailmentOrdered, Frozen, Measured, Order, Phase, Unfrozen, Woken
from petra.runtime.diary_rows import from_payload, to_payload
from petra.store.codec import decode, encode

MEASURED = Measured(timestep=1, produced=2, consumed=3)


@pytest.mark.parametrize(
    ("kind", "text", "said"),
    [
        (Measured, "{", "not JSON"),
        (Measured, '{"timestep":1,"produced":2}', "consumed"),
        (Measured, '{"timestep":1,"produced":2,"consumed":3,"more":4}', "more"),
        (Measured, '{"timestep":1,"produced":2,"consumed":"3"}', r"Measured\.consumed: int is needed"),
        (Measured, '{"timestep":1,"produced":2,"consumed":true}', "int is needed"),
        (Measured, '{"timestep":1,"produced":2,"consumed":3.0}', "int is needed"),
        (Measured, "[1,2,3]", "dict is needed"),
        (Woken, '{"phase":"never","timestep":1}', r"Woken\.phase: Phase has no 'never'"),
        (Checkpoint, '{"block_number":1,"block_hash":"0x00"}', "hexadecimal"),
        (Checkpoint, '{"block_number":1,"block_hash":"AA"}', "small letters"),
        (Checkpoint, '{"block_number":1,"block_hash":null}', "str is needed"),
        (Woken | Measured, '{"is":"Interval","start":1,"end":2}', "one of Woken, Measured"),
        (Woken | Measured, '{"phase":"open","timestep":1}', "one of Woken, Measured"),
        (Woken | Measured, "1", "one of Woken, Measured"),
        (tuple[int, ...], '[1,"2"]', "int is needed"),
        (tuple[int, ...], '{"0":1}', "list is needed"),
        (dict[str, int], '{"a":"b"}', "int is needed"),
        (Interval, '{"start":2,"end":1}', "no interval"),
        (int, "null", "int is needed"),
    ],
)
def test_text_that_encoding_does_not_make_is_refused(kind: Any, text: str, said: str) -> None:
    """The message names the place and what is needed there."""
    with pytest.raises(StoreError, match=said):
        decode(kind, text)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (Measured, Woken(phase=Phase.OPEN, timestep=1)),
        (Measured, Measured(timestep=True, produced=2, consumed=3)),
        (Woken | Measured, Interval(start=1, end=2)),
        (tuple[int, ...], [1, 2]),
        (Phase, "open"),
        (bytes, "00"),
    ],
)
def test_a_value_of_another_type_is_refused(kind: Any, value: object) -> None:
    """It would come back as something else."""
    with pytest.raises(StoreError, match="needed"):
        encode(kind, value)


@pytest.mark.parametrize("kind", [int | str, tuple[int, str], float, dict[int, int], object])
def test_a_type_without_a_form_is_our_mistake(kind: Any) -> None:
    """It is found at the first use, whatever the value."""
    with pytest.raises(TypeError):
        encode(kind, None)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (Measured, MEASURED),
        (Woken | Measured, Woken(phase=Phase.OPEN, timestep=-1)),
        (Woken | Measured, MEASURED),
        (Outcome | None, None),
        (Outcome | None, Outcome(intent_id="\xe9\0", done=True, transaction_hash=b"\xff", block_number=7, gas_used=0)),
        (tuple[PriceSchedule, ...], ()),
        (dict[str, tuple[int, ...]], {"a": (1, 2)}),
        (Terms, Terms(dso="0x", genesis=1, timestep_seconds=4, gate=0, max_length=1, max_price=1)),  # type: ignore[arg-type]
        (int | None, 3),
        (
            WithdrawAssets,
            WithdrawAssets(assets=(RequestedAsset(anon_address="0x", power=-5, start=1, end=2, amount=0),)),  # type: ignore[arg-type]
        ),
    ],
)
def test_a_value_comes_back_equal(kind: Any, value: object) -> None:
    """Of the same type, on one line of plain characters."""
    text = encode(kind, value)
    assert decode(kind, text) == value
    assert text.isascii() and "\n" not in text


def test_values_that_look_alike_are_told_apart() -> None:
    """Where a type leaves a choice, the text names the class."""
    events = (
        AssetDeposited(anon_address="0x", asset_id=1),  # type: ignore[arg-type]
        MarketUnlocked(asset_id=1, money=2),
    )
    record = LedgerRecord(
        transaction_hash=b"\1", block_number=1, transaction_index=0, timestamp=5, events=events
    )
    text = encode(LedgerRecord, record)
    assert [event["is"] for event in json.loads(text)["events"]] == ["AssetDeposited", "MarketUnlocked"]
    assert decode(LedgerRecord, text) == record


@given(numbers=st.lists(st.integers()))
def test_any_integers_come_back(numbers: list[int]) -> None:
    """However large: JSON has no bound, and no float is made of them."""
    assert decode(tuple[int, ...], encode(tuple[int, ...], tuple(numbers))) == tuple(numbers)


@pytest.mark.parametrize(
    "order",
    [
        Frozen(),
        Frozen(until=1_800_000_000),
        Unfrozen(),
        CurtailmentOrdered(direction=Direction.IMPORT, limit_watts=None, start=1, end=2),
        CurtailmentOrdered(direction=Direction.EXPORT, limit_watts=0, start=1, end=2, accounts=(Address("0x1"),)),
    ],
)
def test_every_order_of_an_operator_comes_back_equal(order: Order) -> None:
    """From the table of orders, and from the diary."""
    kind: Any = Order
    assert decode(kind, encode(kind, order)) == order
    assert from_payload(to_payload(order)) == order


def test_every_event_of_the_ledger_has_a_form() -> None:
    """A new kind of event needs no work here."""
    with pytest.raises(StoreError, match="AssetAdded"):
        decode(LedgerEvent, "{}")
