"""How a service's directory comes into being: whole or not at all, and never over another."""

import json
import sqlite3
from pathlib import Path

import pytest

from petra.errors import InputError
from petra.network.deployment import read_deployment
from petra.network.secret_files import write_secret
from petra.runtime.config import DsoConfig, HomeConfig, MeterConfig
from petra.runtime.creation import NewDso, NewHome, adopt_meter, create_dso, create_home, create_meter
from petra.runtime.invitation import Invitation, MeterCard
from petra.store.database import Database
from petra.store.keystore import Keystore
from petra.store.registry import Settings
from petra.store.transactions import TransactionStore
from petra.wire.envelope import meter_proof_digest, signature_domain
from petra.wire.secp256k1 import recover
from tests.unit.runtime.conftest import DEPLOYMENT, DSO, PASSWORD, WORK


@pytest.fixture
def invitation(tmp_path: Path, new_dso: NewDso) -> Path:
    """Return the file of an invitation."""
    path = tmp_path / "invitation.json"
    Invitation(
        name="home 1",
        dso=DSO,
        dso_key="ab" * 32,
        dso_endpoint="tcp://127.0.0.1:5001",
        enrol_endpoint="tcp://127.0.0.1:5002",
        publish_endpoint="tcp://127.0.0.1:5003",
        block_seconds=5,
        deployment=json.loads(new_dso.deployment.read_text(encoding="utf-8")),
        token="5e" * 32,
        expires=2_000,
    ).write(path)
    return path


def test_key_of_another_is_refused_and_nothing_is_left(tmp_path: Path, new_dso: NewDso) -> None:
    """Only the DSO that the contract names can be made; no directory appears."""
    new_dso.key.unlink()
    write_secret(new_dso.key, "11" * 32)
    with pytest.raises(InputError, match="the deployment's DSO is"):
        create_dso(tmp_path / "dso", new_dso, PASSWORD)
    assert not list(tmp_path.glob("dso*/"))


def test_nonces_that_are_not_there_are_refused(tmp_path: Path, new_dso: NewDso) -> None:
    """Without the outbox of the deployment a nonce could be signed twice."""
    (tmp_path / "dso-outbox.db").unlink()
    with pytest.raises(InputError, match=r"dso-outbox\.db: is not there"):
        create_dso(tmp_path / "dso", new_dso, PASSWORD)
    assert not list(tmp_path.glob("dso*/"))


def test_failure_half_way_leaves_nothing(tmp_path: Path, new_dso: NewDso) -> None:
    """An empty password is found when the directory has been begun; it is gone afterwards."""
    with pytest.raises(InputError, match="empty password"):
        create_dso(tmp_path / "dso", new_dso, "")
    assert not list(tmp_path.glob("dso*/"))


def test_profile_that_no_meter_could_play_makes_no_home(tmp_path: Path, invitation: Path) -> None:
    """It is told when the home is made, not when its meter starts; nothing is left behind."""
    new = NewHome(invitation=invitation, profile=invitation, work=WORK)
    with pytest.raises(InputError, match="needs a line of names"):
        create_home(tmp_path / "home", new, PASSWORD)
    assert not (tmp_path / "home").exists()


def test_directory_that_is_not_empty_is_left_as_it_is(tmp_path: Path, new_dso: NewDso, invitation: Path) -> None:
    """Neither a DSO nor a home is made where something lies."""
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "letter.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(InputError, match="is not empty"):
        create_dso(tmp_path / "full", new_dso, PASSWORD)
    with pytest.raises(InputError, match="is not empty"):
        create_home(tmp_path / "full", NewHome(invitation=invitation, work=WORK), PASSWORD)
    assert [path.name for path in (tmp_path / "full").iterdir()] == ["letter.txt"]


def test_dso_goes_on_with_the_nonces_of_its_deployment(tmp_path: Path, new_dso: NewDso) -> None:
    """The directory holds the DSO's own key, the deployment, prices of the scenario and the signed transaction."""
    config = create_dso(tmp_path / "dso", new_dso, PASSWORD)
    assert config == DsoConfig.load(tmp_path / "dso")
    assert (tmp_path / "dso").stat().st_mode & 0o777 == 0o700
    assert config.schedules()[0].local == 190_000_000
    assert read_deployment(config.path("deployment.json")) == DEPLOYMENT
    database = Database.open(config.database)
    assert TransactionStore(database).next_nonces([DSO]) == {DSO: 1}
    assert [one.intent_id for one in TransactionStore(database).pending()] == ["deploy"]
    settings = Settings(database).all()
    database.close()
    keys = Keystore.open(config.keys, PASSWORD)
    keys.close()
    assert (settings["account"], settings["curve_key"], settings["role"]) == (DSO, keys.curve[0].hex(), "dso")
    assert keys.identity == DSO


