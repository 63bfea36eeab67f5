"""How a trade divides an asset: which piece moves, which keeps the id, what remains (DESIGN 4).

Decides: pieces, their ids and who owns them afterwards; the same for `acceptOffer` and `settle`, and the order of
ids that IPetra.sol fixes. Knows no price, no money and no offer's owner.
Invariant: the traded part and the pieces together are exactly the asset as it was.
"""

from dataclasses import dataclass, replace

from petra.domain.events import AssetSplit, AssetTransferred
from petra.domain.terms import Address
from petra.ledger.state import Asset, LedgerState


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """Power over an interval, both ends inclusive, without an owner; watts with the sign of its asset."""

    power: int
    start: int
    end: int

    def __neg__(self) -> "Piece":
        """Return the same part of the other asset."""
        return Piece(power=-self.power, start=self.start, end=self.end)


@dataclass(frozen=True, slots=True, kw_only=True)
class Handover:
    """What became of one of the two assets of a trade.

    Attributes:
        moved_id: the asset that changed hands: the traded part.
        kept: whether the asset's id stays with its owner, at the first live piece.
        pieces: ids of the further live pieces, in the order in which they were given.
        splits, transfer: the events that tell of it.
    """

    moved_id: int
    kept: bool
    pieces: tuple[int, ...]
    splits: tuple[AssetSplit, ...]
    transfer: AssetTransferred


def remains(asset: Asset, traded: Piece) -> tuple[Piece, ...]:
    """Return what an asset has beside the traded part, in the order inside, after, before."""
    pieces = []
    if traded.power != asset.power:
        pieces.append(Piece(power=asset.power - traded.power, start=traded.start, end=traded.end))
    if traded.end < asset.end:
        pieces.append(Piece(power=asset.power, start=traded.end + 1, end=asset.end))
    if asset.start < traded.start:
        pieces.append(Piece(power=asset.power, start=asset.start, end=traded.start - 1))
    return tuple(pieces)


def hand_over(state: LedgerState, asset_id: int, traded: Piece, receiver: Address, *, first_live: int = 0) -> Handover:
    """Move the traded part of an asset to its receiver and leave the rest with its owner.

    A piece that ends before `first_live` is dead: it gets a new id and is unlocked. The kept piece stays locked as the
    asset was (on offer, or by the market with all its money); all other pieces are free.
    """
    asset = state.assets[asset_id]
    pieces = remains(asset, traded)
    live = [piece for piece in pieces if piece.end >= first_live]
    dead = [piece for piece in pieces if piece.end < first_live]  # at most one, the one before
    if live:
        state.assets[asset_id] = replace(asset, power=live[0].power, start=live[0].start, end=live[0].end)
        new_pieces = [traded, *live[1:], *dead]
    else:
        new_pieces = dead
    new_ids = [state.take_asset_id() for _ in new_pieces]
    for new_id, piece in zip(new_ids, new_pieces, strict=True):
        state.assets[new_id] = Asset(owner=asset.owner, power=piece.power, start=piece.start, end=piece.end)
    moved_id = new_ids[0] if live else asset_id
    state.assets[moved_id] = Asset(
        owner=receiver, power=traded.power, start=traded.start, end=traded.end, spent=traded.power < 0
    )
    return Handover(
        moved_id=moved_id,
        kept=bool(live),
        pieces=tuple(new_ids[1 : len(live)]),
        splits=tuple(
            AssetSplit(
                parent_id=asset_id,
                asset_id=new_id,
                owner=asset.owner,
                power=piece.power,
                start=piece.start,
                end=piece.end,
            )
            for new_id, piece in zip(new_ids, new_pieces, strict=True)
        ),
        transfer=AssetTransferred(asset_id=moved_id, from_address=asset.owner, to_address=receiver),
    )
