"""Four real validators: what they serve, what they take, and how they come back."""

import json
import os
import signal
import socket
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from petra.chain.jsonrpc import METHOD_NOT_FOUND, Failure, JsonRpc
from petra.chain.rpc import RpcChain
from petra.errors import InputError
from petra.network import control, node
from petra.network.deployment import check_deployment, read_deployment
from petra.network.ipc import ask
from petra.network.layout import NETWORK_FILE, Network
from petra.network.ports import choose_ports
from petra.network.process_table import find_processes
from petra.network.secret_files import KeyFile
from tests.integration.network.conftest import free_transaction, head, wait_until

pytestmark = pytest.mark.geth


def petra(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run the command as a user does."""
    return subprocess.run(
        [sys.executable, "-m", "petra", *map(str, arguments)], capture_output=True, text=True, check=False
    )


def processes_of(directory: Path) -> list[int]:
    """Return the processes that name the directory in an argument of theirs."""
    return find_processes(lambda argument: argument.startswith("--") and str(directory.resolve()) in argument)


@pytest.mark.parametrize(
    "method",
    ["admin_peers", "clique_propose", "debug_setHead", "miner_stop", "personal_listAccounts", "txpool_content"],
)
def test_what_changes_a_node_is_not_served_over_http(network: Network, method: str) -> None:
    """Whoever reaches the port may read and send, no more."""
    rpc = JsonRpc(network.nodes[0].rpc_url)
    answer = rpc.try_call(method)
    rpc.close()
    assert isinstance(answer, Failure)
    assert answer.code == METHOD_NOT_FOUND


def test_only_this_machine_reaches_a_node(network: Network) -> None:
    """Every port is bound to 127.0.0.1: at another address of the same machine nobody answers."""
    for port in (network.nodes[0].rpc_port, network.nodes[0].link_port):
        socket.create_connection(("127.0.0.1", port), timeout=2).close()
        with pytest.raises(OSError, match=r"refused|unreachable|timed out"):
            socket.create_connection(("127.0.0.2", port), timeout=2)


def test_a_directory_in_use_is_refused(network: Network) -> None:
    """The network that runs there is not touched."""
    done = petra("network", "up", "--dir", network.directory)
    assert (done.returncode, done.stdout) == (2, "")
    assert "a network runs here already" in done.stderr
    assert len(processes_of(network.directory)) == 5


def test_a_price_of_zero_is_mined_by_other_validators(network: Network) -> None:
    """A node that does not sign hands a transaction that pays nothing on, and another one mines it."""
    sender = network.nodes[0]
    chain = RpcChain(sender.rpc_url)
    ask(network.ipc(sender), "miner_stop")
    try:
        (digest,) = chain.send([free_transaction(network)])
        wait_until(lambda: chain.receipts([digest]) != [None], 20)
        (receipt,) = chain.receipts([digest])
    finally:
        ask(network.ipc(sender), "miner_start")
        chain.close()
    assert receipt is not None
    assert ask(network.ipc(sender), "clique_getSigner", hex(receipt.block_number)) != sender.address.lower()


def test_secrets_are_for_their_owner_only(network: Network) -> None:
    """Keys, passwords and the folders that hold them."""
    kinds = "dso.key", "node-*/password", "node-*/geth/nodekey", "node-*/keystore/*"
    secret = [path for kind in kinds for path in network.directory.glob(kind)]
    assert len(secret) == 1 + 3 * 4
    assert {path.stat().st_mode & 0o777 for path in secret} == {0o600}
    folders = [network.directory, *network.directory.glob("node-*")]
    assert {path.stat().st_mode & 0o777 for path in folders} == {0o700}


def test_a_killed_node_comes_back_and_catches_up(network: Network) -> None:
    """The others go on without it, and it loses none of its blocks."""
    lost = network.nodes[3]
    before = head(network, lost)
    (process,) = find_processes(f"--datadir={network.folder(lost)}".__eq__)
    os.kill(process, signal.SIGKILL)
    wait_until(lambda: head(network, network.nodes[0])[0] >= before[0] + 3, 30)
    shown = json.loads(petra("network", "status", "--dir", network.directory, "--json").stdout)
    assert [one["running"] for one in shown["nodes"]] == [True, True, True, False]
    assert petra("network", "stop-node", "4", "--dir", network.directory).returncode == 2
    assert petra("network", "start-node", "4", "--dir", network.directory).returncode == 0
    assert head(network, lost)[0] >= before[0] + 3
    assert ask(network.ipc(lost), "eth_getBlockByNumber", hex(before[0]), False) is not None
    assert ask(network.ipc(lost), "eth_mining") is True
    assert petra("network", "start-node", "4", "--dir", network.directory).returncode == 2


def test_the_contract_is_deployed_once_and_every_difference_is_told(network: Network) -> None:
    """The file says what stands on the chain; a client that has another file is stopped with all that differs."""
    others = "--genesis-in", "0", "--timestep-seconds", "4", "--gate", "1"
    done = petra("deploy", "--network", network.directory, *others)
    assert done.returncode == 0, done.stderr
    assert "gate 5 excludes that" in done.stderr
    found = read_deployment(network.deployment)
    assert (found.terms.timestep_seconds, found.terms.gate) == (4, 1)
    assert found.terms.dso == KeyFile(network.dso_key).address
    assert len(found.rpc) == 4
    for url in found.rpc:
        with closing(RpcChain(url)) as chain:
            check_deployment(chain, found)
    wrong = replace(
        found,
        chain_id=1,
        genesis_hash=bytes(32),
        code_hash=bytes(32),
        terms=replace(found.terms, dso=found.contract, gate=2),
    )
    with closing(RpcChain(found.rpc[0])) as chain, pytest.raises(InputError) as caught:
        check_deployment(chain, wrong)
    places = [problem.split(":")[0] for problem in caught.value.problems]
    assert places == ["chain id", "genesis", "code", "terms", "terms"]
    with closing(RpcChain(found.rpc[0])) as chain, pytest.raises(InputError, match="does not stand at"):
        check_deployment(chain, replace(found, contract=found.terms.dso))
    again = petra("deploy", "--network", network.directory)
    assert (again.returncode, "exists already" in again.stderr) == (2, True)


def test_a_deployment_that_was_cut_off_is_taken_up(network: Network, tmp_path: Path) -> None:
    """What was sent is not sent again under another nonce: the same contract is found, with the terms that it had."""
    key = tmp_path / "dso.key"
    key.write_text("11" * 32, encoding="utf-8")
    key.chmod(0o600)
    out = tmp_path / "deployment.json"
    common = "deploy", "--rpc", network.nodes[1].rpc_url, "--dso-key", key, "--out", out, "--block-seconds", "1"
    assert petra(*common, "--gate", "3").returncode == 0
    first = read_deployment(out)
    out.unlink()
    assert petra(*common, "--gate", "4").returncode == 0
    assert read_deployment(out) == first


def test_what_a_deployment_cannot_use_is_bad_input(network: Network, tmp_path: Path) -> None:
    """No key, a key that others may read, no node: nothing is sent and no file is written."""
    key, url = tmp_path / "dso.key", network.nodes[0].rpc_url
    key.write_text("12" * 32, encoding="utf-8")
    key.chmod(0o644)
    out = "--out", tmp_path / "deployment.json"
    cases = {
        "either --network": ("deploy", *out),
        "--rpc needs --dso-key": ("deploy", "--rpc", url, *out),
        "others than its owner": ("deploy", "--rpc", url, "--dso-key", key, *out),
        "no key can be read": ("deploy", "--rpc", url, "--dso-key", tmp_path / "none", *out),
        "must be 4 .. 3600": ("deploy", "--network", network.directory, "--timestep-seconds", "3", *out),
        "no network is here": ("deploy", "--network", tmp_path, *out),
    }
    for said, arguments in cases.items():
        done = petra(*arguments)
        assert (done.returncode, said in done.stderr) == (2, True), done.stderr
    key.chmod(0o600)
    (port,) = choose_ports(1)
    done = petra("deploy", "--rpc", f"http://127.0.0.1:{port}", "--dso-key", key, *out)
    assert (done.returncode, "no node answers" in done.stderr) == (2, True)
    assert [path.name for path in tmp_path.iterdir()] == ["dso.key"]


def test_a_taken_port_leaves_no_half_made_network(directory: Path) -> None:
    """Neither for a new network nor for one that had the port before."""
    (port,) = choose_ports(1)
    with socket.create_server(("127.0.0.1", port)):
        done = petra("network", "up", "--dir", directory, "--validators", "1", "--first-port", str(port))
        assert (done.returncode, f"port {port} of 127.0.0.1 is taken" in done.stderr) == (2, True)
        assert not directory.exists()
    network = control.up(directory, validators=1)
    assert control.down(directory) == 2
    with socket.create_server(("127.0.0.1", network.nodes[0].rpc_port)):
        assert petra("network", "up", "--dir", directory).returncode == 2
    assert not processes_of(directory)
    assert directory.exists()


def test_a_stopped_network_goes_on_where_it_was(directory: Path) -> None:
    """Same chain, same blocks; other figures than its own are refused."""
    first = control.up(directory, validators=1)
    stood = head(first, first.nodes[0])
    assert petra("network", "down", "--dir", directory).returncode == 0
    refused = petra("network", "up", "--dir", directory, "--validators", "4", "--period", "2")
    assert (refused.returncode, refused.stderr.count("\n")) == (2, 2)
    assert control.up(directory) == first
    block = ask(first.ipc(first.nodes[0]), "eth_getBlockByNumber", hex(stood[0]), False)
    assert block["hash"] == stood[1]
    assert head(first, first.nodes[0])[0] > stood[0]


def test_down_ends_a_network_whose_files_are_gone(directory: Path) -> None:
    """Processes are known by their arguments, so nothing that somebody deletes can hide one."""
    network = control.up(directory, validators=2)
    (directory / NETWORK_FILE).unlink()
    network.ipc(network.nodes[0]).unlink()
    assert len(processes_of(directory)) == 3
    assert petra("network", "down", "--dir", directory).returncode == 0
    assert not processes_of(directory)


def test_an_interrupted_up_leaves_nothing(directory: Path) -> None:
    """Ctrl-C in the middle ends what was started."""
    process = subprocess.Popen(
        [sys.executable, "-m", "petra", "network", "up", "--dir", str(directory)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    wait_until(lambda: bool(processes_of(directory)) and directory.exists(), 30)
    process.send_signal(signal.SIGINT)
    assert process.wait(30) == 130
    assert not processes_of(directory)
    assert not directory.exists()


def test_all_validators_killed_at_once_lose_no_block(directory: Path) -> None:
    """After a power cut the chain goes on from its newest block, or the one before."""
    network = control.up(directory, validators=2)
    wait_until(lambda: head(network, network.nodes[0])[0] >= 5, 30)
    stood = [head(network, each) for each in network.nodes]
    for process in processes_of(directory):
        os.kill(process, signal.SIGKILL)
    wait_until(lambda: not processes_of(directory), 10)
    control.up(directory)
    oldest = min(stood)
    block = ask(network.ipc(network.nodes[0]), "eth_getBlockByNumber", hex(oldest[0]), False)
    assert block["hash"] == oldest[1]
    assert all(node.link_count(network, each) == 1 for each in network.nodes)
