"""The nine invariants of IPetra.sol, in words and as functions that name each violation.

Decides: whether a ledger is sound. Knows no rule of a verb: it judges what happened, not what should have been refused.
Used by unit, differential and simulation tests alike: let a `History` observe every successful call, ask `check_all`.
Invariants 2, 5, 6, 7 and 9 concern a moment and are judged when it passes; 1, 3, 4, 8 and 9 concern a state.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

from petra.domain import calls, events
from petra.domain.events import LedgerEvent
from petra.domain.quantities import UINT64_MAX
from petra.domain.refusals import Refusal
from petra.domain.terms import MARKET_LOCK, Address, Terms
from petra.ledger.fold import LedgerView
from petra.ledger.state import NOT_ON_OFFER, Asset, LedgerState, Offer
from petra.ledger.transition import apply


@dataclass(slots=True)
class EnergyAccount:
    """Power per timestep and side, kept as differences, so that a long interval costs as much as a short one.

    Attributes:
        steps: watts by which a side's power changes at a timestep; True = production. No entry is 0.
    """

    steps: dict[tuple[bool, int], int] = field(default_factory=dict)

    def add(self, assets: Iterable[Asset | events.AssetAdded]) -> None:
        """Count assets; the order does not matter."""
        for asset in assets:
            for timestep, change in ((asset.start, abs(asset.power)), (asset.end + 1, -abs(asset.power))):
                key = (asset.power > 0, timestep)
                if total := self.steps.pop(key, 0) + change:
                    self.steps[key] = total


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """One successful call: what it told, who called, when (unix seconds), and the state that it left."""

    state: LedgerState
    told: Sequence[LedgerEvent]
    sender: Address
    timestamp: int


class History:
    """What was issued, deposited and told so far.

    Attributes:
        view: the ledger as its logs tell it.
        issued, deposited: energy; money_issued, money_deposited: nano-units.
        violations: what broke an invariant that concerns a moment.
    """

    def __init__(self, terms: Terms) -> None:
        """Start before the first call."""
        self.view = LedgerView(terms)
        self.issued, self.deposited = EnergyAccount(), EnergyAccount()
        self.money_issued = self.money_deposited = 0
        self.last_asset_id = self.last_offer_id = 0
        self.energy_grants: Counter[Address] = Counter()
        self.money_grants: Counter[Address] = Counter()
        self.spent: set[int] = set()
        self.violations: list[str] = []

    def observe(self, state: LedgerState, told: Sequence[LedgerEvent], sender: Address, timestamp: int) -> None:
        """Take in one successful call: what it told and the state that it left."""
        moment = Moment(state=state, told=told, sender=sender, timestamp=timestamp)
        for judge in (
            trades_move_equal_energy,
            ids_are_never_reused,
            only_issuers_issue_and_once,
            nothing_is_fixed_after_the_gate,
            spent_assets_never_move,
        ):
            self.violations += judge(moment, self)
        self.view.observe(told)
        for event in told:
            self._count(event)

    def _count(self, event: LedgerEvent) -> None:
        match event:
            case events.AssetAdded():
                self.issued.add([event])
                self.energy_grants[event.anon_address] += 1
                self.last_asset_id = event.asset_id
            case events.FinancialAdded():
                self.money_issued += event.amount
                self.money_grants[event.anon_address] += 1
            case events.AssetSplit():
                self.last_asset_id = event.asset_id
            case events.OfferPosted():
                self.last_offer_id = event.offer_id
            case events.AssetTransferred():
                if self.view.assets[event.asset_id].power < 0:
                    self.spent.add(event.asset_id)
            case events.AssetDeposited():
                self.deposited.add([self.view.deposited[event.asset_id]])
            case events.FinancialDeposited():
                self.money_deposited += event.amount
            case _:
                pass


def check_all(state: LedgerState, history: History) -> list[str]:
    """Return every violation of the nine invariants so far; takes time in proportion to the assets."""
    return [
        *history.violations,
        *energy_is_conserved(state, history),
        *money_is_conserved(state, history),
        *offered_assets_are_in_one_offer(state),
        *deposits_are_never_blocked(state),
        *spent_assets_are_free(state, history),
    ]


def energy_is_conserved(state: LedgerState, history: History) -> list[str]:
    """1. Energy per timestep and side: live + locked + deposited = issued."""
    accounted = EnergyAccount(dict(history.deposited.steps))
    accounted.add(state.assets.values())
    wrong = sorted(set(accounted.steps.items()) ^ set(history.issued.steps.items()))
    return [f"1: energy of {'production' if side else 'consumption'} from {step}" for (side, step), _ in wrong]


def trades_move_equal_energy(moment: Moment, history: History) -> list[str]:
    """2. A trade moves equal energy both ways."""
    moved = [event for event in moment.told if isinstance(event, events.AssetTransferred)]
    violations = []
    for one, other in zip(moved[::2], moved[1::2], strict=True):
        given, returned = moment.state.assets[one.asset_id], moment.state.assets[other.asset_id]
        equal = (given.power, given.start, given.end) == (-returned.power, returned.start, returned.end)
        swapped = (given.owner, returned.owner) == (other.from_address, one.from_address)
        if not (equal and swapped):
            violations.append(f"2: assets {one.asset_id} and {other.asset_id} are no equal exchange")
    return violations


def money_is_conserved(state: LedgerState, history: History) -> list[str]:
    """3. Free + escrowed + locked + deposited money = issued, and money on the ledger never exceeds 2^64 - 1."""
    free = sum(holder.balance for holder in state.holders.values())
    escrowed = sum(state.escrow(state.assets[offer.asset_id], offer.price) for offer in _open_offers(state).values())
    locked = sum(asset.locked_money for asset in state.assets.values())
    on_ledger = history.money_issued - history.money_deposited
    violations = []
    if free + escrowed + locked != on_ledger:
        violations.append(f"3: {free} free + {escrowed} escrowed + {locked} locked is not {on_ledger}")
    if state.money_on_ledger != on_ledger or on_ledger > UINT64_MAX:
        violations.append(f"3: {state.money_on_ledger} is recorded where {on_ledger} is on the ledger")
    return violations


def offered_assets_are_in_one_offer(state: LedgerState) -> list[str]:
    """4. An asset on offer is in exactly one open offer."""
    by_offer = {(offer_id, offer.asset_id) for offer_id, offer in _open_offers(state).items()}
    by_asset = {
        (asset.offer_id, asset_id)
        for asset_id, asset in state.assets.items()
        if asset.offer_id not in {NOT_ON_OFFER, MARKET_LOCK}
    }
    return [f"4: offer {offer_id} and asset {asset_id} disagree" for offer_id, asset_id in sorted(by_offer ^ by_asset)]


def ids_are_never_reused(moment: Moment, history: History) -> list[str]:
    """5. Ids are never reused: each new one is the next, and no more were given than told."""
    assets = [e.asset_id for e in moment.told if isinstance(e, events.AssetAdded | events.AssetSplit)]
    offers = [e.offer_id for e in moment.told if isinstance(e, events.OfferPosted)]
    sequences = (
        [history.last_asset_id, *assets, moment.state.next_asset_id],
        [history.last_offer_id, *offers, moment.state.next_offer_id],
    )
    return [
        f"5: id {later} follows {earlier}"
        for ids in sequences
        for earlier, later in pairwise(ids)
        if later != earlier + 1
    ]


def only_issuers_issue_and_once(moment: Moment, history: History) -> list[str]:
    """6. Only the DSO or the issuer issues, energy once and money once per address (the DSO's own is exempt)."""
    terms = moment.state.terms
    energy = [e.anon_address for e in moment.told if isinstance(e, events.AssetAdded)]
    money = [e.anon_address for e in moment.told if isinstance(e, events.FinancialAdded)]
    violations = []
    if (energy or money) and moment.sender not in {terms.dso, terms.issuer}:
        violations.append(f"6: {moment.sender} issued")
    for word, addresses, before in (("energy", energy, history.energy_grants), ("money", money, history.money_grants)):
        for address, times in Counter(addresses).items():
            if address != terms.dso and before[address] + times > 1:
                violations.append(f"6: {word} was granted to {address} again")
    return violations


def nothing_is_fixed_after_the_gate(moment: Moment, history: History) -> list[str]:
    """7. No price and no quantity is fixed after the gate (the market contract answers for what it settles)."""
    terms = moment.state.terms
    first_tradeable = moment.state.first_tradeable(moment.timestamp)
    fixed = []
    for event in moment.told:
        match event:
            case events.OfferAccepted():
                fixed.append(event.start)
            case events.OfferPosted():
                fixed.append(event.end if terms.divisible else event.start)
            case events.PriceSet():
                fixed.append(event.period * terms.price_period)
            case _:
                pass
    return [f"7: {step} was fixed when {first_tradeable} was next" for step in fixed if step < first_tradeable]


def deposits_are_never_blocked(state: LedgerState) -> list[str]:
    """8. Deposits and rescinds are never blocked: everybody can leave at once, and nothing stays behind."""
    rest = replace(state, assets=dict(state.assets), offers=dict(state.offers), holders=dict(state.holders))
    leaving: list[tuple[calls.Call, Address]] = [
        *((calls.RescindOffer(offer_id=i), state.assets[o.asset_id].owner) for i, o in _open_offers(state).items()),
        *(
            (calls.Unlock(asset_id=asset_id), state.terms.market)
            for asset_id, asset in state.assets.items()
            if asset.offer_id == MARKET_LOCK
        ),
        *((calls.DepositEnergyAsset(asset_id=asset_id), asset.owner) for asset_id, asset in state.assets.items()),
    ]
    end_of_time = state.timeline.begin(2**48)
    violations = []
    for call, sender in leaving:
        refusal = apply(rest, call, sender, end_of_time)
        if isinstance(refusal, Refusal):
            violations.append(f"8: {call} is refused: {refusal}")
    for address, holder in list(rest.holders.items()):
        if holder.balance:
            refusal = apply(rest, calls.DepositFinancial(amount=holder.balance), address, end_of_time)
            if isinstance(refusal, Refusal):
                violations.append(f"8: {address} cannot deposit: {refusal}")
    if rest.assets or rest.money_on_ledger:
        violations.append(f"8: {len(rest.assets)} assets and {rest.money_on_ledger} stay behind")
    return violations


def spent_assets_are_free(state: LedgerState, history: History) -> list[str]:
    """9. A spent asset is never on offer, and every bought permit is spent."""
    violations = [f"9: asset {i} is spent and locked" for i, a in state.assets.items() if a.spent and a.offer_id]
    marked = {asset_id for asset_id, asset in state.assets.items() if asset.spent}
    bought = history.spent & state.assets.keys()
    return violations + [
        f"9: asset {asset_id} was bought or not, marked wrongly" for asset_id in sorted(marked ^ bought)
    ]


def spent_assets_never_move(moment: Moment, history: History) -> list[str]:
    """9. A spent asset is never on offer nor given."""
    violations = []
    for event in moment.told:
        match event:
            case events.OfferPosted(asset_id=named) | events.AssetTransferred(asset_id=named):
                pass
            case events.AssetSplit(parent_id=named) | events.MarketLocked(asset_id=named):
                pass
            case _:
                continue
        if named in history.spent:
            violations.append(f"9: asset {named} is spent, yet {type(event).__name__}")
    return violations


def _open_offers(state: LedgerState) -> dict[int, Offer]:
    return {offer_id: offer for offer_id, offer in state.offers.items() if offer.open}
