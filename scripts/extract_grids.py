"""Cut five low-voltage grids out of SimBench, as the feeders that the safety ledger is tested on.

A tool of the developer, never a dependency of PETra. SimBench brings 380 MB, so give it a scratch environment:

    python -m venv /tmp/simbench && /tmp/simbench/bin/pip install simbench==1.6.3
    /tmp/simbench/bin/python -m scripts.extract_grids src/petra/data/grids

Writes one file a grid and prints what it wrote; the same versions give the same bytes. It keeps nodes, lines,
transformer and source of the grids' scenario 2 (the one under most stress), turns them into SI units, and marks the
nodes where SimBench has loads, plants or storages. The profiles are not kept.
"""

import json
import sys
from pathlib import Path
from typing import Any

import simbench

from scripts.extract_simbench import branch_values, node_id, transformer_values

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


if __name__ == "__main__":
    main(Path(sys.argv[1]))
