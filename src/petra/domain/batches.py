"""The grants of one round go to the ledger together, in one transaction (DESIGN 6, epochs).

Decides: which intents one transaction carries, and in which order. Knows no database and no chain.
Invariants: an intent is in one batch at most; the order within a batch follows from the pseudonyms, which are random,
so it tells nothing about who asked first. A batch costs a quarter less gas a grant (docs/reference/gas.md).
"""

from collections.abc import Iterable
from dataclasses import dataclass

from petra.domain.blocks import Intent
from petra.domain.calls import AddAssets, AddEnergyAsset, AddFinancialBalance, EnergyGrant, FinancialGrant

GRANTS_MAX = 100  # in one transaction; the contract takes 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """One intent that does what several others want, whose ids are `parts`."""

    intent: Intent
    parts: tuple[str, ...]


def batches_of(intents: Iterable[Intent]) -> list[Batch]:
    """Return the batches that carry the grants among these intents; a grant that is alone goes as it is."""
    grants = sorted(
        (intent.call.anon_address, intent.intent_id, intent)
        for intent in intents
        if isinstance(intent.call, AddEnergyAsset | AddFinancialBalance)
    )
    chunks = (grants[begin : begin + GRANTS_MAX] for begin in range(0, len(grants), GRANTS_MAX))
    return [_batch([intent for _, _, intent in chunk]) for chunk in chunks if len(chunk) > 1]


def _batch(grants: list[Intent]) -> Batch:
    calls = [intent.call for intent in grants]
    together = AddAssets(
        energy=tuple(
            EnergyGrant(anon_address=call.anon_address, power=call.power, start=call.start, end=call.end)
            for call in calls
            if isinstance(call, AddEnergyAsset)
        ),
        money=tuple(
            FinancialGrant(anon_address=call.anon_address, amount=call.amount)
            for call in calls
            if isinstance(call, AddFinancialBalance)
        ),
    )
    parts = tuple(intent.intent_id for intent in grants)
    return Batch(intent=Intent(intent_id=f"batch:{parts[0]}", sender=grants[0].sender, call=together), parts=parts)
