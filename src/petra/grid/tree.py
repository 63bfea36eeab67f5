"""The feeder's bounds in one timestep: what may flow through each link at most, and how far voltages may move.

Decides: how bounds are built from boxes, and whether they keep every limit. Knows no account and no request.
Invariant: `raised` gives bit for bit what `build` would give for the larger boxes: totals are integers, and floats
are always computed from them by the same expression in the same order. docs/explanation/safety.md has the proof.
"""

from collections.abc import Iterator, Sequence
from math import ceil, inf, sqrt
from typing import NamedTuple

from petra.grid.coefficients import Coefficients


class Load(NamedTuple):
    """The boxes of everything at one node: the most that it may do in each direction, watts and var, all >= 0."""

    import_watts: int = 0
    export_watts: int = 0
    absorbed_var: int = 0
    supplied_var: int = 0


class NodeBounds(NamedTuple):
    """What may happen at the lower end of the link above a node, and below it.

    Import and absorbed var hold the losses of all links below; export and supplied var hold none, for losses only
    lessen them. `fall` and `rise` are the most that the squared voltage may change from this node to any below it.
    """

    import_watts: int
    export_watts: int
    absorbed_var: int
    supplied_var: int
    active_loss: int  # of the link above, watts rounded up
    reactive_loss: int
    fall: float
    rise: float


Tree = list[NodeBounds]  # by index of the node
Update = tuple[int, NodeBounds]
SOURCE, BUSBAR = 0, 1  # only the transformer leaves the source, so the node below it comes next


def build(feeder: Coefficients, loads: Sequence[Load]) -> Tree:
    """Return the bounds of a timestep from nothing but the boxes at the nodes, by index."""
    tree = [NodeBounds(0, 0, 0, 0, 0, 0, 0.0, 0.0)] * len(feeder.nodes)
    for node in reversed(range(len(feeder.nodes))):
        tree[node] = node_bounds(feeder, tree, node, loads[node])
    return tree


def node_bounds(feeder: Coefficients, tree: Tree, node: int, load: Load) -> NodeBounds:
    """Return the bounds at a node from its own box and those of the nodes right below it."""
    watts, var, supplied = feeder.links[node].standing
    totals = [load[0] + watts, load[1], load[2] + var, load[3] + supplied]
    fall = rise = 0.0
    for child in feeder.children[node]:
        below = tree[child]
        totals[0] += below.import_watts + below.active_loss
        totals[1] += below.export_watts
        totals[2] += below.absorbed_var + below.reactive_loss
        totals[3] += below.supplied_var
        child_fall, child_rise = _seen_from_above(feeder, child, below)
        fall, rise = max(fall, child_fall), max(rise, child_rise)
    bounds = NodeBounds(totals[0], totals[1], totals[2], totals[3], 0, 0, fall, rise)
    return bounds if node == SOURCE else _with_losses(feeder, node, bounds)


def raised(feeder: Coefficients, tree: Tree, node: int, more: Load) -> list[Update] | None:
    """Return what changes when the box at a node grows, None if a limit would be exceeded; takes O(depth).

    The loop is written out: it is the gate's inner loop, asked for every timestep of every withdrawal.
    """
    updates: list[Update] = []
    links, new_tuple = feeder.links, tuple.__new__  # half the cost of calling NodeBounds
    more_import, more_export, more_absorbed, more_supplied = more
    fall_below = rise_below = 0.0
    while node > BUSBAR:
        imported, exported, absorbed, supplied, active, reactive, fall, rise = tree[node]
        parent, limit, active_loss, reactive_loss, (per_watt, per_var, per_square), _ = links[node]
        imported += more_import
        exported += more_export
        absorbed += more_absorbed
        supplied += more_supplied
        power = imported if imported > exported else exported
        var = absorbed if absorbed > supplied else supplied
        square = power * power + var * var
        if square > limit:
            return None
        fall = fall_below if fall_below > fall else fall
        rise = rise_below if rise_below > rise else rise
        more_import -= active
        more_absorbed -= reactive
        active, reactive = ceil(active_loss * square), ceil(reactive_loss * square)
        more_import += active
        more_absorbed += reactive
        bounds = (imported, exported, absorbed, supplied, active, reactive, fall, rise)
        updates.append((node, new_tuple(NodeBounds, bounds)))
        fall_below = fall + (per_watt * imported + per_var * absorbed) + per_square * square
        rise_below = rise + (per_watt * exported + per_var * supplied)
        node = parent
    above = Load(more_import, more_export, more_absorbed, more_supplied)
    return _with_transformer(feeder, tree, (above, fall_below, rise_below), updates)


def problems(feeder: Coefficients, tree: Tree) -> Iterator[str]:
    """Yield every limit that some outcome of these bounds might exceed."""
    for node, share in enumerate(loadings(feeder, tree)):
        if share > 1:
            yield f"{feeder.elements[node]} may carry {share:.1%} of what it can"
    source = tree[SOURCE]
    for word, change, limit in (("fall", source.fall, feeder.fall_limit), ("rise", source.rise, feeder.rise_limit)):
        if change > limit:
            yield f"a voltage may {word} beyond its limit"


