"""Withdrawal rules as they are written: every problem at once with its place; the same keys in both files."""

from pathlib import Path

import pytest

from petra.domain.messages import Direction
from petra.errors import InputError
from petra.play.world import build_world
from petra.roles.dso.fine_rules import Lots, PeriodEnergy, Quota, Ramp, Rate, Window
from petra.runtime.config import DsoConfig
from petra.scenario.load import parse_scenario
from petra.scenario.rules import Capacity, built, lot_of
from tests.unit.runtime.test_config import DSO
from tests.unit.scenario.test_load import GOOD, problems_of

CAPACITY = Capacity(import_watts=100_000, export_watts=None)
ALL = """
[[dso.rule]]
kind = "window"
mode = "only"
direction = "export"
times = ["06:00-12:00", "13:00-24:00"]
first_date = 2016-05-01
timezone = "Europe/Berlin"
[[dso.rule]]
kind = "window"
mode = "never"
homes = ["pv-1"]
times = ["22:00-05:00"]
timezone = "UTC"
[[dso.rule]]
kind = "energy"
limit_wh = 20_000
period_timesteps = 96
[[dso.rule]]
kind = "ramp"
limit_watts = 3_000
[[dso.rule]]
kind = "quota"
direction = "import"
share_percent = 12
free_timesteps = 2
[[dso.rule]]
kind = "lot"
lot_watts = 100
[[dso.rule]]
kind = "rate"
requests = 20
seconds = 60
"""


def test_every_kind_becomes_its_rule() -> None:
    """In the order of the file; a share is one of the connection's capacity, in whole watts."""
    rules = built(parse_scenario(GOOD + ALL, "small.toml").dso.rule, CAPACITY)
    assert [type(one) for one in rules] == [Window, Window, PeriodEnergy, Ramp, Quota, Lots, Rate]
    assert isinstance(rules[4], Quota) and rules[4].limits == ((Direction.IMPORT, 12_000),)
    assert isinstance(rules[1], Window) and rules[1].minutes == ((1_320, 300),) and rules[1].never


def test_rules_read_the_same_in_the_file_of_a_dso(tmp_path: Path) -> None:
    """The tables of a scenario, with another heading, are those of dso.toml; written and read again they are equal."""
    written = DSO.to_toml() + ALL.replace("[[dso.rule]]", "[[rule]]")
    written = written.replace("billing_timesteps = 0", "billing_timesteps = 0\nimport_limit_watts = 100_000")
    (tmp_path / "dso.toml").write_text(written, encoding="utf-8")
    config = DsoConfig.load(tmp_path)
    assert config.rule == parse_scenario(GOOD + ALL, "small.toml").dso.rule
    (tmp_path / "dso.toml").write_text(config.to_toml(), encoding="utf-8")
    assert DsoConfig.load(tmp_path).rule == config.rule


def test_rules_of_the_manual_are_rules(tmp_path: Path) -> None:
    """The tables that docs/how-to/set-withdrawal-rules.md shows can stand in the file of a DSO."""
    page = Path(__file__).parents[3].joinpath("docs", "how-to", "set-withdrawal-rules.md").read_text(encoding="utf-8")
    shown = page.split("```toml\n")[1].split("```")[0]
    (tmp_path / "dso.toml").write_text(DSO.to_toml() + shown, encoding="utf-8")
    assert [one.kind for one in DsoConfig.load(tmp_path).rule] == ["window", "quota"]


def test_rules_belong_to_a_services_birth() -> None:
    """A diary replays only under the rules that it was written with; without rules it is the birth of old."""
    rules = parse_scenario(GOOD + ALL, "small.toml").dso.rule
    assert "rule" not in DSO.birth()
    assert '"lot_watts":100' in DSO.model_copy(update={"rule": rules}).birth()


def rule(text: str) -> str:
    """Return a scenario with one rule."""
    return GOOD + "[[dso.rule]]\n" + text.replace("; ", "\n") + "\n"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('kind = "lott"; lot_watts = 1', "[dso] rule 1: Input tag 'lott'"),
        ("lot_watts = 1", "[dso] rule 1: Unable to extract tag using discriminator 'kind'"),
        ('kind = "lot"; lot_watts = 0', "[dso] rule 1 lot lot_watts: Input should be greater than or equal to 1"),
        ('kind = "lot"; lot_watts = 1; lot = 2', "[dso] rule 1 lot lot: unknown key"),
        ('kind = "quota"; share_percent = 101', "rule 1 quota share_percent: Input should be less than"),
        ('kind = "quota"; share_percent = 0', "rule 1 quota share_percent: Input should be greater"),
        ('kind = "quota"; share_percent = 9; per = "street"', "[dso] rule 1 quota per: Input should be 'account'"),
        ('kind = "window"; mode = "only"; timezone = "Berlin"', "[dso] rule 1 window timezone: no time zone"),
        ('kind = "window"; mode = "only"; timezone = "UTC"; times = ["9-10"]', "rule 1 window times: '9-10': write"),
        ('kind = "window"; mode = "only"; timezone = "UTC"; times = ["09:00-09:00"]', "contradicts itself"),
        (
            'kind = "window"; mode = "only"; timezone = "UTC"; first_date = 2016-05-02; last_date = 2016-05-01',
            "[dso] rule 1 window: first_date must not lie after last_date",
        ),
    ],
)
def test_bounds_that_make_no_sense_are_told_with_their_key(text: str, told: str) -> None:
    """Unknown kinds and keys, shares out of range, times that are none."""
    (problem,) = problems_of(rule(text))
    assert problem.startswith("small.toml: ") and told in problem


