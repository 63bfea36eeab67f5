"""The directories of a DSO, a home and its meter, made quickly, and the command line in this process."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from typer.testing import CliRunner, Result

from petra.cli.main import app
from petra.domain.terms import Terms
from petra.network.deployment import Deployment, write_deployment
from petra.network.secret_files import write_secret
from petra.runtime.creation import NewDso, NewHome, create_dso, create_home
from petra.scenario import load_scenario
from petra.store.outbox import SqlOutbox
from petra.wire.secp256k1 import SecretKey

PASSWORD, WORK = "correct horse battery", 2  # scrypt's cost is what the tests need least
DSO_SECRET = bytes(31) + b"\7"
DSO = SecretKey(DSO_SECRET).address
NOWHERE = "http://127.0.0.1:9"  # nobody listens at the port for discarding
ENROL = ("--firm-import-watts", "14500", "--production-capacity-watts", "9000", "--opening-balance-eur", "20")


@dataclass(frozen=True, slots=True, kw_only=True)
class Microgrid:
    """Where everything lies."""

    place: Path
    dso: Path
    home: Path

    @property
    def meter(self) -> Path:
        """The meter's directory."""
        return self.home / "meter"


def petra(*arguments: str | Path, password: str | None = PASSWORD) -> Result:
    """Run a command to its end, without a terminal."""
    return CliRunner().invoke(app, [str(one) for one in arguments], env={"PETRA_PASSWORD": password})


def make_microgrid(place: Path) -> Microgrid:
    """Make a DSO whose contract stands on no chain, and a home that it has invited."""
    write_deployment(
        Deployment(
            chain_id=7,
            genesis_hash=bytes(32),
            contract=DSO,
            code_hash=bytes(32),
            deployed_block=3,
            terms=Terms(dso=DSO, genesis=1_000, timestep_seconds=900, gate=0, max_length=96, max_price=10**10),
            rpc=(NOWHERE,),
        ),
        place / "deployment.json",
    )
    write_secret(place / "dso.key", DSO_SECRET.hex())
    SqlOutbox(place / "dso-outbox.db").close()
    create_dso(place / "dso", new_dso(place), PASSWORD)
    invited = petra("dso", "enrol", "home 1", *ENROL, "--dir", place / "dso", "--out", place / "home-1.json")
    assert invited.exit_code == 0, invited.output
    (place / "day.csv").write_text("timestep,produced_watts,consumed_watts\n0,3000,500\n", encoding="utf-8")
    create_home(
        place / "home",
        NewHome(invitation=place / "home-1.json", profile=place / "day.csv", work=WORK),
        PASSWORD,
    )
    return Microgrid(place=place, dso=place / "dso", home=place / "home")


def new_dso(place: Path) -> NewDso:
    """Return what the DSO is made of."""
    scenario = load_scenario("case-study")
    return NewDso(deployment=place / "deployment.json", key=place / "dso.key", scenario=scenario, work=WORK)


def snapshot(directory: Path) -> dict[str, str]:
    """Return what a user would call the content of a directory: files and their hashes, without locks and SQLite's."""
    return {
        str(path.relative_to(directory)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(directory.rglob("*"))
        if path.is_file() and path.name != "lock" and not path.name.endswith(("-wal", "-shm"))
    }


def token_of(invitation: Path) -> str:
    """Return the one-time token of an invitation."""
    return str(json.loads(invitation.read_text(encoding="utf-8"))["token"])


