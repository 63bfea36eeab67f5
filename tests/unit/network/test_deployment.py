"""The deployment file, and the warning about short gates."""

import json
from pathlib import Path
from typing import Any

import pytest

from petra.domain.terms import Terms
from petra.errors import InputError
from petra.network.deployment import Deployment, late_trade_warning, read_deployment, write_deployment
from petra.wire.secp256k1 import parse_address

DSO = parse_address("0x64a702e6263b7297a96638cac6ae65e6541f4169")
CONTRACT = parse_address("0xaefdb9a738c9f433e5b6b212a6d62f6370c2f692")
TERMS = Terms(dso=DSO, genesis=1_700_000_000, timestep_seconds=900, gate=1, max_length=96, max_price=10**9)
DEPLOYMENT = Deployment(
    chain_id=2**41,
    genesis_hash=bytes(range(32)),
    contract=CONTRACT,
    code_hash=bytes(32),
    deployed_block=3,
    terms=TERMS,
    rpc=("http://127.0.0.1:8545",),
)


def damaged(path: Path, **changes: Any) -> Path:
    """Write the deployment's file with other values."""
    write_deployment(DEPLOYMENT, path)
    content = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps(content | changes), encoding="utf-8")
    return path


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"format": 2}'])
def test_what_is_no_deployment_is_refused(tmp_path: Path, text: str) -> None:
    """The message names the file."""
    path = tmp_path / "deployment.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=r"deployment\.json"):
        read_deployment(path)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    """No deployment can be read where none is."""
    with pytest.raises(InputError, match="no deployment can be read"):
        read_deployment(tmp_path / "deployment.json")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("chain_id", -1),
        ("chain_id", "7"),
        ("chain_id", True),
        ("genesis_hash", "0x12"),
        ("genesis_hash", 3),
        ("contract", CONTRACT[:2] + CONTRACT[2:].swapcase()),
        ("contract", None),
        ("code_hash", "zz" * 32),
        ("deployed_block", 1.5),
        ("market", CONTRACT),
        ("issuer", CONTRACT),
        ("rpc", [1]),
        ("rpc", None),
        ("terms", None),
        ("terms", []),
    ],
)
def test_every_nonsense_is_refused_by_name(tmp_path: Path, key: str, value: Any) -> None:
    """One wrong value, one line that names it."""
    with pytest.raises(InputError, match=key) as caught:
        read_deployment(damaged(tmp_path / "deployment.json", **{key: value}))
    assert len(caught.value.problems) == 1


def test_all_problems_are_told_at_once(tmp_path: Path) -> None:
    """Also those of the terms."""
    terms = {"dso": "nobody", "genesis": 1, "timestep_seconds": -4, "divisible": 1}
    with pytest.raises(InputError) as caught:
        read_deployment(damaged(tmp_path / "deployment.json", chain_id=None, terms=terms))
    told = " ".join(caught.value.problems)
    names = ["chain_id", "terms.dso", "terms.timestep_seconds", "terms.gate: missing", "terms.divisible"]
    assert all(name in told for name in names)


def test_a_deployment_is_read_as_it_was_written(tmp_path: Path) -> None:
    """Every field returns, and no half-written file is left."""
    path = tmp_path / "deployment.json"
    write_deployment(DEPLOYMENT, path)
    assert read_deployment(path) == DEPLOYMENT
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("timestep_seconds", "gate", "wanted"), [(4, 0, 5), (4, 4, 5), (900, 0, 1), (18, 0, 1), (17, 1, 2)]
)
def test_a_short_gate_is_warned_of_with_one_that_suffices(timestep_seconds: int, gate: int, wanted: int) -> None:
    """15 s for clocks and three blocks of 1 s are not covered."""
    terms = Terms(
        dso=DSO, genesis=0, timestep_seconds=timestep_seconds, gate=gate, max_length=96, max_price=1
    )
    warning = late_trade_warning(terms, confirmations=3, period_seconds=1)
    assert warning is not None
    assert "already begun" in warning
    assert f"gate {wanted} excludes that" in warning


@pytest.mark.parametrize(("timestep_seconds", "gate"), [(4, 5), (18, 1), (900, 1)])
def test_a_long_gate_is_not_warned_of(timestep_seconds: int, gate: int) -> None:
    """At exactly 18 s nothing can come too late."""
    terms = Terms(dso=DSO, genesis=0, timestep_seconds=timestep_seconds, gate=gate, max_length=96, max_price=1)
    assert late_trade_warning(terms, confirmations=3, period_seconds=1) is None
