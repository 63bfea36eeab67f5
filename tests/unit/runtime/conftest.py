"""What a DSO's directory is made of, without a chain."""

from pathlib import Path

import pytest

from petra.domain.terms import Terms
from petra.network.deployment import Deployment, write_deployment
from petra.network.secret_files import write_secret
from petra.runtime.creation import NewDso
from petra.scenario import load_scenario
from petra.store.outbox import SqlOutbox
from petra.wire.secp256k1 import SecretKey
from petra.wire.transaction import SignedIntent

PASSWORD, WORK = "correct horse", 2  # scrypt's cost is what the tests need least
SECRET = bytes(31) + b"\7"
DSO = SecretKey(SECRET).address
DEPLOYMENT = Deployment(
    chain_id=7,
    genesis_hash=bytes(32),
    contract=DSO,
    code_hash=bytes(32),
    deployed_block=3,
    terms=Terms(dso=DSO, genesis=1_000, timestep_seconds=900, gate=0, max_length=96, max_price=10**10),
    rpc=("http://127.0.0.1:8545",),
)


@pytest.fixture
def new_dso(tmp_path: Path) -> NewDso:
    """Return what a DSO is made of: deployment, key, and the outbox of the deployment with one transaction."""
    write_deployment(DEPLOYMENT, tmp_path / "deployment.json")
    write_secret(tmp_path / "dso.key", SECRET.hex())
    outbox = SqlOutbox(tmp_path / "dso-outbox.db")
    outbox.put(
        [SignedIntent(intent_id="deploy", sender=DSO, nonce=0, transaction_hash=b"\1" * 32, raw=b"signed")]
    )
    outbox.close()
    return NewDso(
        deployment=tmp_path / "deployment.json",
        key=tmp_path / "dso.key",
        scenario=load_scenario("case-study"),
        work=WORK,
    )
