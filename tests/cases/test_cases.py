"""Worked trades, computed by hand: a folder each, run by the twin and by the contract.

Adding a folder adds a case. `input.json` has the terms and the steps (`at`: seconds after genesis; names stand for
addresses), `expected.json` what becomes of each step and all assets, offers and balances at the end.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from petra.domain import calls
from petra.domain.refusals import Refusal
from petra.domain.terms import NO_ADDRESS, Terms
from petra.ledger.invariants import History, check_all
from petra.ledger.state import NOBODY, LedgerState
from petra.ledger.transition import Result, apply, deploy
from petra.tools import find_anvil
from petra.wire.secp256k1 import checksum_address
from tests.differential.generator import DSO, GENESIS, MARKET, Step
from tests.differential.node import deploy as deploy_contract
from tests.differential.node import running_node

CASES = sorted(path.parent for path in Path(__file__).parent.glob("*/input.json"))
_TRADERS = {"alice": 0xA1, "bob": 0xB0, "carol": 0xCA, "dave": 0xDA}
PEOPLE = {"dso": DSO, "market": MARKET} | {
    name: checksum_address(bytes(19) + bytes([number])) for name, number in _TRADERS.items()
}
NAMES = {address: name for name, address in PEOPLE.items()}


def read(path: Path) -> Any:
    """Return a JSON file."""
    return json.loads(path.read_text(encoding="utf-8"))


def with_addresses(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Put addresses in the place of names."""
    return {key: PEOPLE[value] if isinstance(value, str) else value for key, value in fields.items()}


def steps_of(case: Path) -> list[Step]:
    """Return the steps of a case."""
    return [
        Step(
            sender=PEOPLE[step["sender"]],
            call=getattr(calls, step["call"])(**with_addresses(step["arguments"])),
            timestamp=GENESIS + step["at"],
        )
        for step in read(case / "input.json")["steps"]
    ]


def terms_of(case: Path) -> Terms:
    """Return the terms of a case."""
    return Terms(dso=DSO, genesis=GENESIS, **with_addresses(read(case / "input.json")["terms"]))


def outcome(result: Result) -> str:
    """Return `done`, or the refusal with names in the place of addresses."""
    if not isinstance(result, Refusal):
        return "done"
    text = str(result)
    for address, name in NAMES.items():
        text = text.replace(address, name)
    return text


def play_on_twin(case: Path) -> tuple[LedgerState, list[Result]]:
    """Return what the twin makes of a case, and check the invariants after every step."""
    state = deploy(terms_of(case))
    assert isinstance(state, LedgerState)
    history, results = History(state.terms), []
    for step in steps_of(case):
        result = apply(state, step.call, step.sender, step.timestamp)
        if not isinstance(result, Refusal):
            history.observe(state, result, step.sender, step.timestamp)
        assert check_all(state, history) == []
        results.append(result)
    return state, results


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_twin_agrees_with_the_hand(case: Path) -> None:
    """The twin comes to the results that were computed by hand."""
    state, results = play_on_twin(case)
    assert {
        "outcomes": [outcome(result) for result in results],
        "assets": {
            str(asset_id): {
                "owner": NAMES[asset.owner],
                "power": asset.power,
                "start": asset.start,
                "end": asset.end,
                "offer_id": asset.offer_id,
                "spent": asset.spent,
            }
            for asset_id, asset in sorted(state.assets.items())
        },
        "offers": {
            str(offer_id): {"asset_id": offer.asset_id, "price": offer.price, "open": offer.open}
            for offer_id, offer in state.offers.items()
        },
        "balances": {NAMES[a]: holder.balance for a, holder in state.holders.items() if holder != NOBODY},
    } == read(case / "expected.json")


@pytest.mark.anvil
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_contract_agrees_with_the_hand(case: Path, tmp_path: Path) -> None:
    """The contract on a real node comes to the same results, event by event as the twin."""
    anvil, expected, steps = find_anvil(), read(case / "expected.json"), steps_of(case)
    assert anvil is not None
    with running_node(anvil, GENESIS - 2, tmp_path / "anvil.log") as node:
        contract = deploy_contract(node, terms_of(case), GENESIS - 1)
        results: list[Result] = []
        for timestamp in sorted({step.timestamp for step in steps}):
            results += contract.play([step for step in steps if step.timestamp == timestamp])
        assert [outcome(result) for result in results] == expected["outcomes"]
        assert results == play_on_twin(case)[1]
        ids = [int(asset_id) for asset_id in expected["assets"]]
        assert contract.assets(ids) == [
            (PEOPLE[asset["owner"]], asset["power"], asset["start"], asset["end"], asset["offer_id"])
            for asset in expected["assets"].values()
        ]
        assert contract.spent(ids) == [asset["spent"] for asset in expected["assets"].values()]
        assert contract.offers([int(offer_id) for offer_id in expected["offers"]]) == [
            (
                PEOPLE[expected["assets"][str(offer["asset_id"])]["owner"]] if offer["open"] else NO_ADDRESS,
                *offer.values(),
            )
            for offer in expected["offers"].values()
        ]
        holders = [PEOPLE[name] for name in expected["balances"]]
        assert contract.balances(holders) == list(expected["balances"].values())
