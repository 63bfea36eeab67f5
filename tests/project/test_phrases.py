"""Phrases that do not belong here, each with what to write in its place."""

import re

from tests.project.sources import python_files

CLI = ("src/petra/cli/",)
FOLDERS = ("chain", "fabric", "network", "runtime", "store")
DRIVERS = (*CLI, "src/petra/processes.py", *(f"src/petra/{name}/" for name in FOLDERS))
# Phrase, what to write in its place, where it is allowed all the same.
BANNED: list[tuple[str, str, tuple[str, ...]]] = [
    (r"\btime\.(time|time_ns|sleep)\b", "take `now: Timestep` as an argument", DRIVERS),
    (r"\bdatetime\.(now|utcnow|today)\b|\bdate\.today\b", "take `now: Timestep` as an argument", DRIVERS),
    (r"(?<![\w.])random\.(?!Random\b)[a-z]\w*\(", "take `rng: Random` as an argument", ()),
    (r"\b(np|numpy)\.random\.(?!default_rng|Generator)", "take a generator as an argument", ()),
    (r"(?<![\w.])print\(", "return the value, or write it to the journal; only the command line prints", CLI),
    (r"\bpickle\b|\bmarshal\b|\bshelve\b", "use a typed, versioned, size-limited format", ()),
    (r"\b(TODO|FIXME|XXX|HACK)\b", "do it, or open an issue", ()),
    (r"^\s*from \S+ import \*", "name what you import", ()),
    (r"\bassert False\b", "raise AssertionError with a sentence", ()),
    (r"^\s*except\s*:", "name the exception", ()),
]


def test_no_banned_phrase() -> None:
    """The package holds none of the phrases of the table above."""
    found = [
        f"{path}:{number}: {line.strip()!r}: {instead}"
        for path, text, _ in python_files("src")
        for number, line in enumerate(text.splitlines(), start=1)
        for phrase, instead, allowed in BANNED
        if re.search(phrase, line) and not path.startswith(allowed)
    ]
    assert not found, "\n".join(found)
