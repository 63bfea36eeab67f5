import numpy as np

from petra.grid import outcomes
from petra.grid.outcomes import CornerSolver, Injections, NodeBoxes
from petra.grid.powerflow import PowerFlow
from petra.grid.tree import Load
from tests.unit.grid.made_up import FEEDER

FLOW = PowerFlow(FEEDER)  # nodes b, d, c, e
LOADS = {"d": Load(10, 20, 3, 2), "c": Load(5, 0, 1, 0), "e": Load(0, 40, 0, 4)}
BOXES = outcomes.node_boxes(FLOW, LOADS)


def drawn() -> list[Injections]:
    """Return 200 outcomes of each random kind."""
    kinds = (outcomes.random_subsets, outcomes.uniform_points, outcomes.matches_with_failures)
    return [kind(BOXES, np.random.default_rng(1), 200) for kind in kinds]


def test_boxes_are_in_the_order_of_the_nodes() -> None:
    """A node without an account may do nothing."""
    assert FLOW.nodes == ("b", "d", "c", "e")
    assert isinstance(BOXES, NodeBoxes)
    assert BOXES.imported.tolist() == [0, 10, 5, 0]
    assert BOXES.exported.tolist() == [0, 20, 0, 40]


def test_no_outcome_leaves_the_box() -> None:
    """Watts between export and import, var between supplied and absorbed, in every kind; and they differ."""
    for watts, var in (*drawn(), outcomes.worst_corners(FEEDER, BOXES)):
        assert (watts >= -BOXES.exported).all() and (watts <= BOXES.imported).all()
        assert (var >= -BOXES.supplied).all() and (var <= BOXES.absorbed).all()
        assert len(np.unique(watts, axis=0)) >= 6


def test_corners_set_each_branch_against_the_rest() -> None:
    """For the line to d: everything below it imports and the rest exports, the reverse, all import, all export."""
    corners = outcomes.worst_corners(FEEDER, BOXES)
    found = {tuple(row) for row in corners.watts.tolist()}
    assert {(0, 10, 0, 0), (0, -20, 5, -40), (0, 10, 5, 0), (0, -20, 0, -40)} <= found
    assert len(corners.watts) == outcomes.CORNERS_PER_LINK * len(FLOW.nodes)


def test_corners_hold_every_kind_of_var() -> None:
    """Of all who import there are outcomes in which they absorb, and others in which they supply, as capacitors do."""
    corners = outcomes.worst_corners(FEEDER, BOXES)
    both = zip(corners.watts.tolist(), corners.var.tolist(), strict=True)
    importing = {tuple(var) for watts, var in both if watts == [0, 10, 5, 0]}
    assert importing == {(0, 3, 1, 0), (0, -2, 0, -4)}


def test_corners_are_told_with_each_element_at_its_own_worst() -> None:
    """No solved corner lies beyond what is told of all, and equal boxes are not solved again."""
    solver = CornerSolver(FLOW)
    told = solver.solve(LOADS)
    corners = outcomes.worst_corners(FEEDER, BOXES)
    solved = FLOW.solve(corners.watts, corners.var)
    assert (told.outcomes, told.violations, told.unsolved) == (len(corners.watts), 0, 0)
    assert (told.loading == solved.loading.max(axis=0)).all()
    assert (told.low == solved.voltage.min(axis=0)).all() and (told.high == solved.voltage.max(axis=0)).all()
    assert solver.solve(dict(LOADS)) is told


def test_corners_without_a_solution_are_violations_and_leave_the_figures_to_the_others() -> None:
    """Where the voltage collapses nothing is told but that it does."""
    told = CornerSolver(FLOW).solve({"d": Load(10**9, 0, 0, 0)})
    assert 0 < told.unsolved <= told.violations < told.outcomes
    assert np.isfinite(told.loading).all() and np.isfinite(told.low).all()


def test_matches_balance_unless_somebody_fails() -> None:
    """Some outcomes have as much production as consumption; failures unbalance others, both ways."""
    net = drawn()[2].watts.sum(axis=1)
    assert (abs(net) < 1e-9).any()
    assert (net < -1e-9).any() and (net > 1e-9).any()
