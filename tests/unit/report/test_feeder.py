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
    """Return a day on a feeder of a transformer and a line, the transformer overloaded in one timestep."""
    rest = timesteps - 1
    return {
        "feeder": "two nodes",
        "rule": "limits",
        "limits": {"loading": 1.0, "voltage_min": 0.9, "voltage_max": 1.1},
        "links": {"n1": {"above": "mv", "element": "t1"}, "n2": {"above": "n1", "element": "l1"}},
        "first_timestep": 1,
        "metered": {"outcomes": timesteps, "violations": 1, "worst": WORST},
        "granted": {"outcomes": 16, "violations": 3, "worst": WORST | {"voltage_max": 1.07}},
        "loading": {"t1": [1.25] + [0.5] * rest, "l1": [0.5] + [0.25] * rest},
        "voltage": {"n1": [1.04] + [1.0] * rest, "n2": [0.98] + [1.0] * rest},
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
    with pytest.raises(InputError, match=r"grid\.json:1: no day of a feeder: voltage missing"):
        page_of(tmp_path / "run", grid)
    assert not (tmp_path / "run" / "report.html").exists()


def test_page_says_what_was_overloaded_and_what_margin_is_left(tmp_path: Path) -> None:
    """The verdict, the worst beside its limit, the margin of what was granted, and every node."""
    page = page_of(tmp_path / "run", solved(timesteps_of_the_run()))
    assert f"1 of {timesteps_of_the_run()} metered" in page
    assert "3 of 16 worst corners" in page and "the transformer reaches 125 % of its rating" in page
    assert percent(1.25) in page and "0.030" in page  # 1.1 - 1.07
    assert "no power flow is computed" not in page


def test_run_without_a_feeder_says_that_nothing_was_solved(tmp_path: Path) -> None:
    """The page names what it does not check."""
    page = page_of(tmp_path / "run", None)
    assert "no power flow is computed for this run" in page and "Lines and voltages</h3>" not in page