def test_seeds_of_services_differ(tmp_path: Path, invitation: Path) -> None:
    """Chance of one home says nothing about another's."""
    seeds = set()
    for name in ("one", "two"):
        create_home(tmp_path / name, NewHome(invitation=invitation, work=WORK), PASSWORD)
        for path in (tmp_path / name / "home.db", tmp_path / name / "meter" / "meter.db"):
            with sqlite3.connect(path) as database:
                seeds |= set(database.execute("SELECT value FROM settings WHERE key = 'seed'"))
            database.close()
    assert len(seeds) == 4


def test_home_comes_with_its_meter(tmp_path: Path, invitation: Path) -> None:
    """Both have keys of their own and know one another, and the meter's proof names home and meter."""
    create_home(tmp_path / "home", NewHome(invitation=invitation, work=WORK), PASSWORD)
    home, meter = HomeConfig.load(tmp_path / "home"), MeterConfig.load(tmp_path / "home" / "meter")
    keys = Keystore.open(home.keys, PASSWORD)
    keys.close()
    card = MeterCard.read(tmp_path / "home" / "meter-card.json")
    assert (meter.meter.home, meter.meter.home_key) == (keys.identity, keys.curve[0].hex())
    assert (home.meter.address, home.meter.curve_key) == (card.meter, card.curve_key)
    assert meter.meter.home_endpoint == f"tcp://127.0.0.1:{home.home.listen_port}"
    digest = meter_proof_digest(
        signature_domain(7, DEPLOYMENT.contract), keys.identity, card.meter, bytes.fromhex(card.curve_key)
    )
    assert recover(digest, bytes.fromhex(card.proof)) == card.meter


def test_home_behind_a_wall_reaches_the_dso_by_its_gateway_and_so_does_its_meter(
    tmp_path: Path, invitation: Path
) -> None:
    """Both files say so; an invitation without a gateway is refused, and nothing is left behind."""
    new = NewHome(invitation=invitation, https=True, work=WORK)
    with pytest.raises(InputError, match="names no gateway"):
        create_home(tmp_path / "home", new, PASSWORD)
    assert not (tmp_path / "home").exists()
    gateway = "https://dso.example:8443"
    document = json.loads(invitation.read_text(encoding="utf-8")) | {"gateway_url": gateway}
    invitation.write_text(json.dumps(document), encoding="utf-8")
    create_home(tmp_path / "home", new, PASSWORD)
    home, meter = HomeConfig.load(tmp_path / "home"), MeterConfig.load(tmp_path / "home" / "meter")
    assert (home.home.transport, home.home.gateway_url) == ("https", gateway)
    assert (meter.meter.transport, meter.meter.gateway_url) == ("https", gateway)


def test_meter_elsewhere_is_adopted_once(tmp_path: Path, invitation: Path) -> None:
    """A home without a meter has no whole file; its meter is made from its card, and adopted by the meter's."""
    create_home(tmp_path / "home", NewHome(invitation=invitation, has_meter=False, work=WORK), PASSWORD)
    with pytest.raises(InputError, match=r"\[meter\]: Field required"):
        HomeConfig.load(tmp_path / "home")
    profile = tmp_path / "day.csv"
    profile.write_text("timestep,produced_watts,consumed_watts\n0,1,2\n", encoding="utf-8")
    card = create_meter(
        tmp_path / "meter", tmp_path / "home" / "home-card.json", PASSWORD, profile=profile, work=WORK
    )
    create_home(tmp_path / "other", NewHome(invitation=invitation, profile=profile, work=WORK), PASSWORD)
    before = (tmp_path / "home" / "home.toml").read_bytes()
    with pytest.raises(InputError, match="another home's meter"):
        adopt_meter(tmp_path / "home", tmp_path / "other" / "meter" / "meter-card.json")
    assert (tmp_path / "home" / "home.toml").read_bytes() == before
    adopted = adopt_meter(tmp_path / "home", tmp_path / "meter" / "meter-card.json")
    assert adopted.meter.address == card.meter
    assert (tmp_path / "meter" / "profile.csv").read_text(encoding="utf-8") == profile.read_text(encoding="utf-8")
    with pytest.raises(InputError, match="has its meter already"):
        adopt_meter(tmp_path / "home", tmp_path / "meter" / "meter-card.json")


def test_profile_that_is_not_there_leaves_nothing(tmp_path: Path, invitation: Path) -> None:
    """A wrong path is told before anything stands."""
    with pytest.raises(InputError, match=r"nowhere\.csv: cannot be read"):
        create_home(
            tmp_path / "home",
            NewHome(invitation=invitation, profile=tmp_path / "nowhere.csv", work=WORK),
            PASSWORD,
        )
    assert not (tmp_path / "home").exists()
