"""Hypothesis strategies for calls, events, refusals and terms: any value that the contract's types can hold."""

from typing import Any

from hypothesis import strategies as st

from petra.domain.calls import EnergyGrant, FinancialGrant
from petra.domain.refusals import LedgerReason, Refusal
from petra.domain.terms import Terms
from petra.wire import abi
from petra.wire.secp256k1 import checksum_address

_WORDS: dict[str, st.SearchStrategy[Any]] = {
    "address": st.binary(min_size=20, max_size=20).map(checksum_address),
    "bool": st.booleans(),
    "bytes32": st.binary(min_size=32, max_size=32),
    "int64": st.integers(-(2**63), 2**63 - 1),
    "uint32": st.integers(0, 2**32 - 1),
    "uint64": st.integers(0, 2**64 - 1),
    "uint256": st.integers(0, 2**256 - 1),
}


def _words(*types: str) -> st.SearchStrategy[tuple[Any, ...]]:
    return st.tuples(*(_WORDS[kind] for kind in types))


def _made(kind: type[Any], *types: str) -> st.SearchStrategy[Any]:
    names = list(kind.__dataclass_fields__)
    return _words(*types).map(lambda values: kind(**dict(zip(names, values, strict=True))))


_LISTS = {
    "(address,int64,uint64,uint64)[]": _made(EnergyGrant, "address", "int64", "uint64", "uint64"),
    "(address,uint64)[]": _made(FinancialGrant, "address", "uint64"),
}
_WORDS |= {name: st.lists(grants, max_size=4).map(tuple) for name, grants in _LISTS.items()}


def _types(signature: str) -> list[str]:
    if signature.startswith("addAssets"):
        return list(_LISTS)
    return [kind for kind in signature.partition("(")[2][:-1].split(",") if kind]


calls = st.one_of(*(_made(kind, *_types(signature)) for kind, signature in abi.FUNCTIONS.items()))
events = st.one_of(*(_made(kind, *_types(signature)) for kind, (signature, _) in abi.EVENTS.items()))


def _refused(reason: LedgerReason, types: str) -> st.SearchStrategy[Refusal]:
    return _words(*filter(None, types.split(","))).map(lambda values: Refusal(reason=reason, arguments=values))


refusals = st.one_of(*(_refused(reason, types) for reason, types in abi.ERRORS.items()))
terms = _made(
    Terms, "address", "address", "address", "uint64", "uint32", "uint32", "uint32", "uint64", "uint32", "bool"
)
