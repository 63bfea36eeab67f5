"""A service's keys: who may open them, and that no secret is left in the clear."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from petra.domain.terms import NO_ADDRESS
from petra.errors import InputError, StoreError
from petra.store.database import Database
from petra.store.keystore import Keystore
from petra.store.tables import pseudonyms
from petra.wire.secp256k1 import recover

PASSWORD, WORK = "correct horse", 2  # scrypt's cost is what the tests need least
DIGEST = bytes(range(32))


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """A directory with keys in it that nobody has open."""
    Keystore.create(tmp_path / "keys", PASSWORD, work=WORK).close()
    return tmp_path / "keys"


@pytest.fixture
def keys(directory: Path) -> Iterator[Keystore]:
    """Keys that are open."""
    opened = Keystore.open(directory, PASSWORD)
    yield opened
    opened.close()


@pytest.fixture
def database() -> Iterator[Database]:
    """A database with pseudonyms only."""
    made = Database.alone(None, [pseudonyms])
    yield made
    made.close()


@pytest.mark.parametrize("password", ["", "wrong", PASSWORD + " "])
def test_a_wrong_password_opens_nothing(directory: Path, password: str) -> None:
    """One clear message; the right one opens afterwards."""
    with pytest.raises(InputError, match=r"identity\.json: the password is wrong"):
        Keystore.open(directory, password)
    Keystore.open(directory, PASSWORD).close()


def test_an_empty_password_protects_nothing(tmp_path: Path) -> None:
    """Nothing is made."""
    with pytest.raises(InputError, match="empty password"):
        Keystore.create(tmp_path / "keys", "")
    assert list(tmp_path.iterdir()) == []


def test_where_there_are_no_keys_none_are_opened(tmp_path: Path) -> None:
    """The message says how to make some."""
    with pytest.raises(InputError, match="`init` makes one"):
        Keystore.open(tmp_path, PASSWORD)


def test_an_identity_is_never_written_over(directory: Path) -> None:
    """Whoever loses it loses an account."""
    before = (directory / "identity.json").read_bytes()
    with pytest.raises(InputError, match="identity already"):
        Keystore.create(directory, PASSWORD, work=WORK)
    assert (directory / "identity.json").read_bytes() == before


@pytest.mark.parametrize(("name", "mode"), [("", 0o755), ("identity.json", 0o640), ("curve.json", 0o604)])
def test_keys_that_others_may_read_are_refused(directory: Path, name: str, mode: int) -> None:
    """They may be theirs by now; the message says what to do."""
    (directory / name).chmod(mode)
    with pytest.raises(InputError, match="chmod"):
        Keystore.open(directory, PASSWORD)


@pytest.mark.parametrize("name", ["identity.json", "curve.json"])
@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.write_text("", encoding="utf-8"),
        lambda path: path.write_text("[]", encoding="utf-8"),
        lambda path: path.write_text("{}", encoding="utf-8"),
        lambda path: path.write_text('{"version":9,"sealed":"00"}', encoding="utf-8"),
        lambda path: path.write_text('{"version":3,"crypto":7,"sealed":7}', encoding="utf-8"),
    ],
    ids=["empty", "list", "fields", "version", "types"],
)
def test_a_damaged_file_is_refused_by_name(directory: Path, name: str, damage: Callable[[Path], object]) -> None:
    """One clear message, whatever stands in it."""
    damage(directory / name)
    with pytest.raises((InputError, StoreError), match=name.replace(".", r"\.")):
        Keystore.open(directory, PASSWORD)


def test_an_identity_that_names_another_address_is_refused(directory: Path) -> None:
    """Somebody mixed files up."""
    path = directory / "identity.json"
    document = json.loads(path.read_text(encoding="utf-8"))
    document["address"] = "00" * 20
    path.write_text(json.dumps(document), encoding="utf-8")
    with pytest.raises(InputError, match="another address"):
        Keystore.open(directory, PASSWORD)


def test_another_identity_s_fabric_key_is_refused(directory: Path, tmp_path: Path) -> None:
    """The two belong together."""
    Keystore.create(tmp_path / "others", PASSWORD, work=WORK).close()
    (directory / "curve.json").write_bytes((tmp_path / "others" / "curve.json").read_bytes())
    with pytest.raises(StoreError, match=r"curve\.json was kept under another identity"):
        Keystore.open(directory, PASSWORD)


def test_one_process_at_a_time_has_the_keys(directory: Path, keys: Keystore) -> None:
    """The second one gets one clear message before it is asked for anything that costs; the end of the first frees."""
    for attempt in (Keystore.open, Keystore.create):
        with pytest.raises(InputError, match="another process uses these keys"):
            attempt(directory, PASSWORD)
    keys.close()
    keys.close()
    Keystore.open(directory, PASSWORD).close()


@pytest.mark.slow
def test_a_process_that_was_killed_leaves_no_lock(directory: Path) -> None:
    """Nor does a child that outlives it hold one."""
    code = (
        "import os, subprocess, sys\nfrom pathlib import Path\nfrom petra.store.keystore import Keystore\n"
        f"keys = Keystore.open(Path(sys.argv[1]), {PASSWORD!r})\n"
        "child = subprocess.Popen(['sleep', '20'], stdout=-3, stderr=-3)\n"
        "print(child.pid, flush=True)\nos.kill(os.getpid(), 9)"
    )
    killed = subprocess.run([sys.executable, "-c", code, str(directory)], capture_output=True, check=False, timeout=60)
    assert killed.returncode == -9
    try:
        Keystore.open(directory, PASSWORD).close()
    finally:
        subprocess.run(["kill", killed.stdout.decode().strip()], check=True)


def test_the_keys_are_the_same_after_opening_again(tmp_path: Path) -> None:
    """Identity and key of the fabric; the identity signs."""
    made = Keystore.create(tmp_path / "keys", PASSWORD, work=WORK)
    before = (made.identity, made.public_key, made.curve)
    made.close()
    opened = Keystore.open(tmp_path / "keys", PASSWORD)
    assert (opened.identity, opened.public_key, opened.curve) == before
    assert recover(DIGEST, opened.sign(opened.identity, DIGEST)) == opened.identity
    opened.close()


def test_what_a_killed_creation_left_is_made_anew(tmp_path: Path) -> None:
    """Without an identity there is nothing yet that could be lost."""
    directory = tmp_path / "keys"
    directory.mkdir(mode=0o700)
    for left in ("curve.json", "curve.json.partial", "identity.json.partial"):
        (directory / left).write_text("{", encoding="utf-8")
    Keystore.create(directory, PASSWORD, work=WORK).close()
    Keystore.open(directory, PASSWORD).close()


def test_files_are_for_their_owner_only(directory: Path) -> None:
    """And the directory too."""
    assert directory.stat().st_mode & 0o777 == 0o700
    assert {path.name: path.stat().st_mode & 0o777 for path in directory.iterdir()} == {
        "identity.json": 0o600,
        "curve.json": 0o600,
        "lock": 0o600,
    }


def test_a_kept_pseudonym_signs_after_a_restart(directory: Path, keys: Keystore, database: Database) -> None:
    """It is kept once, in the transaction that it is kept in; one that was not kept is gone."""
    first, second, lost = made = [keys.new("ana") for _ in range(3)]
    fresh = [keys.fresh]
    with database.transaction() as connection:
        keys.keep(connection, [first, second])
        keys.keep(connection, [first, keys.identity])
    fresh.append(keys.fresh)
    assert fresh == [tuple(made), (lost,)]
    signatures = [keys.sign(address, DIGEST) for address in (first, second)]
    keys.close()
    again = Keystore.open(directory, PASSWORD)
    assert again.load(database) == (first, second)
    assert [again.sign(address, DIGEST) for address in (first, second)] == signatures
    with pytest.raises(StoreError, match=lost):
        again.sign(lost, DIGEST)
    again.close()


def test_pseudonyms_of_another_identity_are_refused(keys: Keystore, database: Database, tmp_path: Path) -> None:
    """A database and a keystore that do not belong together are found out at the start."""
    with database.transaction() as connection:
        keys.keep(connection, [keys.new("ana")])
    other = Keystore.create(tmp_path / "others", PASSWORD, work=WORK)
    with pytest.raises(StoreError, match="another identity"):
        other.load(database)
    other.close()


def test_a_key_under_another_s_address_is_refused(directory: Path, keys: Keystore, database: Database) -> None:
    """Rows that were exchanged sign nothing."""
    first, second = keys.new("ana"), keys.new("ana")
    with database.transaction() as connection:
        keys.keep(connection, [first, second])
        connection.exec_driver_sql("UPDATE pseudonyms SET sealed = (SELECT sealed FROM pseudonyms WHERE position = 2)")
    keys.close()
    again = Keystore.open(directory, PASSWORD)
    again.load(database)
    with pytest.raises(StoreError, match="altered"):
        again.sign(first, DIGEST)
    again.close()


def test_a_key_that_is_not_here_does_not_sign(keys: Keystore) -> None:
    """The message names the address."""
    with pytest.raises(StoreError, match=NO_ADDRESS):
        keys.sign(NO_ADDRESS, DIGEST)


def test_no_secret_is_shown(keys: Keystore) -> None:
    """What a log may hold of the keys is the identity's address."""
    assert repr(keys) == f"Keystore(identity={keys.identity})"


def test_no_secret_is_on_disk_in_the_clear(directory: Path, keys: Keystore) -> None:
    """Neither as bytes nor as text."""
    secret = keys.curve[1]
    for path in directory.iterdir():
        held = path.read_bytes()
        assert secret not in held and secret.hex().encode() not in held


def test_opening_keys_leaves_python_its_limit_of_nested_calls(directory: Path) -> None:
    """Beyond it, brackets that somebody nests in JSON overflow the stack of the process that holds the keys."""
    code = (
        "import json, sys; from pathlib import Path; from petra.store.keystore import Keystore\n"
        f"Keystore.open(Path({str(directory)!r}), {PASSWORD!r}).close()\n"
        "try: json.loads('[' * 100_000)\n"
        "except RecursionError: print('refused')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "refused\n"), done.stderr
