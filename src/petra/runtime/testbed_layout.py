"""Where everything of a testbed lies, and which process has which keys.

Decides: the folders, and who counts as running: whoever holds the lock of a service's keys. It starts and ends nothing.
Invariant: no file with a process id is believed; the operating system says who holds a lock.
"""

import json
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from petra.errors import InputError, StoreError
from petra.runtime.config import KEYS_FOLDER
from petra.runtime.creation import METER_FOLDER

TESTBED_FILE, PASSWORD_FILE = "testbed.json", "password"
LOG_FILE = "service.log"
_FORMAT = 1
_LOOKS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A service's directory; `role` is dso, prosumer or meter."""

    role: str
    name: str
    directory: Path

    @property
    def log(self) -> Path:
        """What it says."""
        return self.directory / LOG_FILE


@dataclass(frozen=True, slots=True, kw_only=True)
class Testbed:
    """A microgrid on this machine.

    Attributes:
        scenario: whose homes, prices and terms it has.
        homes: their names, in order.
        network: directory of the `petra network` whose chain it uses; empty = a chain of its own.
        port: of the own chain; 0 = none.
        rpc: URLs of the chain's nodes.
        plays: whether the homes fall silent after the scenario's last timestep, instead of going on for ever.
    """

    __test__ = False  # pytest: this is no test, whatever its name

    directory: Path
    scenario: str
    homes: tuple[str, ...]
    timestep_seconds: int
    block_seconds: int
    network: str
    port: int
    rpc: tuple[str, ...]
    plays: bool = False

    @property
    def dso(self) -> Place:
        """The DSO."""
        return Place(role="dso", name="dso", directory=self.directory / "dso")

    def home(self, name: str) -> Place:
        """A home's agent."""
        return Place(role="prosumer", name=name, directory=self.directory / "homes" / name)

    def meter(self, name: str) -> Place:
        """A home's meter."""
        folder = self.directory / "homes" / name / METER_FOLDER
        return Place(role="meter", name=f"meter of {name}", directory=folder)

    @property
    def places(self) -> tuple[Place, ...]:
        """Every service: the DSO, the homes, the meters."""
        return (self.dso, *map(self.home, self.homes), *map(self.meter, self.homes))

    @property
    def deployment(self) -> Path:
        """The deployment file."""
        return self.directory / "deployment.json"

    @property
    def password(self) -> str:
        """What opens every keystore of this testbed; InputError where its file is gone."""
        try:
            return (self.directory / PASSWORD_FILE).read_text(encoding="utf-8").strip()
        except OSError as error:
            raise InputError(f"{self.directory / PASSWORD_FILE}: cannot be read: {error.strerror}") from error

    def save(self) -> None:
        """Write the testbed's file; StoreError where the disk refuses."""
        content = {"format": _FORMAT} | asdict(self)
        del content["directory"]
        try:
            (self.directory / TESTBED_FILE).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
        except OSError as error:
            raise StoreError(f"{self.directory / TESTBED_FILE}: cannot be written: {error.strerror}") from error


def read_testbed(directory: Path) -> Testbed:
    """Return the testbed of a directory; InputError where there is none."""
    path = directory.resolve() / TESTBED_FILE
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content.pop("format") != _FORMAT:
            raise ValueError("another format")
        lists: dict[str, Any] = {name: tuple(content.pop(name)) for name in ("homes", "rpc")}
        return Testbed(directory=path.parent, **lists, **content)
    except FileNotFoundError as error:
        raise InputError(f"{path}: there is no testbed; `petra testbed up` makes one") from error
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{path}: is no testbed's file: {error}") from error


def holder(place: Place) -> int | None:
    """Return the process that holds a service's keys, None where nobody does; nothing is locked meanwhile."""
    lock = place.directory / KEYS_FOLDER / "lock"
    try:
        inode = lock.stat().st_ino
    except OSError:
        return None
    if sys.platform != "linux":
        return _from_lsof(lock)
    # The kernel's list is read in pieces: while others lock and unlock, one look may miss an entry.
    return next((found for _ in range(_LOOKS) if (found := _from_proc(inode)) is not None), None)


def _from_proc(inode: int) -> int | None:
    """Return who holds the lock of a file: `1: FLOCK  ADVISORY  WRITE 4711 08:01:1234 0 EOF`."""
    for line in Path("/proc/locks").read_text(encoding="utf-8").splitlines():
        words = line.split()
        if words[1] == "FLOCK" and words[5].endswith(f":{inode}"):
            return int(words[4])
    return None


def _from_lsof(lock: Path) -> int | None:
    found = subprocess.run(["lsof", "-t", str(lock)], capture_output=True, text=True, check=False).stdout.split()
    return int(found[0]) if found else None
