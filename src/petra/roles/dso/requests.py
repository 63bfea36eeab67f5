"""What a request would make of its account's grants: what rules look at (R84).

Decides nothing: `rules` and its neighbours do.
Invariant: a total is what the account then may still make or use in the timestep, granted less given back.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from petra.domain.messages import Direction, RequestedAsset
from petra.domain.timeline import Interval
from petra.roles.dso.grid_book import Kept
from petra.roles.dso.state import DsoState, Granted, Member, Request


def intervals(request: Request) -> Iterator[Interval]:
    """Yield the interval of each energy asset that is asked for."""
    return (Interval(start=asset.start, end=asset.end) for asset in request.assets if asset.power)


def totals_with(state: DsoState, member: Member, assets: Iterable[RequestedAsset]) -> Mapping[int, Granted]:
    """Return for each timestep that assets touch, in order, what a member would then have been granted."""
    added: dict[int, tuple[int, int]] = {}
    for asset in assets:
        for timestep in range(asset.start, asset.end + 1) if asset.power else ():
            production, consumption = added.get(timestep, (0, 0))
            added[timestep] = (production + max(0, asset.power), consumption + max(0, -asset.power))
    totals = {}
    for timestep, (production, consumption) in sorted(added.items()):
        before = state.of(member.address, timestep)
        totals[timestep] = replace(
            before, production=before.production + production, consumption=before.consumption + consumption
        )
    return totals


def raised(state: DsoState, request: Request, direction: Direction) -> dict[int, int]:
    """Return the account's total after the request, in watts, for each timestep in which it adds to a direction."""
    totals = {}
    for timestep, granted in request.totals.items():
        total = watts(granted.kept, direction)
        if total > watts(state.of(request.member.address, timestep).kept, direction):
            totals[timestep] = total
    return totals


def watts(kept: Kept, direction: Direction) -> int:
    """Return one direction of what an account holds."""
    return kept.production if direction is Direction.EXPORT else kept.consumption
