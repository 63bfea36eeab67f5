"""A failing test of the contract fails the build: npm's launcher of forge would hide it."""

import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

from petra.tools import find_foundry
from tests.project.sources import CHECKOUT

PLANTED = """
contract PlantedTest {
    function test_fails() external pure { require(false, "planted"); }
    function test_passes() external pure {}
}
"""


def forge_test(folder: Path, name: str) -> int:
    """Return the exit code of one test in a project that holds nothing else."""
    forge = find_foundry("forge")
    if forge is None:
        pytest.skip("no forge here: run `make setup`")
    (folder / "test").mkdir()
    (folder / "test" / "Planted.t.sol").write_text("pragma solidity ^0.8.24;" + PLANTED, encoding="utf-8")
    solc = CHECKOUT / "contracts" / "solc"
    (folder / "foundry.toml").write_text(f'[profile.default]\nsolc = "{solc}"\noffline = true\n', encoding="utf-8")
    command = [str(forge), "test", "--match-test", name]
    return subprocess.run(command, cwd=folder, capture_output=True, check=False, timeout=120).returncode


@pytest.mark.slow
@pytest.mark.parametrize(("name", "code"), [("test_fails", 1), ("test_passes", 0)])
def test_a_failing_forge_test_has_an_exit_code_that_make_sees(tmp_path: Path, name: str, code: int) -> None:
    """The binary that `make contracts` calls exits 1 for a planted failure, and 0 for a planted success."""
    if shutil.which("node") is None:
        pytest.skip("no Node.js here: run `make setup`")
    assert forge_test(tmp_path, name) == code


def test_make_calls_that_binary_and_nothing_hides_its_exit_code() -> None:
    """The recipe's line is the native forge, found by petra.tools, with no pipe and no `-` or `|| true`."""
    done = subprocess.run(["make", "-n", "contracts"], cwd=CHECKOUT, capture_output=True, text=True, check=True)
    lines = [line for line in done.stdout.splitlines() if "cd contracts" in line]
    assert len(lines) == 1
    assert re.fullmatch(r"cd contracts && \$\(python -c '.*find_foundry\(\"forge\"\).*'\) test", lines[0])
    makefile = (CHECKOUT / "Makefile").read_text(encoding="utf-8")
    assert "\n\tcd contracts && $(FORGE) test\n" in makefile  # `make -n` shows no leading `-`
    assert ".IGNORE" not in makefile


def test_the_short_form_makes_a_hundred_thousand_calls() -> None:
    """contracts/foundry.toml has runs times depth for each of the deployments, and a refused call breaks the run."""
    settings = tomllib.loads((CHECKOUT / "contracts" / "foundry.toml").read_text(encoding="utf-8"))["invariant"]
    text = (CHECKOUT / "contracts" / "test" / "Invariants.t.sol").read_text(encoding="utf-8")
    deployments = len(re.findall(r"^contract \w+InvariantsTest is Invariants", text, re.MULTILINE))
    assert deployments == 4
    assert deployments * settings["runs"] * settings["depth"] >= 100_000
    assert settings["fail_on_revert"]
