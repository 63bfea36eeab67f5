"""The five low-voltage grids that come with PETra, to try and test the safety ledger on (R26).

Decides: their names, and which of them has homes: rural1, where the plants can make more than the transformer carries.
Knows no market. Invariant: nothing is read from outside the package, so the same version gives the same grids.
They are SimBench's grids under most stress (its scenario 2). The files are made by scripts/extract_grids.py and stand
under the ODbL: see grids/LICENSE-ODbL.txt.
"""

import csv
import gzip
import io
import json
from importlib.resources import files

from petra.data.feeders import feeder_from_json
from petra.data.profiles import HomeProfile, ProfileSet
from petra.errors import InputError
from petra.grid import Connection, Feeder

GRIDS = ("rural1", "rural3", "semiurb4", "semiurb5", "urban6")


def load_grid(name: str) -> Feeder:
    """Return one of the GRIDS; InputError for any other name."""
    if name not in GRIDS:
        raise InputError(f"grid {name!r} does not come with PETra; use one of {', '.join(GRIDS)}")
    return feeder_from_json(_read(f"{name}.json").decode(), f"{name}.json")


def load_rural_stress() -> tuple[ProfileSet, Feeder]:
    """Return rural1 with 13 homes, 8 of them with plants, on the case study's day and the four weeks before it.

    At noon the sun gives 266 kW where the transformer carries 160 kVA: withdrawals are really refused.
    """
    about = json.loads(_read("rural1-homes.json"))
    with gzip.open(io.BytesIO(_read("rural1-profiles.csv.gz")), "rt", encoding="ascii", newline="") as text:
        header, *rows = csv.reader(text)
    series = dict(zip(header, (tuple(map(int, column)) for column in zip(*rows, strict=True)), strict=True))
    nothing = (0,) * len(rows)
    homes = tuple(
        HomeProfile(
            name=home["home"],
            node=home["node"],
            pv_rating_watts=home["pv"]["rating_watts"] if home["pv"] else 0,
            production_watts=series.get(f"{home['home']} production_watts", nothing),
            consumption_watts=series[f"{home['home']} consumption_watts"],
            consumption_var=series[f"{home['home']} consumption_var"],
        )
        for home in about["homes"]
    )
    feeder = load_grid("rural1")
    feeder.require_connections(Connection(account=home.name, node=home.node) for home in homes)
    names = ("start_unix", "timestep_seconds", "timezone", "source")
    return ProfileSet(homes=homes, **{name: about[name] for name in names}), feeder


def _read(name: str) -> bytes:
    return files("petra.data").joinpath("grids", name).read_bytes()
