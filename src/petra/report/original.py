"""What the original system measured, to stand beside a run's figures (paper 4.3, Fig. 4).

Decides: nothing; these are published or recomputed figures with their source. Seconds, except where a name says else.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """Seconds from posted offer to accepted trade, as somebody counted them."""

    source: str
    count: int
    mean: float
    median: float
    p90: float
    least: float
    most: float


PAPER = Waiting(
    source="The paper, Fig. 4 (2017)", count=116, mean=11.79, median=11, p90=23, least=0, most=38
)
# The original's event log has 119 posts and 105 accepts; the paper's 116 and its minimum of 0 stand in another file.
RECOMPUTED = Waiting(
    source="The original's event log, recomputed", count=105, mean=11.71, median=11, p90=23, least=3, most=38
)
POSTED = 119

# First asset of a timestep to its last trade, from the same event log.
SERVICE_MEAN, SERVICE_LEAST, SERVICE_MOST = 96, 65, 132
TRADED_SHARE_OF_DEMAND = 0.974
