"""The contract's ABI: calls, terms, events and refusals as Ethereum's 32-byte words, and back.

Decides: nothing beyond three tables that pair each word of the domain with its signature in IPetra.sol; the fields of
the value are the parameters, in order. It does not know senders, transactions or nodes.
Invariant: strict both ways: decoding accepts exactly the bytes that encoding makes (clean padding, exact length,
canonical offsets), all else is a ChainError. Words are packed by hand: a general codec costs 25 times as much.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from operator import attrgetter
from typing import Any

from petra.domain import calls, events
from petra.domain.calls import Call
from petra.domain.events import LedgerEvent
from petra.domain.refusals import LedgerReason, Refusal
from petra.domain.terms import Terms
from petra.errors import ChainError, WorldError
from petra.wire.keccak import keccak256
from petra.wire.secp256k1 import address_bytes, checksum_address

Value = Any  # int, Address, bool, bytes or a tuple of grants, as the signature says

_TERMS = ("address", "address", "address", "uint64", "uint32", "uint32", "uint32", "uint64", "uint32", "bool")
_ENERGY = "(address,int64,uint64,uint64)[]"
_MONEY = "(address,uint64)[]"
_LISTS: dict[str, type[Value]] = {_ENERGY: calls.EnergyGrant, _MONEY: calls.FinancialGrant}

FUNCTIONS: dict[type[Call], str] = {
    calls.AddEnergyAsset: "addEnergyAsset(address,int64,uint64,uint64)",
    calls.AddFinancialBalance: "addFinancialBalance(address,uint64)",
    calls.AddAssets: f"addAssets({_ENERGY},{_MONEY})",
    calls.PostOffer: "postOffer(uint64,uint64)",
    calls.RescindOffer: "rescindOffer(uint64)",
    calls.AcceptOffer: "acceptOffer(uint64,uint64)",
    calls.DepositEnergyAsset: "depositEnergyAsset(uint64)",
    calls.DepositFinancial: "depositFinancial(uint64)",
    calls.SetPrice: "setPrice(uint64,uint64)",
    calls.RecordSchedule: "recordSchedule(uint64,bytes32)",
    calls.Lock: "lock(address,uint64,uint64)",
    calls.Unlock: "unlock(uint64)",
    calls.Settle: "settle(uint64,uint64,int64,uint64,uint64,uint64)",
    calls.Protest: "protest(bytes32)",
}

# The number is how many of the parameters are indexed; in this contract they always come first.
EVENTS: dict[type[LedgerEvent], tuple[str, int]] = {
    events.AssetAdded: ("AssetAdded(address,uint64,int64,uint64,uint64)", 2),
    events.FinancialAdded: ("FinancialAdded(address,uint64)", 1),
    events.OfferPosted: ("OfferPosted(uint64,uint64,uint64,int64,uint64,uint64)", 2),
    events.OfferRescinded: ("OfferRescinded(uint64)", 1),
    events.OfferAccepted: ("OfferAccepted(uint64,uint64,int64,uint64,uint64,uint64)", 2),
    events.AssetSplit: ("AssetSplit(uint64,uint64,address,int64,uint64,uint64)", 3),
    events.AssetTransferred: ("AssetTransferred(uint64,address,address)", 3),
    events.EscrowReleased: ("EscrowReleased(uint64,uint64)", 1),
    events.AssetDeposited: ("AssetDeposited(address,uint64)", 2),
    events.FinancialDeposited: ("FinancialDeposited(address,uint64)", 1),
    events.PriceSet: ("PriceSet(uint64,uint64)", 1),
    events.ScheduleRecorded: ("ScheduleRecorded(uint64,bytes32)", 1),
    events.Protested: ("Protest(bytes32)", 1),
    events.MarketLocked: ("MarketLocked(uint64,uint64)", 1),
    events.MarketUnlocked: ("MarketUnlocked(uint64,uint64)", 1),
    events.MarketSettled: ("MarketSettled(uint64,uint64,int64,uint64,uint64,uint64)", 2),
}

ERRORS: dict[LedgerReason, str] = {
    LedgerReason.INVALID_TERMS: "",
    LedgerReason.NOT_DSO: "address",
    LedgerReason.NOT_ISSUER: "address",
    LedgerReason.NOT_MARKET: "address",
    LedgerReason.MARKET_ONLY: "",
    LedgerReason.PRICE_PERIODS_UNUSED: "",
    LedgerReason.BATCH_OUT_OF_BOUNDS: "uint256",
    LedgerReason.ZERO_ADDRESS: "",
    LedgerReason.ENERGY_ALREADY_GRANTED: "address",
    LedgerReason.MONEY_ALREADY_GRANTED: "address",
    LedgerReason.PRICE_ALREADY_SET: "uint64",
    LedgerReason.POWER_OUT_OF_BOUNDS: "int64",
    LedgerReason.INTERVAL_OUT_OF_BOUNDS: "uint64,uint64",
    LedgerReason.UNKNOWN_OFFER: "uint64",
    LedgerReason.OFFER_NOT_OPEN: "uint64",
    LedgerReason.OWN_OFFER: "uint64",
    LedgerReason.UNKNOWN_ASSET: "uint64",
    LedgerReason.NOT_OWNER: "uint64,address",
    LedgerReason.ASSET_IS_LOCKED: "uint64",
    LedgerReason.ASSET_NOT_LOCKED: "uint64",
    LedgerReason.ASSET_IS_SPENT: "uint64",
    LedgerReason.SAME_SIDE: "uint64,uint64",
    LedgerReason.INDIVISIBLE: "uint64,uint64",
    LedgerReason.INTERVALS_DISJOINT: "uint64,uint64",
    LedgerReason.GATE_CLOSED: "uint64,uint256",
    LedgerReason.PRICE_TOO_HIGH: "uint64",
    LedgerReason.OUTSIDE_PRICE_PERIOD: "uint64",
    LedgerReason.PRICE_NOT_SET: "uint64",
    LedgerReason.PRICE_MISMATCH: "uint64,uint64",
    LedgerReason.AMOUNT_ZERO: "",
    LedgerReason.AMOUNT_TOO_LARGE: "uint256",
    LedgerReason.INSUFFICIENT_BALANCE: "address,uint64,uint64",
}


def encode_call(call: Call) -> bytes:
    """Return the calldata of a call; ChainError where a value does not fit its type."""
    entry = _BY_CALL[type(call)]
    return entry.key + _encode(entry.types, entry.values(call))


def decode_call(data: bytes) -> Call:
    """Return the call that calldata make; ChainError where they are not canonical calldata of our contract."""
    entry = _entry(_BY_SELECTOR, data[:4], "function")
    call: Call = entry.make(_decode(entry.types, data[4:]))
    return call


def encode_constructor(terms: Terms) -> bytes:
    """Return the words that follow the creation code."""
    return _encode(_TERMS, _values_of(Terms)(terms))


def decode_constructor(data: bytes) -> Terms:
    """Return the terms that such words state; ChainError where they are not canonical."""
    terms: Terms = _maker(Terms)(_decode(_TERMS, data))
    return terms


def encode_event(event: LedgerEvent) -> tuple[tuple[bytes, ...], bytes]:
    """Return the topics and the data of the log that the contract writes for an event."""
    entry = _BY_EVENT[type(event)]
    words = _encode(entry.types, entry.values(event))
    split = 32 * entry.indexed
    return (entry.key, *(words[i : i + 32] for i in range(0, split, 32))), words[split:]


def decode_log(topics: Sequence[bytes], data: bytes) -> LedgerEvent:
    """Return the event of a raw log; ChainError where our contract writes no such log."""
    entry = _entry(_BY_TOPIC, topics[0] if topics else b"", "event")
    if len(topics) != 1 + entry.indexed or any(len(topic) != 32 for topic in topics):
        raise ChainError(f"a log of {entry.name} with {len(topics)} topics")
    event: LedgerEvent = entry.make(_decode(entry.types, b"".join(topics[1:]) + data))
    return event


def encode_refusal(refusal: Refusal) -> bytes:
    """Return the revert data of a refusal of the contract."""
    if not isinstance(refusal.reason, LedgerReason):
        raise ChainError(f"the contract knows no refusal {refusal.reason.value}")
    entry = _BY_REASON[refusal.reason]
    return entry.key + _encode(entry.types, refusal.arguments)


def decode_refusal(data: bytes) -> Refusal:
    """Return the refusal that revert data tell; ChainError where they are none of our contract's."""
    entry = _entry(_BY_ERROR, data[:4], "refusal")
    return Refusal(reason=LedgerReason(entry.name), arguments=tuple(_decode(entry.types, data[4:])))


