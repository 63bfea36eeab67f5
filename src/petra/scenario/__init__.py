"""What a run is declared by: the TOML schema, its checks, and the scenarios that come with PETra."""

from petra.scenario.load import load_scenario, shipped_names
from petra.scenario.schema import Scenario

__all__ = ["Scenario", "load_scenario", "shipped_names"]
