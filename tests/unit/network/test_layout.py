"""A network's directory, read and refused."""

import json
from pathlib import Path

import pytest

from petra.errors import InputError
from petra.network.layout import NETWORK_FILE, Network, Node, read_network, write_network
from petra.wire.secp256k1 import parse_address

NODES = tuple(
    Node(
        number=number,
        address=parse_address("0x64a702e6263b7297a96638cac6ae65e6541f4169"),
        node_id="ab" * 64,
        rpc_port=9_000 + number,
        link_port=9_100 + number,
    )
    for number in (1, 2, 3, 4)
)


def make_network(directory: Path) -> Network:
    """Return a network with a file and nothing else."""
    network = Network(directory=directory.resolve(), chain_id=2**41, period_seconds=2, nodes=NODES)
    write_network(network, directory)
    return network


def test_a_directory_without_network_is_refused_with_the_remedy(tmp_path: Path) -> None:
    """The message says how a network is made."""
    with pytest.raises(InputError, match="petra network up --dir"):
        read_network(tmp_path)


@pytest.mark.parametrize("damage", ["{", "[]", '{"format": 1}', '{"format": 1, "engine": "geth", "chain_id": "x"}'])
def test_a_damaged_file_is_refused_by_name(tmp_path: Path, damage: str) -> None:
    """Whatever is wrong with it, the file is named."""
    (tmp_path / NETWORK_FILE).write_text(damage, encoding="utf-8")
    with pytest.raises(InputError, match=r"network\.json"):
        read_network(tmp_path)


def test_another_format_is_refused(tmp_path: Path) -> None:
    """A later version's network is not guessed at."""
    make_network(tmp_path)
    content = json.loads((tmp_path / NETWORK_FILE).read_text(encoding="utf-8"))
    (tmp_path / NETWORK_FILE).write_text(json.dumps(content | {"format": 2}), encoding="utf-8")
    with pytest.raises(InputError, match="not a geth network of format 1"):
        read_network(tmp_path)


@pytest.mark.parametrize("number", [0, 5, -1])
def test_a_node_that_is_not_there_is_refused(tmp_path: Path, number: int) -> None:
    """Numbers count from 1."""
    with pytest.raises(InputError, match="has the nodes 1 to 4"):
        make_network(tmp_path).node(number)


def test_a_network_is_read_as_it_was_written(tmp_path: Path) -> None:
    """Every field returns."""
    written = make_network(tmp_path)
    assert read_network(tmp_path) == written


@pytest.mark.parametrize(("count", "needed"), [(1, 1), (2, 2), (3, 2), (4, 3), (5, 3), (7, 4)])
def test_more_than_half_of_the_nodes_are_needed(tmp_path: Path, count: int, needed: int) -> None:
    """With four validators one may fail."""
    network = Network(directory=tmp_path, chain_id=1, period_seconds=1, nodes=(NODES * 2)[:count])
    assert network.signers_needed == needed
