"""Prices and deliveries as Hypothesis draws them: every one that the DSO's rules allow."""

from dataclasses import replace

from hypothesis import strategies as st

from petra.domain.messages import PriceSchedule
from petra.settlement.lines import Delivery

CENT = 10_000_000  # nano-EUR per kWh in one ct per kWh
JOULES = st.integers(0, 10**10)


@st.composite
def price_schedules(draw: st.DrawFn) -> PriceSchedule:
    """Draw a schedule without problems, down to prices so small that every line rounds."""
    unit = draw(st.sampled_from([1, 1_000, CENT]))
    feed_in, local, retail = sorted(draw(st.lists(st.integers(0, 100), min_size=3, max_size=3)))
    grid_fee, penalty = draw(st.integers(0, 50)), draw(st.integers(0, 50))
    return PriceSchedule(
        from_timestep=0,
        retail=retail * unit,
        feed_in=feed_in * unit,
        local=local * unit,
        grid_fee=grid_fee * unit,
        imbalance=(retail + grid_fee + penalty) * unit,
        bulk=draw(st.integers(0, 50)) * unit,
    )


@st.composite
def deliveries(draw: st.DrawFn) -> Delivery:
    """Draw what a home promised and did: the promise lies within its grants (net lemma of DESIGN 7)."""
    granted_production, granted_consumption = draw(JOULES), draw(JOULES)
    return Delivery(
        position=draw(st.integers(-granted_consumption, granted_production)),
        metered=draw(st.integers(-2 * 10**10, 2 * 10**10)),
        import_allowed=max(granted_consumption, draw(JOULES)),
        export_allowed=max(granted_production, draw(JOULES)),
        tolerance_per_mille=draw(st.integers(0, 1_000)),
    )


@st.composite
def curtailed(draw: st.DrawFn) -> Delivery:
    """Draw what a home promised and did where the DSO then left it less than it had promised, or just as much."""
    delivery = draw(deliveries())
    return replace(
        delivery,
        import_allowed=min(delivery.import_allowed, draw(JOULES)),
        export_allowed=min(delivery.export_allowed, draw(JOULES)),
    )
