"""One home, one timestep: what is bought, sold, penalised and charged."""

from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from petra.domain.messages import PriceSchedule
from petra.domain.quantities import JOULES_PER_KWH
from petra.settlement.lines import Delivery, Line, LineKind, settle, spread_evenly, utility_only
from tests.unit.settlement.strategies import CENT, JOULES, curtailed, deliveries, price_schedules

PRICES = PriceSchedule(
    from_timestep=0,
    retail=30 * CENT,
    feed_in=8 * CENT,
    local=19 * CENT,
    grid_fee=5 * CENT,
    imbalance=40 * CENT,
    bulk=6 * CENT,
)
KWH = JOULES_PER_KWH
MILLI_EUR = 1_000_000
FEED_IN, RETAIL, SHORTFALL, OUTSIDE, FEE = LineKind
PRICE_OF = {FEED_IN: 8, RETAIL: 30, SHORTFALL: 40, OUTSIDE: 40, FEE: 5}  # ct per kWh

# By hand, with the prices above and 5 % tolerance: (position, metered) in thousandths of a kWh, then each line's energy
# in the same unit and its amount in milli-EUR. Every home may import and export 300 thousandths of a kWh.
WORKED: dict[str, tuple[tuple[int, int], dict[LineKind, tuple[float, float]]]] = {
    "as promised": ((250, 250), {}),
    "seller delivers more": ((250, 300), {FEED_IN: (50, 4)}),
    "seller delivers less": ((250, 200), {RETAIL: (12.5, -3.75), SHORTFALL: (37.5, -15)}),
    "seller delivers less within the tolerance": ((250, 240), {RETAIL: (10, -3)}),
    "seller delivers nothing and imports": (
        (250, -100),
        {RETAIL: (112.5, -33.75), SHORTFALL: (237.5, -95), FEE: (100, -5)},
    ),
    "buyer takes more": ((-250, -300), {RETAIL: (50, -15), FEE: (300, -15)}),
    "buyer takes less": ((-250, -200), {FEED_IN: (50, 4), FEE: (200, -10)}),
    "buyer exports": ((-250, 50), {FEED_IN: (300, 24)}),
    "who trades nothing buys": ((0, -100), {RETAIL: (100, -30), FEE: (100, -5)}),
    "who trades nothing sells": ((0, 100), {FEED_IN: (100, 8)}),
    "seller exports beyond its envelope": ((250, 400), {FEED_IN: (50, 4), OUTSIDE: (100, -40)}),
    "buyer imports beyond its envelope": ((-250, -400), {RETAIL: (50, -15), OUTSIDE: (100, -40), FEE: (400, -20)}),
    "seller imports beyond its envelope": (
        (250, -400),
        {RETAIL: (312.5, -93.75), SHORTFALL: (237.5, -95), OUTSIDE: (100, -40), FEE: (400, -20)},
    ),
}


