"""A testbed comes up, is found, and goes down without a trace; what cannot be is refused with nothing changed."""

import json
import os
import signal
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from petra.cli.main import app
from petra.runtime.nursery import children_of
from petra.runtime.testbed import down, runs
from petra.runtime.testbed_layout import holder, read_testbed
from petra.runtime.testbed_making import choose_homes
from tests.crash.rig import small_world


def petra(*arguments: str | Path) -> Result:
    """Run a command of petra in this process."""
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_a_directory_without_a_testbed_is_refused(tmp_path: Path) -> None:
    """`status` says which verb makes one."""
    result = petra("testbed", "status", "--dir", tmp_path)
    assert result.exit_code == 2
    assert "petra testbed up" in result.stderr


def test_a_strange_directory_is_neither_used_nor_removed(tmp_path: Path) -> None:
    """What is no testbed's is left as it was."""
    (tmp_path / "photo.jpg").write_text("mine", encoding="utf-8")
    assert petra("testbed", "up", "--homes", "2", "--dir", tmp_path).exit_code == 2
    assert petra("testbed", "down", "--remove", "--dir", tmp_path).exit_code == 2
    assert [path.name for path in tmp_path.iterdir()] == ["photo.jpg"]


def test_a_network_that_is_not_there_leaves_nothing(tmp_path: Path) -> None:
    """It is told before a directory is made, which the next try would find in use."""
    result = petra("testbed", "up", "--dir", tmp_path / "bed", "--network", tmp_path / "none")
    assert result.exit_code == 2 and "no network is here" in result.stderr
    assert not (tmp_path / "bed").exists()


def test_homes_that_the_feeder_could_not_carry_are_refused(tmp_path: Path) -> None:
    """Five times the homes of a stressed feeder cannot be promised what they draw: told before anything is made."""
    result = petra("testbed", "up", "--scenario", "rural-stress", "--homes", "65", "--dir", tmp_path / "testbed")
    assert result.exit_code == 2
    assert "of each envelope would be safe" in result.stderr
    assert not (tmp_path / "testbed").exists()


def test_fewer_homes_are_of_all_kinds_and_more_are_shifted() -> None:
    """Two homes can trade; homes beyond the scenario's have names of their own and the same energy over the window."""
    world = small_world()
    first, second = choose_homes(world, 2, 1).homes
    assert first.profile.pv_rating_watts > 0
    assert second.profile.pv_rating_watts == 0
    many = choose_homes(world, 20, 1).homes
    assert len({home.profile.name for home in many}) == 20
    again, pattern = many[len(world.homes)].profile, world.homes[0].profile
    assert sorted(again.production_watts) == sorted(pattern.production_watts)
    assert choose_homes(world, 20, 1).homes == many


@pytest.mark.slow
@pytest.mark.anvil
def test_a_testbed_comes_up_is_found_goes_on_and_leaves_nothing(tmp_path: Path) -> None:
    """A killed service is seen as stopped, `up` starts it again, and `down` ends every process."""
    directory = tmp_path / "testbed"
    try:
        up = petra("testbed", "up", "--homes", "2", "--dir", directory, "--timestep-seconds", "4", "--json")
        assert up.exit_code == 0, up.stderr
        assert len(json.loads(up.stdout)["homes"]) == 2
        testbed = read_testbed(directory)
        processes = {place.name: holder(place) for place in testbed.places}
        assert None not in processes.values()
        assert len(set(processes.values())) == 5  # each is a process of its own
        os.kill(processes["dso"] or 0, signal.SIGKILL)
        compared = petra("testbed", "status", "--compare", "--dir", directory)
        assert (compared.exit_code, "homes and feeder agree" in compared.stdout) == (0, True)
        told = petra("testbed", "status", "--dir", directory, "--json")
        states = {one["name"]: one["process"] for one in json.loads(told.stdout)["services"]}
        assert states == processes | {"dso": None}
        assert petra("testbed", "up", "--dir", directory, "--timestep-seconds", "4").exit_code == 0
        assert holder(testbed.dso) not in {None, processes["dso"]}
        assert petra("testbed", "down", "--dir", directory).exit_code == 0
        assert not children_of(directory)
        assert not runs(directory)
        assert petra("testbed", "up", "--dir", directory, "--timestep-seconds", "4").exit_code == 0  # its chain too
        assert petra("testbed", "down", "--remove", "--dir", directory).exit_code == 0
        assert not directory.exists()
    finally:
        down(directory)


@pytest.mark.slow
@pytest.mark.anvil
def test_a_play_ends_with_a_run_whose_books_close(tmp_path: Path) -> None:
    """Homes trade, everybody gets a bill, and books, ledger and homes agree at rest."""
    short = ("--timestep-seconds", "4", "--horizon", "3", "--timesteps", "2")
    try:
        result = petra(
            "testbed", "play", *short, "--dir", tmp_path / "testbed", "--out", tmp_path / "run", "--json"
        )
        assert result.exit_code == 0, result.stderr
        summary = json.loads(result.stdout.splitlines()[-1])
        assert (summary["alarms"], summary["books_problems"]) == ([], 0)
        assert summary["trades"] > 0
        assert summary["withdrawals"]["unanswered"] == 0
        assert len(list((tmp_path / "run" / "bills").iterdir())) == summary["homes"] == 9
        assert petra("report", tmp_path / "run").exit_code == 0
    finally:
        down(tmp_path / "testbed")
