"""Takes docstrings out of a file, and names; what is left is valid Python with the same lines.

Every statement that is only a string goes, so that docstrings of attributes go as well. A
statement that has its lines to itself leaves with them; where it is all that a body has, or shares
a line with code, `pass` takes its place. Comments and every other string stay.
"""

import ast
import io
import tokenize
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Mask:
    """A name that is replaced on the lines of its function, from `start` to `end`."""

    start: int
    end: int
    name: str
    replacement: str


def strip(source: str) -> str:
    """`source` without strings that are statements.

    Raises:
        SyntaxError: it is no Python.
    """
    # by line feeds only, as `ast` counts: a form feed ends no line
    lines = [line.encode() for line in source.split("\n")]
    for statement, alone in sorted(_strings(ast.parse(source)), key=_place, reverse=True):
        first, last = statement.lineno - 1, (statement.end_lineno or statement.lineno) - 1
        before = lines[first][: statement.col_offset]
        after = lines[last][statement.end_col_offset :]
        rest = after.strip()
        if alone or before.strip() or rest.startswith(b";"):
            lines[first : last + 1] = [before + b"pass" + after]
        else:
            lines[first : last + 1] = [before + rest] if rest else []
    return b"\n".join(lines).decode()


def bare_strings(tree: ast.Module) -> int:
    """How many statements of a file are only a string."""
    return sum(1 for _ in _strings(tree))


def mask(source: str, masks: Iterable[Mask]) -> str:
    """`source` with names replaced: the tokens that are the name, on the lines of its function.

    So a function loses its name where it is defined and where it names itself or a namesake; other
    functions go on calling it by its name. Strings and comments stay as they are.
    """
    masks = list(masks)
    lines = source.split("\n")
    for token in reversed(list(tokenize.generate_tokens(io.StringIO(source).readline))):
        if token.type != tokenize.NAME:
            continue
        row, column = token.start
        for one in masks:
            if token.string == one.name and one.start <= row <= one.end:
                line = lines[row - 1]
                lines[row - 1] = line[:column] + one.replacement + line[token.end[1] :]
                break
    return "\n".join(lines)


def _place(found: tuple[ast.Expr, bool]) -> tuple[int, int]:
    return found[0].lineno, found[0].col_offset


def _strings(tree: ast.Module) -> Iterator[tuple[ast.Expr, bool]]:
    """Statements that are only a string, each with whether its body has nothing else."""
    nodes: list[ast.AST] = [tree]
    while nodes:
        node = nodes.pop()
        for body in blocks(node):
            strings = [statement for statement in body if _is_string(statement)]
            for statement in strings:
                alone = len(strings) == len(body) and statement is strings[0]
                yield statement, alone and node is not tree
            nodes += body


def blocks(node: ast.AST) -> Iterator[list[Any]]:
    """The lists of statements, handlers and cases right inside of a statement."""
    for field in ("body", "handlers", "orelse", "finalbody", "cases"):
        if block := getattr(node, field, None):
            yield block


def _is_string(statement: ast.AST) -> bool:
    return (
        isinstance(statement, ast.Expr)
        and isinstance(statement.value, ast.Constant)
        and isinstance(statement.value.value, str)
    )
