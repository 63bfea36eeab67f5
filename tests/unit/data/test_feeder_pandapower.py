import json
from typing import Any

import numpy as np
import pytest

from petra.data import feeder_from_pandapower_json
from petra.errors import InputError
from petra.grid.powerflow import PowerFlow

CABLE: dict[str, Any] = {"length_km": 0.12, "r_ohm_per_km": 0.208, "x_ohm_per_km": 0.08, "c_nf_per_km": 261.0}
CABLE |= {"g_us_per_km": 0.0, "max_i_ka": 0.27, "df": 1.0, "parallel": 1, "in_service": True}
CABLE |= {"from_bus": 1, "to_bus": 2}
TRANSFORMER: dict[str, Any] = {"name": None, "hv_bus": 0, "lv_bus": 1, "sn_mva": 0.4, "vn_hv_kv": 20.0}
TRANSFORMER |= {"vn_lv_kv": 0.4, "vk_percent": 6.0, "vkr_percent": 1.425, "pfe_kw": 1.35, "i0_percent": 0.3375}
TRANSFORMER |= {"shift_degree": 150.0, "tap_side": "hv", "tap_neutral": 0.0, "tap_min": -2.0, "tap_max": 2.0}
TRANSFORMER |= {"tap_step_percent": 2.5}
TRANSFORMER |= {"tap_step_degree": 0.0, "tap_pos": 0.0, "parallel": 1, "df": 1.0, "in_service": True}


def tables(**changes: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """Return a net of three nodes, with a second line that a switch opens; some tables changed."""
    return {
        "bus": [
            {"name": "mv", "vn_kv": 20.0, "in_service": True, "min_vm_pu": 0.965, "max_vm_pu": 1.055},
            {"name": "busbar", "vn_kv": 0.4, "in_service": True, "min_vm_pu": 0.9, "max_vm_pu": 1.1},
            {"name": "home", "vn_kv": 0.4, "in_service": True, "min_vm_pu": 0.9, "max_vm_pu": 1.1},
        ],
        "line": [CABLE, CABLE],
        "trafo": [TRANSFORMER],
        "switch": [{"bus": 1, "element": 1, "et": "l", "closed": False}],
        "ext_grid": [{"bus": 0, "vm_pu": 1.02, "in_service": True}],
        "load": [{"bus": 2, "p_mw": 0.005, "q_mvar": 0.001, "in_service": True}],
        **changes,
    }


def text_of(net: dict[str, list[dict[str, Any]]]) -> str:
    """Return the net as pandapower writes it: a table is text within the text."""

    def frame(rows: list[dict[str, Any]]) -> dict[str, Any]:
        columns = list(rows[0]) if rows else []
        split = {"columns": columns, "index": list(range(len(rows))), "data": [[r[c] for c in columns] for r in rows]}
        return {"_module": "pandas.core.frame", "_class": "DataFrame", "_object": json.dumps(split), "orient": "split"}

    return json.dumps({"_class": "pandapowerNet", "_object": {"f_hz": 50.0} | {k: frame(v) for k, v in net.items()}})


def problems(**changes: list[dict[str, Any]]) -> str:
    """Return why the net is refused."""
    with pytest.raises(InputError) as error:
        feeder_from_pandapower_json(text_of(tables(**changes)), "site.json")
    assert all(problem.startswith("site.json: ") for problem in error.value.problems)
    return str(error.value)


@pytest.mark.parametrize(
    "text", ["{", "[]", '{"_object": 3}', '{"_object": {"bus": {"_class": "DataFrame", "_object": "x"}}}']
)
def test_text_that_is_no_net_is_refused(text: str) -> None:
    """Even then the file is named."""
    with pytest.raises(InputError, match=r"^site\.json: no net of pandapower"):
        feeder_from_pandapower_json(text, "site.json")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"switch": []}, "closes a ring"),
        ({"line": []}, "node n2 is not connected"),
        ({"line": [CABLE | {"max_i_ka": None}]}, "line 0: max_i_ka is missing"),
        ({"line": [CABLE | {"r_ohm_per_km": 0.0}]}, "line 0: resistance_ohm per km is 0"),
        ({"line": [CABLE | {"max_i_ka": 270.0}]}, "line 0: rating_ampere is 270000"),
        ({"line": [CABLE | {"length_km": "120 m"}]}, "line 0: length_km is no number: '120 m'"),
        ({"line": [CABLE | {"g_us_per_km": 3.0}]}, "line 0: g_us_per_km is not supported"),
        ({"switch": [{"bus": 1, "element": 2, "et": "b", "closed": True}]}, "switch 0: joins two nodes without"),
        ({"switch": [{"bus": 1, "element": 0, "et": "t", "closed": False}]}, "switch 0: opens the transformer"),
        ({"trafo": [TRANSFORMER, TRANSFORMER]}, "trafo has 2 rows in service, expected one"),
        ({"ext_grid": []}, "ext_grid has 0 rows in service"),
        ({"trafo": [TRANSFORMER | {"parallel": 2}]}, "trafo 0: parallel transformers"),
        ({"trafo": [TRANSFORMER | {"tap_step_degree": 1.0}]}, "trafo 0: tap_step_degree is not supported"),
        ({"asymmetric_load": [{"bus": 2, "in_service": True}]}, "asymmetric_load 0: single-phase and unbalanced"),
        ({"gen": [{"bus": 2, "in_service": True}]}, "gen 0: not supported"),
        ({"bus": [{"name": "a", "vn_kv": 20.0, "in_service": True}]}, "min_vm_pu is missing everywhere"),
    ],
)
def test_net_that_cannot_be_kept_safe_is_refused(changes: dict[str, list[dict[str, Any]]], reason: str) -> None:
    """Component and field are named, in the words of the file."""
    assert reason in problems(**changes)


