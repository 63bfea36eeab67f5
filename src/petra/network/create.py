"""A new network's files: genesis, and for each node its keys, its configuration and its first block.

Decides: what a node knows before it runs. It starts nothing that stays.
Invariant: the directory appears whole under its name or not at all; secrets have mode 0600, folders 0700.
"""

import json
import shutil
import subprocess
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from petra.errors import InputError, MissingTool, StoreError, WorldError
from petra.network.genesis import clique_genesis, fresh_chain_id
from petra.network.ipc import PATH_BYTES_MAX
from petra.network.layout import Network, Node, write_network
from petra.network.ports import choose_ports
from petra.network.secret_files import new_secret, node_id_of, write_secret
from petra.tools import find_geth
from petra.wire.secp256k1 import SecretKey

VALIDATORS_MAX = 20
PERIOD_SECONDS_MAX = 600
_INIT_SECONDS = 60


def require_geth() -> Path:
    """Return the geth to use; MissingTool where there is none."""
    geth = find_geth()
    if geth is None:
        raise MissingTool(
            "no geth 1.13 is installed, and newer ones have no clique: run `make network-tools`, or set PETRA_GETH"
        )
    return geth


def require_free(directory: Path) -> None:
    """Raise InputError unless the directory is missing or empty."""
    try:
        used = directory.exists() and (not directory.is_dir() or any(directory.iterdir()))
    except OSError as error:
        raise InputError(f"{directory}: cannot be read: {error}") from error
    if used:
        raise InputError(f"{directory}: in use already by something that is no network; choose another --dir")


def create_network(
    directory: Path, *, validators: int, period_seconds: int, first_port: int | None = None
) -> Network:
    """Write all files of a new network of clique validators.

    Args:
        directory: missing or empty; its parents are made.
        validators: 1 .. VALIDATORS_MAX.
        period_seconds: from block to block, 1 .. PERIOD_SECONDS_MAX.
        first_port: of `2 * validators` ports in a row; free ones are chosen if left out.

    Raises:
        InputError: a figure is out of bounds, the directory or a port is in use, the path is too long.
        MissingTool: there is no geth.
    """
    directory = directory.resolve()
    geth = require_geth()
    _check(directory, validators, period_seconds)
    ports = choose_ports(2 * validators, first_port)
    keys = [(new_secret(), new_secret()) for _ in range(validators)]
    nodes = tuple(
        Node(
            number=number,
            address=SecretKey(signing).address,
            node_id=node_id_of(linking),
            rpc_port=ports[number - 1],
            link_port=ports[validators + number - 1],
        )
        for number, (signing, linking) in enumerate(keys, start=1)
    )
    network = Network(directory=directory, chain_id=fresh_chain_id(), period_seconds=period_seconds, nodes=nodes)
    partial = directory.with_name(directory.name + ".partial")
    try:
        shutil.rmtree(partial, ignore_errors=True)  # left behind by a command that was killed
        partial.mkdir(parents=True, mode=0o700)
        _write(network, partial, keys, geth)
        partial.replace(directory)
    except OSError as error:
        raise InputError(f"{directory}: no network can be written here: {error}") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return network


def _check(directory: Path, validators: int, period_seconds: int) -> None:
    problems = []
    if not 1 <= validators <= VALIDATORS_MAX:
        problems.append(f"--validators {validators}: must be 1 .. {VALIDATORS_MAX}")
    if not 1 <= period_seconds <= PERIOD_SECONDS_MAX:
        problems.append(f"--period {period_seconds}: must be 1 .. {PERIOD_SECONDS_MAX} seconds")
    longest = len(str(directory / f"node-{validators}" / "geth.ipc").encode())
    if longest > PATH_BYTES_MAX:
        problems.append(f"{directory}: the path is {longest - PATH_BYTES_MAX} bytes too long for a node's socket")
    if problems:
        raise InputError(problems)
    require_free(directory)


def _write(network: Network, directory: Path, keys: Sequence[tuple[bytes, bytes]], geth: Path) -> None:
    genesis = clique_genesis(
        chain_id=network.chain_id,
        period_seconds=network.period_seconds,
        timestamp=int(time.time()),
        signers=[node.address for node in network.nodes],
    )
    (directory / "genesis.json").write_text(json.dumps(genesis, indent=2) + "\n", encoding="utf-8")
    write_network(network, directory)
    write_secret(directory / network.dso_key.name, new_secret().hex())
    (directory / "lock").touch()
    with ThreadPoolExecutor() as pool:
        pairs = zip(network.nodes, keys, strict=True)
        tasks = [pool.submit(_write_node, network, node, directory, pair, geth) for node, pair in pairs]
        for task in tasks:
            task.result()


def _write_node(network: Network, node: Node, directory: Path, keys: tuple[bytes, bytes], geth: Path) -> None:
    """Write a node's folder; geth keeps the signing key in its own encrypted form."""
    folder = directory / network.folder(node).name
    (folder / "geth").mkdir(parents=True, mode=0o700)
    folder.chmod(0o700)
    signing, password = folder / "signing.key", folder / "password"
    write_secret(folder / "geth" / "nodekey", keys[1].hex())
    write_secret(signing, keys[0].hex())
    write_secret(password, new_secret().hex())
    (folder / "config.toml").write_text(_configuration(network, node), encoding="utf-8")
    data = f"--datadir={folder}"
    _run([str(geth), data, "account", "import", "--lightkdf", f"--password={password}", str(signing)])
    _run([str(geth), data, "--verbosity=1", "init", str(directory / "genesis.json")])
    signing.unlink()


def _configuration(network: Network, node: Node) -> str:
    """Return what cannot be said on geth's command line: where to listen, and whom never to turn away.

    With as many places as there are others, a node that has met them all looks for a heavier chain at once; with more
    it would wait for ten seconds. Whom to call is said when it runs.
    """
    others = [other.enode for other in network.nodes if other is not node]
    return "\n".join(
        (
            "[Node.P2P]",
            f'ListenAddr = "127.0.0.1:{node.link_port}"',
            f"MaxPeers = {max(1, len(others))}",
            "DialRatio = 1",
            f"TrustedNodes = {json.dumps(others)}",
            "",
        )
    )


def _run(command: Sequence[str]) -> None:
    try:
        subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True, timeout=_INIT_SECONDS
        )
    except subprocess.CalledProcessError as error:
        raise StoreError(f"geth cannot make a node's folder: {error.stderr[-300:].strip()}") from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise WorldError(f"geth cannot make a node's folder: {error}") from error
