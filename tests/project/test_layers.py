"""Every package has its place in the layers (DESIGN 2); `make layers` checks who imports whom."""

import re
import tomllib

from tests.project.sources import CHECKOUT

PROJECT = tomllib.loads((CHECKOUT / "pyproject.toml").read_text(encoding="utf-8"))
LAYERS, PURE = PROJECT["tool"]["importlinter"]["contracts"]
PRESENT = {path.parent.name for path in CHECKOUT.glob("src/petra/*/__init__.py")}
PRESENT |= {path.stem for path in CHECKOUT.glob("src/petra/[!_]*.py")}
# Those of DESIGN 2 that decide and never act.
DECIDING = {"auditor", "domain", "grid", "ledger", "market", "privacy", "roles", "settlement", "wire"}


def test_every_package_stands_in_a_layer() -> None:
    """A new package is given its place in pyproject.toml before anything can be written into it."""
    listed = set(re.findall(r"\w+", " ".join(LAYERS["layers"])))
    assert listed >= PRESENT


def test_everything_that_decides_is_kept_pure() -> None:
    """A deciding package is under the contract that forbids it the operating system, clock and network."""
    assert {f"petra.{name}" for name in DECIDING & PRESENT} == set(PURE["source_modules"])
