"""The statement: it adds up, says so when it does not, and travels as plain JSON."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from petra.settlement.bills import Bill, CommunityTrade, SettledTimestep, as_document, position_problems
from petra.settlement.lines import Delivery, LineKind, settle, utility_only
from tests.unit.settlement.test_lines import KWH, PRICES

# The home sold 0.25 kWh for 19 ct/kWh and delivered 0.2: 47.5 milli-EUR from the community, -18.75 from the DSO.
DELIVERY = Delivery(position=KWH // 4, metered=KWH // 5, import_allowed=KWH, export_allowed=KWH, tolerance_per_mille=50)
SETTLED = SettledTimestep(
    timestep=7,
    delivery=DELIVERY,
    produced=KWH // 5,
    consumed=0,
    withdrawn=(1_000, 0),
    lines=settle(DELIVERY, PRICES),
    provisional=False,
    readings=("ab", "cd"),
    utility_only=utility_only(DELIVERY.metered, PRICES),
)
TRADE = CommunityTrade(timestamp=1, start=7, end=7, energy=KWH // 4, payment=47_500_000, offer_id=1, transaction="ef")
BILL = Bill(
    home="pv",
    first_timestep=7,
    last_timestep=7,
    opening=1_000_000_000,
    withdrawn=0,
    deposited=40_000_000,
    on_ledger=7_500_000,
    closing=1_021_250_000,
    trades=(TRADE,),
    timesteps=(SETTLED,),
)


@pytest.mark.parametrize("field", ["opening", "withdrawn", "deposited", "on_ledger", "closing"])
@given(error=st.integers().filter(bool))
def test_any_other_figure_is_a_problem(field: str, error: int) -> None:
    """One nano-unit more or less in any figure is told, with the home's name."""
    problems = replace(BILL, **{field: getattr(BILL, field) + error}).problems()
    assert problems and all(problem.startswith("pv: ") for problem in problems)


def test_positions_that_do_not_sum_to_zero_are_a_problem() -> None:
    """A joule too much is told with its timestep; no position at all sums to zero."""
    assert position_problems([5, -4], 7) == ["timestep 7: the positions of all accounts sum to 1 J, not 0"]
    assert position_problems([5, -5], 7) == position_problems([], 7) == []


def test_bill_worked_by_hand_adds_up() -> None:
    """Community 47.5, settlement -18.75 and the utility alone 16 milli-EUR: the community was worth 12.75."""
    assert BILL.problems() == []
    assert (BILL.community, BILL.settlement, BILL.utility_only) == (47_500_000, -18_750_000, 16_000_000)
    assert BILL.savings == 12_750_000
    assert BILL.energy(LineKind.SHORTFALL) + BILL.energy(LineKind.RETAIL) == KWH // 20


def test_document_is_plain_json_that_names_its_proofs() -> None:
    """It survives JSON unchanged; its kinds and timesteps come to the same settlement."""
    document = as_document(BILL)
    assert json.loads(json.dumps(document)) == document
    read = json.loads(json.dumps(document))
    assert sum(kind["amount"] for kind in read["by_kind"].values()) == BILL.settlement
    (timestep,) = read["timesteps"]
    assert sum(line["amount"] for line in timestep["lines"]) == BILL.settlement
    assert timestep["deviation"] == timestep["metered"] - timestep["position"]
    assert (timestep["readings"], read["trades"][0]["transaction"]) == (["ab", "cd"], "ef")
