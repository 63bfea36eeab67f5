"""The part of the page about the feeder: there where the run solved its day, and said to be missing elsewhere."""

import json
from pathlib import Path
from typing import Any

import pytest

from petra.errors import InputError
from petra.report.words import percent
from petra.report.write import write_report
from tests.unit.report.directories import write_run
from tests.unit.report.journals import small_journal

WORST = {"transformer_loading": 1.25, "line_loading": 0.5, "voltage_min": 0.98, "voltage_max": 1.04}


def solved(timesteps: int) -> dict[str, Any]:
    """Return a day on a feeder of a transformer and two lines, the transformer overloaded in the first timestep."""
    rest = timesteps - 1
    metered = {"outcomes": timesteps, "violations": 1, "without_solution": 0, "worst": WORST}
    granted = {"outcomes": 16, "violations": 3, "without_solution": 2, "worst": WORST | {"voltage_max": 1.07}}
    verdict = {
        "in_force": False,
        "asked": 8,
        "refused": 1,
        "granted_production": 3_600_000,
        "granted_consumption": 7_200_000,
        "metered": metered,
        "granted": granted,
    }
    return {
        "feeder": "three nodes",
        "rule": "limits",
        "limits": {"loading": 1.0, "voltage_min": 0.9, "voltage_max": 1.1},
        "links": {
            "n1": {"above": "mv", "element": "t1", "metres": 0.0},
            "n2": {"above": "n1", "element": "l1", "metres": 40.0},
            "n3": {"above": "n1", "element": "<l2>", "metres": 25.5},
        },
        "first_timestep": small_journal()[0]["first_timestep"],
        "envelopes_broken": [],
        "promises_broken": [],
        "metered": metered,
        "granted": granted,
        "loading": {"t1": [1.25] + [0.5] * rest, "l1": [0.5] + [0.25] * rest, "<l2>": [0.1] * timesteps},
        "voltage": {"n1": [1.04] + [1.0] * rest, "n2": [0.98] + [1.0] * rest, "n3": [1.0] * timesteps},
        "granted_loading": {"t1": [None] * timesteps, "l1": [0.6] * timesteps, "<l2>": [0.3] * timesteps},
        "granted_voltage_low": {node: [0.95] * timesteps for node in ("n1", "n2", "n3")},
        "granted_voltage_high": {node: [1.02] * timesteps for node in ("n1", "n2", "n3")},
        "comparison": {
            "first_requests": 6,
            "left_out": 2,
            "timesteps": list(range(rest)),
            "rules": [
                {"rule": "none", **verdict},
                {"rule": "limits", **verdict, "in_force": True},
                {"rule": "feeder", "impossible": ["l1 may carry 200%", "another problem", "40 % would be safe"]},
            ],
        },
    }


def page_of(directory: Path, grid: dict[str, Any] | None) -> str:
    """Return the page of a small run, with a solved day or without."""
    write_run(directory)
    if grid is not None:
        (directory / "grid.json").write_text(json.dumps(grid))
    return write_report(directory).read_text()


def timesteps_of_the_run() -> int:
    """Return how many timesteps the small run delivers."""
    run = small_journal()[0]
    return int(run["last_timestep"]) - int(run["first_timestep"]) + 1


def test_half_a_day_is_refused(tmp_path: Path) -> None:
    """A grid.json that lacks a part is told with its name, and nothing is written."""
    grid = solved(timesteps_of_the_run())
    del grid["voltage"]
    with pytest.raises(InputError, match=r"grid\.json: `voltage` is missing"):
        page_of(tmp_path / "run", grid)
    assert not (tmp_path / "run" / "report.html").exists()


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"limits": {"loading": 1.0, "voltage_min": 1.1, "voltage_max": 0.9}}, "voltage_min must lie below"),
        ({"links": {}}, "`links`"),
        ({"links": {"a": {"above": "b", "element": "t", "metres": 0.0}}}, "nothing is told of t"),
        ({"loading": {}}, "loading: nothing is told of"),
        ({"rule": "fair"}, "`rule`"),
        ({"first_timestep": None}, "`first_timestep`"),
        ({"comparison": {"first_requests": 1, "left_out": 0, "timesteps": [], "rules": [{"rule": "none"}]}}, "asked"),
    ],
)
def test_day_that_cannot_be_drawn_is_refused(tmp_path: Path, changed: dict[str, Any], told: str) -> None:
    """Each problem has its key, and nothing is written."""
    grid = solved(timesteps_of_the_run()) | changed
    with pytest.raises(InputError) as refused:
        page_of(tmp_path / "run", grid)
    assert "grid.json: " in str(refused.value) and told in str(refused.value)
    assert not (tmp_path / "run" / "report.html").exists()


