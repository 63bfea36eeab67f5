"""Invitations and meter cards: whole or refused, and never more open than needed."""

import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from petra.domain.terms import Terms
from petra.errors import InputError
from petra.network.deployment import Deployment, write_deployment
from petra.runtime.invitation import Invitation, MeterCard
from petra.wire.secp256k1 import SecretKey

ADDRESS = SecretKey(bytes(31) + b"\1").address
TOKEN = "5e" * 32
DEPLOYMENT = Deployment(
    chain_id=7,
    genesis_hash=bytes(32),
    contract=ADDRESS,
    code_hash=bytes(32),
    deployed_block=3,
    terms=Terms(dso=ADDRESS, genesis=1_000, timestep_seconds=900, gate=0, max_length=96, max_price=10**10),
    rpc=("http://127.0.0.1:8545",),
)


@pytest.fixture
def invitation(tmp_path: Path) -> Invitation:
    """Return an invitation to a deployment."""
    write_deployment(DEPLOYMENT, tmp_path / "deployment.json")
    return Invitation(
        name="home 1",
        dso=ADDRESS,
        dso_key="ab" * 32,
        dso_endpoint="tcp://127.0.0.1:5001",
        enrol_endpoint="tcp://127.0.0.1:5002",
        publish_endpoint="tcp://127.0.0.1:5003",
        block_seconds=5,
        deployment=json.loads((tmp_path / "deployment.json").read_text(encoding="utf-8")),
        token=TOKEN,
        expires=2_000,
    )


@pytest.mark.parametrize(
    "content",
    ["[]", "{", "\0", '{"petra": "a home\'s card, form 1"}', "{}", "[" * 100_000],
    ids=["list", "cut", "binary", "card", "empty", "deep"],
)
def test_file_that_is_no_invitation_is_refused(tmp_path: Path, content: str) -> None:
    """Other documents, other JSON and other texts end in one problem with the file's name."""
    path = tmp_path / "invitation.json"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(InputError, match=r"invitation\.json"):
        Invitation.read(path)


def test_damaged_token_is_told_and_not_shown(tmp_path: Path, invitation: Invitation) -> None:
    """A token that was cut is a problem whose text does not hold what is left of it."""
    path = tmp_path / "invitation.json"
    path.write_text(json.dumps(invitation.model_dump() | {"token": TOKEN[:-3] + "-5e"}), encoding="utf-8")
    with pytest.raises(InputError, match="token: is damaged") as raised:
        Invitation.read(path)
    assert TOKEN[:16] not in str(raised.value)


def test_every_problem_is_told(tmp_path: Path, invitation: Invitation) -> None:
    """A missing endpoint, an unknown key and a wrong address are told together."""
    content = invitation.model_dump() | {"dso": "0x1", "more": 1}
    del content["enrol_endpoint"]
    path = tmp_path / "invitation.json"
    path.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(InputError) as raised:
        Invitation.read(path)
    assert len(raised.value.problems) == 3


def test_contradictory_deployment_is_told(invitation: Invitation) -> None:
    """What is wrong with the deployment inside is told with its place."""
    broken = invitation.model_copy(update={"deployment": invitation.deployment | {"chain_id": -1}})
    with pytest.raises(InputError, match="here: deployment: chain_id"):
        broken.read_deployment("here")


def test_invitation_is_read_as_it_was_written(tmp_path: Path, invitation: Invitation) -> None:
    """It comes back whole, is not overwritten, shows its token to nobody, and only its owner may read the file."""
    path = tmp_path / "invitation.json"
    invitation.write(path)
    assert Invitation.read(path) == invitation
    assert path.stat().st_mode & 0o777 == 0o600
    assert TOKEN not in repr(invitation)
    assert asdict(invitation.read_deployment("x")) == asdict(replace(DEPLOYMENT))
    with pytest.raises(InputError, match="is there already"):
        invitation.write(path)


def test_meter_card_needs_a_whole_proof(tmp_path: Path) -> None:
    """A card with half a signature is refused; a whole one comes back."""
    path = tmp_path / "card.json"
    card = MeterCard(meter=ADDRESS, curve_key="cd" * 32, proof="11" * 65)
    card.write(path)
    assert MeterCard.read(path) == card
    path.write_text(json.dumps(card.model_dump() | {"proof": "11" * 64}), encoding="utf-8")
    with pytest.raises(InputError, match="proof"):
        MeterCard.read(path)
