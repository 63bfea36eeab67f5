"""The shipped contract is what its sources give, and its code is recognised on a chain."""

import subprocess
import sys
from pathlib import Path

import pytest

from petra.wire import artifact

CHECKOUT = Path(__file__).resolve().parents[2]


def test_the_artifact_is_what_a_fresh_compilation_gives() -> None:
    """The ABI and bytecode that PETra ships equal what solc makes of contracts/src."""
    check = [sys.executable, str(CHECKOUT / "scripts" / "compile_contracts.py"), "--check"]
    done = subprocess.run(check, capture_output=True, text=True, check=False)
    if done.returncode == 2 and "make setup" in done.stderr:
        pytest.skip(done.stderr.strip())
    assert done.returncode == 0, done.stderr


def test_code_of_another_contract_is_not_recognised() -> None:
    """One instruction more, less or other is another contract."""
    assert not artifact.runtime_matches(b"")
    assert not artifact.runtime_matches(artifact.RUNTIME_CODE[:-1])
    assert not artifact.runtime_matches(artifact.RUNTIME_CODE + b"\x00")
    other = bytearray(artifact.RUNTIME_CODE)
    other[0] ^= 1
    assert not artifact.runtime_matches(bytes(other))


def test_the_code_is_recognised_whatever_the_terms_are() -> None:
    """Immutables stand inside the code and may hold anything."""
    deployed = bytearray(artifact.RUNTIME_CODE)
    for start, length in artifact.IMMUTABLE_REFERENCES:
        deployed[start : start + length] = b"\xff" * length
    assert artifact.runtime_matches(bytes(deployed))


def test_terms_stand_only_where_an_instruction_reads_a_constant() -> None:
    """Each masked place is the operand of a PUSH32, so masking can hide no instruction."""
    push32 = 0x7F
    assert len(artifact.IMMUTABLE_REFERENCES) >= 10
    for start, length in artifact.IMMUTABLE_REFERENCES:
        assert length == 32
        assert artifact.RUNTIME_CODE[start - 1] == push32


def test_the_runtime_code_may_be_deployed() -> None:
    """Ethereum refuses contracts above 24,576 bytes."""
    assert len(artifact.RUNTIME_CODE) <= 24_576
