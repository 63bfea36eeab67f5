"""What manuals and service files tell to run can be run: each `petra` command is one, with options that it has."""

import re
import shlex
from collections.abc import Iterator

import pytest
import typer

from petra.cli.main import app
from tests.project.sources import CHECKOUT
from tests.project.test_cli import commands

OPTIONS = {
    name.removeprefix("petra "): {option for one in command.params for option in one.opts if option.startswith("-")}
    for name, command in commands(typer.main.get_command(app), "petra")
}
PLACES = (*sorted(CHECKOUT.glob("docs/how-to/*.md")), *sorted(CHECKOUT.glob("deploy/*/*")), CHECKOUT / "README.md")


def told(text: str) -> Iterator[str]:
    """Yield each line of code that calls petra, as one line, without the call itself."""
    joined = text.replace("\\\n", " ")
    called = re.findall(r"^\s*(?:ExecStart=\S*/)?petra (.+)$", joined, re.MULTILINE)
    yield from (line.partition(" #")[0] for line in [*called, *re.findall(r"`petra ([^`]+)`", joined)])


def problem_of(line: str) -> str | None:
    """Return what is wrong with a command, None where it can be run."""
    words = shlex.split(line)
    name = next((" ".join(words[:count]) for count in (2, 1) if " ".join(words[:count]) in OPTIONS), None)
    if name is None:
        is_group = len(words) == 1 and any(known.startswith(f"{words[0]} ") for known in OPTIONS)
        return None if is_group else "no such command"
    unknown = {word.partition("=")[0] for word in words if word.startswith("--")} - OPTIONS[name] - {"--help"}
    return f"no such options: {unknown}" if unknown else None


@pytest.mark.parametrize("line", ["dso start", "dso run --directory dso", "simulatte"])
def test_wrong_command_is_found(line: str) -> None:
    """The search below would find a command that is none, and an option that it does not have."""
    assert problem_of(line) is not None


def test_commands_in_manuals_and_service_files_exist() -> None:
    """Every command in docs/how-to, deploy and the README is known, and has the options that are shown."""
    lines = [(path, line) for path in PLACES for line in told(path.read_text(encoding="utf-8"))]
    wrong = [
        f"{path.relative_to(CHECKOUT)}: petra {line}: {problem}"
        for path, line in lines
        if (problem := problem_of(line)) is not None
    ]
    assert len(lines) > 40
    assert not wrong, "\n".join(wrong)
