"""Other constants of the lexical arm, tried on an index whose other arms are recorded already.

Recordings hold what an arm found with the constants as they are. Here the arm alone is asked again,
which takes seconds, where recording all arms would take minutes.
"""

from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any
from unittest.mock import patch

from bench.retrieval.laboratory import Index
from bench.retrieval.recordings import Recordings
from search import lexical
from search.candidates import candidates
from search.intent import intent
from search.lexical import search_lexical
from search.phrases import wanted
from search.query import MIN_DEPTH
from search.scope import Scope
from search.weights import BM25, Bm25, QueryKind
from search.words import Vocabulary

KIND: QueryKind = "natural"
PLAIN: Mapping[str, Any] = asdict(Bm25())
"""Each constant as of BM25F without any of ours."""


def reworded(index: Index, recorded: Recordings, **constants: Any) -> Recordings:
    """`recorded`, with what the lexical arm finds for prose with other constants."""
    changed = {**BM25, KIND: replace(BM25[KIND], **constants)}
    vocabulary, known, asked = Vocabulary(), dict(recorded.known), []
    with (
        patch.object(lexical, "BM25", changed),
        index.runtime.database.reading() as connection,
    ):
        for query, one in zip(recorded.queries, recorded.asked, strict=True):
            words = wanted(query.text).words
            found = search_lexical(
                connection,
                vocabulary,
                words,
                intent(words).kind,
                Scope(),
                MIN_DEPTH,
                chunks=len(recorded.spans),
            )
            hits = [(hit.chunk_id, hit.score) for hit in found]
            known |= candidates(connection, Scope(), {chunk for chunk, _ in hits} - known.keys())
            asked.append(replace(one, hits={**one.hits, "lexical": hits}))
    return replace(recorded, asked=asked, known=known)
