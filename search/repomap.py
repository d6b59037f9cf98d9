"""A map of a repository: its most used definitions, as many as fit into a token budget.

After Aider's repository map (aider/repomap.py): files are nodes, uses are edges, personalised
PageRank spreads importance, and the rank of a file flows on to the definitions that it uses. Edges
are resolved by `search.ladder`, where Aider joins by name alone, and count by their confidence.
"""

import math
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, text

from config.errors import BadInputError
from config.scrub import printable
from search.budget import token_bound
from search.graph import Edge, all_edges
from search.ladder import PLACES
from search.pagerank import pagerank
from search.scope import Scope

# Aider's weights, read in its source
MENTIONED = 10.0
LONG_NAME = 10.0
LONG_NAME_CHARS = 8
PRIVATE = 0.1
COMMON = 0.1
COMMON_FILES = 5
FROM_FOCUS = 50.0
UNREFERENCED = 0.1

MAX_BUDGET = 100_000
DEFAULT_BUDGET = 1_024
_COMPOUND = re.compile(r"[a-zA-Z0-9]_[a-zA-Z0-9]|[a-z0-9][A-Z]|-")
_SIGNATURE_CHARS = 100

Place = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Landmark:
    """A definition worth showing, and its share of all ranks."""

    repository: str
    path: str
    line: int
    depth: int
    symbol: str
    signature: str
    rank: float


@dataclass(frozen=True, slots=True)
class RepoMap:
    """The map as text of at most `budget` tokens, and what it shows of how much."""

    text: str
    tokens: int
    budget: int
    shown: int
    definitions: int
    landmarks: list[Landmark]


DEFINITIONS = text(f"""
WITH {PLACES}
SELECT DISTINCT ON (p.repository, p.path, s.name_path)
       p.repository, p.path, s.name, s.name_path AS symbol, s.kind, s.signature,
       s.start_line AS line
  FROM symbols s JOIN places p ON p.blob_id = s.blob_id
 ORDER BY p.repository, p.path, s.name_path, s.ordinal DESC
""")


def repository_map(
    connection: Connection, scope: Scope, *, budget: int = DEFAULT_BUDGET, focus: Sequence[str] = ()
) -> RepoMap:
    """The map of what is in scope.

    Args:
        connection: in a transaction.
        scope: repository and ref; without a repository, all of them.
        budget: tokens at the most, as `search.budget` bounds them.
        focus: paths, ends of paths or names that matter now.

    Raises:
        BadInputError: the budget is not in 1..100,000, or the repository or ref is unknown.
    """
    if not 1 <= budget <= MAX_BUDGET:
        raise BadInputError(f"--budget must be between 1 and {MAX_BUDGET}")
    edges = all_edges(connection, scope)
    rows = connection.execute(DEFINITIONS, {"repository": scope.repository, "ref": scope.ref})
    landmarks = [
        Landmark(
            row.repository, row.path, row.line, row.symbol.count("."), row.symbol, row.signature, 0
        )
        for row in rows
        if row.kind != "constant"
    ]
    ranked = rank(landmarks, edges, focus)
    return draw(ranked, budget)


def rank(
    landmarks: Sequence[Landmark], edges: Iterable[Edge], focus: Sequence[str] = ()
) -> list[Landmark]:
    """The definitions with their ranks, the highest first."""
    flows = _flows(landmarks, edges, focus)
    places = sorted({(mark.repository, mark.path) for mark in landmarks} | {f[0] for f in flows})
    number = {place: at for at, place in enumerate(places)}
    if not places:
        return []
    ranks = pagerank(
        len(places),
        [number[source] for source, _ in flows],
        [number[target[0], target[1]] for _, target in flows],
        list(flows.values()),
        [float(_in_focus(path, focus)) for _, path in places],
    )
    out: dict[Place, float] = defaultdict(float)
    for (source, _), weight in flows.items():
        out[source] += weight
    shares: dict[tuple[str, str, str], float] = defaultdict(float)
    for (source, target), weight in flows.items():
        shares[target] += float(ranks[number[source]]) * weight / out[source]
    ranked = [
        Landmark(
            *(mark.repository, mark.path, mark.line, mark.depth, mark.symbol, mark.signature),
            rank=shares[mark.repository, mark.path, mark.symbol],
        )
        for mark in landmarks
    ]
    return sorted(ranked, key=lambda m: (-m.rank, m.depth, m.repository, m.path, m.line))


def _flows(
    landmarks: Sequence[Landmark], edges: Iterable[Edge], focus: Sequence[str]
) -> dict[tuple[Place, tuple[str, str, str]], float]:
    """Weights from a file to a definition: Aider's factors times the root of the uses."""
    drawn = {(mark.repository, mark.path, mark.symbol) for mark in landmarks}
    uses: dict[tuple[Place, tuple[str, str, str]], float] = defaultdict(float)
    for edge in edges:
        target = (edge.repository, edge.target_path, edge.target_symbol)
        if target in drawn:
            uses[(edge.repository, edge.path), target] += len(edge.lines) * edge.confidence
    files: dict[str, set[Place]] = defaultdict(set)
    for mark in landmarks:
        files[_name(mark.symbol)].add((mark.repository, mark.path))
    flows = {}
    for (source, target), count in uses.items():
        name = _name(target[2])
        factor = name_factor(name, len(files[name]), mentioned=_mentioned(target[2], focus))
        factor *= FROM_FOCUS if _in_focus(source[1], focus) else 1
        flows[source, target] = factor * math.sqrt(count)
    referenced = {target for _, target in uses}
    for target in drawn - referenced:
        flows[target[:2], target] = UNREFERENCED
    return flows


def name_factor(name: str, files: int, *, mentioned: bool = False) -> float:
    """How much a use of `name`, which is defined in so many files, tells."""
    factor = MENTIONED if mentioned else 1.0
    if len(name) >= LONG_NAME_CHARS and _COMPOUND.search(name):
        factor *= LONG_NAME
    if name.startswith("_"):
        factor *= PRIVATE
    if files > COMMON_FILES:
        factor *= COMMON
    return factor


def draw(ranked: Sequence[Landmark], budget: int) -> RepoMap:
    """The map of as many of the first definitions as fit: more never make it shorter."""
    low, high = 0, min(len(ranked), budget)  # a line costs more than a token
    while low < high:
        middle = (low + high + 1) // 2
        if token_bound(_text(ranked[:middle])) <= budget:
            low = middle
        else:
            high = middle - 1
    shown = list(ranked[:low])
    drawn = _text(shown)
    return RepoMap(drawn, token_bound(drawn), budget, low, len(ranked), shown)


def _text(landmarks: Sequence[Landmark]) -> str:
    files: dict[Place, list[Landmark]] = defaultdict(list)
    for mark in landmarks:
        files[mark.repository, mark.path].append(mark)
    lines = []
    for (repository, path), marks in sorted(files.items()):
        lines.append(f"{repository}/{path}:")
        for mark in sorted(marks, key=lambda mark: mark.line):
            indent = "  " * (mark.depth + 1)
            lines.append(
                f"{indent}{mark.signature[:_SIGNATURE_CHARS] or mark.symbol}  :{mark.line}"
            )
    return "".join(f"{printable(line)}\n" for line in lines)


def _name(symbol: str) -> str:
    return symbol.rpartition(".")[2]


def _in_focus(path: str, focus: Sequence[str]) -> bool:
    return any(f"/{path}".endswith(f"/{place.strip('/')}") for place in focus if place)


def _mentioned(symbol: str, focus: Sequence[str]) -> bool:
    return any(f".{symbol}".endswith(f".{name}") for name in focus if name)
