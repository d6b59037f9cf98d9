"""The quoted parts of a query: words that must stand one after another, as they are written.

Positions of words are stored with each chunk, and a name and its parts share one; so "foo_bar baz"
is found as well as "self.foo_bar", but not "foo bar" in `foo_bar`. Punctuation does not count:
`mnemo grep` finds it.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, text

from search.rank import Ranked
from search.scope import FILES, Scope
from tasks.parse.tokens import whole_words

MAX_PHRASES = 8
MAX_WORDS = 32  # of a phrase; what follows them may differ
MAX_CHECKED = 2_000  # chunks with the phrase of which the best are taken
SHOWN_CHARS = 100
_QUOTED = re.compile(r'"([^"]*)"')
_CURLY = str.maketrans("\u201c\u201d\u201e", '"""')


@dataclass(frozen=True, slots=True)
class Wanted:
    """A query, understood as words of which some were quoted.

    Attributes:
        words: the query without its quotation marks.
        phrases: the quoted parts that have a word.
    """

    words: str
    phrases: tuple[str, ...]

    def expression(self) -> str:
        """All phrases as one tsquery."""
        return " & ".join(f"({_sequence(phrase)})" for phrase in self.phrases)

    def missing(self) -> str:
        """What an answer says where no chunk has the phrases."""
        shown = ", ".join(f'"{phrase[:SHOWN_CHARS]}"' for phrase in self.phrases)
        return f"nothing holds {shown} as it stands: answered by the words"


HOLDING = text(f"""
WITH {FILES},
holding AS MATERIALIZED (
    SELECT c.id, c.lexemes FROM code_chunks c
     WHERE c.lexemes @@ cast(:phrases AS tsquery)
       AND EXISTS (SELECT 1 FROM files WHERE files.blob_id = c.blob_id)
     LIMIT {MAX_CHECKED})
SELECT id FROM holding
 ORDER BY ts_rank(lexemes, cast(:phrases AS tsquery)) DESC, id LIMIT :limit
""")


def wanted(query: str) -> Wanted:
    """Reads the quotation marks of a query; a lone one counts for nothing."""
    query = query.translate(_CURLY)
    quoted = [" ".join(part.split()) for part in _QUOTED.findall(query)]
    phrases = [phrase for phrase in dict.fromkeys(quoted) if any(whole_words(phrase))]
    words = query.replace('"', " ").strip()
    return Wanted(words or query, tuple(phrases[:MAX_PHRASES]))


def search_phrases(connection: Connection, asked: Wanted, scope: Scope, limit: int) -> list[int]:
    """The chunks that hold all phrases, the best first."""
    if not asked.phrases:
        return []
    parameters = scope.parameters() | {"phrases": asked.expression(), "limit": limit}
    return list(connection.execute(HOLDING, parameters).scalars())


def put_first(ranked: Iterable[Ranked], holding: Sequence[int]) -> list[Ranked]:
    """The chunks that hold the phrases before all others, each part in the order it had."""
    if not holding:
        return list(ranked)
    items = {item.chunk_id: item for item in ranked}
    best = max((item.score for item in items.values()), default=0.0) or 1.0
    for rank, chunk_id in enumerate(holding, 1):
        item = items.setdefault(chunk_id, Ranked(chunk_id))
        item.signals["phrase"] = {"rank": rank}
        item.note("phrase", best)
        item.score += best
    order = {chunk_id: place for place, chunk_id in enumerate(items)}
    holds = set(holding)
    return sorted(
        items.values(),
        key=lambda item: (item.chunk_id not in holds, -item.score, order[item.chunk_id]),
    )


def _sequence(phrase: str) -> str:
    """Words at their distances; a word that is too long to be stored is any word."""
    parts: list[str] = []
    distance = 0
    for word in list(whole_words(phrase))[:MAX_WORDS]:
        distance += 1
        if word:
            parts += [f"<{distance}>"] if parts else []
            parts.append(f"'{word}'")  # of letters, digits and underscores: nothing to escape
            distance = 0
    return " ".join(parts)