def test_feeder_that_hangs_on_itself_or_ends_early_is_refused(tmp_path: Path) -> None:
    """Neither a ring nor a series that is shorter than the day can be drawn."""
    ring, short = solved(timesteps_of_the_run()), solved(timesteps_of_the_run())
    first, second = list(ring["links"])[:2]
    ring["links"][first]["above"] = second
    short["voltage"][first] = short["voltage"][first][:-1]
    for name, grid, told in (("ring", ring, "links: "), ("short", short, "as long as the day")):
        with pytest.raises(InputError, match=told):
            page_of(tmp_path / name, grid)


def test_page_says_what_was_overloaded_and_what_margin_is_left(tmp_path: Path) -> None:
    """The verdict, the worst beside its limit, the margin of what was granted, and every node."""
    page = page_of(tmp_path / "run", solved(timesteps_of_the_run()))
    assert f"1 of {timesteps_of_the_run()} metered" in page
    assert "3 of 16 worst corners" in page and "the transformer reaches 125 % of its rating" in page
    assert percent(1.25) in page and "0.030" in page  # 1.1 - 1.07
    assert "no power flow is computed" not in page


def test_page_draws_every_link_and_node_with_what_it_carried(tmp_path: Path) -> None:
    """The map names the worst moment; an overload and a collapse have the colour of what exceeds a limit."""
    page = page_of(tmp_path / "run", solved(timesteps_of_the_run()))
    assert "As metered at 14:15, when least room was left: the transformer carries 125" in page
    assert "for some of it no power flow has a solution" in page
    assert page.count('<path class="wire over"') > 2 and '<path class="strip over"' in page
    assert "&lt;l2&gt;: 10" in page and "<l2>" not in page
    assert page.count('<figure id="fig-feeder-') == 4


def test_page_tells_what_other_rules_would_have_done(tmp_path: Path) -> None:
    """Each rule has its row, the one in force is marked; a rule that could promise nothing says why and what helps."""
    page = page_of(tmp_path / "run", solved(timesteps_of_the_run()))
    assert "The homes' 6 first requests" in page and "2 requests that were refused for other reasons" in page
    assert "no rule" in page and "own limits (the paper&#39;s), in force" in page
    assert '<th scope="row" class="text">worst corners: over a limit</th><td>3 of 16 (2 without solution)</td>' in page
    assert "The safety ledger could promise nothing here" in page
    assert "l1 may carry 200%;  40 % would be safe." in page and "another problem" not in page
    assert f"those of the {timesteps_of_the_run() - 1} timesteps for which most was asked" in page


def test_broken_promise_stands_on_top(tmp_path: Path) -> None:
    """What the run calls a broken promise is an alarm before anything else; elsewhere nobody promised."""
    grid = solved(timesteps_of_the_run())
    assert "A promise is broken" not in page_of(tmp_path / "limits", grid)
    page = page_of(tmp_path / "feeder", grid | {"promises_broken": ["3 of 16 exceed"], "envelopes_broken": [5]})
    assert page.index("3 of 16 exceed: see") < page.index('<section id="day">')
    assert "In 1 of these timesteps some home was metered outside its envelope" in page


def test_day_that_could_not_be_solved_says_why(tmp_path: Path) -> None:
    """A home without a node leaves no figure but a sentence."""
    page = page_of(tmp_path / "run", {"feeder": "f", "rule": "limits", "impossible": "den: the data name no node"})
    assert "No power flow was computed: den: the data name no node." in page
    assert "fig-feeder-map" not in page and "its data have no feeder" not in page


def test_run_without_a_feeder_says_that_nothing_was_solved(tmp_path: Path) -> None:
    """The page names what it does not check."""
    page_of(tmp_path / "run", None)
    about = json.loads((tmp_path / "run" / "run.json").read_text())
    about["scenario"]["data"] = {"source": "csv"}
    (tmp_path / "run" / "run.json").write_text(json.dumps(about))
    page = write_report(tmp_path / "run").read_text()
    assert "no power flow is computed for this run: its data have no feeder" in page
    assert "Lines and voltages</h3>" not in page
