"""One trade followed from both homes' forecasts to their bills, with the identifiers that prove each step (Fig. 2).

Decides: which trade is shown and in which order its steps stand. Knows no unit of display.
Invariant: every step stands in the journal; a step that is missing there is missing here, never invented.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from petra.report.facts import Facts, Trade, Withdrawal
from petra.report.kinds import Note
from petra.report.words import cents, energy, euros, kilowatts

SELLER, BUYER, BOTH = "seller", "buyer", "both"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """Something that happened at a unix second to one side or both; `references` are (name, full identifier)."""

    at: int
    side: str
    title: str
    text: str
    references: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Trail:
    """A trade with its steps in the order of time."""

    trade: Trade
    steps: tuple[Step, ...]


def follow_one(facts: Facts) -> Trail | None:
    """Return the trail of the trade that left most steps, the largest of those; None where nothing was traded."""
    best: Trail | None = None
    # Only the largest trades are looked at: each trail reads the whole run.
    for trade in sorted(facts.trades, key=lambda trade: (-trade.energy, trade.at, trade.offer_id))[:20]:
        trail = Trail(trade=trade, steps=tuple(sorted(_steps(facts, trade), key=lambda step: step.at)))
        if best is None or len(trail.steps) > len(best.steps):
            best = trail
    return best


def _steps(facts: Facts, trade: Trade) -> Iterator[Step]:
    by_address = {asked.pseudonym: asked for asked in facts.withdrawals.values()}
    for side, address in ((SELLER, trade.seller_address), (BUYER, trade.buyer_address)):
        if asked := by_address.get(address):
            yield from _granted(facts, side, asked)
            yield from _returned(facts, trade, side, asked)
            yield from _closed(facts, side, asked)
    yield from _traded(facts, trade)


def _granted(facts: Facts, side: str, asked: Withdrawal) -> Iterator[Step]:
    if noted := facts.forecasts.get((asked.home, asked.timestep)):
        low, median, high = (kilowatts(noted[name]) for name in ("low", "median", "high"))
        between = f", between {low} and {high}" if noted["low"] != noted["high"] else ""
        text = f"{asked.home} expects {median} net{between}"
        yield Step(at=noted["at"], side=side, title="Forecast", text=text)
    money = f" and {euros(asked.amount)}" if asked.amount else ""
    what = f"{kilowatts(abs(asked.power))} of {'production' if asked.power > 0 else 'consumption'}"
    sent = facts.messages.get(asked.request)
    references = [("request", asked.request), ("pseudonym", asked.pseudonym)]
    if sent:
        references.append(("envelope hash", sent["hash"]))
    yield Step(
        at=asked.at,
        side=side,
        title="Withdrawal asked",
        text=f"{what}{money}, to a fresh address",
        references=tuple(references),
    )
    if asked.answer == "granted" and asked.answered_at is not None:
        debit = f" and debits the account with {euros(asked.amount)}" if asked.amount else ""
        yield Step(at=asked.answered_at, side=side, title="Granted", text=f"the DSO agrees{debit}")
    for grant in facts.grants:
        if grant.address == asked.pseudonym:
            yield Step(
                at=grant.at,
                side=side,
                title="AssetAdded",
                text=f"asset {grant.asset_id}, {what}, stands on the ledger",
                references=(("transaction", grant.transaction),),
            )


def _traded(facts: Facts, trade: Trade) -> Iterator[Step]:
    offer = facts.offers[trade.offer_id]
    poster = SELLER if offer.power > 0 else BUYER
    yield Step(
        at=offer.at,
        side=poster,
        title="OfferPosted",
        text=f"offer {offer.offer_id}: {kilowatts(abs(offer.power))} at {cents(offer.price)} ct/kWh",
        references=(("transaction", offer.transaction),),
    )
    moved = " and ".join(
        f"asset {note['asset_id']} to {facts.home_of(note['to_address'])}" for note in _transfers(facts, trade)
    )
    yield Step(
        at=trade.at,
        side=BOTH,
        title="OfferAccepted",
        text=f"{energy(trade.energy)} for {euros(trade.payment)}, {trade.waited} s after the offer; {moved}",
        references=(("transaction", trade.transaction), ("block", str(trade.block))),
    )


def _returned(facts: Facts, trade: Trade, side: str, asked: Withdrawal) -> Iterator[Step]:
    """Tell of everything that came back from the pseudonym in one step; prove what this trade had moved there."""
    own = [note for note in facts.deposits if note["anon_address"] == asked.pseudonym]
    if not own:
        return
    moved = {note["asset_id"] for note in _transfers(facts, trade)}
    assets = [note for note in own if "asset_id" in note]
    parts = [f"{len(assets)} assets" if len(assets) > 1 else f"asset {note['asset_id']}" for note in assets[:1]]
    parts += [euros(note["amount"]) for note in own if "amount" in note]
    references = [
        (f"transaction of {'the money' if 'amount' in note else f'asset {note_id}'}", note["transaction"])
        for note in own
        for note_id in (note.get("asset_id"),)
        if "amount" in note or note_id in moved
    ]
    yield Step(
        at=own[0]["at"],
        side=side,
        title="Deposited",
        text=f"{' and '.join(parts)} back to {asked.home}'s account",
        references=tuple(references),
    )


def _transfers(facts: Facts, trade: Trade) -> list[Note]:
    """Return what changed hands in the trade."""
    between = {trade.seller_address, trade.buyer_address}
    return [
        note
        for note in facts.transfers.get(trade.transaction, [])
        if {note["from_address"], note["to_address"]} == between
    ]


def _closed(facts: Facts, side: str, asked: Withdrawal) -> Iterator[Step]:
    key, member = (asked.home, asked.timestep), facts.members.get(asked.home, {})
    if measured := facts.measured.get(key):
        sent = [
            ("envelope hash", note["hash"])
            for note in facts.messages.values()
            if note["sender"] == member.get("meter") and note["at"] == measured["at"]
        ]
        flows = ((measured["produced"], "produced"), (measured["consumed"], "consumed"))
        text = ", ".join(f"{energy(joules)} {verb}" for joules, verb in flows if joules) or "nothing flowed"
        yield Step(at=measured["at"], side=side, title="Metered", text=text, references=tuple(sent))
    if settled := facts.settled.get(key):
        lines = ", ".join(
            f"{kind.replace('-', ' ')} {euros(amount, signed=True)}" for kind, (_, amount) in settled["lines"].items()
        )
        text = f"position {energy(settled['position'])}, metered {energy(settled['metered'])}: {lines or 'no rest'}"
        yield Step(at=settled["at"], side=side, title="Settled", text=text)
    for note in facts.messages.values():
        if note["message_kind"] == "bill" and note["recipient"] == member.get("account"):
            yield Step(
                at=note["at"],
                side=side,
                title="Bill",
                text=f"signed and sent to {asked.home}",
                references=(("message", note["message"]), ("envelope hash", note["hash"])),
            )