def test_all_problems_of_rules_are_told_at_once() -> None:
    """One line for each."""
    text = rule('kind = "ramp"; limit_watts = 0') + '[[dso.rule]]\nkind = "rate"\nrequests = 0\nseconds = "x"\n'
    assert len(problems_of(text)) == 3


WINDOW = '[[dso.rule]]\nkind = "window"\nmode = "{}"\ntimezone = "UTC"\ntimes = ["{}"]\ndirection = "{}"\n'


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (("only", "06:00-12:00", "both"), ("only", "12:00-18:00", "import")),
        (("only", "06:00-12:00", "import"), ("never", "05:00-13:00", "both")),
        (("never", "06:00-18:00", "import"), ("never", "18:00-06:00", "import")),
    ],
)
def test_contradictory_windows_are_refused(one: tuple[str, str, str], other: tuple[str, str, str]) -> None:
    """Windows that leave no time of a day are told together."""
    (problem,) = problems_of(GOOD + WINDOW.format(*one) + WINDOW.format(*other))
    assert "[dso]: rule 1 and 2: contradictory windows leave no time of a day for import" in problem


def test_windows_without_a_common_day_are_refused() -> None:
    """One that ends before the other begins; those of one home are its own business."""
    dates = ("last_date = 2016-05-01\n", "first_date = 2016-05-02\n")
    one, other = (WINDOW.format("only", "06:00-12:00", "export") + text for text in dates)
    (problem,) = problems_of(GOOD + one + other)
    assert "rule 1 and 2: contradictory windows leave no day for export" in problem
    assert len(parse_scenario(GOOD + one + 'homes = ["pv-1"]\n' + other, "small.toml").dso.rule) == 2


def test_windows_that_leave_a_minute_are_taken() -> None:
    """So are those of different directions."""
    text = GOOD + WINDOW.format("only", "06:00-12:01", "both") + WINDOW.format("never", "06:00-12:00", "import")
    assert len(parse_scenario(text + WINDOW.format("only", "12:00-13:00", "export"), "small.toml").dso.rule) == 3


def test_unknown_homes_and_nodes_are_told_together() -> None:
    """What the data do not have, each with the rule that names it."""
    named = '[[dso.rule]]\nkind = "lot"\nlot_watts = 10\nhomes = ["castle", "pv-1", "moat"]\n'
    with pytest.raises(InputError) as raised:
        build_world(parse_scenario(GOOD + named, "small.toml"), "small.toml", Path())
    assert raised.value.problems == (
        "small.toml: [dso] rule 1 homes: the data have no home or node castle",
        "small.toml: [dso] rule 1 homes: the data have no home or node moat",
    )


CURTAILMENT = '[[dso.curtailment]]\ndirection = "{}"\nlimit_watts = {}\nstart_timestep = {}\nend_timestep = {}\n'


def test_curtailments_that_make_no_sense_are_told() -> None:
    """A direction that is none, a negative limit, timesteps that run backwards: each with its key."""
    text = GOOD + CURTAILMENT.format("both", -1, 0, 0) + CURTAILMENT.format("import", 1, 3, 2)
    told = problems_of(text)
    assert ["curtailment 1 direction" in told[0], "curtailment 1 limit_watts" in told[1]] == [True, True]
    assert "[dso] curtailment 2: start_timestep must not lie after end_timestep" in told[2]


def test_curtailments_beyond_the_window_and_of_nobody_are_told() -> None:
    """The window has 14 timesteps, the data have no castle."""
    text = GOOD + CURTAILMENT.format("import", 1, 3, 14) + 'homes = ["castle"]\n'
    with pytest.raises(InputError) as raised:
        build_world(parse_scenario(text, "small.toml"), "small.toml", Path())
    assert raised.value.problems == (
        "small.toml: [dso] curtailment 1 homes: the data have no home or node castle",
        "small.toml: [dso] curtailment 1 end_timestep: the window has 14 timesteps, the last is 13",
    )


def test_share_of_nothing_is_told_for_a_dso(tmp_path: Path) -> None:
    """The file of a DSO without a limit of its connection must say of what."""
    text = '\n[[rule]]\nkind = "quota"\nshare_percent = 10\n'
    (tmp_path / "dso.toml").write_text(DSO.to_toml() + text, encoding="utf-8")
    with pytest.raises(InputError, match="export_limit_watts and import_limit_watts"):
        DsoConfig.load(tmp_path)


def test_home_asks_in_portions_that_keep_every_rule_of_lots() -> None:
    """The least common multiple of those that are about it."""
    lots = '[[dso.rule]]\nkind = "lot"\nlot_watts = 40\n[[dso.rule]]\nkind = "lot"\nlot_watts = 60\nhomes = ["pv-1"]\n'
    rules = parse_scenario(GOOD + lots, "small.toml").dso.rule
    assert (lot_of(rules, "pv-1", None), lot_of(rules, "pv-2", None), lot_of((), "pv-1")) == (120, 40, 1)