def test_all_problems_of_a_net_are_reported_together() -> None:
    """What the file lacks and what its feeder is not."""
    found = problems(
        line=[CABLE | {"max_i_ka": None}, CABLE], switch=[], trafo=[TRANSFORMER | {"sn_mva": 400.0}], gen=[{"bus": 2}]
    )
    assert all(word in found for word in ("gen 0", "max_i_ka is missing", "rated_power_va is 4e+08", "closes a ring"))
    assert "nan" not in found


def test_what_is_out_of_service_is_left_out() -> None:
    """A transformer or line that is not in service is as if it were not there."""
    idle = TRANSFORMER | {"in_service": False}
    net = tables(trafo=[TRANSFORMER, idle], gen=[{"bus": 2, "in_service": False}])
    feeder = feeder_from_pandapower_json(text_of(net), "site.json")
    assert [line.branch for line in feeder.branches] == ["line 0"]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"line": [CABLE | {"parallel": 0}, CABLE]}, "line 0: parallel is 0, expected more than 0"),
        ({"line": [CABLE | {"df": 0.0}, CABLE]}, "line 0: df is 0, expected more than 0"),
        ({"trafo": [TRANSFORMER | {"df": 0}]}, "trafo 0: df is 0, expected more than 0"),
        ({"trafo": [TRANSFORMER | {"tap2_pos": -1}]}, "trafo 0: tap2_pos is not supported: a second tap changer"),
        ({"trafo": [TRANSFORMER | {"shift_degree": float("inf")}]}, "trafo 0: shift_degree is no number: inf"),
        ({"trafo": [TRANSFORMER | {"sn_mva": 10**400}]}, "trafo 0: sn_mva is no number: 1000000"),
        ({"line": [CABLE | {"to_bus": 2.4}, CABLE]}, "line 0: to_bus is no whole number: 2.4"),
        ({"trafo": [TRANSFORMER | {"tap_pos": -40, "tap_min": -40}]}, "tap_position leaves a winding no voltage"),
        ({"trafo": [TRANSFORMER | {"tap_max": 200}]}, "tap_min .. tap_max must lie within -127 .. 127"),
    ],
)
def test_number_that_nothing_can_be_computed_with_is_refused(
    changes: dict[str, list[dict[str, Any]]], reason: str
) -> None:
    """Component and field are named, and nothing is divided by nothing."""
    assert reason in problems(**changes)


def test_band_is_the_narrowest_of_the_file_or_the_callers() -> None:
    """The file's limits differ by level of voltage; a given one wins."""
    text = text_of(tables())
    feeder = feeder_from_pandapower_json(text, "x", source_voltage_deviation=0.01)
    assert (feeder.voltage_min, feeder.voltage_max, feeder.source_voltage_deviation) == (0.965, 1.055, 0.01)
    wide = feeder_from_pandapower_json(text, "x", voltage_min=0.9, voltage_max=1.1)
    assert (wide.voltage_min, wide.voltage_max) == (0.9, 1.1)


def test_feeder_flows_as_pandapower_says() -> None:
    """Voltages and loading of pandapower 3.5.6's runpp for 1 kW and 1 kvar at the home, the open line taken out."""
    feeder = feeder_from_pandapower_json(text_of(tables()), "x")
    assert [node.connected for node in feeder.nodes] == [False, False, True]
    flow = PowerFlow(feeder)
    solved = flow.solve(np.array([[0.0, 1000.0]]), np.array([[0.0, 1000.0]]))
    assert solved.voltage[0] == pytest.approx([1.0197978530536633, 1.0195860461903699], abs=1e-8)
    assert solved.loading[0, 1] == pytest.approx(0.007414924472963955, abs=1e-9)
