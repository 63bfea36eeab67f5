"""What anybody can read from the public ledger, and how far exact amounts give homes away (DESIGN 11; R81-R84).

Decides: what counts as seen. Reads the blocks' raw logs only; the journal is asked for one thing, to score a guess.
Invariant: `look` needs no private record.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from petra.domain.events import AssetAdded, FinancialAdded, LedgerEvent, OfferAccepted, OfferPosted
from petra.domain.quantities import energy_of
from petra.errors import InputError, PetraError
from petra.report.kinds import Note
from petra.wire.abi import decode_log


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """What stands open to everybody.

    Attributes:
        unique_watts: grants whose exact watts nobody else got for the same timesteps.
        traded: joules. paid, funded: nano-units. gas_used: 0 on a chain without gas.
    """

    blocks: int
    transactions: int
    failed: int
    gas_used: int
    addresses: int
    grants: tuple[AssetAdded, ...]
    unique_watts: int
    offers: int
    trades: int
    traded: int
    paid: int
    funded: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Linking:
    """How often the nearest watts in the next timestep were the same home's, and how often chance alone would hit."""

    guesses: int
    hits: int
    expected_by_chance: float


def look(blocks: Sequence[Note], timestep_seconds: int) -> Sight:
    """Return what the public record tells; InputError where a log is not one of our contract."""
    events = [event for number, block in enumerate(blocks, start=1) for event in _events(number, block)]
    transactions = [transaction for block in blocks for transaction in block["transactions"]]
    grants = tuple(event for event in events if isinstance(event, AssetAdded))
    funds = [event for event in events if isinstance(event, FinancialAdded)]
    trades = [event for event in events if isinstance(event, OfferAccepted)]
    amounts = Counter((grant.start, grant.end, grant.power) for grant in grants)
    return Sight(
        blocks=len(blocks),
        transactions=len(transactions),
        failed=sum(1 for transaction in transactions if not transaction["succeeded"]),
        gas_used=sum(transaction["gas_used"] for transaction in transactions),
        addresses=len({grant.anon_address for grant in grants} | {fund.anon_address for fund in funds}),
        grants=grants,
        unique_watts=sum(count for count in amounts.values() if count == 1),
        offers=sum(1 for event in events if isinstance(event, OfferPosted)),
        trades=len(trades),
        traded=sum(energy_of(t.power, t.end - t.start + 1, timestep_seconds) for t in trades),
        paid=sum(trade.payment for trade in trades),
        funded=sum(fund.amount for fund in funds),
    )


def link_by_watts(grants: Sequence[AssetAdded], home_of: Callable[[str], str]) -> Linking:
    """Guess that the grant nearest in watts, one timestep on and on the same side, is the same home's; count the hits.

    Only grants whose home has such a grant are guessed, so that chance is one in the number of candidates.
    """
    by_start: dict[tuple[int, bool], list[AssetAdded]] = {}
    for grant in grants:
        by_start.setdefault((grant.start, grant.power > 0), []).append(grant)
    guesses, hits, chance = 0, 0, 0.0
    for grant in grants:
        candidates = by_start.get((grant.end + 1, grant.power > 0), [])
        home = home_of(grant.anon_address)
        if home not in {home_of(candidate.anon_address) for candidate in candidates}:
            continue
        nearest = min(candidates, key=lambda candidate: (abs(candidate.power - grant.power), candidate.asset_id))
        guesses += 1
        hits += home_of(nearest.anon_address) == home
        chance += 1 / len(candidates)
    return Linking(guesses=guesses, hits=hits, expected_by_chance=chance)


def _events(number: int, block: Note) -> list[LedgerEvent]:
    try:
        return [
            decode_log([bytes.fromhex(topic) for topic in log["topics"]], bytes.fromhex(log["data"]))
            for log in block["logs"]
        ]
    except (PetraError, ValueError, TypeError, KeyError) as error:
        raise InputError(
            f"ledger.jsonl:{number}: a log is not one of this contract: {error}; run `petra simulate` again"
        ) from error
