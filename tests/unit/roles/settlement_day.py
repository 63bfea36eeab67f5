"""One trade, meters and books: what the tests of settlement share."""

from typing import Any

from petra.domain.calls import (
    AcceptOffer,
    PostOffer,
)
from petra.domain.terms import Address
from petra.roles.dso.billing import bill_of
from petra.roles.effects import Effect, Note
from petra.settlement.books import LEDGER
from tests.unit.roles.desk import EUR, Desk, begin
from tests.unit.settlement.strategies import CENT

K = 5  # the timestep that is traded
LOCAL = 19 * CENT


class Trade:
    """Home a sells 1,000 W of its 2,000 W for timestep 5 to home b, which withdrew 1,000 W and 1 EUR for it."""

    def __init__(self, desk: Desk) -> None:
        """Grant, post, accept; the meters stood at 0 when timestep 2 began."""
        self.desk = desk
        self.ask, self.bid = desk.asset(power=2_000), desk.asset(power=-1_000, amount=EUR)
        self.produced, self.consumed = desk.mine_grants([*desk.ask("a", self.ask), *desk.ask("b", self.bid)])
        desk.mine(
            (PostOffer(asset_id=self.produced, price=LOCAL), self.seller),
            (AcceptOffer(offer_id=1, asset_id=self.consumed), self.buyer),
        )
        (self.bought,) = (
            asset_id for asset_id, asset in desk.ledger.assets.items() if asset.owner == self.buyer and asset.power > 0
        )

    @property
    def seller(self) -> Address:
        """The address that sells."""
        return self.ask.anon_address

    @property
    def buyer(self) -> Address:
        """The address that buys."""
        return self.bid.anon_address


def meter(desk: Desk, home: str, energies: dict[int, tuple[int, int]], now: int | None = None) -> list[Effect]:
    """Let a home's meter tell registers (produced, consumed) for each timestep, right after it or at another time."""
    effects = []
    for timestep, (produced, consumed) in energies.items():
        at = begin(timestep + 1) if now is None else now
        effects += desk.hear(desk.reading(home, timestep, produced, consumed), at)
    return effects


def problems(effects: list[Effect]) -> list[Any]:
    """Return why readings were not taken."""
    return [
        effect.fields["problem"] for effect in effects if isinstance(effect, Note) and effect.kind == "reading-refused"
    ]


def check_books(desk: Desk) -> None:
    """Books close, bills add up, the ledger holds what the books say, and no sum of positions raised an alarm."""
    assert desk.state.books.problems() == desk.state.alarms == []
    assert sum(desk.state.books.balances.values()) == 0
    assert desk.state.books.balance(LEDGER) == desk.ledger.money_on_ledger
    for member in desk.members.values():
        assert bill_of(desk.state, member).problems() == []
