"""How many calls a second the Python twin applies; prints one JSON object.

One round is what a trade costs on the ledger: an ask and two buyers are granted, the ask is posted and accepted twice
(the first time in part, with a split on both sides), the bought energy is deposited, and what is left of the money too.
Calls are made before the clock starts: making them is the caller's cost.
"""

import argparse
import json
from time import perf_counter

from petra.domain.calls import (
    AcceptOffer,
    AddAssets,
    Call,
    DepositEnergyAsset,
    DepositFinancial,
    EnergyGrant,
    FinancialGrant,
    PostOffer,
)
from petra.domain.refusals import Refusal
from petra.domain.terms import Address, Terms
from petra.ledger.state import LedgerState
from petra.ledger.transition import apply, deploy

DSO = Address(f"0x{1:040x}")
TERMS = Terms(dso=DSO, genesis=0, timestep_seconds=900, gate=1, max_length=96, max_price=10**9)


def address(number: int) -> Address:
    """Return an address that no other number has."""
    return Address(f"0x{number + 2:040x}")


def calls_of_round(number: int) -> list[tuple[Call, Address]]:
    """Return the calls of one round with their senders; asset ids: three grants and two splits a round."""
    first_id, offer_id = 5 * number + 1, number + 1
    seller, one, other = (address(3 * number + who) for who in range(3))
    ask, need, second_need, bought = first_id, first_id + 1, first_id + 2, first_id + 3
    return [
        (
            AddAssets(
                energy=(
                    EnergyGrant(anon_address=seller, power=1000, start=10, end=13),
                    EnergyGrant(anon_address=one, power=-600, start=10, end=15),
                    EnergyGrant(anon_address=other, power=-400, start=10, end=13),
                ),
                money=(
                    FinancialGrant(anon_address=one, amount=10**9),
                    FinancialGrant(anon_address=other, amount=10**9),
                ),
            ),
            DSO,
        ),
        (PostOffer(asset_id=ask, price=200_000_000), seller),
        (AcceptOffer(offer_id=offer_id, asset_id=need), one),
        (AcceptOffer(offer_id=offer_id, asset_id=second_need), other),
        (DepositEnergyAsset(asset_id=bought), one),
        (DepositEnergyAsset(asset_id=ask), other),
        (DepositFinancial(amount=10**9 - 120_000_000), one),
    ]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=20_000)
    rounds = parser.parse_args().rounds
    calls = [call for number in range(rounds) for call in calls_of_round(number)]
    state = deploy(TERMS)
    assert isinstance(state, LedgerState)
    started = perf_counter()
    for call, sender in calls:
        result = apply(state, call, sender, 0)
        assert not isinstance(result, Refusal), (call, result)
    seconds = perf_counter() - started
    print(
        json.dumps(
            {
                "transitions": len(calls),
                "seconds": round(seconds, 3),
                "transitions_per_second": round(len(calls) / seconds),
                "live_assets": len(state.assets),
            }
        )
    )


if __name__ == "__main__":
    main()
