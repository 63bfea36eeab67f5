"""The deployment file: which contract on which chain, with which terms; written once, checked by every client.

Decides: its form, and when a chain is not the one that it speaks of. It signs and sends nothing.
Invariant: whatever is wrong is told at once, a line each; a file that is read is whole and does not contradict itself.
"""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from petra.chain.client import check_chain
from petra.chain.jsonrpc import JsonRpc
from petra.chain.rpc import RpcChain
from petra.domain.terms import NO_ADDRESS, Address, Terms
from petra.errors import ChainError, InputError, PetraError, StoreError
from petra.wire import abi
from petra.wire.keccak import keccak256
from petra.wire.secp256k1 import parse_address

FORMAT = 1
# A proposer may set its block's time so far ahead, or be so late.
CLOCK_SECONDS = 15
_TERMS_SELECTOR = keccak256(b"terms()")[:4]
_ADDRESSES = frozenset({"dso", "issuer", "market"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """A contract on a chain.

    Attributes:
        genesis_hash: of block 0; with the chain id it says which chain.
        code_hash: Keccak-256 of the code at the contract's address.
        deployed_block: where readers of the contract's logs may begin.
        rpc: URLs of the chain's nodes, as of the deployment.
    """

    chain_id: int
    genesis_hash: bytes
    contract: Address
    code_hash: bytes
    deployed_block: int
    terms: Terms
    rpc: tuple[str, ...]


def write_deployment(deployment: Deployment, path: Path) -> None:
    """Write the file; it appears whole. StoreError where the disk refuses."""
    terms = deployment.terms
    content = {
        "format": FORMAT,
        "chain_id": deployment.chain_id,
        "genesis_hash": "0x" + deployment.genesis_hash.hex(),
        "contract": deployment.contract,
        "market": None if terms.market == NO_ADDRESS else terms.market,
        "issuer": None if terms.issuer == NO_ADDRESS else terms.issuer,
        "code_hash": "0x" + deployment.code_hash.hex(),
        "deployed_block": deployment.deployed_block,
        "terms": asdict(terms),
        "rpc": list(deployment.rpc),
    }
    partial = path.with_name(path.name + ".partial")
    try:
        partial.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
        partial.replace(path)
    except OSError as error:
        raise StoreError(f"{path}: cannot be written: {error}") from error


def read_deployment(path: Path) -> Deployment:
    """Return what a deployment file says; InputError with every problem that it has."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path}: no deployment can be read: {error}") from error
    return parse_deployment(content, str(path))


def parse_deployment(content: object, place: str) -> Deployment:
    """Return what a deployment file's JSON says; InputError with every problem, whose lines `place` opens."""
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise InputError(f"{place}: not a deployment file of format {FORMAT}")
    reader = _Reader(place, content)
    terms = _read_terms_table(place, content.get("terms"), reader.problems)
    for name in ("market", "issuer"):
        if terms is not None and (content.get(name) or NO_ADDRESS) != getattr(terms, name):
            reader.problems.append(f"{place}: {name}: not the one of the terms")
    values = {
        "chain_id": reader.value("chain_id", _whole_number),
        "genesis_hash": reader.value("genesis_hash", _hash),
        "contract": reader.value("contract", parse_address),
        "code_hash": reader.value("code_hash", _hash),
        "deployed_block": reader.value("deployed_block", _whole_number),
        "rpc": reader.value("rpc", lambda urls: tuple(_text(url) for url in urls)),
    }
    if reader.problems or terms is None:
        raise InputError(reader.problems)
    return Deployment(terms=terms, **values)


def read_terms(url: str, contract: Address) -> Terms:
    """Return the terms of the contract at an address, as it tells them; ChainError where it tells none."""
    rpc = JsonRpc(url)
    try:
        answer = rpc.call("eth_call", {"to": contract, "data": "0x" + _TERMS_SELECTOR.hex()}, "latest")
        return abi.decode_constructor(bytes.fromhex(answer[2:]))
    except (TypeError, ValueError) as error:
        raise ChainError(f"the node at {url} answers eth_call with nonsense: {str(answer)[:80]!r}") from error
    finally:
        rpc.close()


def check_deployment(chain: RpcChain, deployment: Deployment) -> None:
    """Raise InputError, with all that differs, unless the chain holds exactly this deployment."""
    problems: list[str] = []
    try:
        check_chain(
            chain,
            chain_id=deployment.chain_id,
            genesis_hash=deployment.genesis_hash,
            contract=deployment.contract,
        )
    except InputError as error:
        problems += error.problems
    code = chain.code(deployment.contract)
    if code and keccak256(code) != deployment.code_hash:
        problems.append(f"code: at {deployment.contract} stands other code than was deployed")
    if code:
        try:
            found = read_terms(chain.url, deployment.contract)
        except ChainError as error:
            problems.append(f"terms: cannot be read: {error}")
        else:
            problems += [
                f"terms: {field.name}: the contract has {getattr(found, field.name)}, "
                f"the deployment file {getattr(deployment.terms, field.name)}"
                for field in fields(Terms)
                if getattr(found, field.name) != getattr(deployment.terms, field.name)
            ]
    if problems:
        raise InputError(problems)


def late_trade_warning(terms: Terms, *, confirmations: int, period_seconds: int) -> str | None:
    """Return what a user should know where the gate is shorter than clocks and finality need; None where it is not."""
    wanted = CLOCK_SECONDS + confirmations * period_seconds
    lead = terms.gate * terms.timestep_seconds
    if lead >= wanted:
        return None
    gate = -(-wanted // terms.timestep_seconds)
    return (
        f"gate {terms.gate} x {terms.timestep_seconds} s = {lead} s is less than {wanted} s "
        f"({CLOCK_SECONDS} s for clocks, {confirmations} blocks of {period_seconds} s to finality): "
        "a trade may be made, or become final, when its timestep has already begun, by somebody who knows more of it "
        f"than the other; gate {gate} excludes that"
    )


class _Reader:
    """Takes values out of a file's table and collects what is wrong with them."""

    def __init__(self, place: str, content: dict[str, Any]) -> None:
        self._place = place
        self._content = content
        self.problems: list[str] = []

    def value(self, key: str, parse: Callable[[Any], Any]) -> Any:
        """Return a parsed value, or None with a problem more."""
        if key not in self._content:
            self.problems.append(f"{self._place}: {key}: missing")
            return None
        try:
            return parse(self._content[key])
        except (PetraError, TypeError, ValueError, AttributeError):
            self.problems.append(f"{self._place}: {key}: cannot be {str(self._content[key])[:80]!r}")
            return None


def _read_terms_table(place: str, table: Any, problems: list[str]) -> Terms | None:
    if not isinstance(table, dict):
        problems.append(f"{place}: terms: missing")
        return None
    reader = _Reader(place, {f"terms.{key}": value for key, value in table.items()})
    values = {field.name: reader.value(f"terms.{field.name}", _parser_of(field.name)) for field in fields(Terms)}
    problems += reader.problems
    return None if reader.problems else Terms(**values)


def _parser_of(name: str) -> Callable[[Any], Any]:
    if name in _ADDRESSES:
        return parse_address
    return _truth if name == "divisible" else _whole_number


def _whole_number(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError(value)
    return value


def _truth(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError(value)
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(value)
    return value


def _hash(value: Any) -> bytes:
    digest = bytes.fromhex(value.removeprefix("0x"))
    if len(digest) != 32:
        raise ValueError(value)
    return digest