# ------------------------------------------------------------------------------------------------------------- tables


@dataclass(frozen=True, slots=True, kw_only=True)
class _Entry:
    """One signature: `key` is its selector (4 bytes) or topic (32)."""

    name: str
    types: tuple[str, ...]
    key: bytes
    values: Callable[[Value], Sequence[Value]] = tuple
    make: Callable[[Sequence[Value]], Value] = tuple
    indexed: int = 0


def _parse(signature: str) -> tuple[str, tuple[str, ...]]:
    """Split `name(type,type)`; a comma inside a tuple type parts nothing."""
    name, _, rest = signature.partition("(")
    types, depth, begin = [], 0, 0
    inner = rest[:-1] + ","
    for position, letter in enumerate(inner):
        depth += (letter == "(") - (letter == ")")
        if letter == "," and depth == 0:
            types.append(inner[begin:position])
            begin = position + 1
    return name, tuple(kind for kind in types if kind)


def _values_of(kind: type[Value]) -> Callable[[Value], Sequence[Value]]:
    names = [field.name for field in fields(kind)]
    getter = attrgetter(*names)
    return getter if len(names) > 1 else lambda value: (getter(value),)


def _maker(kind: type[Value]) -> Callable[[Sequence[Value]], Value]:
    names = [field.name for field in fields(kind)]
    return lambda values: kind(**dict(zip(names, values, strict=True)))


