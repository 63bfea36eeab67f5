import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from power_grid_model import ComponentType, PowerGridModel
from power_grid_model.utils import json_deserialize_from_file, json_serialize_to_file

from petra.data import feeder_from_pgm_json
from petra.errors import InputError
from petra.grid import Feeder
from petra.grid.powerflow import PowerFlow

LINE: dict[str, Any] = {"id": 10, "from_node": 2, "to_node": 1, "from_status": 1, "to_status": 1}
LINE |= {"r1": 0.025, "x1": 0.0096, "c1": 3.1e-8, "tan1": 0.0, "i_n": 270.0}
TRANSFORMER: dict[str, Any] = {"id": 11, "from_node": 0, "to_node": 1, "from_status": 1, "to_status": 1}
TRANSFORMER |= {"u1": 20e3, "u2": 400.0, "sn": 4e5, "uk": 0.06, "pk": 5700.0, "i0": 0.0034, "p0": 1350.0}
TRANSFORMER |= {"winding_from": 2, "winding_to": 1, "clock": 5, "tap_side": 0}
TRANSFORMER |= {"tap_pos": -1, "tap_min": -2, "tap_max": 2, "tap_nom": 0, "tap_size": 500.0}
LOAD = {"id": 13, "node": 2, "status": 1, "type": 0, "p_specified": 9000.0, "q_specified": 3000.0}


def data(**changes: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """Return a small network; some components changed."""
    return {
        "node": [{"id": 0, "u_rated": 20e3}, {"id": 1, "u_rated": 400.0}, {"id": 2, "u_rated": 400.0}],
        "line": [LINE],
        "transformer": [TRANSFORMER],
        "source": [{"id": 12, "node": 0, "status": 1, "u_ref": 1.0, "sk": 1e15}],
        "sym_load": [LOAD],
        **changes,
    }


def text_of(network: dict[str, list[dict[str, Any]]]) -> str:
    """Return the network as power-grid-model writes it."""
    return json.dumps({"version": "1.0", "type": "input", "is_batch": False, "attributes": {}, "data": network})


def read(text: str) -> Feeder:
    """Read with a band of five percent."""
    return feeder_from_pgm_json(text, "site.json", voltage_min=0.95, voltage_max=1.05)


@pytest.mark.parametrize(
    "text", ["{", "3", '{"data": 3}', '{"data": {"node": [[1, 2]]}}', '{"type": "update", "data": {}}']
)
def test_text_that_is_no_input_is_refused(text: str) -> None:
    """Even then the file is named."""
    with pytest.raises(InputError, match=r"^site\.json: no input data set"):
        read(text)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"line": [LINE, LINE | {"id": 20}]}, "line 20 closes a ring"),
        ({"line": [LINE | {"to_status": 0}]}, "node n2 is not connected"),
        ({"line": [{k: v for k, v in LINE.items() if k != "i_n"}]}, "line 10: i_n is missing"),
        ({"line": [LINE | {"r1": 0.0, "x1": 0.0}]}, "line 10: resistance_ohm per km is 0"),
        ({"line": [LINE | {"i_n": 0.27}]}, "line 10: rating_ampere is 0.27"),
        ({"transformer": []}, "0 transformers in use, expected one"),
        ({"source": [{"id": 12, "node": 0, "status": 0, "u_ref": 1.0}]}, "0 sources in use"),
        ({"transformer": [TRANSFORMER | {"uk_min": 0.05}]}, "transformer 11: uk_min is not supported"),
        ({"asym_load": [{"id": 30, "node": 2}]}, "asym_load 30: single-phase and unbalanced"),
        ({"link": [{"id": 31}]}, "link: PETra's feeders hold no such component"),
        ({"shunt": [{"id": 32}]}, "shunt: PETra's feeders hold no such component"),
    ],
)
def test_network_that_cannot_be_kept_safe_is_refused(changes: dict[str, list[dict[str, Any]]], reason: str) -> None:
    """Component and field are named, in the words of the file."""
    with pytest.raises(InputError) as error:
        read(text_of(data(**changes)))
    assert reason in str(error.value)


def test_all_problems_of_a_network_are_reported_together() -> None:
    """What the file lacks, and what its feeder is not."""
    line = {key: value for key, value in LINE.items() if key != "r1"}
    with pytest.raises(InputError) as error:
        read(text_of(data(line=[line, LINE], transformer=[TRANSFORMER | {"uk": 6.0}], shunt=[{"id": 1}])))
    assert len(error.value.problems) == 5  # the branch is given twice, too
    assert not any("nan" in problem for problem in error.value.problems)


def test_sensors_and_empty_kinds_do_no_harm() -> None:
    """They say nothing about the feeder."""
    assert read(text_of(data(sym_voltage_sensor=[{"id": 40}], link=[]))) == read(text_of(data()))


@pytest.mark.parametrize("compact", [False, True])
def test_feeder_flows_as_the_file_does(compact: bool, tmp_path: Path) -> None:
    """The file itself, solved by power-grid-model, and the feeder read from it have the same voltages."""
    file = tmp_path / "site.json"
    file.write_text(text_of(data()), encoding="utf-8")
    dataset = json_deserialize_from_file(file)
    expected = PowerGridModel(dataset).calculate_power_flow()
    json_serialize_to_file(file, dataset, use_compact_list=compact)
    feeder = read(file.read_text(encoding="utf-8"))
    assert [node.connected for node in feeder.nodes] == [False, False, True]
    flow = PowerFlow(feeder)
    solved = flow.solve(np.array([[0.0, 9000.0]]), np.array([[0.0, 3000.0]]))
    assert flow.nodes == ("n1", "n2")
    assert solved.voltage[0] == pytest.approx(expected[ComponentType.node]["u_pu"][1:], abs=1e-9)
    assert solved.loading[0] == pytest.approx(
        [expected[kind]["loading"][0] for kind in (ComponentType.transformer, ComponentType.line)], abs=1e-9
    )