def loadings(feeder: Coefficients, tree: Tree) -> list[float]:
    """Return by node the most that may flow through the link above it, as a share of what is allowed."""
    shares = [0.0]
    for node in range(BUSBAR, len(tree)):
        square, limit = float(_square(tree[node])), feeder.links[node].limit
        if node == BUSBAR:
            square, limit = _transformer_square(feeder, tree[BUSBAR]), feeder.rated_square
        shares.append(sqrt(square / limit) if limit else inf)
    return shares


def voltages(feeder: Coefficients, tree: Tree) -> list[tuple[float, float]]:
    """Return by node the lowest and highest voltage that any outcome may have, as fractions of the rated one.

    For the source, those behind the unloaded transformer.
    """
    squares = [feeder.no_load_squares]
    for node in range(BUSBAR, len(tree)):
        low, high = squares[feeder.links[node].parent]
        fall, rise = _seen_from_above(feeder, node, tree[node]._replace(fall=0.0, rise=0.0))
        squares.append((low - fall, high + rise))
    return [(sqrt(max(0.0, low)), sqrt(high)) for low, high in squares]


def _with_transformer(
    feeder: Coefficients, tree: Tree, below: tuple[Load, float, float], updates: list[Update]
) -> list[Update] | None:
    """Complete the updates from the busbar upwards, None if the transformer or a voltage limit says no."""
    (more_import, more_export, more_absorbed, more_supplied), fall_below, rise_below = below
    imported, exported, absorbed, supplied, old_active, old_reactive, fall, rise = tree[BUSBAR]
    _, _, active_loss, reactive_loss, (per_watt, per_var, per_square), _ = feeder.links[BUSBAR]
    imported += more_import
    exported += more_export
    absorbed += more_absorbed
    supplied += more_supplied
    fall = fall_below if fall_below > fall else fall
    rise = rise_below if rise_below > rise else rise
    power = imported if imported > exported else exported
    var = absorbed if absorbed > supplied else supplied
    square = _busbar_loss_square(feeder, power * power + var * var, per_watt * imported + per_var * absorbed)
    active, reactive = ceil(active_loss * square), ceil(reactive_loss * square)
    fall_above = fall + (per_watt * imported + per_var * absorbed) + per_square * square
    rise_above = rise + (per_watt * exported + per_var * supplied)
    busbar = NodeBounds(imported, exported, absorbed, supplied, active, reactive, fall, rise)
    if fall_above > feeder.fall_limit or rise_above > feeder.rise_limit:
        return None
    if _transformer_square(feeder, busbar) > feeder.rated_square:
        return None
    updates.append((BUSBAR, busbar))
    imported, exported, absorbed, supplied = tree[SOURCE][:4]
    imported += more_import + active - old_active
    absorbed += more_absorbed + reactive - old_reactive
    totals = imported, exported + more_export, absorbed, supplied + more_supplied
    updates.append((SOURCE, NodeBounds(*totals, 0, 0, fall_above, rise_above)))
    return updates


def _with_losses(feeder: Coefficients, node: int, bounds: NodeBounds) -> NodeBounds:
    """Return the bounds with those on the losses of the link above."""
    link = feeder.links[node]
    square = _loss_square(feeder, node, bounds)
    losses = ceil(link.active_loss * square), ceil(link.reactive_loss * square)
    return bounds._replace(active_loss=losses[0], reactive_loss=losses[1])


def _seen_from_above(feeder: Coefficients, node: int, bounds: NodeBounds) -> tuple[float, float]:
    """Return how far the squared voltage may fall and rise from the upper end of a link to any node below it."""
    per_watt, per_var, per_square = feeder.links[node].fall
    fall = bounds.fall + (per_watt * bounds[0] + per_var * bounds[2])
    rise = bounds.rise + (per_watt * bounds[1] + per_var * bounds[3])
    return fall + per_square * _loss_square(feeder, node, bounds), rise


def _loss_square(feeder: Coefficients, node: int, bounds: NodeBounds) -> float:
    """Return the square that the losses of the link above a node are proportional to, in VA^2.

    The coefficients hold the lowest voltage that is allowed anywhere. What the busbar can fall to is known better.
    """
    square = float(_square(bounds))
    if node != BUSBAR:
        return square
    per_watt, per_var, _ = feeder.links[BUSBAR].fall
    return _busbar_loss_square(feeder, square, per_watt * bounds[0] + per_var * bounds[2])


def _busbar_loss_square(feeder: Coefficients, square: float, fall: float) -> float:
    """Return the same for the transformer, whose lower end is `fall` below the source without its own losses."""
    fall += feeder.links[BUSBAR].fall[2] * square
    return square * feeder.lowest_square / (feeder.lowest_square + max(0.0, feeder.fall_limit - fall))


def _square(bounds: NodeBounds) -> int:
    power, var = max(bounds[0], bounds[1]), max(bounds[2], bounds[3])
    return power * power + var * var


def _transformer_square(feeder: Coefficients, busbar: NodeBounds) -> int:
    """Return the square of what the transformer's upper side may carry: its losses and its shunt come on top."""
    watts, var = feeder.shunt
    power = max(busbar.export_watts, busbar.import_watts + busbar.active_loss + watts)
    reactive = max(busbar.supplied_var, busbar.absorbed_var + busbar.reactive_loss + var)
    return power * power + reactive * reactive
