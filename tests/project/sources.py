"""The files of this checkout, for the tests that read them."""

import ast
import os
from collections.abc import Iterator
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
TEXT_SUFFIXES = {"", *".css .html .js .json .md .mjs .py .sh .sol .toml .txt .yaml .yml".split()}
MADE = {*".git .hypothesis .petra .tools .venv __pycache__ build cache dist node_modules out runs".split()}


def text_files(*folders: str) -> Iterator[Path]:
    """Yield the text files under the folders, or of the whole checkout, without what tools make here."""
    for root in [CHECKOUT / folder for folder in folders] or [CHECKOUT]:
        for folder, within, names in os.walk(root):
            within[:] = sorted(name for name in within if name not in MADE and not name.endswith("_cache"))
            yield from (Path(folder, name) for name in sorted(names) if Path(name).suffix in TEXT_SUFFIXES)


def python_files(*folders: str) -> list[tuple[str, str, ast.Module]]:
    """Return path, text and syntax tree of every Python file under the folders."""
    files = [path for path in text_files(*folders) if path.suffix == ".py"]
    texts = [(path, path.read_text(encoding="utf-8")) for path in files]
    return [(path.relative_to(CHECKOUT).as_posix(), text, ast.parse(text)) for path, text in texts]
