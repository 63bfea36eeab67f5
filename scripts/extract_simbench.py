"""Cut the shipped case study out of SimBench: one feeder, 34 homes, 2 PV plants, 26.05.2016 and four weeks before.

A tool of the developer, never a dependency of PETra. SimBench brings 380 MB, so give it a scratch environment:

    python -m venv /tmp/simbench && /tmp/simbench/bin/pip install simbench==1.6.3
    /tmp/simbench/bin/python scripts/extract_simbench.py src/petra/data/simbench

Writes feeder.json, homes.json and profiles.csv.gz and prints what it wrote; the same versions give the same bytes.

What it changes (SimBench asks that changes are named): it keeps feeder 0 of grid 1-LV-semiurb5--0-sw with the
transformer, rounds to whole watts and var, and moves the homes that share a profile by different whole weeks, because
SimBench serves all its homes from a few household profiles: perfect copies of one another would live next door. The
weeks lie between the end of March and August: the same season, the same weekday, no change of daylight-saving time.
PV is not moved: the same sun shines on all.
"""

import csv
import gzip
import io
import json
import random
import sys
from collections import defaultdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import simbench

GRID = "1-LV-semiurb5--0-sw"
DAY = "26.05.2016"
HISTORY_DAYS = 28
STEPS_PER_DAY = 96
TIMESTEP_SECONDS = 900
FIRST_WEEK, LAST_WEEK = -4, 12  # relative to the day; every moved day stays within one season and one UTC offset
SEED = 20160526
YEAR_START = datetime(
    2015, 12, 31, 23, tzinfo=UTC
)  # SimBench's first row is local midnight, and its rows follow one another in UTC


def feeder_nodes(net: Any, start: int) -> dict[int, None]:
    """Return the nodes of the feeder that leaves the transformer's low side through `start`, in order of discovery."""
    neighbours = defaultdict(list)
    for line in net.line.itertuples():
        neighbours[line.from_bus].append(line.to_bus)
        neighbours[line.to_bus].append(line.from_bus)
    root = net.trafo.lv_bus.iloc[0]
    found: dict[int, None] = {start: None}
    queue = [start]
    for node in queue:
        for other in neighbours[node]:
            if other != root and other not in found:
                found[other] = None
                queue.append(other)
    return found


def node_id(net: Any, node: int) -> str:
    """Return our short name of a SimBench node: n51 for 'LV5.201 Bus 51', mv5 for 'MV2.101 Bus 5'."""
    name: str = net.bus.name[node]
    return ("mv" if name.startswith("MV") else "n") + name.rsplit(maxsplit=1)[-1]


def branch_values(net: Any, line: Any) -> dict[str, Any]:
    """Return one line as PETra's branch, its length multiplied out."""
    return {
        "branch": "line-" + line.name.split()[-1],
        "from_node": node_id(net, line.from_bus),
        "to_node": node_id(net, line.to_bus),
        "length_metres": round(line.length_km * 1e3, 3),
        "resistance_ohm": round(line.r_ohm_per_km * line.length_km / line.parallel, 9),
        "reactance_ohm": round(line.x_ohm_per_km * line.length_km / line.parallel, 9),
        "capacitance_nanofarad": round(line.c_nf_per_km * line.length_km * line.parallel, 6),
        "rating_ampere": round(line.max_i_ka * 1e3 * line.df * line.parallel, 3),
    }


