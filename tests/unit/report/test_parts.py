"""The parts of the report that decide something: checks, the outsider's view, words, axes."""

from typing import Any

import pytest

from petra.domain.events import AssetAdded
from petra.report import charts, words
from petra.report.checks import check
from petra.report.facts import read_facts
from petra.report.outsider import link_by_watts, look
from petra.report.trail import follow_one
from tests.unit.report.directories import address, small_bills, small_ledger
from tests.unit.report.journals import small_journal


def test_bill_that_differs_from_the_journal_is_told() -> None:
    """A bill is compared with books, trades, settlement and baseline; each difference has a sentence."""
    bills: dict[str, Any] = small_bills()
    assert check(read_facts(small_journal()), bills).passed
    bills["den"]["closing"] += 1
    bills["den"]["community"] -= 1
    del bills["sun"]
    found = check(read_facts(small_journal()), bills).problems
    assert found == (
        "sun: no bill",
        "den: the bill's closing balance says 19360000001, the journal 19360000000 (nano-EUR)",
        "den: the bill's community trades says -332500001, the journal -332500000 (nano-EUR)",
    )


def test_positions_and_balances_that_do_not_sum_to_zero_are_told() -> None:
    """The page does not take the DSO's word: it sums again."""
    journal = small_journal()
    journal[-1]["balances"]["rest"] += 5
    for line in journal:
        if line["kind"] == "settled" and line["home"] == "sun" and line["timestep"] == 4:
            line["position"] += 1
    found = check(read_facts(journal), small_bills()).problems
    assert found == (
        "all balances sum to 5 nano-EUR, not 0",
        "timestep 4: the homes' positions sum to 1 J, not 0",
    )


def test_journal_that_ends_early_does_not_close() -> None:
    """Without the books' line nothing is promised."""
    checks = check(read_facts(small_journal()[:-1]), small_bills())
    assert "the journal ends before the books were closed" in checks.problems


def test_outsider_sees_amounts_and_times_without_the_journal() -> None:
    """Addresses, watts, payments: everything that stands here is read from raw logs."""
    sight = look(small_ledger(), 900)
    assert (sight.blocks, sight.transactions, sight.failed, sight.gas_used) == (2, 6, 1, 60)
    assert (sight.addresses, len(sight.grants), sight.unique_watts) == (2, 2, 2)
    assert (sight.offers, sight.trades, sight.traded) == (1, 1, 750 * 3_600)
    assert (sight.paid, sight.funded) == (142_500_000, 225_000_000)


def grant(owner: int, power: int, timestep: int) -> AssetAdded:
    """Return a grant of one timestep."""
    return AssetAdded(anon_address=address(owner), asset_id=owner, power=power, start=timestep, end=timestep)


def test_steady_homes_are_linked_by_their_watts() -> None:
    """Two homes that differ from one another and not from timestep to timestep are always found; chance finds half."""
    homes: dict[str, str] = {address(1): "a", address(2): "b", address(3): "a", address(4): "b", address(5): "alone"}
    grants = [grant(1, -500, 4), grant(2, -2_000, 4), grant(3, -520, 5), grant(4, -1_900, 5), grant(5, 700, 4)]
    linking = link_by_watts(grants, homes.__getitem__)
    assert (linking.guesses, linking.hits, linking.expected_by_chance) == (2, 2, 1.0)


def test_equal_watts_are_not_unique() -> None:
    """Two homes with the same watts for the same timestep hide one another, at least by amount."""
    blocks = small_ledger()
    blocks[0]["logs"].append(blocks[0]["logs"][0])
    assert look(blocks, 900).unique_watts == 1


def test_trail_takes_the_largest_trade() -> None:
    """Of trades with equally many steps the largest is followed; nothing is followed where nothing was traded."""
    trail = follow_one(read_facts(small_journal()))
    assert trail is not None
    assert trail.trade.energy == 750 * 3_600
    assert [step.at for step in trail.steps] == sorted(step.at for step in trail.steps)
    assert follow_one(read_facts(small_journal()[:1])) is None


@pytest.mark.parametrize(
    ("written", "text"),
    [
        (words.kwh(0), "\N{EN DASH}"),
        (words.kwh(3_600), "\N{ALMOST EQUAL TO}\N{NARROW NO-BREAK SPACE}0"),
        (words.kwh(3_600, 3), "0.001"),
        (words.energy(0), "0\N{NARROW NO-BREAK SPACE}Wh"),
        (words.energy(750 * 3_600), "750\N{NARROW NO-BREAK SPACE}Wh"),
        (words.energy(1_750 * 3_600), "1.75\N{NARROW NO-BREAK SPACE}kWh"),
        (words.eur(-142_500_000), "\N{MINUS SIGN}0.142"),
        (words.eur(20 * 10**9), "20.00"),
        (words.euros(5 * 10**9, signed=True), "+5.00\N{NARROW NO-BREAK SPACE}EUR"),
        (words.cents(190_000_000), "19.00"),
        (words.percent(None), "\N{EN DASH}"),
        (words.percent(0.9999), "100.0\N{NARROW NO-BREAK SPACE}%"),
        (words.number(-0.001, 2), "0.00"),
        (words.number(1_234_567), "1\N{NARROW NO-BREAK SPACE}234\N{NARROW NO-BREAK SPACE}567"),
        (words.duration(7.25), "7.2\N{NARROW NO-BREAK SPACE}s"),
        (words.commit(40 * "c" + "+changes"), 12 * "c" + "+changes"),
        (words.commit("version 0.1.0.dev0"), "version 0.1.0.dev0"),
        (words.shortened("0x" + 40 * "a"), "0xaaaaaa\N{HORIZONTAL ELLIPSIS}aaaaaa"),
    ],
)
def test_figures_are_written_for_people(written: str, text: str) -> None:
    """Sensible digits, a real minus, no negative zero, and a dash where there is nothing."""
    assert written == text


def test_local_time_is_the_runs() -> None:
    """Unix seconds are shown in the run's zone, summer time included."""
    time = words.LocalTime("Europe/Berlin")
    assert time.clock(1_464_264_900) == "14:15"
    assert time.date(1_464_264_900) == "26.05.2016"
    assert time.seconds_of_day(1_464_264_900) == 14 * 3_600 + 15 * 60
    assert time.iso(1_453_000_000).endswith("+01:00")


@pytest.mark.parametrize(
    ("low", "high", "marks"),
    [
        (0, 2.1, [0, 0.5, 1, 1.5, 2]),
        (-5, 5.2, [-4, -2, 0, 2, 4]),
        (0, 42.5, [0, 10, 20, 30, 40]),
        (0, 1, [0, 0.2, 0.4, 0.6, 0.8, 1]),
    ],
)
def test_axes_have_round_marks(low: float, high: float, marks: list[float]) -> None:
    """Marks are multiples of 1, 2 or 5 times a power of ten, and lie inside the axis."""
    assert charts.round_steps(low, high) == marks
