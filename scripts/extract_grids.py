"""Cut five low-voltage grids out of SimBench, as the feeders that the safety ledger is tested on.

A tool of the developer, never a dependency of PETra. SimBench brings 380 MB, so give it a scratch environment:

    python -m venv /tmp/simbench && /tmp/simbench/bin/pip install simbench==1.6.3
    /tmp/simbench/bin/python -m scripts.extract_grids src/petra/data/grids

Writes one file a grid and prints what it wrote; the same versions give the same bytes. It keeps nodes, lines,
transformer and source of the grids' scenario 2 (the one under most stress), turns them into SI units, and marks the
nodes where SimBench has loads, plants or storages.

Of rural1 it also keeps the profiles of 26.05.2016 and of the four weeks before, as 13 homes: each connected node is
one, with all its loads together and its plant (266 kW of sun at noon on a transformer of 160 kVA). SimBench's few
household profiles serve many homes, so each home's loads are moved by whole weeks of its own. PV is not moved,
storages are left out: what a home stores is its own decision.
"""

import json
import sys
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import simbench

from scripts.extract_simbench import (
    DAY,
    FIRST_WEEK,
    HISTORY_DAYS,
    LAST_WEEK,
    SEED,
    STEPS_PER_DAY,
    TIMESTEP_SECONDS,
    YEAR_START,
    branch_values,
    node_id,
    transformer_values,
    write_json,
    write_profiles,
)

GRIDS = ("rural1", "rural3", "semiurb4", "semiurb5", "urban6")
SCENARIO = 2


def grid_values(name: str) -> dict[str, Any]:
    """Return one grid with its transformer as the tree that `petra.grid.Feeder` reads."""
    code = f"1-LV-{name}--{SCENARIO}-sw"
    net = simbench.get_simbench_net(code)
    assert len(net.trafo) == len(net.ext_grid) == 1, code
    assert net.line.in_service.all() and net.switch.closed.all(), code  # nothing is open: every element counts
    source = net.ext_grid.iloc[0]
    connected = {*net.load.bus, *net.sgen.bus, *net.storage.bus}
    lines = sorted(net.line.itertuples(), key=lambda line: int(line.name.split()[-1]))
    return {
        "name": f"SimBench {code}",
        "source_node": node_id(net, source.bus),
        "source_voltage": round(source.vm_pu, 6),
        # SimBench's band for voltage that is planned over both levels; its LV nodes alone carry EN 50160's +-10 %.
        "voltage_min": round(net.bus.min_vm_pu[source.bus], 6),
        "voltage_max": round(net.bus.max_vm_pu[source.bus], 6),
        "nodes": [
            {
                "node": node_id(net, node),
                "name": net.bus.name[node],
                "rated_volts": round(net.bus.vn_kv[node] * 1e3, 3),
                "connected": node in connected,
            }
            for node in net.bus.index
        ],
        "branches": [branch_values(net, line) for line in lines],
        "transformer": transformer_values(net),
    }


def write_homes(folder: Path) -> None:
    """Write rural1's homes and their profiles."""
    code = f"1-LV-rural1--{SCENARIO}-sw"
    net = simbench.get_simbench_net(code)
    megawatts = simbench.get_absolute_values(net, profiles_instead_of_study_cases=True)
    day = net.profiles["load"].time.tolist().index(f"{DAY} 00:00")
    first, steps = day - HISTORY_DAYS * STEPS_PER_DAY, (HISTORY_DAYS + 1) * STEPS_PER_DAY
    start_unix = int(YEAR_START.timestamp()) + first * TIMESTEP_SECONDS

    def total(element: str, quantity: str, indices: list[int], week: int = 0) -> Any:
        begin = first + week * 7 * STEPS_PER_DAY
        return np.rint(megawatts[element, quantity][indices].to_numpy()[begin : begin + steps].sum(axis=1) * 1e6)

    nodes = sorted({*net.load.bus}, key=lambda node: int(node_id(net, node)[1:]))
    weeks = Random(SEED).sample(range(FIRST_WEEK, LAST_WEEK + 1), len(nodes))
    homes: list[dict[str, Any]] = []
    columns = {}
    for node, week in zip(nodes, weeks, strict=True):
        loads, plants = (list(table.index[table.bus == node]) for table in (net.load, net.sgen))
        name = f"home-{node_id(net, node)[1:]}"
        homes.append({"home": name, "node": node_id(net, node), "simbench_loads": list(net.load.name[loads])})
        homes[-1] |= {"simbench_profiles": list(net.load.profile[loads]), "moved_weeks": week, "pv": None}
        columns[f"{name} consumption_watts"] = total("load", "p_mw", loads, week).astype(np.int64)
        columns[f"{name} consumption_var"] = total("load", "q_mvar", loads, week).astype(np.int64)
        if plants:
            rating = round(net.sgen.sn_mva[plants].sum() * 1e6)
            homes[-1]["pv"] = {"simbench_plants": list(net.sgen.name[plants]), "rating_watts": rating}
            columns[f"{name} production_watts"] = total("sgen", "p_mw", plants).astype(np.int64)
    source = f"SimBench {code}, ODbL 1.0, a home a node, moved by whole weeks"
    about = {"source": source, "start_unix": start_unix, "timestep_seconds": TIMESTEP_SECONDS}
    write_json(folder / "rural1-homes.json", about | {"timezone": "Europe/Berlin", "seed": SEED, "homes": homes})
    write_profiles(folder / "rural1-profiles.csv.gz", start_unix, columns)
    size = (folder / "rural1-profiles.csv.gz").stat().st_size
    sys.stdout.write(f"rural1-profiles.csv.gz: {len(homes)} homes, {steps} steps, {size} bytes\n")


def one_line_each(values: dict[str, Any]) -> str:
    """Return JSON with one node or line a line: short, and readable in a comparison of versions."""
    fields = []
    for field, value in values.items():
        if isinstance(value, list):
            text = "[\n" + ",\n".join("  " + json.dumps(item) for item in value) + "\n ]"
        else:
            text = json.dumps(value)
        fields.append(f" {json.dumps(field)}: {text}")
    return "{\n" + ",\n".join(fields) + "\n}\n"


def main(folder: Path) -> None:
    """Write the five files and say what they hold."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in GRIDS:
        values = grid_values(name)
        text = one_line_each(values)
        (folder / f"{name}.json").write_text(text, encoding="utf-8")
        size = f"{len(values['nodes'])} nodes, {len(values['branches'])} lines, {len(text)} bytes"
        sys.stdout.write(f"{name}.json: {size}\n")
    write_homes(folder)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
