"""Ports for nodes."""

import socket

import pytest

from petra.errors import InputError
from petra.network.ports import choose_ports, require_free_ports


def test_every_taken_port_is_named() -> None:
    """All at once, not one after the other attempt."""
    with socket.create_server(("127.0.0.1", 0)) as first, socket.create_server(("127.0.0.1", 0)) as second:
        taken = [first.getsockname()[1], second.getsockname()[1]]
        with pytest.raises(InputError) as caught:
            require_free_ports([*taken, *choose_ports(1)])
    assert [problem.partition(" is taken")[0] for problem in caught.value.problems] == [
        f"port {port} of 127.0.0.1" for port in taken
    ]


@pytest.mark.parametrize("first", [0, 80, 65_530, 70_000])
def test_a_row_outside_the_ports_of_users_is_refused(first: int) -> None:
    """Below 1024 only the system may listen, and above 65535 nobody."""
    with pytest.raises(InputError, match="--first-port"):
        choose_ports(8, first)


def test_free_ports_differ() -> None:
    """Nodes on one machine never share one."""
    assert len(set(choose_ports(40))) == 40


def test_a_free_row_is_taken_as_it_is() -> None:
    """Whoever names the first port knows the others."""
    first = choose_ports(1)[0]
    assert choose_ports(1, first) == [first]