@pytest.mark.parametrize("case", WORKED)
def test_worked_examples(case: str) -> None:
    """Seller and buyer, over and under, inside and outside the envelope: each comes to what was worked by hand."""
    (position, metered), lines = WORKED[case]
    delivery = Delivery(
        position=position * KWH // 1_000,
        metered=metered * KWH // 1_000,
        import_allowed=300 * KWH // 1_000,
        export_allowed=300 * KWH // 1_000,
        tolerance_per_mille=50,
    )
    assert settle(delivery, PRICES) == tuple(
        Line(kind=kind, energy=int(energy * KWH) // 1_000, price=PRICE_OF[kind] * CENT, amount=int(amount * MILLI_EUR))
        for kind, (energy, amount) in lines.items()
    )


def test_smallest_lines_round_against_the_home() -> None:
    """A joule at the smallest price is bought for a whole unit and sold for none."""
    unit = replace(PRICES, retail=1, feed_in=1, local=1, grid_fee=1, imbalance=2)
    delivery = Delivery(position=0, metered=-1, import_allowed=10, export_allowed=10, tolerance_per_mille=0)
    assert [line.amount for line in settle(delivery, unit)] == [-1, -1]
    assert [line.amount for line in settle(replace(delivery, metered=1), unit)] == [0]


@given(deliveries(), price_schedules())
def test_every_joule_of_the_deviation_stands_in_one_residual_line(delivery: Delivery, prices: PriceSchedule) -> None:
    """The residual lines' energies come to the deviation, and none is negative."""
    lines = settle(delivery, prices)
    assert all(line.energy > 0 for line in lines)
    assert sum(line.energy for line in lines if line.kind is not FEE) == abs(delivery.metered - delivery.position)
    assert len({line.kind for line in lines}) == len(lines)


@given(deliveries(), price_schedules())
def test_grid_fee_is_on_each_imported_joule_once(delivery: Delivery, prices: PriceSchedule) -> None:
    """Whoever sold the energy and whatever was promised, the fee is on metered import."""
    fees = sum(line.energy for line in settle(delivery, prices) if line.kind is FEE)
    assert fees == max(0, -delivery.metered)


@given(deliveries(), price_schedules())
def test_each_line_rounds_against_the_home_by_less_than_a_unit(delivery: Delivery, prices: PriceSchedule) -> None:
    """What the home receives is never more than the exact amount, and less than one nano-unit below it."""
    for line in settle(delivery, prices):
        exact = Fraction(line.energy * line.price, JOULES_PER_KWH) * (1 if line.kind is FEED_IN else -1)
        assert 0 <= exact - line.amount < 1


@given(deliveries(), price_schedules())
def test_penalties_are_what_lies_outside_promise_and_envelope(delivery: Delivery, prices: PriceSchedule) -> None:
    """Shortfall is what was sold and not delivered beyond the tolerance; excess what no envelope allows either way."""
    energies = {line.kind: line.energy for line in settle(delivery, prices)}
    sold, delivered = max(0, delivery.position), max(0, delivery.metered)
    short = max(0, sold - delivered - sold * delivery.tolerance_per_mille // 1_000)
    assert energies.get(SHORTFALL, 0) == short
    too_much = max(delivery.metered - delivery.export_allowed, -delivery.metered - delivery.import_allowed, 0)
    assert energies.get(OUTSIDE, 0) == too_much


@given(deliveries(), price_schedules(), st.integers(1, 10**9))
def test_delivering_more_never_pays_less(delivery: Delivery, prices: PriceSchedule, more: int) -> None:
    """Within the envelope a home that delivers more, or draws less, is never worse off but for rounding (R27)."""
    better = replace(delivery, metered=delivery.metered + more)
    assume(-delivery.import_allowed <= delivery.metered and better.metered <= delivery.export_allowed)
    gain = sum(line.amount for line in settle(better, prices)) - sum(line.amount for line in settle(delivery, prices))
    assert gain > -len(LineKind)


@given(curtailed(), price_schedules())
def test_what_a_curtailment_takes_away_is_no_negligence(delivery: Delivery, prices: PriceSchedule) -> None:
    """Who keeps to what is left is not penalised; the utility covers what it had sold, and takes what it had bought."""
    kept = replace(delivery, metered=delivery.recognised)
    lines = {line.kind: line.energy for line in settle(kept, prices)}
    assert OUTSIDE not in lines
    assert lines.get(SHORTFALL, 0) <= max(0, delivery.export_allowed - max(0, kept.metered))
    residual = lines.get(FEED_IN, 0) - lines.get(RETAIL, 0) - lines.get(SHORTFALL, 0)
    assert residual == kept.metered - kept.position


@given(curtailed(), price_schedules())
def test_use_beyond_a_curtailment_is_held_against_the_home_and_earns_nothing(
    delivery: Delivery, prices: PriceSchedule
) -> None:
    """All lines but those of the excess and the fee are as if the home had kept to what was left."""
    broke, kept = (settle(one, prices) for one in (delivery, replace(delivery, metered=delivery.recognised)))
    same = [[line for line in lines if line.kind not in (OUTSIDE, FEE)] for lines in (broke, kept)]
    assert same[0] == same[1]
    assert sum(line.energy for line in broke if line.kind is OUTSIDE) == delivery.excess
    assert sum(line.amount for line in broke) <= sum(line.amount for line in kept)


@given(st.lists(st.tuples(JOULES, JOULES), min_size=1, max_size=5), st.integers(0, 1_000))
def test_splitting_a_home_does_not_pay(parts: list[tuple[int, int]], tolerance: int) -> None:
    """However a promise and its delivery are shared out among homes, together they are short by no less."""

    def short(position: int, metered: int) -> int:
        return Delivery(
            position=position, metered=metered, import_allowed=0, export_allowed=position, tolerance_per_mille=tolerance
        ).shortfall

    whole = short(sum(position for position, _ in parts), sum(metered for _, metered in parts))
    assert sum(short(position, metered) for position, metered in parts) >= whole


@given(deliveries(), price_schedules())
def test_without_trades_a_home_pays_what_the_utility_alone_would_take(
    delivery: Delivery, prices: PriceSchedule
) -> None:
    """A home that neither sold nor bought and kept to its envelope is as well off as without a community."""
    idle = replace(delivery, position=0)
    assume(not idle.excess)
    assert sum(line.amount for line in settle(idle, prices)) == utility_only(idle.metered, prices)


@given(st.integers(0, 10**12), st.integers(1, 200))
def test_spreading_loses_nothing(total: int, parts: int) -> None:
    """Equal parts differ by a joule at most and come to the total."""
    spread = spread_evenly(total, parts)
    assert (len(spread), sum(spread)) == (parts, total)
    assert max(spread) - min(spread) <= 1
