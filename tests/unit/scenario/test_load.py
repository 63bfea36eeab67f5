"""Reading scenarios: every problem at once, with place and remedy."""

from pathlib import Path

import pytest

from petra.errors import InputError
from petra.scenario import load_scenario, shipped_names
from petra.scenario.load import parse_scenario

GOOD = """
[run]
name = "small"
[time]
window_from = 2016-05-26T14:15:00
window_until = 2016-05-26T17:45:00
[data]
source = "case-study"
[[prices.schedule]]
retail_ct_per_kwh = 30
feed_in_ct_per_kwh = 8.2
local_ct_per_kwh = 19.1
imbalance_ct_per_kwh = 45
bulk_ct_per_kwh = 9
"""


def problems_of(text: str) -> list[str]:
    """Return what is told about a scenario."""
    with pytest.raises(InputError) as raised:
        parse_scenario(text, "small.toml")
    return list(raised.value.problems)


def test_all_problems_are_told_at_once_with_their_place() -> None:
    """An unknown key, a wrong type and a missing table are told together, each with file, section and key."""
    text = GOOD.replace('name = "small"', 'name = "small"\nseeed = 3').replace('source = "case-study"', "source = 7")
    problems = problems_of(text + "[chain]\nblock_seconds = 1.5\n")
    assert any(line.startswith("small.toml: [run] seeed: unknown key") for line in problems)
    assert any(line.startswith("small.toml: [data] source:") and "(given: 7)" in line for line in problems)
    assert any(line.startswith("small.toml: [chain] block_seconds:") for line in problems)


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ("retail_ct_per_kwh = 5", "local 191000000 must lie between"),
        ("imbalance_ct_per_kwh = 20", "imbalance 200000000 must be at least"),
        ('retail_ct_per_kwh = "30 ct"', "retail_ct_per_kwh"),
        ("retail_ct_per_kwh = -1", "greater than or equal to 0"),
        ("retail_ct_per_kwh = 30.00000001", "decimal places"),
    ],
)
def test_prices_that_make_no_sense_are_refused(wrong: str, told: str) -> None:
    """Crossed, negative, quoted and too fine prices are told with their key."""
    key = wrong.split(" = ", maxsplit=1)[0]
    lines = [wrong if line.startswith(key) else line for line in GOOD.splitlines()]
    assert any(told in line for line in problems_of("\n".join(lines)))


def test_window_that_ends_before_it_begins_is_refused() -> None:
    """A delivery window of negative length is told with its table."""
    assert (
        "small.toml: [time]: window_from must lie before window_until"
        in problems_of(GOOD.replace("2016-05-26T17:45:00", "2016-05-26T13:45:00"))[0]
    )


def test_text_that_is_no_toml_is_told_with_its_line() -> None:
    """A syntax error names file and line."""
    (problem,) = problems_of("[run\n")
    assert problem.startswith("small.toml: not TOML:") and "line 1" in problem


def test_unknown_name_lists_the_shipped_ones(tmp_path: Path) -> None:
    """A name that is neither shipped nor a file is told with the names that are."""
    with pytest.raises(InputError, match="case-study, feeder-day, rural-stress"):
        load_scenario(str(tmp_path / "nothing.toml"))


def test_csv_table_belongs_to_csv_only() -> None:
    """A source of csv without its table, or a table without the source, is told."""
    assert "needs `path` and the table" in problems_of(GOOD.replace("case-study", "csv"))[0]


def test_problems_of_a_csv_table_are_told_with_their_keys() -> None:
    """Unknown keys and units of [data.csv] are told."""
    text = GOOD.replace('source = "case-study"', 'source = "csv"\npath = "a.csv"')
    text += '[data.csv]\nunit = "MW"\nhomes = [{name = "a", net = 2, colour = 1}]\n'
    told = "\n".join(problems_of(text))
    assert "unit" in told and "colour" in told


def test_money_is_exact() -> None:
    """8.2 ct/kWh is 82,000,000 nano-EUR, not what a float makes of it."""
    schedule = parse_scenario(GOOD, "small.toml").prices.schedule[0].starting_at(1)
    assert (schedule.feed_in, schedule.local, schedule.from_timestep) == (82_000_000, 191_000_000, 1)


def test_hours_in_which_the_dso_is_away_are_pairs_of_times() -> None:
    """`offline` takes any number of pairs."""
    pairs = "[[2016-05-26T15:00:00, 2016-05-26T15:10:00], [2016-05-26T16:00:00, 2016-05-26T16:10:00]]"
    assert len(parse_scenario(GOOD + f"[dso]\noffline = {pairs}\n", "small.toml").dso.offline) == 2


def test_shipped_scenarios_are_valid() -> None:
    """Every scenario that comes with PETra can be loaded by its name."""
    assert shipped_names() == ["case-study", "feeder-day", "rural-stress"]
    assert [load_scenario(name).run.name for name in shipped_names()] == shipped_names()


@pytest.mark.parametrize("text", ["a = " + "[" * 100_000, "a = 1e9999999999999999999"])
def test_text_that_no_reader_can_hold_is_refused(text: str) -> None:
    """It is one message, not a traceback of the reader's."""
    assert problems_of(text) == ["small.toml: a number is out of all range, or brackets are nested too deeply"]


@pytest.mark.parametrize("rule", ['kind = "lot"\nlot_watts = 10', 'kind = "rate"\nrequests = 1\nseconds = 60'])
def test_direction_that_a_rule_does_not_look_at_is_refused(rule: str) -> None:
    """Who writes one would believe that the other direction is free."""
    (problem,) = problems_of(f'{GOOD}[[dso.rule]]\n{rule}\ndirection = "export"\n')
    assert "direction: Input should be 'both'" in problem