def transformer_values(net: Any) -> dict[str, Any]:
    """Return the transformer as PETra's: fractions instead of percent, watts instead of kW."""
    trafo = net.trafo.iloc[0]
    rated = trafo.sn_mva * 1e6
    return {
        "transformer": trafo["name"],
        "from_node": node_id(net, trafo.hv_bus),
        "to_node": node_id(net, trafo.lv_bus),
        "rated_power_va": round(rated, 3),
        "from_volts": round(trafo.vn_hv_kv * 1e3, 3),
        "to_volts": round(trafo.vn_lv_kv * 1e3, 3),
        "short_circuit_voltage": round(trafo.vk_percent / 100, 9),
        "copper_loss_watts": round(trafo.vkr_percent / 100 * rated, 3),
        "no_load_current": round(trafo.i0_percent / 100, 9),
        "no_load_loss_watts": round(trafo.pfe_kw * 1e3, 3),
        "clock": round(trafo.shift_degree / 30),
        "tap_side": {"hv": "from", "lv": "to"}[trafo.tap_side],
        "tap_position": int(trafo.tap_pos),
        "tap_min": int(trafo.tap_min),
        "tap_max": int(trafo.tap_max),
        "tap_neutral": int(trafo.tap_neutral),
        "tap_step_volts": round(trafo.tap_step_percent / 100 * trafo.vn_hv_kv * 1e3, 3),
    }


def feeder_values(net: Any, nodes: dict[int, None]) -> dict[str, Any]:
    """Return the feeder with its transformer as the tree that `petra.grid.feeder` reads."""
    trafo, source = net.trafo.iloc[0], net.ext_grid.iloc[0]
    kept = {trafo.hv_bus: None, trafo.lv_bus: None, **nodes}
    lines = [
        line
        for line in net.line.itertuples()
        if {line.from_bus, line.to_bus} <= kept.keys() and (line.from_bus in nodes or line.to_bus in nodes)
    ]
    return {
        "name": f"SimBench {GRID}, feeder 0",
        "source_node": node_id(net, source.bus),
        "source_voltage": round(source.vm_pu, 6),
        # SimBench's band for voltage that is planned over both levels; its LV nodes alone carry EN 50160's +-10 %.
        "voltage_min": round(net.bus.min_vm_pu[source.bus], 6),
        "voltage_max": round(net.bus.max_vm_pu[source.bus], 6),
        "nodes": [
            {"node": node_id(net, node), "name": net.bus.name[node], "rated_volts": round(net.bus.vn_kv[node] * 1e3, 3)}
            for node in kept
        ],
        "branches": sorted((branch_values(net, line) for line in lines), key=lambda branch: int(branch["branch"][5:])),
        "transformer": transformer_values(net),
    }


def weeks_by_load(loads: Any, watts: Any, day: int) -> dict[int, int]:
    """Return by how many weeks each load's data are taken later: all different in one profile, 0 for a lone load.

    SimBench's year repeats some days (one Thursday in May copies another): only weeks whose day is new can be drawn.
    """
    draw = random.Random(SEED)
    weeks: dict[int, int] = {}
    for _, group in sorted(loads.groupby("profile")):
        members = sorted(group.index)
        year = watts["load", "p_mw"][members[0]].to_numpy()
        days: dict[bytes, int] = {}
        for week in range(FIRST_WEEK, LAST_WEEK + 1):
            begin = day + week * 7 * STEPS_PER_DAY
            days.setdefault(year[begin : begin + STEPS_PER_DAY].tobytes(), week)
        shifts = draw.sample(sorted(days.values()), len(members)) if len(members) > 1 else [0]
        weeks.update(zip(members, shifts, strict=True))
    return weeks


def correlations(loads: Any, series: dict[int, Any]) -> list[float]:
    """Return the correlation of every two homes that share a profile."""
    return [
        float(np.corrcoef(series[a], series[b])[0, 1])
        for _, group in loads.groupby("profile")
        for a in group.index
        for b in group.index
        if a < b
    ]


