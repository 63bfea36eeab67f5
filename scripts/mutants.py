"""The small faults that mutate_contract.py plants: where they can stand in a Solidity file, and their ids.

Knows the text only, line by line: the compiler sorts out what is no program. Comments, declarations of types and
signatures are left alone.
"""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256

Edit = tuple[str, str]  # kind, new line

REPLACEMENTS = [
    ("boundary", " < ", " <= "),
    ("boundary", " <= ", " < "),
    ("boundary", " > ", " >= "),
    ("boundary", " >= ", " > "),
    ("comparison", " == ", " != "),
    ("comparison", " != ", " == "),
    ("arithmetic", " + ", " - "),
    ("arithmetic", " - ", " + "),
    ("arithmetic", " * ", " / "),
    ("arithmetic", " / ", " * "),
    ("arithmetic", " += ", " -= "),
    ("arithmetic", " -= ", " += "),
    ("arithmetic", "++_", "--_"),
    ("logic", " && ", " || "),
    ("logic", " || ", " && "),
    ("logic", "(!", "("),
    ("logic", "= !", "= "),
    ("logic", "&& !", "&& "),
    ("constant", "true", "false"),
    ("constant", "false", "true"),
    ("function", "min(", "max("),
    ("function", "max(", "min("),
    ("function", "RoundedUp(", "RoundedDown("),
    ("function", "RoundedDown(", "RoundedUp("),
    ("name", "start", "end"),
    ("name", "end", "start"),
    ("name", "firstOwner", "secondOwner"),
    ("name", "secondOwner", "firstOwner"),
    ("name", "offered.", "provided."),
    ("name", "provided.", "offered."),
    ("name", "bid.", "ask."),
    ("name", "ask.", "bid."),
]
NUMBER = re.compile(r"(?<![\w.])(\d[\d_]*)(?![\w.])")
CALL = re.compile(r"\b\w+\(([^()]*,[^()]*)\)")
CHOICE = re.compile(r"([^=(,?]+) \? ([^:?]+) : ((?:[^:?;,()]|\([^()]*\))+)")
DECLARATION = re.compile(r"(Asset|Offer|Part|Split|PeriodPrice|u?int\d*|bool|address)\b.*=")


@dataclass(frozen=True)
class Mutant:
    """One fault.

    Attributes:
        id: a digest of the function, the line's text, and what is changed in it.
        line: its number.
        text: the whole file with the fault.
    """

    id: str
    file: str
    function: str
    kind: str
    line: int
    before: str
    after: str
    text: str

    def __str__(self) -> str:
        """Return it on one line."""
        place = f"{self.id} {self.file}:{self.line} {self.function}"
        return f"{place} {self.kind}: {self.before} -> {self.after or '(nothing)'}"


def mutants_of(file: str, text: str) -> Iterator[Mutant]:
    """Yield every fault that can be planted in a file, in the order of its lines."""
    lines = text.split("\n")
    seen: Counter[str] = Counter()
    for number, function in _lines_of_functions(lines):
        line = lines[number]
        for kind, changed in _edits(line):
            name = f"{file}|{function}|{kind}|{line.strip()}|{changed.strip()}"
            seen[name] += 1
            digest = sha256(f"{name}|{seen[name]}".encode()).hexdigest()[:8]
            whole = "\n".join([*lines[:number], changed, *lines[number + 1 :]])
            yield Mutant(digest, file, function, kind, number + 1, line.strip(), changed.strip(), whole)


def _lines_of_functions(lines: list[str]) -> Iterator[tuple[int, str]]:
    """Yield the lines of function bodies, and of constants, with the name of the function."""
    function = ""
    in_body = False
    for number, line in enumerate(lines):
        code = line.split("//")[0].rstrip()
        if " constant " in code:
            yield number, "constants"
        begins = re.match(r"\s*(?:function (\w+)|(constructor))\b", code)
        if begins:
            function, in_body = begins[1] or begins[2], False
            margin = len(code) - len(code.lstrip())
        if function and in_body:
            if code == " " * margin + "}":
                function = ""
            elif code.strip():
                yield number, function
        in_body = in_body or (bool(function) and code.endswith("{"))


def _edits(line: str) -> Iterator[Edit]:
    code, slashes, comment = line.partition("//")
    for kind, changed in _edits_of_code(code):
        yield kind, changed + slashes + comment


def _edits_of_code(code: str) -> Iterator[Edit]:
    for kind, old, new in REPLACEMENTS:
        if kind == "name" and "return" not in code and re.search(r"\b(revert|emit)\b", code):
            continue  # what is told is covered by swapped arguments
        for found in re.finditer(_whole(old), code):
            yield kind, code[: found.start()] + new + code[found.end() :]
    for found in NUMBER.finditer(code):
        number = int(found[1].replace("_", ""))
        yield "constant", code[: found.start()] + str(number + 1) + code[found.end() :]
    for found in CALL.finditer(code):
        values = found[1].split(", ")
        for i in range(len(values) - 1):
            swapped = [*values[:i], values[i + 1], values[i], *values[i + 2 :]]
            yield "swap", code[: found.start(1)] + ", ".join(swapped) + code[found.end(1) :]
    for found in CHOICE.finditer(code):
        yield "choice", f"{code[: found.start(2)]}{found[3]} : {found[2]}{code[found.end(3) :]}"
    yield from _edits_of_statement(code)


def _edits_of_statement(code: str) -> Iterator[Edit]:
    margin = code[: len(code) - len(code.lstrip())]
    statement = code.strip()
    condition = _condition(statement)
    if condition:
        rest = statement[len(f"if ({condition})") :]
        yield "negated", f"{margin}if (!({condition})){rest}"
        yield "never", f"{margin}if (false){rest}"
    elif (
        statement.endswith(";") and not DECLARATION.match(statement) and not statement.startswith(("return", "revert"))
    ):
        yield "deleted", margin


def _condition(statement: str) -> str:
    """Return what stands in the brackets of an `if`."""
    if not statement.startswith("if ("):
        return ""
    depth = 0
    for place, sign in enumerate(statement):
        depth += (sign == "(") - (sign == ")")
        if sign == ")" and depth == 0:
            return statement[len("if (") : place]
    return ""


def _whole(text: str) -> str:
    """Return a pattern for a text that does not begin or end within a word."""
    before = r"(?<!\w)" if text[0].isalpha() and text[0].islower() else ""
    after = r"(?!\w)" if text[-1].isalpha() else ""
    return before + re.escape(text) + after
