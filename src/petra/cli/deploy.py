"""`petra deploy`: put the contract on a chain and write the deployment file.

Decides: where terms, key and node come from, and that nothing is sent before all of them were found good.
"""

import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from petra.cli.guard import guarded
from petra.cli.runs import read_world
from petra.errors import ChainError, InputError, ReceiptDeadline

if TYPE_CHECKING:
    from petra.chain.rpc import RpcChain
    from petra.domain.blocks import Receipt
    from petra.domain.terms import Address, Terms
    from petra.network.deployment import Deployment
    from petra.network.secret_files import KeyFile

_MINED_PERIODS = 30  # a deployment that is not in so many blocks' time is told as failed
_POLL_SECONDS = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where the contract goes; `chain_id` is None where any chain will do."""

    urls: tuple[str, ...]
    chain_id: int | None
    key: Path
    out: Path
    period_seconds: int
    confirmations: int


def deploy(
    *,
    network: Annotated[
        Path | None, typer.Option(help="Directory of a network that `petra network up` made; its DSO key signs.")
    ] = None,
    rpc: Annotated[str | None, typer.Option(help="URL of a node of another chain, instead of --network.")] = None,
    dso_key: Annotated[
        Path | None, typer.Option(help="With --rpc: file of the DSO's key, 64 hexadecimal digits, mode 0600.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="The deployment file; DIR/deployment.json, or deployment.json with --rpc.")
    ] = None,
    scenario: Annotated[
        str, typer.Option(help="Terms are those of this scenario (name or TOML file), unless given below.")
    ] = "case-study",
    timestep_seconds: Annotated[int | None, typer.Option(help="T: length of a timestep, 4 .. 3600.")] = None,
    gate: Annotated[int | None, typer.Option(help="Timesteps between trading and delivery, 0 .. 1000.")] = None,
    genesis_in: Annotated[int, typer.Option(help="Seconds from now until timestep 0 begins, 0 .. 86400.")] = 60,
    block_seconds: Annotated[
        int | None, typer.Option(help="With --rpc: the chain's seconds from block to block; 5 if left out.")
    ] = None,
    confirmations: Annotated[
        int | None, typer.Option(help="Blocks to finality; more than half of a network's nodes, 0 with --rpc.")
    ] = None,
) -> None:
    """Put the contract on a chain and write the deployment file, which every client checks at its start.

    Example: petra deploy --network .petra/network --timestep-seconds 4 --gate 5
    """
    with guarded():
        from petra.network.deployment import late_trade_warning
        from petra.network.secret_files import KeyFile

        place = _place(network, rpc, dso_key, out, (block_seconds, confirmations))
        keys = KeyFile(place.key)
        terms = _terms(scenario, keys.address, timestep_seconds, gate, genesis_in)
        warning = late_trade_warning(
            terms, confirmations=place.confirmations, period_seconds=place.period_seconds
        )
        if warning:
            typer.echo(f"petra: warning: {warning}", err=True)
        deployment = _deploy(place, keys, terms)
        typer.echo(f"PETra stands at {deployment.contract} on chain {deployment.chain_id}.")
        typer.echo(f"Timestep 0 begins at unix second {deployment.terms.genesis}.")
        typer.echo(str(place.out))


def _place(
    network: Path | None,
    rpc: str | None,
    dso_key: Path | None,
    out: Path | None,
    chain_figures: tuple[int | None, int | None],
) -> Place:
    """Return where the contract goes; InputError unless the options name one chain and an unused file."""
    period_seconds, confirmations = chain_figures
    if (network is None) == (rpc is None):
        raise InputError("name the chain: either --network DIRECTORY of `petra network up`, or --rpc URL")
    if network is not None:
        from petra.network.layout import read_network

        if dso_key is not None or period_seconds is not None:
            raise InputError("--dso-key and --block-seconds go with --rpc: a network has its own")
        found = read_network(network)
        place = Place(
            urls=tuple(node.rpc_url for node in found.nodes),
            chain_id=found.chain_id,
            key=found.dso_key,
            out=out or found.deployment,
            period_seconds=found.period_seconds,
            confirmations=found.signers_needed if confirmations is None else confirmations,
        )
    else:
        if dso_key is None or rpc is None:
            raise InputError("--rpc needs --dso-key FILE: who signs as the DSO, now and later")
        place = Place(
            urls=(rpc,),
            chain_id=None,
            key=dso_key,
            out=out or Path("deployment.json"),
            period_seconds=period_seconds or 5,
            confirmations=confirmations or 0,
        )
    if place.out.exists():
        raise InputError(f"{place.out}: exists already; terms never change: another deployment needs another --out")
    if not place.out.parent.is_dir():
        raise InputError(f"{place.out}: the folder {place.out.parent} does not exist")
    return place


def _terms(
    scenario: str, dso: "Address", timestep_seconds: int | None, gate: int | None, genesis_in: int
) -> "Terms":
    bounds = (
        ("--timestep-seconds", timestep_seconds, 4, 3_600),
        ("--gate", gate, 0, 1_000),
        ("--genesis-in", genesis_in, 0, 86_400),
    )
    problems = [
        f"{option} {value}: must be {low} .. {high}"
        for option, value, low, high in bounds
        if value is not None and not low <= value <= high
    ]
    if problems:
        raise InputError(problems)
    terms = read_world(scenario, None).terms(dso)
    return replace(
        terms,
        genesis=int(time.time()) + genesis_in,
        timestep_seconds=terms.timestep_seconds if timestep_seconds is None else timestep_seconds,
        gate=terms.gate if gate is None else gate,
    )


def _deploy(place: Place, keys: "KeyFile", terms: "Terms") -> "Deployment":
    """Send the deployment, wait until it stands, read its terms back and write the file.

    What was sent by an earlier call that did not come to its end is taken up, with the terms that it had.
    """
    from petra.chain import client
    from petra.domain.blocks import Outcome
    from petra.network.deployment import Deployment, check_deployment, read_terms, write_deployment
    from petra.store.outbox import SqlOutbox
    from petra.wire.keccak import keccak256

    chain = _open(place)
    try:
        # The DSO goes on with this outbox: its first nonce is spent here.
        outbox = SqlOutbox(place.out.with_name("dso-outbox.db"))
        try:
            sent, contract = client.deploy(chain, keys, outbox, keys.address, terms)
            receipt = _receipt(chain, sent.transaction_hash, place)
            outbox.settle(
                [
                    Outcome(
                        intent_id=sent.intent_id,
                        done=receipt.succeeded,
                        transaction_hash=sent.transaction_hash,
                        block_number=receipt.block_number,
                        gas_used=receipt.gas_used,
                    )
                ]
            )
        finally:
            outbox.close()
        if not receipt.succeeded:
            raise ChainError(f"the chain refused the contract: transaction 0x{sent.transaction_hash.hex()}")
        deployment = Deployment(
            chain_id=chain.chain_id,
            genesis_hash=chain.block(0).hash,
            contract=contract,
            code_hash=keccak256(chain.code(contract)),
            deployed_block=receipt.block_number,
            terms=read_terms(chain.url, contract),
            rpc=place.urls,
        )
        check_deployment(chain, deployment)
        write_deployment(deployment, place.out)
        return deployment
    finally:
        chain.close()


def _open(place: Place) -> "RpcChain":
    """Connect to the first node; InputError unless it serves the chain that is meant, for free."""
    from petra.chain.jsonrpc import JsonRpc
    from petra.chain.rpc import RpcChain

    url = place.urls[0]
    try:
        chain = RpcChain(url)
    except ChainError as error:
        raise InputError(str(error)) from error
    problems = []
    if place.chain_id is not None and chain.chain_id != place.chain_id:
        problems.append(f"the node at {url} serves chain {chain.chain_id}, the network is chain {place.chain_id}")
    rpc = JsonRpc(url)
    if int(rpc.call("eth_getBlockByNumber", "latest", False).get("baseFeePerGas", "0x0"), 16):
        problems.append(f"the node at {url} has a base fee, which pseudonyms cannot pay: use a chain without one")
    rpc.close()
    if problems:
        chain.close()
        raise InputError(problems)
    return chain


def _receipt(chain: "RpcChain", transaction_hash: bytes, place: Place) -> "Receipt":
    """Wait until the deployment is final, and return its receipt."""
    seconds = (_MINED_PERIODS + place.confirmations) * place.period_seconds
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        (receipt,) = chain.receipts([transaction_hash])
        if receipt is not None and chain.head().number >= receipt.block_number + place.confirmations:
            return receipt
        time.sleep(_POLL_SECONDS)
    raise ReceiptDeadline(f"the contract was sent, but is not final after {seconds} s; run the same command again")