def _table(signature: str, size: int, kind: type[Value], indexed: int = 0) -> _Entry:
    name, types = _parse(signature)
    key = keccak256(signature.encode())[:size]
    return _Entry(
        name=name, types=types, key=key, values=_values_of(kind), make=_maker(kind), indexed=indexed
    )


def _error_entry(reason: LedgerReason, types: str) -> _Entry:
    signature = f"{reason.value}({types})"
    return _Entry(name=reason.value, types=_parse(signature)[1], key=keccak256(signature.encode())[:4])


_BY_CALL = {kind: _table(signature, 4, kind) for kind, signature in FUNCTIONS.items()}
_BY_EVENT = {kind: _table(signature, 32, kind, indexed) for kind, (signature, indexed) in EVENTS.items()}
_BY_REASON = {reason: _error_entry(reason, types) for reason, types in ERRORS.items()}
_BY_SELECTOR = {entry.key: entry for entry in _BY_CALL.values()}
_BY_TOPIC = {entry.key: entry for entry in _BY_EVENT.values()}
_BY_ERROR = {entry.key: entry for entry in _BY_REASON.values()}


def _entry(table: dict[bytes, _Entry], key: bytes, what: str) -> _Entry:
    entry = table.get(bytes(key))
    if entry is None:
        raise ChainError(f"our contract has no {what} 0x{key.hex()}")
    return entry


# -------------------------------------------------------------------------------------------------------------- words


def _encode(types: Sequence[str], values: Sequence[Value]) -> bytes:
    if len(types) != len(values):
        raise ChainError(f"{len(types)} values are needed, not {len(values)}")
    try:
        words = [
            _encode_list(kind, value) if kind in _LISTS else _ENCODERS[kind](value)
            for kind, value in zip(types, values, strict=True)
        ]
    except (OverflowError, TypeError, AttributeError, ValueError, WorldError) as error:
        raise ChainError(f"a value does not fit ({','.join(types)}): {values!r}") from error
    if _LISTS.keys().isdisjoint(types):
        return b"".join(words)
    # Only addAssets gets here, whose parameters are all lists: offsets first, then the lists one after the other.
    offsets, position = [], 32 * len(types)
    for word in words:
        offsets.append(position.to_bytes(32))
        position += len(word)
    return b"".join(offsets + words)


