"""What a service shows its operator beside what all show: refused frames, and what the DSO decides (R93).

Decides: which figures there are. `observation` gives them their form.
Invariants: no figure names an account, a home or a line; what the metrics' thread reads was copied or is a number.
The room left on the feeder tells of the neighbours: these figures are the DSO's, at its own port, and nobody else's.
"""

from collections import Counter
from collections.abc import Mapping
from typing import NamedTuple, Protocol, runtime_checkable

from petra.roles.dso.state import DsoState
from petra.runtime.records import Round


class Figure(NamedTuple):
    """A metric: a count or a gauge, by one label or none.

    Attributes:
        values: by the label's value; without a label under the empty text.
    """

    name: str
    about: str
    label: str
    values: Mapping[str, float]
    counts: bool = False


@runtime_checkable
class Counting(Protocol):
    """A link that counts what it refused, by reason."""

    refusals: Counter[str]


def link_figures(link: object) -> tuple[Figure, ...]:
    """Return how many frames a link refused; nothing where it does not count."""
    if not isinstance(link, Counting):
        return ()
    values = {str(reason): float(count) for reason, count in dict(link.refusals).items()}
    return (Figure("petra_frames_refused", "Frames refused since the start, by reason.", "reason", values, True),)


class DsoFigures:
    """What a DSO has decided since its start, and how full its feeder is."""

    def __init__(self, state: DsoState) -> None:
        """Follow a state."""
        self._state = state
        self._granted = 0
        self._refused: Counter[str] = Counter()
        self._used: Mapping[str, float] = {}
        self._kept: Mapping[str, float] = {}

    def follow(self, current: Round) -> None:
        """Count what a round decided, and look at the first timestep that may still be granted."""
        for _, note in current.notes:
            if note.kind == "granted":
                self._granted += 1
            elif note.kind == "refused":
                self._refused[str(note.fields["reason"])] += 1
        if (grid := self._state.grid) is not None:
            self._used = grid.ledger.used(self._state.terms.timeline.first_tradeable(current.now))
            self._kept = {"": float(grid.ledger.timesteps)}

    def shown(self) -> tuple[Figure, ...]:
        """Return the figures; from any thread."""
        refused = {reason: float(count) for reason, count in dict(self._refused).items()}
        figures = (
            Figure("petra_withdrawals_granted", "Withdrawals granted since the start.", "", {"": self._granted}, True),
            Figure(
                "petra_withdrawals_refused", "Withdrawals refused since the start, by reason.", "reason", refused, True
            ),
        )
        if self._state.grid is None:
            return figures
        about = "What outcomes may use of a limit at worst in the first timestep that may be granted, as a share."
        return (
            *figures,
            Figure("petra_feeder_used_ratio", about, "limit", self._used),
            Figure("petra_feeder_timesteps", "Timesteps that the feeder's book holds.", "", self._kept),
        )
