"""Control signals of the DSO: what may flow at a home's meter in some timesteps (R51).

Decides: which of several holds. DSO and home ask the same function, so that they cannot differ.
Invariant: the newest one that covers a timestep holds; one that lifts leaves what was there before any.
"""

from collections.abc import Iterable

from petra.domain.messages import NOT_CURTAILED, Curtailment, Direction


def limit_of(told: Iterable[Curtailment], timestep: int, direction: Direction) -> int | None:
    """Return what may flow in a direction of a timestep, watts; None = no curtailment holds."""
    covering = [one for one in told if one.direction is direction and one.start <= timestep <= one.end]
    newest = max(covering, key=lambda one: one.number, default=None)
    return None if newest is None or newest.limit_watts == NOT_CURTAILED else newest.limit_watts
