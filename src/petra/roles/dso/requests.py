"""What a request would make of its account's grants: what rules look at (R84).

Decides nothing: `rules` and its neighbours do.
Invariant: a total is what the account then may still make or use in the timestep, granted less given back.
"""

from collections.abc import Iterator
from dataclasses import replace

from petra.domain.messages import Direction
from petra.domain.timeline import Interval
from petra.roles.dso.grid_book import Kept
from petra.roles.dso.state import DsoState, Granted, Request


def intervals(request: Request) -> Iterator[Interval]:
    """Yield the interval of each energy asset that is asked for."""
    return (Interval(start=asset.start, end=asset.end) for asset in request.assets if asset.power)


def with_request(state: DsoState, request: Request) -> Iterator[tuple[int, Granted]]:
    """Yield each timestep that the request touches with what the member would then have been granted."""
    timesteps = sorted({timestep for own in intervals(request) for timestep in range(own.start, own.end + 1)})
    for timestep in timesteps:
        before = state.of(request.member.address, timestep)
        assets = [asset for asset in request.assets if asset.power and asset.start <= timestep <= asset.end]
        yield (
            timestep,
            replace(
                before,
                production=before.production + sum(max(0, asset.power) for asset in assets),
                consumption=before.consumption + sum(max(0, -asset.power) for asset in assets),
            ),
        )


def raised(state: DsoState, request: Request, direction: Direction) -> dict[int, int]:
    """Return the account's total after the request, in watts, for each timestep in which it adds to a direction."""
    totals = {}
    for timestep, granted in with_request(state, request):
        total = watts(granted.kept, direction)
        if total > watts(state.of(request.member.address, timestep).kept, direction):
            totals[timestep] = total
    return totals


def watts(kept: Kept, direction: Direction) -> int:
    """Return one direction of what an account holds."""
    return kept.production if direction is Direction.EXPORT else kept.consumption
