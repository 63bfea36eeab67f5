"""A small feeder for tests: five nodes, three cables, one transformer."""

from petra.grid import Branch, Feeder, Node, Transformer

TRANSFORMER = Transformer(
    transformer="T1",
    from_node="mv",
    to_node="b",
    rated_power_va=630e3,
    from_volts=20e3,
    to_volts=400.0,
    short_circuit_voltage=0.06,
    copper_loss_watts=6900.0,
    no_load_current=0.0026,
    no_load_loss_watts=1650.0,
    clock=5,
    tap_side="from",
    tap_position=0,
    tap_min=-2,
    tap_max=2,
    tap_neutral=0,
    tap_step_volts=500.0,
)


def line(name: str, above: str, below: str) -> Branch:
    """Fifty metres of cable."""
    return Branch(
        branch=name,
        from_node=above,
        to_node=below,
        length_metres=50.0,
        resistance_ohm=0.0063,
        reactance_ohm=0.004,
        capacitance_nanofarad=43.5,
        rating_ampere=357.0,
    )


FEEDER = Feeder(
    name="made up",
    source_node="mv",
    source_voltage=1.0,
    voltage_min=0.9,
    voltage_max=1.1,
    nodes=(
        Node(node="mv", name="mv", rated_volts=20e3),
        *(Node(node=name, name=name, rated_volts=400.0) for name in ("b", "c", "d", "e")),
    ),
    branches=(line("l1", "d", "b"), line("l2", "d", "e"), line("l3", "b", "c")),
    transformer=TRANSFORMER,
)
