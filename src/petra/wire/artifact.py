"""The compiled contract that PETra ships: ABI, creation code, and how to recognise its code on a chain.

Decides whether code that a node shows is this contract. Knows no node and compiles nothing: `petra.json` is written by
`scripts/compile_contracts.py` and kept fresh by a test.
Invariant: a deployment differs from the shipped code only where the terms stand (immutables), and `terms()` reads them.
"""

import json
from collections.abc import Mapping, Sequence
from importlib import resources
from typing import Any, Final

_ARTIFACT: Final[Mapping[str, Any]] = json.loads(
    resources.files("petra.wire").joinpath("petra.json").read_text(encoding="utf-8")
)

ABI: Final[Sequence[Mapping[str, Any]]] = _ARTIFACT["abi"]
COMPILER: Final[str] = _ARTIFACT["compiler"]
# What a deployment sends, followed by the ABI-encoded terms.
CREATION_CODE: Final[bytes] = bytes.fromhex(_ARTIFACT["bytecode"].removeprefix("0x"))
# What a deployment leaves on the chain, with zeros where the terms stand.
RUNTIME_CODE: Final[bytes] = bytes.fromhex(_ARTIFACT["deployedBytecode"].removeprefix("0x"))
# Start and length of each place where a term stands, in bytes.
IMMUTABLE_REFERENCES: Final[Sequence[tuple[int, int]]] = tuple(
    (place["start"], place["length"]) for place in _ARTIFACT["immutableReferences"]
)


def runtime_matches(code: bytes) -> bool:
    """Say whether code on a chain (`eth_getCode`) is this contract, whatever its terms are.

    Only constants stand in the masked places, so no instruction can hide there; a client reads `terms()` as well.
    """
    if len(code) != len(RUNTIME_CODE):
        return False
    masked = bytearray(code)
    for start, length in IMMUTABLE_REFERENCES:
        masked[start : start + length] = bytes(length)
    return bytes(masked) == RUNTIME_CODE
