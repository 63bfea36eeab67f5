from petra.domain.calls import RecordSchedule, SetPrice
from petra.domain.events import PriceSet, ScheduleRecorded
from petra.domain.quantities import UINT64_MAX
from petra.domain.refusals import LedgerReason
from tests.unit.ledger.scene import ALICE, DSO, EURO, ISSUER, NOW, Scene, T, refused


def test_price_is_refused_to_all_but_the_dso() -> None:
    """Not even the issuer sets prices."""
    scene = Scene(price_period=4, issuer=ISSUER)
    assert scene.call(SetPrice(period=2, price=1), ISSUER) == refused(LedgerReason.NOT_DSO, ISSUER)


def test_price_is_refused_where_prices_are_free() -> None:
    """Without price periods there is nothing to set."""
    assert Scene().call(SetPrice(period=2, price=1), DSO) == refused(LedgerReason.PRICE_PERIODS_UNUSED)


def test_set_price_never_changes() -> None:
    """A price is set once, a price of 0 too, and saying the same again is refused as well."""
    scene = Scene(price_period=4)
    scene.done(SetPrice(period=2, price=0), DSO)
    assert scene.call(SetPrice(period=2, price=0), DSO) == refused(LedgerReason.PRICE_ALREADY_SET, 2)


def test_price_is_set_before_its_period_can_be_traded_in_part() -> None:
    """The period's first timestep (4) must still be tradeable."""
    scene = Scene(price_period=4)
    call = SetPrice(period=1, price=1)
    assert scene.call(call, DSO, NOW + T) == refused(LedgerReason.GATE_CLOSED, 4, 5)
    assert scene.done(call, DSO, NOW + T - 1) == (PriceSet(period=1, price=1),)


def test_first_timestep_of_a_huge_period_is_computed_exactly() -> None:
    """A period whose first timestep does not fit 64 bits is simply far away."""
    scene = Scene(price_period=2**32 - 1)
    assert scene.done(SetPrice(period=UINT64_MAX, price=1), DSO) == (PriceSet(period=UINT64_MAX, price=1),)


def test_price_above_the_maximum_is_refused() -> None:
    """A set price obeys max_price like a free one."""
    scene = Scene(price_period=4)
    expected = refused(LedgerReason.PRICE_TOO_HIGH, 2 * EURO + 1)
    assert scene.call(SetPrice(period=2, price=2 * EURO + 1), DSO) == expected


def test_schedule_is_refused_to_all_but_the_dso() -> None:
    """Only the DSO records its schedules."""
    call = RecordSchedule(from_timestep=0, digest=bytes(32))
    assert Scene().call(call, ALICE) == refused(LedgerReason.NOT_DSO, ALICE)


def test_schedule_is_told_and_changes_nothing() -> None:
    """The record is the event."""
    scene = Scene()
    call = RecordSchedule(from_timestep=7, digest=bytes(range(32)))
    assert scene.done(call, DSO) == (ScheduleRecorded(from_timestep=7, digest=bytes(range(32))),)
    assert scene.state == Scene().state
