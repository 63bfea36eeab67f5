"""How a service's directory comes into being: keys, database, configuration, deployment (`init`; docs/how-to).

Decides: what a new service is given. It starts nothing and asks no node.
Invariants: a directory appears whole, under its name, or not at all; keys and databases are never written over; a DSO
goes on with the nonces of the outbox that deployed its contract, so that none is signed twice.
"""

import contextlib
import secrets
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sql

from petra.data import feeder_to_json
from petra.domain.terms import Address
from petra.errors import InputError, PetraError, StoreError
from petra.grid import Feeder
from petra.network.deployment import Deployment, read_deployment, write_deployment
from petra.network.ports import choose_ports
from petra.network.secret_files import KeyFile
from petra.runtime.config import (
    DEPLOYMENT_FILE,
    INVITATION_FILE,
    KEYS_FOLDER,
    DsoConfig,
    HomeConfig,
    HomeSection,
    MeterConfig,
    MeterPartySection,
    MeterSection,
    PolicySection,
    PriceSection,
    WayToDso,
    to_toml,
)
from petra.runtime.feeders import FEEDER_FILE, feeder_book
from petra.runtime.invitation import HomeCard, Invitation, MeterCard
from petra.runtime.records import SEED
from petra.runtime.sensors import read_series
from petra.scenario.load import checked
from petra.scenario.schema import GridRules, Scenario
from petra.store.database import Database
from petra.store.keystore import WORK, Keystore
from petra.store.registry import Settings
from petra.store.tables import outbox, wanted
from petra.wire.envelope import meter_proof_digest, signature_domain
from petra.wire.secp256k1 import recover

OUTBOX_FILE = "dso-outbox.db"  # beside the deployment file: what `petra deploy` signed
METER_FOLDER, METER_CARD_FILE, HOME_CARD_FILE = "meter", "meter-card.json", "home-card.json"
PROFILE_FILE = "profile.csv"
CURVE_KEY, ACCOUNT, ROLE = "curve_key", "account", "role"  # settings that others read while the keys are in use


@dataclass(frozen=True, slots=True, kw_only=True)
class NewDso:
    """What a DSO is made of.

    Attributes:
        deployment: the deployment file; the outbox of `petra deploy` lies beside it.
        key: file of the DSO's key, 64 hexadecimal digits.
        scenario: whose prices and policy open its file.
        feeder: what withdrawals must keep safe, by the rule `feeder`; None = the scenario's other rule.
        unenrolled: what may be drawn and fed, in watts, where somebody is connected, but no member; for a feeder.
        host, public_host: see `FabricSection`. first_port: of a row; None = free ones.
        block_seconds: the chain's period.
    """

    deployment: Path
    key: Path
    scenario: Scenario
    feeder: Feeder | None = None
    unenrolled: tuple[int | None, int | None] = (None, None)
    database: str = ""
    host: str = "127.0.0.1"
    public_host: str = ""
    first_port: int | None = None
    block_seconds: int = 5
    work: int = WORK


@dataclass(frozen=True, slots=True, kw_only=True)
class NewHome:
    """What a home is made of.

    Attributes:
        invitation: the file that the DSO handed out.
        rpc: URLs of nodes; none = the deployment's.
        https: it reaches the DSO, and so does its meter, through the DSO's gateway.
        listen_port: where its meter reaches it; None = a free one.
        has_meter: its meter lives in the same directory; otherwise it is made elsewhere, and adopted.
        profile: a CSV file for its meter's simulated sensor.
    """

    invitation: Path
    rpc: tuple[str, ...] = ()
    https: bool = False
    listen_host: str = "127.0.0.1"
    listen_port: int | None = None
    has_meter: bool = True
    profile: Path | None = None
    work: int = WORK


def create_dso(directory: Path, new: NewDso, password: str) -> DsoConfig:
    """Make a DSO's directory.

    Raises:
        InputError: the deployment, the key, the prices or the database cannot be used; nothing is left behind.
        StoreError: the disk or the database refused.
    """
    deployment, secret = read_deployment(new.deployment), _dso_secret(new)
    signed = new.deployment.with_name(OUTBOX_FILE)
    if not signed.is_file():
        raise InputError(
            f"{signed}: is not there: it holds the nonces that `petra deploy` used; bring it beside the deployment file"
        )
    ports = choose_ports(3, new.first_port)
    values = {
        "dso": {"database": new.database, "block_seconds": new.block_seconds},
        "fabric": {
            "host": new.host,
            "public_host": new.public_host,
            "port": ports[0],
            "enrol_port": ports[1],
            "publish_port": ports[2],
        },
        "policy": _policy(new.scenario),
        "grid": _grid(new),
        "prices": _prices(new.scenario, deployment),
        "rule": new.scenario.dso.rule,
    }
    config = checked(DsoConfig, values, DsoConfig.FILE)
    with _new_directory(directory) as place:
        if new.feeder is not None:
            (place / FEEDER_FILE).write_text(feeder_to_json(new.feeder), encoding="utf-8")
            feeder_book(config.placed(place))
        keys = Keystore.create(place / KEYS_FOLDER, password, work=new.work, secret=secret)
        keys.close()
        write_deployment(deployment, place / DEPLOYMENT_FILE)
        _create_database(config.save(place).database, keys, "dso", signed)
    return config.placed(directory)


