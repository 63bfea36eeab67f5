"""The data that come with PETra: one SimBench feeder, a day in May and the four weeks before it (paper 5, R75-R79).

Decides: which homes stand for the paper's nine, and which moments are its day and its window. Knows no market.
Invariant: nothing is drawn or read from outside the package, so the same version gives the same homes.
The files are made by scripts/extract_simbench.py and stand under the ODbL: see simbench/LICENSE-ODbL.txt.
"""

import csv
import gzip
import io
import json
from dataclasses import replace
from importlib.resources import files
from typing import Any

from petra.data.feeders import feeder_from_json
from petra.data.profiles import HomeProfile, ProfileSet
from petra.grid import Feeder

CASE_STUDY_DAY = (1_464_213_600, 1_464_300_000)  # 26.05.2016, 00:00 to 24:00 in Berlin; the end is excluded
CASE_STUDY_WINDOW = (1_464_264_900, 1_464_277_500)  # 14:15 to 17:45 of that day: the paper's 14 timesteps
CONSUMERS = 7


def load_feeder_day() -> tuple[ProfileSet, Feeder]:
    """Return all 34 homes of the feeder, two of them with a PV plant, for the day and four weeks before it."""
    about = json.loads(_read("homes.json"))
    feeder = feeder_from_json(_read("feeder.json").decode(), "feeder.json")
    columns = _columns()
    homes = tuple(_home(home, columns) for home in about["homes"])
    feeder.require_nodes({home.name: home.node for home in homes})
    profiles = ProfileSet(
        start_unix=about["start_unix"],
        timestep_seconds=about["timestep_seconds"],
        timezone=about["timezone"],
        homes=homes,
        source=about["source"],
    )
    return profiles, feeder


def load_case_study() -> tuple[ProfileSet, Feeder]:
    """Return the paper's nine: both plants as pure producers, and the window's seven largest consumers, largest first.

    As in the paper, a producer sells its plant's whole output and a consumer owns no plant.
    """
    profiles, feeder = load_feeder_day()
    window = profiles.window(*CASE_STUDY_WINDOW)
    used = {home.name: sum(home.consumption_watts) for home in window.homes}
    largest = sorted(profiles.homes, key=lambda home: (-used[home.name], home.name))[:CONSUMERS]
    nothing = (0,) * profiles.steps
    producers = [
        replace(home, name=f"pv-{number}", consumption_watts=nothing, consumption_var=nothing)
        for number, home in enumerate((home for home in profiles.homes if home.pv_rating_watts), start=1)
    ]
    consumers = [replace(home, pv_rating_watts=0, production_watts=nothing) for home in largest]
    return replace(profiles, homes=(*producers, *consumers)), feeder


def _read(name: str) -> bytes:
    """Return a shipped file's bytes."""
    return files("petra.data").joinpath("simbench", name).read_bytes()


def _columns() -> dict[str, tuple[int, ...]]:
    """Return the shipped series by the names in their header."""
    with gzip.open(io.BytesIO(_read("profiles.csv.gz")), "rt", encoding="ascii", newline="") as text:
        header, *rows = csv.reader(text)
    return {name: tuple(map(int, column)) for name, column in zip(header, zip(*rows, strict=True), strict=True)}


def _home(about: dict[str, Any], columns: dict[str, tuple[int, ...]]) -> HomeProfile:
    """Return one home of the shipped files."""
    name = about["home"]
    consumption = columns[f"{name} consumption_watts"]
    return HomeProfile(
        name=name,
        node=about["node"],
        pv_rating_watts=about["pv"]["rating_watts"] if about["pv"] else 0,
        production_watts=columns.get(f"{name} production_watts", (0,) * len(consumption)),
        consumption_watts=consumption,
        consumption_var=columns[f"{name} consumption_var"],
    )
