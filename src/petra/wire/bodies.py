"""Message bodies as Cap'n Proto, after `petra.capnp`, and back.

Decides: how each field of a body stands on the wire, and how long a body may be. It does not know who sent it, nor
which kind it is: Cap'n Proto bytes do not say, the signed header does. Hostile bytes raise MessageError, whatever they
are. Invariants: what is encoded decodes to the same body; the DSO's two answers to a withdrawal have one length
(DESIGN 5). Cap'n Proto has no canonical form: nobody encodes a decoded body again to check a signature or a hash.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any, Final, cast

from petra.domain.messages import (
    BillStatement,
    Body,
    Curtailment,
    Direction,
    Enrol,
    Enrolled,
    FailedWithdrawal,
    Kind,
    MessageReceipt,
    MeterReading,
    PriceSchedule,
    RequestedAsset,
    WithdrawalGranted,
    WithdrawAssets,
)
from petra.errors import MessageError, WorldError
from petra.wire.secp256k1 import address_bytes, checksum_address

ANSWER_BYTES: Final = 256  # a grant needs 40, the longest refusal 152: the rest is room for fields to come
REASON_BYTES_MAX: Final = 64
TOKEN_BYTES_MAX: Final = 64
_BODY_BYTES_MAX: Final = 64 * 1024  # some 450 requested assets
_BILL_BYTES_MAX: Final = 4 * 1024 * 1024  # some 50 days of quarter hours
_NESTING_MAX: Final = 8
_ANSWERS: Final = (Kind.WITHDRAWAL_GRANTED, Kind.FAILED_WITHDRAWAL)

# pycapnp has no types, so values are Any between here and the schema, in this module alone.
_Fields = dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Field:
    """A field's name in the schema, how its value is written, and how what was read is checked."""

    name: str
    write: Callable[[Any], Any]
    read: Callable[[Any], Any]


def body_bytes_max(kind: Kind) -> int:
    """Return how many bytes a body of this kind may have."""
    return _BILL_BYTES_MAX if kind is Kind.BILL else _BODY_BYTES_MAX


def kind_of(body: Body) -> Kind:
    """Return the kind of message that carries this body."""
    return _KINDS[type(body)]


def encode_body(body: Body) -> bytes:
    """Return the bytes of a body; equal bodies give equal bytes.

    Raises:
        MessageError: a value does not fit its field, or the body is longer than its kind may be.
    """
    kind = kind_of(body)
    try:
        data = _to_capnp(type(body).__name__, _written(body))
    except (OverflowError, ValueError, WorldError, _capnp().KjException) as error:
        raise MessageError(f"this {kind} cannot be written: a value does not fit its field") from error
    if len(data) > body_bytes_max(kind):
        raise MessageError(f"a {kind} of {len(data)} bytes is too long: at most {body_bytes_max(kind)}")
    return data.ljust(ANSWER_BYTES, b"\0") if kind in _ANSWERS else data


