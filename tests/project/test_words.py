"""One word for one thing: words that never stand in an identifier."""

import ast
import re

from tests.project.sources import python_files

# Word, what we say.
FORBIDDEN = {
    "alias": "pseudonym",
    "burn": "deposit",
    "bus": "fabric, or node of a feeder",
    "participant": "prosumer",
    "peer": "prosumer",
    "redeem": "deposit",
    "slot": "timestep",
    "tick": "timestep",
    "wallet": "account, or keys",
}


def names(tree: ast.Module) -> set[str]:
    """Return the names that a module gives: functions, classes, arguments, variables, attributes, imports."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.arg):
            found.add(node.arg)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.add(node.id)
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            found.add(node.attr)
        elif isinstance(node, ast.alias) and node.asname:
            found.add(node.asname)
    return {name for name in found if not name.startswith("__")}


def words(identifier: str) -> set[str]:
    """Return the words of a snake_case or CamelCase identifier, in lower case and in the singular."""
    parts = re.findall(r"[A-Z]?[a-z]+|[A-Z]+", identifier)
    return {form for part in map(str.lower, parts) for form in (part, part.removesuffix("s"), part.removesuffix("es"))}


def test_no_forbidden_word_in_an_identifier() -> None:
    """Identifiers and file names use the glossary's words."""
    found = {
        f"{path}: {name}: say {FORBIDDEN[word]}"
        for path, _, tree in python_files("src", "scripts", "tests", "benchmarks", "examples")
        for name in {*names(tree), path.rpartition("/")[2]}
        for word in words(name) & FORBIDDEN.keys()
    }
    assert not found, "\n".join(sorted(found))
