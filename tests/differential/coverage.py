"""Counts what a play has met, so that a test that compares nothing of interest fails."""

from collections import Counter
from collections.abc import Mapping

from petra.domain import calls, events
from petra.domain.refusals import Refusal
from petra.ledger.state import Asset
from petra.ledger.trade import Piece, remains
from petra.ledger.transition import Result
from tests.differential.generator import Step

SHAPES = frozenset({"nothing", "inside", "after", "before", "dead before"})


class Coverage:
    """What steps, refusals and shapes of remainder were seen.

    Attributes:
        steps: by verb and outcome ("done" or the refusal's word).
        shapes: by side ("offered", "provided") and shape.
        pieces: trades by their number of remainders.
        largest_batch: the most grants that one transaction made.
    """

    def __init__(self) -> None:
        """Begin with nothing."""
        self.steps: Counter[tuple[str, str]] = Counter()
        self.shapes: Counter[tuple[str, str]] = Counter()
        self.pieces: Counter[int] = Counter()
        self.largest_batch = 0

    def observe(self, step: Step, result: Result, before: Mapping[int, Asset], first_tradeable: int) -> None:
        """Count a step; `before` are the assets that it names, as they were."""
        outcome = result.reason.value if isinstance(result, Refusal) else "done"
        self.steps[type(step.call).__name__, outcome] += 1
        if isinstance(result, Refusal):
            return
        if isinstance(step.call, calls.AddAssets):
            self.largest_batch = max(self.largest_batch, len(result))
        if not isinstance(result[0], events.OfferAccepted | events.MarketSettled):
            return
        header = result[0]
        sign = -1 if isinstance(header, events.MarketSettled) else 1
        gate = 0 if isinstance(header, events.MarketSettled) else first_tradeable
        traded = Piece(power=sign * header.power, start=header.start, end=header.end)
        total = 0
        for side, asset, part in zip(("offered", "provided"), before.values(), (traded, -traded), strict=True):
            pieces = remains(asset, part)
            total += len(pieces)
            for piece in pieces:
                self.shapes[side, _name(piece, asset, part, gate)] += 1
            if not pieces:
                self.shapes[side, "nothing"] += 1
        self.pieces[total] += 1

    @property
    def accept_share(self) -> float:
        """Return the share of accepts (and settles) that succeeded."""
        trades = {key: count for key, count in self.steps.items() if key[0] in {"AcceptOffer", "Settle"}}
        done = sum(count for (_, outcome), count in trades.items() if outcome == "done")
        return done / max(1, sum(trades.values()))


def assets_named_by(step: Step, assets: Mapping[int, Asset], offered_id: int) -> dict[int, Asset]:
    """Return the two assets of a trade as they are now, the offered (the bid's) first; fewer where there is none."""
    match step.call:
        case calls.AcceptOffer(asset_id=provided_id):
            ids = [offered_id, provided_id]
        case calls.Settle(bid_asset=bid_id, ask_asset=ask_id):
            ids = [bid_id, ask_id]
        case _:
            ids = []
    return {asset_id: assets[asset_id] for asset_id in ids if asset_id in assets}


def _name(piece: Piece, asset: Asset, traded: Piece, first_live: int) -> str:
    if piece.start == traded.start:
        return "inside"
    if piece.start > traded.end:
        return "after"
    return "before" if piece.end >= first_live else "dead before"
