"""The lock files serve behind any package index."""

import json
import re
import tomllib

from tests.project.sources import CHECKOUT

PYTHON_LOCKS = sorted(CHECKOUT.glob("requirements*.txt"))
PROJECT = tomllib.loads((CHECKOUT / "pyproject.toml").read_text(encoding="utf-8"))


def pins(name: str) -> set[str]:
    """Return the locked versions of a file, such as `rich==15.0.0`."""
    return set(re.findall(r"^[a-z][\w.-]*==[\w.]+", (CHECKOUT / name).read_text(encoding="utf-8"), re.MULTILINE))


def test_no_lock_file_names_a_host() -> None:
    """No address stands in a lock file, so a mirror serves as well as the index that it was written with."""
    for lock in [*PYTHON_LOCKS, CHECKOUT / "package-lock.json"]:
        assert not re.search(r'://|--(extra-)?index|--find-links|"resolved"', lock.read_text(encoding="utf-8")), lock


def test_every_python_package_is_locked_by_hash() -> None:
    """Each pinned version is followed by at least one hash."""
    for lock in PYTHON_LOCKS:
        blocks = re.split(r"^(?=[a-z])", lock.read_text(encoding="utf-8"), flags=re.MULTILINE)
        assert all("--hash=sha256:" in block for block in blocks[1:]), lock
        assert len(blocks) > 1, lock


def test_development_uses_the_same_versions_as_use() -> None:
    """What users run is what the tests ran with."""
    assert pins("requirements.txt") < pins("requirements-dev.txt")


def test_every_declared_dependency_is_locked() -> None:
    """Nobody changed pyproject.toml or package.json without `make lock`."""
    locked = {pin.partition("==")[0] for pin in pins("requirements-dev.txt")}
    declared = PROJECT["project"]["dependencies"] + PROJECT["dependency-groups"]["dev"]
    assert {re.match(r"[\w-]+", name)[0] for name in declared} <= locked  # type: ignore[index]
    npm, npm_lock = (
        json.loads((CHECKOUT / name).read_text(encoding="utf-8")) for name in ("package.json", "package-lock.json")
    )
    assert npm_lock["packages"][""]["devDependencies"] == npm["devDependencies"]