def write_profiles(path: Path, start_unix: int, columns: dict[str, Any]) -> None:
    """Write one row a step, without file name and time in the archive: its bytes depend on its content alone."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(["unix", *columns])
    for step, row in enumerate(zip(*columns.values(), strict=True)):
        table.writerow([start_unix + step * TIMESTEP_SECONDS, *row])
    with path.open("wb") as raw, gzip.GzipFile(filename="", mode="wb", compresslevel=9, fileobj=raw, mtime=0) as packed:
        packed.write(text.getvalue().encode())


def write_json(path: Path, values: dict[str, Any]) -> None:
    """Write readable JSON."""
    path.write_text(json.dumps(values, indent=1) + "\n", encoding="utf-8")


def main(folder: Path) -> None:
    """Write the three files and say what they hold."""
    net = simbench.get_simbench_net(GRID)
    watts = simbench.get_absolute_values(net, profiles_instead_of_study_cases=True)
    nodes = feeder_nodes(net, next(b for b in net.line.to_bus if net.bus.name[b] == "LV5.201 Bus 51"))
    loads = net.load[net.load.bus.isin(nodes)]
    plants = net.sgen[net.sgen.bus.isin(nodes)].set_index("bus")
    day = net.profiles["load"].time.tolist().index(f"{DAY} 00:00")
    first, steps = day - HISTORY_DAYS * STEPS_PER_DAY, (HISTORY_DAYS + 1) * STEPS_PER_DAY
    start_unix = int(YEAR_START.timestamp()) + first * TIMESTEP_SECONDS
    weeks = weeks_by_load(loads, watts, day)

    def cut(element: str, quantity: str, index: int, shift: int = 0) -> Any:
        begin = first + shift * 7 * STEPS_PER_DAY
        values = watts[element, quantity][index].to_numpy()[begin : begin + steps]
        return np.rint(values * 1e6).astype(np.int64)

    homes, columns = [], {}
    for index, load in sorted(loads.iterrows(), key=lambda item: int(item[1]["name"].split()[-1])):
        name = f"home-{load['name'].split()[-1]}"
        homes.append({"home": name, "node": node_id(net, load.bus), "simbench_load": load["name"]})
        homes[-1] |= {"simbench_profile": load.profile, "moved_weeks": weeks[index], "pv": None}
        columns[f"{name} consumption_watts"] = cut("load", "p_mw", index, weeks[index])
        columns[f"{name} consumption_var"] = cut("load", "q_mvar", index, weeks[index])
        if load.bus in plants.index:
            plant = plants.loc[load.bus]
            row = int(net.sgen.index[net.sgen.bus == load.bus][0])
            homes[-1]["pv"] = {
                "plant": f"pv-{sum(home['pv'] is not None for home in homes) + 1}",
                "simbench_plant": plant["name"],
            }
            homes[-1]["pv"] |= {"simbench_profile": plant.profile, "rating_watts": round(plant.sn_mva * 1e6)}
            columns[f"{name} production_watts"] = cut("sgen", "p_mw", row)

    folder.mkdir(parents=True, exist_ok=True)
    source = f"SimBench {GRID}, feeder 0, ODbL 1.0, homes moved by whole weeks"
    write_json(folder / "feeder.json", feeder_values(net, nodes))
    about = {
        "source": source,
        "start_unix": start_unix,
        "timestep_seconds": TIMESTEP_SECONDS,
        "timezone": "Europe/Berlin",
    }
    write_json(folder / "homes.json", about | {"seed": SEED, "homes": homes})
    write_profiles(folder / "profiles.csv.gz", start_unix, columns)

    still = correlations(loads, {i: cut("load", "p_mw", i) for i in loads.index})
    moved = correlations(loads, {i: cut("load", "p_mw", i, weeks[i]) for i in loads.index})
    same_day = correlations(loads, {i: cut("load", "p_mw", i, weeks[i])[-STEPS_PER_DAY:] for i in loads.index})
    report = [
        f"{len(homes)} homes, {len(plants)} plants, {len(nodes)} nodes",
        f"{steps} steps from {datetime.fromtimestamp(start_unix, UTC)}",
        f"homes that share a profile, {len(still)} pairs, correlation (median, max): "
        f"before {np.median(still):.3f} {max(still):.3f}, after {np.median(moved):.3f} {max(moved):.3f}, "
        f"after on the day alone {np.median(same_day):.3f} {max(same_day):.3f}",
        *(f"{path.name} {path.stat().st_size} bytes" for path in sorted(folder.iterdir()) if path.is_file()),
    ]
    sys.stdout.write("\n".join(report) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
