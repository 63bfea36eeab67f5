"""Every command helps itself and is in the manual."""

from collections.abc import Iterator
from typing import Any

import typer

from petra.cli.main import app
from tests.project.sources import CHECKOUT


def commands(command: Any, name: str) -> Iterator[tuple[str, Any]]:
    """Yield each command that does something, by the words that call it."""
    within = getattr(command, "commands", {})
    for word, inner in within.items():
        yield from commands(inner, f"{name} {word}")
    if not within:
        yield name, command


COMMANDS = dict(commands(typer.main.get_command(app), "petra"))


def test_every_command_and_option_has_help() -> None:
    """`--help` says what a command does and what each option means."""
    silent = [name for name, command in COMMANDS.items() if not command.help]
    silent += [
        f"{name} {parameter.name}"
        for name, command in COMMANDS.items()
        for parameter in command.params
        if not getattr(parameter, "help", None)
    ]
    assert COMMANDS
    assert not silent


def test_every_command_is_in_the_manual() -> None:
    """docs/reference/cli.md has a heading for each command, and names each of its options."""
    manual = (CHECKOUT / "docs" / "reference" / "cli.md").read_text(encoding="utf-8")
    headings = {line.lstrip("#").strip().strip("`") for line in manual.splitlines() if line.startswith("#")}
    options = {option for command in COMMANDS.values() for parameter in command.params for option in parameter.opts}
    assert not COMMANDS.keys() - headings
    assert not {option for option in options if option.startswith("--") and option not in manual}
