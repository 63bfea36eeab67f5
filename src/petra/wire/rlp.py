"""RLP, Ethereum's encoding of nested byte strings; the minimum that transactions and blocks need.

Decides: bytes for strings and lists, and back. It does not know what they mean.
Invariant: decoding accepts exactly what encoding makes: one form for each value, nothing left over.
Source: the Ethereum Yellow Paper, appendix B.
"""

from collections.abc import Sequence
from typing import TypeAlias

from petra.errors import ChainError

Item: TypeAlias = "bytes | Sequence[Item]"

_DEPTH_MAX = 16  # hostile nesting must not reach Python's recursion limit


def encode(item: Item) -> bytes:
    """Return the RLP of a byte string or a (nested) sequence of them."""
    if isinstance(item, bytes):
        if len(item) == 1 and item[0] < 0x80:
            return item
        return _prefix(len(item), 0x80) + item
    payload = b"".join(map(encode, item))
    return _prefix(len(payload), 0xC0) + payload


def decode(data: bytes) -> Item:
    """Return the one item that these bytes are; ChainError where they are not canonical RLP."""
    item, end = _decode_at(data, 0, 0)
    if end != len(data):
        raise ChainError(f"RLP: {len(data) - end} bytes too many")
    return item


def from_integer(value: int) -> bytes:
    """Return the big-endian bytes of a non-negative integer without leading zeros; 0 is the empty string."""
    return value.to_bytes((value.bit_length() + 7) // 8)


def to_integer(data: bytes) -> int:
    """Return the integer of such bytes; ChainError where a leading zero stands."""
    if data[:1] == b"\0":
        raise ChainError("RLP: an integer with a leading zero")
    return int.from_bytes(data)


def _prefix(length: int, offset: int) -> bytes:
    if length < 56:
        return bytes((offset + length,))
    size = from_integer(length)
    return bytes((offset + 55 + len(size),)) + size


def _decode_at(data: bytes, position: int, depth: int) -> tuple[Item, int]:
    if position >= len(data) or depth > _DEPTH_MAX:
        raise ChainError("RLP: the bytes end too early or nest too deeply")
    first = data[position]
    if first < 0x80:
        return data[position : position + 1], position + 1
    begin, end = _payload(data, position + 1, first - (0x80 if first < 0xC0 else 0xC0))
    if first < 0xC0:
        if end - begin == 1 and data[begin] < 0x80:
            raise ChainError("RLP: a single small byte with a needless prefix")
        return data[begin:end], end
    items: list[Item] = []
    while begin < end:
        item, begin = _decode_at(data, begin, depth + 1)
        items.append(item)
    if begin != end:
        raise ChainError("RLP: an item reaches beyond its list")
    return items, end


def _payload(data: bytes, begin: int, length: int) -> tuple[int, int]:
    if length > 55:
        size = length - 55
        length = to_integer(data[begin : begin + size])
        begin += size
        if length < 56:
            raise ChainError("RLP: a short length in the long form")
    if begin + length > len(data):
        raise ChainError("RLP: the bytes end too early")
    return begin, begin + length
