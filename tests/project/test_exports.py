"""A package's public names are those that it lists."""

import ast

from tests.project.sources import python_files


def listed(tree: ast.Module) -> list[str] | None:
    """Return the module's `__all__`, None where it has none."""
    for node in tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return [str(name) for name in ast.literal_eval(node.value)]
    return None


def public_names(tree: ast.Module) -> set[str]:
    """Return what a module defines or imports by name at its top level, without what starts with an underscore."""
    found: set[str] = set()
    for node in tree.body:
        if isinstance(node, ast.ImportFrom):
            found |= {name.asname or name.name for name in node.names}
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.add(node.name)
    return {name for name in found if not name.startswith("_")}


def test_package_lists_its_public_names() -> None:
    """Every `__init__.py` that hands names on lists exactly those; their order is ruff's business (RUF022)."""
    wrong = {}
    for path, _, tree in python_files("src"):
        if path.endswith("__init__.py") and public_names(tree) != set(names := listed(tree) or []):
            wrong[path] = public_names(tree) ^ set(names)
    assert not wrong


def test_no_name_is_listed_twice() -> None:
    """A name stands once in `__all__`."""
    lists = {path: listed(tree) or [] for path, _, tree in python_files("src")}
    assert not {path for path, names in lists.items() if len(names) != len(set(names))}
