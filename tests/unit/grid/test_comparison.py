from petra.grid import Box, Change, Envelope, no_rule, plain_linear_ledger, prosumer_limits, transformer_total
from petra.grid.comparison import BookRule
from tests.unit.grid.made_up import FEEDER

ENVELOPES = {name: Envelope(node=name[0], import_watts=1000, export_watts=0) for name in ("c1", "c2", "e1")}


def fill(rule: BookRule, watts: int, **side: int) -> dict[str, bool]:
    """Let every account ask for so much production, or consumption."""
    change = Change(start=1, end=1, production_watts=watts, consumption_watts=side.get("consumption", 0))
    return {account: rule.grant(account, [change]) for account in ENVELOPES}


def test_prosumer_limits_look_at_one_account_only() -> None:
    """The paper's rule refuses who asks for more than its own limit, and overloads the shared line all the same."""
    rule = prosumer_limits(ENVELOPES, dict.fromkeys(ENVELOPES, Box(5000, 150_000)))
    assert not any(fill(rule, 150_001).values())
    assert all(fill(rule, 150_000).values())
    assert not any(fill(rule, 1).values())
    assert sum(box.export_watts for box in rule.reservations.boxes(1).values()) == 450_000


def test_transformer_total_counts_all_homes_and_no_line() -> None:
    """630 kVA are shared out wherever the homes are; imports and exports count apart, firm parts count too."""
    rule = transformer_total(FEEDER, ENVELOPES)
    assert fill(rule, 300_000) == {"c1": True, "c2": True, "e1": False}
    rule.release("c1", [Change(start=1, end=1, production_watts=300_000)])
    assert rule.check("e1", [Change(start=1, end=1, production_watts=330_000)])
    assert not rule.check("e1", [Change(start=1, end=1, production_watts=330_001)])
    assert rule.check("e1", [Change(start=1, end=1, consumption_watts=628_000)])
    assert not rule.check("e1", [Change(start=1, end=1, consumption_watts=628_001)])


def test_no_rule_grants_everything_and_keeps_book_of_it() -> None:
    """What it granted can be held against the feeder afterwards, and is forgotten when it has passed."""
    rule = no_rule(ENVELOPES)
    assert all(fill(rule, 10**9).values())
    assert rule.reservations.granted[1]["c2"].production == 10**9
    rule.expire(2)
    assert rule.reservations.granted == {}


def test_plain_linear_check_grants_a_little_more_than_is_safe() -> None:
    """It counts currents at rated voltage: ten percent more than the line carries at the lowest voltage."""
    ledger = plain_linear_ledger(FEEDER, {"c1": ENVELOPES["c1"]})
    assert ledger.grant("c1", [Change(start=1, end=1, production_watts=247_000)])
    assert not ledger.grant("c1", [Change(start=1, end=1, production_watts=1000)])
