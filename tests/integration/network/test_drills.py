"""The drills of `make verify-network` in short: four timesteps of ten seconds, one mischief each (R46, R50, R82)."""

from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from scripts.verify_network import DRILLS, run_drill


@pytest.mark.geth
@pytest.mark.slow
@pytest.mark.parametrize("name", DRILLS)
def test_the_run_keeps_every_promise(name: str) -> None:
    """Nothing is lost or doubled, the books close, and homes trade, whatever the validators do."""
    # Not pytest's own folder: a node's socket has room for a short path only.
    with TemporaryDirectory() as folder:
        row = run_drill(name, Path(folder), timestep_seconds=10, timesteps=4)
    assert row["passed"], row
    assert row["alarms"] == [] and row["trades"] > 0, row
