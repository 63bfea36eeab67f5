"""Ethereum transactions as PETra sends them: legacy form, EIP-155, price 0, no Ether.

Decides: the one shape of all our transactions, so that an envelope tells nothing of its sender (DESIGN 11), and the
gas limits. It does not know keys (a signer is handed in), nonces or nodes.
Invariant: `decode(sign(...))` gives back what was signed and who signed it; a high s or a foreign form is refused.
"""

from collections.abc import Callable
from dataclasses import dataclass

from petra.domain.calls import (
    AddAssets,
    AddEnergyAsset,
    AddFinancialBalance,
    Call,
    RecordSchedule,
    SetPrice,
)
from petra.domain.terms import Address
from petra.errors import ChainError, WorldError
from petra.wire import rlp, secp256k1
from petra.wire.keccak import keccak256

PSEUDONYM_GAS = 500_000  # 1.5 x the worst accept; one figure for all, so that it tells nothing of the call
DEPLOYMENT_GAS = 9_000_000  # covers a contract of the largest size that Ethereum allows
_ENERGY_GRANT_GAS = 100_000  # measured: 73,000 at a fresh address
_MONEY_GRANT_GAS = 50_000  # measured: 26,000
_CALL_GAS = 100_000
_DSO_GAS: dict[type[Call], int] = {
    AddEnergyAsset: _CALL_GAS + _ENERGY_GRANT_GAS,
    AddFinancialBalance: _CALL_GAS + _MONEY_GRANT_GAS,
    SetPrice: _CALL_GAS,
    RecordSchedule: _CALL_GAS,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Transaction:
    """What is signed.

    Attributes:
        to: the contract; None where the transaction deploys one.
        data: calldata, or creation code with the encoded terms.
        gas_price, value: wei; ours are always 0.
    """

    chain_id: int
    nonce: int
    gas_limit: int
    to: Address | None
    data: bytes
    gas_price: int = 0
    value: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedTransaction:
    """A decoded transaction with who signed it, its hash and its exact bytes."""

    transaction: Transaction
    sender: Address
    hash: bytes
    raw: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedIntent:
    """The one signed transaction of an intent, as the outbox keeps it."""

    intent_id: str
    sender: Address
    nonce: int
    transaction_hash: bytes
    raw: bytes


def gas_limit_of(call: Call) -> int:
    """Return the gas limit of a call: one for all pseudonyms, fixed per kind (and size of batch) for the DSO."""
    if isinstance(call, AddAssets):
        return _CALL_GAS + _ENERGY_GRANT_GAS * len(call.energy) + _MONEY_GRANT_GAS * len(call.money)
    return _DSO_GAS.get(type(call), PSEUDONYM_GAS)


def sign(transaction: Transaction, signer: Callable[[bytes], bytes]) -> bytes:
    """Return the raw bytes of a transaction; `signer` turns a 32-byte digest into 65 bytes r, s, v."""
    body = _body(transaction)
    chain_id = rlp.from_integer(transaction.chain_id)
    signature = signer(keccak256(rlp.encode([*body, chain_id, b"", b""])))
    v = transaction.chain_id * 2 + 35 + signature[64]
    r, s = int.from_bytes(signature[:32]), int.from_bytes(signature[32:64])
    return rlp.encode([*body, *map(rlp.from_integer, (v, r, s))])


def decode(raw: bytes) -> SignedTransaction:
    """Return a raw legacy transaction decoded, with its sender recovered.

    Raises:
        ChainError: the bytes are not a canonical EIP-155 transaction with a valid signature.
    """
    fields = rlp.decode(raw)
    if isinstance(fields, bytes) or len(fields) != 9:
        raise ChainError("not a legacy transaction: a list of nine fields is needed")
    strings = [field for field in fields if isinstance(field, bytes)]
    if len(strings) != 9 or len(strings[3]) not in {0, 20}:
        raise ChainError("not a legacy transaction: a field has the wrong form")
    to, data = strings[3], strings[5]
    nonce, gas_price, gas_limit, value, v, r, s = (rlp.to_integer(strings[i]) for i in (0, 1, 2, 4, 6, 7, 8))
    if v < 35 or max(r, s) >= secp256k1.ORDER:
        raise ChainError("not an EIP-155 transaction: it names no chain, or its signature is out of bounds")
    transaction = Transaction(
        chain_id=(v - 35) // 2,
        nonce=nonce,
        gas_limit=gas_limit,
        to=secp256k1.checksum_address(to) if to else None,
        data=data,
        gas_price=gas_price,
        value=value,
    )
    digest = keccak256(rlp.encode([*strings[:6], rlp.from_integer(transaction.chain_id), b"", b""]))
    try:
        sender = secp256k1.recover(digest, r.to_bytes(32) + s.to_bytes(32) + bytes(((v - 35) % 2,)))
    except WorldError as error:
        raise ChainError(f"not a signed transaction: {error}") from error
    return SignedTransaction(transaction=transaction, sender=sender, hash=transaction_hash(raw), raw=raw)


def chain_id_of(raw: bytes) -> int:
    """Return the chain for which a raw transaction was signed, without recovering who signed it; ChainError if none."""
    fields = rlp.decode(raw)
    if len(fields) != 9 or not isinstance(fields[6], bytes) or (v := rlp.to_integer(fields[6])) < 35:
        raise ChainError("not an EIP-155 transaction: it names no chain")
    return (v - 35) // 2


def transaction_hash(raw: bytes) -> bytes:
    """Return the hash under which every node knows these signed bytes."""
    return keccak256(raw)


def contract_address(sender: Address, nonce: int) -> Address:
    """Return the address at which a deployment of this sender and nonce stands (Ethereum's CREATE rule)."""
    encoded = rlp.encode([secp256k1.address_bytes(sender), rlp.from_integer(nonce)])
    return secp256k1.checksum_address(keccak256(encoded)[12:])


def _body(transaction: Transaction) -> list[bytes]:
    return [
        rlp.from_integer(transaction.nonce),
        rlp.from_integer(transaction.gas_price),
        rlp.from_integer(transaction.gas_limit),
        secp256k1.address_bytes(transaction.to) if transaction.to is not None else b"",
        rlp.from_integer(transaction.value),
        transaction.data,
    ]