def create_home(directory: Path, new: NewHome, password: str) -> HomeCard:
    """Make a home's directory, and within it its meter's unless that is elsewhere; return the home as a meter sees it.

    A home whose meter is elsewhere lacks `[meter]` in its file until `adopt_meter`.

    Raises:
        InputError: the invitation or the profile cannot be used; nothing is left behind.
        StoreError: the disk refused.
    """
    invitation = Invitation.read(new.invitation)
    deployment = invitation.read_deployment(str(new.invitation))
    if invitation.dso != deployment.terms.dso:
        raise InputError(f"{new.invitation}: dso: is not the DSO of the deployment that it carries")
    if not new.has_meter and new.profile is not None:
        raise InputError("a profile belongs to a meter: give it to `petra meter init`")
    (port,) = choose_ports(1, new.listen_port)
    home = _home_section(invitation, new, port)
    with _new_directory(directory) as place:
        keys = Keystore.create(place / KEYS_FOLDER, password, work=new.work)
        keys.close()
        write_deployment(deployment, place / DEPLOYMENT_FILE)
        invitation.write(place / INVITATION_FILE)
        card = HomeCard(
            **home.model_dump(include=set(WayToDso.model_fields)),
            home=keys.identity,
            home_key=keys.curve[0].hex(),
            home_endpoint=f"tcp://{new.listen_host}:{port}",
            deployment=invitation.deployment,
        )
        card.write(place / HOME_CARD_FILE)
        _create_database(place / "home.db", keys, "prosumer")
        (place / HomeConfig.FILE).touch(mode=0o600)
        (place / HomeConfig.FILE).write_text(to_toml({"home": home}), encoding="utf-8")
        if new.has_meter:
            _fill_meter(place / METER_FOLDER, card, password, profile=new.profile, work=new.work)
            adopt_meter(place, place / METER_FOLDER / METER_CARD_FILE)
    return card


def create_meter(
    directory: Path, home_card: Path, password: str, *, profile: Path | None = None, work: int = WORK
) -> MeterCard:
    """Make the directory of a meter that lives apart from its home; return it as its home must know it.

    Raises:
        InputError: the card or the profile cannot be used; nothing is left behind.
        StoreError: the disk refused.
    """
    card = HomeCard.read(home_card)
    with _new_directory(directory) as place:
        return _fill_meter(place, card, password, profile=profile, work=work)


def adopt_meter(directory: Path, meter_card: Path) -> HomeConfig:
    """Put a meter into its home's file, and keep its card for the enrolment; InputError where there is one already."""
    card = MeterCard.read(meter_card)
    path = directory / HomeConfig.FILE
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}; `petra prosumer init` makes it") from error
    if (directory / METER_CARD_FILE).exists() or "[meter]" in text.splitlines():
        raise InputError(f"{path}: [meter]: the home has its meter already")
    _require_own(card, HomeCard.read(directory / HOME_CARD_FILE), meter_card)
    party = MeterPartySection(address=card.meter, curve_key=card.curve_key)
    card.write(directory / METER_CARD_FILE)
    try:
        path.write_text(text + "\n" + to_toml({"meter": party}).partition("\n\n")[2], encoding="utf-8")
    except OSError as error:
        raise StoreError(f"{path}: cannot be written: {error.strerror}") from error
    return HomeConfig.load(directory)


# ---- parts


def _fill_meter(place: Path, card: HomeCard, password: str, *, profile: Path | None, work: int) -> MeterCard:
    deployment = card.read_deployment()
    place.mkdir(mode=0o700, exist_ok=True)
    keys = Keystore.create(place / KEYS_FOLDER, password, work=work)
    keys.close()
    write_deployment(deployment, place / DEPLOYMENT_FILE)
    if profile is not None:
        read_series(profile, deployment.terms.timeline)
        try:
            shutil.copyfile(profile, place / PROFILE_FILE)
        except OSError as error:
            raise InputError(f"{profile}: cannot be read: {error.strerror}") from error
    told = card.model_dump(exclude={"petra", "deployment"})
    section = checked(MeterSection, told | {"profile": PROFILE_FILE}, MeterConfig.FILE)
    MeterConfig(meter=section).save(place)
    _create_database(place / "meter.db", keys, "meter")
    domain = signature_domain(deployment.chain_id, deployment.contract)
    curve_key = keys.curve[0]
    proof = keys.sign(keys.identity, meter_proof_digest(domain, Address(card.home), keys.identity, curve_key))
    made = MeterCard(meter=keys.identity, curve_key=curve_key.hex(), proof=proof.hex())
    made.write(place / METER_CARD_FILE)
    return made


def _require_own(card: MeterCard, home: HomeCard, path: Path) -> None:
    """Raise InputError unless the meter was made for this home: the DSO would refuse it, and the file would name it."""
    deployment = home.read_deployment()
    domain = signature_domain(deployment.chain_id, deployment.contract)
    digest = meter_proof_digest(domain, Address(home.home), Address(card.meter), bytes.fromhex(card.curve_key))
    try:
        is_own = recover(digest, bytes.fromhex(card.proof)) == card.meter
    except PetraError:
        is_own = False
    if not is_own:
        raise InputError(f"{path}: is the card of another home's meter: make one from this home's {HOME_CARD_FILE}")


