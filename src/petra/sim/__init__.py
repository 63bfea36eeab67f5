"""A whole microgrid from one seed: the cast on a virtual clock, transactions on a real chain (DESIGN 12)."""

from petra.sim.run import RunResult, check_grid, simulate

__all__ = ["RunResult", "check_grid", "simulate"]