def _encode_list(kind: str, grants: Sequence[Value]) -> bytes:
    types, values = _parse(kind[:-2])[1], _values_of(_LISTS[kind])
    return len(grants).to_bytes(32) + b"".join(_encode(types, values(grant)) for grant in grants)


def _decode(types: Sequence[str], data: bytes) -> list[Value]:
    if not _LISTS.keys().isdisjoint(types):
        return _decode_lists(types, data)
    if len(data) != 32 * len(types):
        raise ChainError(f"({','.join(types)}) takes {32 * len(types)} bytes, not {len(data)}")
    return [_DECODERS[kind](data[32 * i : 32 * i + 32]) for i, kind in enumerate(types)]


def _decode_lists(types: Sequence[str], data: bytes) -> list[Value]:
    position, lists = 32 * len(types), []
    for index, kind in enumerate(types):
        if data[32 * index : 32 * index + 32] != position.to_bytes(32):
            raise ChainError("a list does not stand where the one before it ends")
        inner, make = _parse(kind[:-2])[1], _maker(_LISTS[kind])
        size = 32 * len(inner)
        count = int.from_bytes(data[position : position + 32])
        begin, position = position + 32, position + 32 + count * size
        if position > len(data):
            raise ChainError("a list is longer than the bytes that hold it")
        lists.append(tuple(make(_decode(inner, data[i : i + size])) for i in range(begin, position, size)))
    if position != len(data):
        raise ChainError(f"{len(data) - position} bytes too many")
    return lists


def _unsigned_encoder(bits: int) -> Callable[[int], bytes]:
    padding = bytes(32 - bits // 8)
    return lambda value: padding + value.to_bytes(bits // 8)


def _unsigned_decoder(bits: int) -> Callable[[bytes], int]:
    def decode(word: bytes) -> int:
        value = int.from_bytes(word)
        if value >> bits:
            raise ChainError(f"not a uint{bits}: 0x{word.hex()}")
        return value

    return decode


def _encode_int64(value: int) -> bytes:
    return (b"\xff" if value < 0 else b"\0") * 24 + value.to_bytes(8, signed=True)


def _decode_int64(word: bytes) -> int:
    value = int.from_bytes(word, signed=True)
    if not -(2**63) <= value < 2**63:
        raise ChainError(f"not an int64: 0x{word.hex()}")
    return value


def _decode_address(word: bytes) -> str:
    if any(word[:12]):
        raise ChainError(f"not an address: 0x{word.hex()}")
    return checksum_address(word[12:])


def _encode_bool(value: bool) -> bytes:
    return bytes(31) + bytes((value is True,))


def _encode_digest(value: bytes) -> bytes:
    if len(value) != 32:
        raise ValueError("a digest has 32 bytes")
    return value


def _decode_bool(word: bytes) -> bool:
    value = int.from_bytes(word)
    if value > 1:
        raise ChainError(f"not a bool: 0x{word.hex()}")
    return value == 1


_UNSIGNED = {f"uint{bits}": bits for bits in (32, 64, 256)}
_ENCODERS: dict[str, Callable[[Value], bytes]] = {
    "address": lambda value: bytes(12) + address_bytes(value),
    "bool": _encode_bool,
    "bytes32": _encode_digest,
    "int64": _encode_int64,
    **{name: _unsigned_encoder(bits) for name, bits in _UNSIGNED.items()},
}
_DECODERS: dict[str, Callable[[bytes], Value]] = {
    "address": _decode_address,
    "bool": _decode_bool,
    "bytes32": bytes,
    "int64": _decode_int64,
    **{name: _unsigned_decoder(bits) for name, bits in _UNSIGNED.items()},
}