def decode_body(kind: Kind, data: bytes) -> Body:
    """Return the body that these bytes hold; fields that this version does not know are passed over.

    Raises:
        MessageError: the bytes are no body of this kind, or too long, or an answer that is not padded.
    """
    if len(data) > body_bytes_max(kind):
        raise MessageError(f"a {kind} of {len(data)} bytes is refused: at most {body_bytes_max(kind)}")
    if kind in _ANSWERS and len(data) != ANSWER_BYTES:
        raise MessageError(f"a {kind} of {len(data)} bytes is refused: every answer has {ANSWER_BYTES}")
    body_type = _TYPES[kind]
    # An honest body is read once from end to end; pointers that meet again and again would make more of it.
    limits = {"traversal_limit_in_words": len(data) // 8 + 8, "nesting_limit": _NESTING_MAX}
    try:
        with getattr(_schema(), body_type.__name__).from_bytes(data, **limits) as reader:
            return cast(Body, _read(body_type, reader))
    except (ValueError, _capnp().KjException) as error:  # UnicodeDecodeError is a ValueError
        raise MessageError(f"these {len(data)} bytes are no {kind}: {_cause(error)}") from error


def _written(value: Any) -> _Fields:
    fields = _FIELDS[type(value)]
    return {field.name: field.write(getattr(value, name)) for name, field in fields.items()}


def _read(kind: type[Any], reader: Any) -> Any:
    return kind(**{name: field.read(getattr(reader, field.name)) for name, field in _FIELDS[kind].items()})


def _cause(error: Exception) -> str:
    """Return our own words for what was wrong; Cap'n Proto's would tell of stack addresses."""
    return str(error) if type(error) is ValueError else "not a Cap'n Proto message of this shape"


# ---- kinds of fields


def _same(value: Any) -> Any:
    return value


def _number(name: str) -> _Field:
    return _Field(name, _same, _same)  # the schema's type bounds it on both ways


def _fixed(name: str, *lengths: int) -> _Field:
    def checked(value: bytes) -> bytes:
        if len(value) not in lengths:
            raise ValueError(f"{name} has {len(value)} bytes, not {' or '.join(map(str, lengths))}")
        return bytes(value)

    return _Field(name, checked, checked)


def _address(name: str) -> _Field:
    raw = _fixed(name, 20)
    return _Field(name, address_bytes, lambda value: checksum_address(raw.read(value)))


def _word(name: str, bytes_max: int) -> _Field:
    def checked(value: str) -> str:
        if len(value.encode()) > bytes_max:
            raise ValueError(f"{name} is longer than {bytes_max} bytes")
        return value

    return _Field(name, checked, checked)


def _data(name: str, bytes_max: int) -> _Field:
    def checked(value: bytes) -> bytes:
        if len(value) > bytes_max:
            raise ValueError(f"{name} has {len(value)} bytes, at most {bytes_max}")
        return bytes(value)

    return _Field(name, checked, checked)


def _list(name: str, kind: type[Any]) -> _Field:
    return _Field(
        name,
        lambda values: [_written(value) for value in values],
        lambda readers: tuple(_read(kind, reader) for reader in readers),
    )


def _direction(exports: bool) -> Direction:
    return Direction.EXPORT if exports else Direction.IMPORT


# Every body field by field, in the order of the schema: the attribute in the domain, then its field on the wire.
_FIELDS: Final[Mapping[type[Any], Mapping[str, _Field]]] = {
    RequestedAsset: {
        "anon_address": _address("anonAddress"),
        "power": _number("power"),
        "start": _number("start"),
        "end": _number("end"),
        "amount": _number("amount"),
        "proof": _fixed("proof", 0, 65),
    },
    WithdrawAssets: {"assets": _list("assets", RequestedAsset)},
    WithdrawalGranted: {"request_id": _fixed("requestId", 16)},
    FailedWithdrawal: {
        "request_id": _fixed("requestId", 16),
        "anon_address": _address("anonAddress"),
        "reason": _word("reason", REASON_BYTES_MAX),
    },
    PriceSchedule: {
        "from_timestep": _number("fromTimestep"),
        "retail": _number("retail"),
        "feed_in": _number("feedIn"),
        "local": _number("local"),
        "grid_fee": _number("gridFee"),
        "imbalance": _number("imbalance"),
        "bulk": _number("bulk"),
    },
    MeterReading: {
        "timestep": _number("timestep"),
        "produced": _number("produced"),
        "consumed": _number("consumed"),
        "previous": _fixed("previous", 32),
    },
    BillStatement: {"document": _Field("document", bytes, bytes)},
    MessageReceipt: {"envelope_hash": _fixed("envelopeHash", 32)},
    Enrol: {
        "token": _data("token", TOKEN_BYTES_MAX),
        "meter": _address("meter"),
        "curve_key": _fixed("curveKey", 32),
        "meter_curve_key": _fixed("meterCurveKey", 32),
        "meter_proof": _fixed("meterProof", 65),
    },
    Enrolled: {"request_id": _fixed("requestId", 16), "document": _Field("document", bytes, bytes)},
    Curtailment: {
        "number": _number("number"),
        "direction": _Field("exports", lambda way: way is Direction.EXPORT, _direction),
        "limit_watts": _number("limitWatts"),
        "start": _number("start"),
        "end": _number("end"),
    },
}

_TYPES: Final[Mapping[Kind, type[Any]]] = {
    Kind.WITHDRAW_ASSETS: WithdrawAssets,
    Kind.WITHDRAWAL_GRANTED: WithdrawalGranted,
    Kind.FAILED_WITHDRAWAL: FailedWithdrawal,
    Kind.PRICE_SCHEDULE: PriceSchedule,
    Kind.METER_READING: MeterReading,
    Kind.BILL: BillStatement,
    Kind.RECEIPT: MessageReceipt,
    Kind.ENROL: Enrol,
    Kind.ENROLLED: Enrolled,
    Kind.CURTAILMENT: Curtailment,
}
_KINDS: Final[Mapping[type[Any], Kind]] = {body_type: kind for kind, body_type in _TYPES.items()}


# --------------------------------------------------------------------------------------- the edge to pycapnp


@cache
def _capnp() -> Any:
    """Return pycapnp, loaded when the first body needs it: it costs 70 ms, too much for `petra --help`."""
    import capnp  # type: ignore[import-untyped]  # noqa: PLC0415

    capnp.remove_import_hook()  # nobody imports schemas as modules here
    return capnp


@cache
def _schema() -> Any:
    """Return the schema, read from the installed package."""
    with resources.as_file(resources.files("petra.wire").joinpath("petra.capnp")) as path:
        return _capnp().load(str(path))


def _to_capnp(name: str, fields: _Fields) -> bytes:
    return cast(bytes, getattr(_schema(), name).new_message(**fields).to_bytes())
