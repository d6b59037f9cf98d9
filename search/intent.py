"""What a query asks for: its kind, the names it spells, its words. Text only, no index."""

import re
from dataclasses import dataclass

from search.weights import QueryKind
from tasks.parse.languages import EXTENSIONS
from tasks.parse.tokens import tokens

MIN_WORD = 3  # shorter words stand in too many paths

# src/app.py, app.py:12, src/app.py#L12, src/tasks/
_PATH = re.compile(r"(?P<path>[\w.@+~/\\-]+?)(?:(?::|#L)(?P<line>\d{1,7})(?::\d+)?)?")
_NAME = re.compile(r"[^\W\d]\w*(?:(?:\.|::|#|->)[^\W\d]\w*)*(?:\(\))?")
_ERROR = re.compile(
    r"Traceback|\b\w+(?:Error|Exception|Warning)\b\s*:|\b(?:error|fatal|panic|exception)\b\s*:|"
    r"errno|segfault|[Ee]xception in",
    re.IGNORECASE,
)
_RECEIVER = re.compile(r"^(?:self|cls|this)\.")
_SUFFIXES = tuple(suffix for suffixes in EXTENSIONS.values() for suffix in suffixes.split())
# words that say how one asks, not what for
_ASKING = frozenset(
    {"about", "all", "and", "any", "are", "but", "can", "does", "for", "from", "get", "has"}
    | {"have", "how", "into", "its", "not", "that", "the", "this", "use", "used", "using", "was"}
    | {"what", "when", "where", "which", "who", "why", "will", "with"}
)


@dataclass(frozen=True, slots=True)
class Intent:
    """A query, understood.

    Attributes:
        kind: decides how much each arm says.
        name: the query as a definition's name, dotted; "" where it is none.
        path: a path or the end of one, "" where the query is none.
        line: the line of that path, from 1.
        words: its words in lower case, without those that only ask.
        tests: tests are what it asks for.
    """

    kind: QueryKind
    name: str
    path: str
    line: int
    words: frozenset[str]
    tests: bool


def intent(query: str) -> Intent:
    """Understands `query`, which is not empty."""
    path, line = _path(query)
    name = "" if path or not _NAME.fullmatch(query) else _dotted(query)
    kind: QueryKind = "natural"
    if path:
        kind = "path"
    elif name:
        kind = "identifier"
    elif _ERROR.search(query):
        kind = "error"
    words = frozenset(w for w in tokens(query) if len(w) >= MIN_WORD and w not in _ASKING)
    return Intent(
        kind,
        name,
        path,
        line,
        words,
        bool(words & {"test", "tests", "testing", "spec", "example", "examples"}),
    )


def _path(query: str) -> tuple[str, int]:
    found = _PATH.fullmatch(query)
    if found is None:
        return "", 1
    path = found["path"].replace("\\", "/").removeprefix("./")
    if "/" not in path and not path.lower().endswith(_SUFFIXES):
        return "", 1
    return path.strip("/"), int(found["line"] or 1)


def _dotted(name: str) -> str:
    """As definitions are qualified; whose method `self` calls is not said by its name."""
    return _RECEIVER.sub("", re.sub(r"::|#|->", ".", name)).removesuffix("()")
