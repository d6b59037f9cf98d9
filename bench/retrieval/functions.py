"""Functions with their docstrings, and which of them make a fair question.

The filters are those of CodeSearchNet, and a few of ours: a question that two functions answer, or
that stands in the code word for word, measures nothing.
"""

import ast
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from bench.retrieval.stripping import blocks, strip

MIN_WORDS = 3
MIN_BODY_LINES = 3
MAX_QUERY_CHARS = 256

Definition = ast.FunctionDef | ast.AsyncFunctionDef

_WORD = re.compile(r"\w+")
_ROLE = re.compile(r":[\w:+-]+:`(?:[^`<]*<)?[~!.]?(?P<target>[^`>]*)>?`")
_FIELD = re.compile(r"(?::\w|@\w|>>>|\.\. |(?:Args|Arguments|Parameters|Params|Returns)\b\W*$)")
_TESTS = re.compile(r"(?:^|/)_?(?:tests?|testing)/|(?:^|/)(?:test_[^/]*|conftest)\.py$")


@dataclass(frozen=True, slots=True)
class Function:
    """A function in a stripped file.

    Attributes:
        path: of its file, the package's name in front.
        name: its own.
        symbol: with the classes and functions around it.
        start: its line in the stripped file, decorators left out.
        end: its last line.
        body_lines: of its body.
        question: the first paragraph of its docstring, "" where it has none.
        code: equal where the code is the same but for white space and case.
    """

    path: str
    name: str
    symbol: str
    start: int
    end: int
    body_lines: int
    question: str
    code: str


def read_functions(path: str, source: str) -> tuple[str, list[Function]]:
    """The stripped text of a file, and its functions there."""
    stripped = strip(source)
    lines = stripped.split("\n")
    before, after = definitions(ast.parse(source)), definitions(ast.parse(stripped))
    return stripped, [
        _function(path, symbol, node, ast.get_docstring(original) or "", lines)
        for (symbol, node), (_, original) in zip(after, before, strict=True)
        if isinstance(node, Definition) and isinstance(original, Definition)
    ]


def definitions(tree: ast.AST, scope: str = "") -> Iterator[tuple[str, Definition | ast.ClassDef]]:
    """Qualified name and node of every function and class, in order, outer ones first."""
    for node in (node for block in blocks(tree) for node in block):
        inner = scope
        if isinstance(node, Definition | ast.ClassDef):
            inner = f"{scope}.{node.name}".lstrip(".")
            yield inner, node
        yield from definitions(node, inner)


def question(docstring: str) -> str:
    """The first paragraph in one line, without markup, which nobody types; cut between words."""
    paragraph = re.split(r"\n\s*\n", docstring.strip(), maxsplit=1)[0]
    text = " ".join(_ROLE.sub(r"\g<target>", paragraph).replace("`", "").split())
    if len(text) <= MAX_QUERY_CHARS:
        return text
    return text[: MAX_QUERY_CHARS + 1].rpartition(" ")[0]


def is_test(path: str) -> bool:
    """Whether a file holds tests, which are searched but not asked for."""
    return bool(_TESTS.search(path))


def askable(functions: Iterable[Function], text: str) -> list[Function]:
    """The functions whose docstring is a fair question.

    Args:
        functions: all of a set, undocumented ones too: they tell what is ambiguous.
        text: everything that is indexed, by `folded`.
    """
    every = list(functions)
    codes = Counter(one.code for one in every)
    questions = Counter(folded(one.question) for one in every)
    return [
        one
        for one in every
        if _is_fair(one)
        and codes[one.code] == 1
        and questions[folded(one.question)] == 1
        and folded(one.question) not in text
    ]


def folded(text: str) -> str:
    """Its words in lower case, one blank between them, and nothing else."""
    return " ".join(_WORD.findall(text.lower()))


def _is_fair(one: Function) -> bool:
    return (
        len(_WORD.findall(one.question)) >= MIN_WORDS
        and one.body_lines >= MIN_BODY_LINES
        and "test" not in one.name.lower()
        and not (one.name.startswith("__") and one.name.endswith("__"))
        and not is_test(one.path)
        and not _FIELD.match(one.question)
        and f"{one.name}(" not in one.question  # a signature, as of functions written in C
    )


def _function(
    path: str, symbol: str, node: Definition | ast.ClassDef, docstring: str, lines: list[str]
) -> Function:
    first, last = node.body[0], node.body[-1]
    start, end = node.lineno, last.end_lineno or last.lineno
    return Function(
        path,
        node.name,
        symbol,
        start,
        end,
        end - first.lineno + 1,
        question(docstring),
        folded("\n".join(lines[start - 1 : end])),
    )
