"""A whole microgrid from one seed: roles on a virtual clock, transactions on a real chain (DESIGN 12).

Map: `world` from scenario to actors, `engine` the event queue and the effects, `run` the run directory.
"""

from petra.sim.run import RunResult, simulate

__all__ = ["RunResult", "simulate"]
