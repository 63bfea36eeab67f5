"""A feeder by the name of a grid that comes with PETra, or from a file in any of the formats that PETra reads.

Decides: which reader a file is for, by what stands in it. The readers decide what a feeder is.
Invariant: a figure that the file states itself is not stated twice: giving it is refused.
"""

import json
from pathlib import Path

from petra.data.feeder_grids import GRIDS, load_grid
from petra.data.feeder_pandapower import feeder_from_pandapower_json
from petra.data.feeder_pgm import feeder_from_pgm_json
from petra.data.feeders import feeder_from_json
from petra.errors import InputError
from petra.grid import Feeder


def read_feeder(
    name: str,
    *,
    voltage_min: float | None = None,
    voltage_max: float | None = None,
    source_voltage_deviation: float | None = None,
) -> Feeder:
    """Return a shipped grid by its name, or the feeder of a file.

    Args:
        name: of a grid, or path of a file.
        voltage_min: of the band, as a fraction of the rated voltage; power-grid-model's files state none.
        voltage_max: the same.
        source_voltage_deviation: how far the source may lie off its set value; foreign files state none.

    Raises:
        InputError: with everything that is wrong.
    """
    text = "" if name in GRIDS else _text(name)
    kind = "" if name in GRIDS else _kind(text, name)
    if not kind:
        stated = (("min", voltage_min), ("max", voltage_max), ("deviation", source_voltage_deviation))
        if given := [f"--voltage-{option}" for option, value in stated if value is not None]:
            raise InputError(f"{name}: states that itself: leave out {', '.join(given)}, or change the file")
        return load_grid(name) if name in GRIDS else feeder_from_json(text, name)
    deviation = source_voltage_deviation or 0.0
    if kind == "pandapower":
        return feeder_from_pandapower_json(
            text, name, voltage_min=voltage_min, voltage_max=voltage_max, source_voltage_deviation=deviation
        )
    if voltage_min is None or voltage_max is None:
        raise InputError(f"{name}: a file of power-grid-model states no band: give --voltage-min and --voltage-max")
    return feeder_from_pgm_json(
        text, name, voltage_min=voltage_min, voltage_max=voltage_max, source_voltage_deviation=deviation
    )


def _text(name: str) -> str:
    try:
        return Path(name).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        shipped = ", ".join(GRIDS)
        raise InputError(f"{name}: no grid of that name ({shipped}), and no file that can be read: {error}") from error


def _kind(text: str, name: str) -> str:
    """Return whose format a text has; empty = PETra's own."""
    try:
        values = json.loads(text)
    except ValueError:
        return ""  # whose reader tells what is wrong with it
    except RecursionError:
        raise InputError(f"{name}: no feeder: its brackets are nested too deeply") from None
    if not isinstance(values, dict):
        return ""
    if "_object" in values:
        return "pandapower"
    return "power-grid-model" if "data" in values else ""
