"""Everything can be read at one sitting."""

import ast

from tests.project.sources import python_files

FUNCTION_LINES_MAX = 70
MODULE_LINES_MAX = 500
CODE = ("src", "scripts", "benchmarks", "examples")


def test_every_function_fits_on_a_screen() -> None:
    """No function is longer than 70 lines, its docstring included."""
    functions = [
        (path, node)
        for path, _, tree in python_files(*CODE)
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    long = [
        f"{path}:{node.lineno} {node.name} has {node.end_lineno - node.lineno + 1} lines: part it"
        for path, node in functions
        if node.end_lineno is not None and node.end_lineno - node.lineno >= FUNCTION_LINES_MAX
    ]
    assert functions
    assert not long, "\n".join(long)


def test_every_module_is_short() -> None:
    """No module is longer than 500 lines; most should have 150 to 250."""
    sizes = {path: len(text.splitlines()) for path, text, _ in python_files(*CODE)}
    long = {path: lines for path, lines in sizes.items() if lines > MODULE_LINES_MAX}
    assert sizes
    assert not long
