"""Write all lock files again from pyproject.toml and package.json: `make lock`.

A lock file must serve behind any package index, so it holds versions and hashes but no address. What the index at
hand does not carry (a mirror may lack the binaries of other platforms) is listed without a hash rather than left out:
npm would otherwise never install it, and say nothing.
"""

import json
import shutil
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

CHECKOUT = Path(__file__).resolve().parents[1]
UV_COMPILE = [
    *("uv", "pip", "compile", "--quiet", "--upgrade", "--universal", "--python-version", "3.11"),
    *("--generate-hashes", "--no-emit-index-url", "--no-header"),
]
# Written in this order: development pins the same versions as use does.
PYTHON_LOCKS = {
    "requirements.txt": ["pyproject.toml"],
    "requirements-dev.txt": ["pyproject.toml", "--group", "dev", "--constraint", "requirements.txt"],
    "requirements-build.txt": ["--group", "build"],
    "requirements-node.txt": ["--group", "node"],
    "requirements-go.txt": ["--group", "go"],
}
# npm's names of operating systems and processors, for the words in which Foundry names its packages.
OPERATING_SYSTEMS = {"darwin": "darwin", "linux": "linux", "win32": "win32"}
PROCESSORS = {"amd64": "x64", "arm64": "arm64"}


def complete(packages: dict[str, Any]) -> dict[str, Any]:
    """Return npm's locked packages without addresses and with the binaries of every platform."""
    for package in packages.values():
        package.pop("funding", None)
        package.pop("resolved", None)
    missing: dict[str, Any] = {}
    for package in packages.values():
        for name, version in package.get("optionalDependencies", {}).items():
            if f"node_modules/{name}" not in packages:
                system, processor = name.split("-")[-2:]
                missing[f"node_modules/{name}"] = {
                    "version": version,
                    "cpu": [PROCESSORS[processor]],
                    "dev": True,
                    "optional": True,
                    "os": [OPERATING_SYSTEMS[system]],
                }
    return dict(sorted((packages | missing).items()))


def main() -> None:
    """Write every lock file."""
    for lock, sources in PYTHON_LOCKS.items():
        subprocess.run([*UV_COMPILE, *sources, "--output-file", lock], cwd=CHECKOUT, check=True)
    # In an empty folder: beside installed packages npm copies what it finds there, without the hashes.
    with TemporaryDirectory() as folder:
        for name in ("package.json", ".npmrc"):
            shutil.copy(CHECKOUT / name, folder)
        subprocess.run(["npm", "install", "--package-lock-only"], cwd=folder, check=True)
        content = json.loads((Path(folder) / "package-lock.json").read_text(encoding="utf-8"))
    content["packages"] = complete(content["packages"])
    (CHECKOUT / "package-lock.json").write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
