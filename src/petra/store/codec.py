"""Values of the domain as JSON text and back: what the diary, orders and documents are written in.

Decides: the form, from the types of a dataclass's fields: integers, text, true and false as they are; bytes as
hexadecimal text; an enumeration by its value; a tuple as a list; a dataclass as an object, which names its class under
"is" where its type leaves a choice. It knows no particular value.
Invariant: strict both ways: decoding accepts what encoding makes of the same type and nothing else (a missing, unknown
or mistyped field is a StoreError that names its place), so `decode(kind, encode(kind, value)) == value`.
"""

import json
import types
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, is_dataclass
from enum import Enum
from functools import cache
from typing import Any, NewType, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from petra.errors import StoreError

T = TypeVar("T")
_TAG = "is"
Converter = Callable[[Any], Any]


def encode(kind: type[T] | Any, value: T) -> str:
    """Return a value as one line of JSON; `kind` is its type: a dataclass, a union of them, or what they hold.

    Raises:
        StoreError: the value is not of that type.
    """
    return json.dumps(_Codec.of(kind).to_json(value), separators=(",", ":"), ensure_ascii=True)


def decode(kind: type[T] | Any, text: str) -> T:
    """Return the value of a type that a text states; StoreError where it states none."""
    try:
        parsed = json.loads(text)
    except ValueError as error:
        raise StoreError(f"not JSON: {text[:80]!r}") from error
    return cast("T", _Codec.of(kind).from_json(parsed))


@dataclass(frozen=True, slots=True)
class _Codec:
    to_json: Converter
    from_json: Converter

    @staticmethod
    def of(kind: Any) -> "_Codec":
        return _codec(kind)


@cache
def _codec(kind: Any) -> _Codec:
    if isinstance(kind, NewType):
        return _codec(kind.__supertype__)
    if kind in {int, str, bool}:
        return _plain(kind)
    if kind is bytes:
        return _Codec(lambda value: _check(bytes, value).hex(), _bytes)
    if kind is type(None):
        return _plain(type(None))
    origin = get_origin(kind)
    if origin is tuple:
        return _tuple(get_args(kind))
    if origin in {Union, types.UnionType}:
        return _union(get_args(kind))
    if origin is not None and issubclass(origin, Mapping):
        return _mapping(*get_args(kind))
    if isinstance(kind, type) and issubclass(kind, Enum):
        return _enumeration(kind)
    if is_dataclass(kind):
        return _record(cast("type", kind))
    raise TypeError(f"no form is defined for {kind!r}")


def _check(kind: type[T], value: object) -> T:
    # True is an int to Python, and 1 is not what we meant by true.
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise StoreError(f"{kind.__name__} is needed, not {value!r:.80}")
    return value


def _plain(kind: type) -> _Codec:
    return _Codec(lambda value: _check(kind, value), lambda value: _check(kind, value))


def _bytes(value: object) -> bytes:
    text = _check(str, value)
    try:
        raw = bytes.fromhex(text)
    except ValueError as error:
        raise StoreError(f"hexadecimal text is needed, not {text[:80]!r}") from error
    if raw.hex() != text:
        raise StoreError(f"hexadecimal text in small letters is needed, not {text[:80]!r}")
    return raw


def _tuple(arguments: tuple[Any, ...]) -> _Codec:
    if len(arguments) != 2 or arguments[1] is not Ellipsis:
        raise TypeError(f"only tuples of one kind have a form, not {arguments!r}")
    item = _codec(arguments[0])
    return _Codec(
        lambda value: [item.to_json(one) for one in _check(tuple, value)],
        lambda value: tuple(item.from_json(one) for one in _check(list, value)),
    )


def _mapping(key: Any, item: Any) -> _Codec:
    if key is not str:
        raise TypeError("only mappings from text have a form")
    inner = _codec(item)
    return _Codec(
        lambda value: {_check(str, name): inner.to_json(one) for name, one in value.items()},
        lambda value: {name: inner.from_json(one) for name, one in _check(dict, value).items()},
    )


def _enumeration(kind: type[Enum]) -> _Codec:
    def read(value: object) -> Enum:
        try:
            return kind(value)
        except ValueError as error:
            raise StoreError(f"{kind.__name__} has no {value!r:.80}") from error

    return _Codec(lambda value: _check(kind, value).value, read)


def _record(kind: type) -> _Codec:
    hints = get_type_hints(kind)
    parts = {field.name: _codec(hints[field.name]) for field in fields(kind) if field.init}

    def write(value: Any) -> dict[str, Any]:
        if type(value) is not kind:
            raise StoreError(f"{kind.__name__} is needed, not {type(value).__name__}")
        return {name: part.to_json(getattr(value, name)) for name, part in parts.items()}

    def read(value: object) -> Any:
        found = _check(dict, value)
        if found.keys() != parts.keys():
            raise StoreError(f"{kind.__name__}: these fields do not fit: {sorted(found.keys() ^ parts.keys())}")
        values = {}
        for name, part in parts.items():
            try:
                values[name] = part.from_json(found[name])
            except StoreError as error:
                raise StoreError(f"{kind.__name__}.{name}: {error}") from error
        try:
            return kind(**values)
        except ValueError as error:
            raise StoreError(f"{kind.__name__}: {error}") from error

    return _Codec(write, read)


def _union(kinds: tuple[Any, ...]) -> _Codec:
    """One plain kind at most beside None and dataclasses: more could not be told apart."""
    records = {kind.__name__: (kind, _codec(kind)) for kind in kinds if isinstance(kind, type) and is_dataclass(kind)}
    plain = [_codec(kind) for kind in kinds if not is_dataclass(kind) and kind is not type(None)]
    if len(plain) > 1:
        raise TypeError(f"these kinds cannot be told apart: {kinds!r}")
    none = type(None) in kinds

    def write(value: Any) -> Any:
        if value is None and none:
            return None
        if type(value).__name__ in records and type(value) is records[type(value).__name__][0]:
            return {_TAG: type(value).__name__, **records[type(value).__name__][1].to_json(value)}
        if plain:
            return plain[0].to_json(value)
        raise StoreError(f"one of {', '.join(records)} is needed, not {type(value).__name__}")

    def read(value: Any) -> Any:
        if value is None and none:
            return None
        if isinstance(value, dict) and records:
            name = value.get(_TAG)
            if name not in records:
                raise StoreError(f"one of {', '.join(records)} is needed, not {name!r:.80}")
            return records[name][1].from_json({key: part for key, part in value.items() if key != _TAG})
        if plain:
            return plain[0].from_json(value)
        raise StoreError(f"one of {', '.join(records)} is needed, not {value!r:.80}")

    return _Codec(write, read)
