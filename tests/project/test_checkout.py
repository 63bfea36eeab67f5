"""What the files of the checkout say about the machine and about one another."""

import re

from tests.project.sources import CHECKOUT, text_files


def test_assertions_are_on() -> None:
    """Assertions guard production too, so PETra never runs with `python -O`."""
    assert __debug__


def test_no_file_names_a_place_on_somebodys_machine() -> None:
    """No text holds an absolute path into a home or work folder."""
    place = re.compile(r"(?<![\w.:/])/(?:home|root|work|Users)/\w+/?")
    found = [
        f"{path.relative_to(CHECKOUT)}: {match[0]}"
        for path in text_files()
        for match in place.finditer(path.read_text(encoding="utf-8"))
    ]
    assert not found, "\n".join(found)


def test_quickstart_is_two_commands() -> None:
    """The README's first code block is all that a newcomer types: the demo and the tests."""
    readme = (CHECKOUT / "README.md").read_text(encoding="utf-8")
    block = re.search(r"^```\w*\n(.*?)^```", readme, re.MULTILINE | re.DOTALL)
    assert block
    assert [line.partition("#")[0].strip() for line in block[1].splitlines()] == ["make demo", "make test"]


def test_requirements_table_names_tests_that_exist() -> None:
    """Each test that the table of requirements names is in the file that it names."""
    table = (CHECKOUT / "docs" / "reference" / "requirements.md").read_text(encoding="utf-8")
    named = re.findall(r"((?:tests|contracts/test)/[\w/.-]+\.(?:py|sol))(?:::(\w+))?", table)
    missing = [
        f"{path}::{name}"
        for path, name in named
        if not (CHECKOUT / path).is_file() or name not in (CHECKOUT / path).read_text(encoding="utf-8")
    ]
    assert named
    assert not missing
