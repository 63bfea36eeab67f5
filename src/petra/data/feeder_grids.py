"""The five low-voltage grids that come with PETra, to try and test the safety ledger on (R26).

Decides: their names. Knows no load: only SimBench's nodes, lines and transformers under most stress (its scenario 2).
Invariant: nothing is read from outside the package. The files are made by scripts/extract_grids.py and stand under the
ODbL: see grids/LICENSE-ODbL.txt.
"""

from importlib.resources import files

from petra.data.feeders import feeder_from_json
from petra.errors import InputError
from petra.grid import Feeder

GRIDS = ("rural1", "rural3", "semiurb4", "semiurb5", "urban6")


def load_grid(name: str) -> Feeder:
    """Return one of the GRIDS; InputError for any other name."""
    if name not in GRIDS:
        raise InputError(f"grid {name!r} does not come with PETra; use one of {', '.join(GRIDS)}")
    text = files("petra.data").joinpath("grids", f"{name}.json").read_text(encoding="utf-8")
    return feeder_from_json(text, f"{name}.json")