def _dso_secret(new: NewDso) -> bytes:
    """Return the DSO's key; InputError where its file cannot be used or it is not the deployment's DSO."""
    found, named = KeyFile(new.key).address, read_deployment(new.deployment).terms.dso
    if found != named:
        raise InputError(f"{new.key}: is the key of {found}, but the deployment's DSO is {named}")
    return bytes.fromhex(new.key.read_text(encoding="utf-8").strip().removeprefix("0x"))


def _policy(scenario: Scenario) -> PolicySection:
    dso, grid = scenario.dso, scenario.grid
    return PolicySection(
        horizon_timesteps=max(1, dso.horizon_timesteps),
        deposit_window_seconds=dso.deposit_window_seconds,
        dispute_window_seconds=dso.dispute_window_seconds,
        tolerance_percent=dso.tolerance_percent,
        delay_seconds_max=dso.delay_seconds_max,
        import_limit_watts=grid.import_limit_watts,
        export_limit_watts=grid.export_limit_watts,
    )


def _grid(new: NewDso) -> dict[str, object]:
    """Return what keeps withdrawals within the grid; InputError where there is no feeder for a rule about one."""
    grid = new.scenario.grid
    values: dict[str, object] = {name: getattr(grid, name) for name in GridRules.model_fields}
    if new.feeder is None:
        if grid.rule == "feeder":
            raise InputError(f"{new.scenario.run.name}: its rule is about a feeder: name one by --feeder")
        return values
    if None in new.unenrolled:
        raise InputError(
            "--feeder needs --unenrolled-import-watts and --unenrolled-export-watts: what may be drawn and fed where "
            "somebody is connected who is no member; 0 where everybody will be one"
        )
    imported, exported = new.unenrolled
    feeder = {"rule": "feeder", "feeder": FEEDER_FILE}
    return values | feeder | {"unenrolled_import_watts": imported, "unenrolled_export_watts": exported}


def _prices(scenario: Scenario, deployment: Deployment) -> tuple[PriceSection, ...]:
    prices = tuple(PriceSection(**schedule.model_dump()) for schedule in scenario.prices.schedule)
    if too_high := [one for one in prices if one.schedule().local > deployment.terms.max_price]:
        raise InputError(
            f"local_ct_per_kwh {too_high[0].local_ct_per_kwh}: is above the contract's highest price; "
            "choose another --scenario"
        )
    return prices


def _home_section(invitation: Invitation, new: NewHome, port: int) -> HomeSection:
    told = invitation.model_dump(exclude={"petra", "deployment", "token", "expires"})
    if new.https and not invitation.gateway_url:
        raise InputError(f"{new.invitation}: names no gateway: ask for an invitation when the DSO has a gateway_port")
    transport = "https" if new.https else "zmq"
    own = {"rpc": new.rpc, "listen_host": new.listen_host, "listen_port": port, "transport": transport}
    return checked(HomeSection, told | own, HomeConfig.FILE)


def _create_database(url: str | Path, keys: Keystore, role: str, signed: Path | None = None) -> None:
    database = Database.open(url, create=True)
    try:
        settings = Settings(database)
        if settings.get(SEED) is not None:
            raise InputError(f"{database.name}: holds a service already; name another database")
        values = {
            SEED: secrets.token_hex(16),
            ROLE: role,
            ACCOUNT: keys.identity,
            CURVE_KEY: keys.curve[0].hex(),
        }
        with database.transaction() as connection:
            for key, value in values.items():
                settings.put(connection, key, value)
            if signed is not None and (rows := _signed_before(signed, keys.identity)):
                connection.execute(outbox.insert(), rows)
    finally:
        database.close()


def _signed_before(path: Path, sender: Address) -> list[dict[str, object]]:
    """Return what the outbox of `petra deploy` holds of the DSO's transactions, in order."""
    earlier = Database.alone(path, [wanted, outbox])
    try:
        columns = [column for column in outbox.columns if column.name != "position"]
        query = sql.select(*columns).where(outbox.c.sender == sender).order_by(outbox.c.position)
        return [dict(row._mapping) for row in earlier.read(query)]
    finally:
        earlier.close()


@contextlib.contextmanager
def _new_directory(directory: Path) -> Iterator[Path]:
    """Give a directory, mode 0700, that takes its name when all is there, and disappears where anything fails."""
    directory = directory.resolve()
    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        raise InputError(f"{directory}: is not empty; a service is made once, in a directory of its own")
    partial = directory.with_name(f"{directory.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        partial.mkdir(mode=0o700, parents=True)
        yield partial
        with contextlib.suppress(FileNotFoundError):
            directory.rmdir()
        partial.rename(directory)
    except OSError as error:
        shutil.rmtree(partial, ignore_errors=True)
        raise StoreError(f"{directory}: cannot be made: {error.strerror}") from error
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
