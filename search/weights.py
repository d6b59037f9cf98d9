"""Every constant of ranking, in one table, each with its source; apart, so that one can be tried.

*Tuned* is on the TUNE set of `bench.retrieval` (docs/benchmarks.md): fusion, paths and tests by its
command `tune`, the rest by trying some values. What semble 0.7 (MIT) gains by ranking was tried
there as well: it halves what a file has beyond its first result, lifts files with many results, and
definitions that a sentence names. None of that paid, it is gone.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

QueryKind = Literal["identifier", "path", "error", "natural"]

# tuned
_DESCRIBED = {"lexical": 0.65, "text": 0.14, "code": 0.21}
_QUOTED = {"lexical": 0.9, "text": 0.04, "code": 0.06}
# names and paths are spelled, not described: semble gives vectors 0.3 for them
_SPELLED = {"lexical": 0.7, "text": 0.15, "code": 0.15}
ARMS: Mapping[QueryKind, Mapping[str, float]] = {
    "identifier": _SPELLED,
    "path": _SPELLED,
    "error": _QUOTED,
    "natural": _DESCRIBED,
}


@dataclass(frozen=True, slots=True)
class Bm25:
    """Constants of BM25F.

    As they are by default, from Robertson and Zaragoza, "The Probabilistic Relevance Framework:
    BM25 and Beyond", 2009.

    Attributes:
        k1: how slowly a word that is repeated stops to count more.
        b: how much the length of a chunk counts, 0 to 1.
        fields: how often a word in a name, a signature, a docstring counts, by the weights A, B, C
            that the lexemes carry; in the body once.
        variant: how often another spelling of a word counts; 0: not at all.
        related: how often a word of code counts that stands for one of the query, times its share
            in `search.thesaurus`; 0: not at all.
        chance: how much it counts that what is looked for need not have a word, 0 to 1.
    """

    k1: float = 1.2
    b: float = 0.75
    fields: Mapping[str, float] = field(default_factory=lambda: {"A": 4.0, "B": 2.0, "C": 2.0})
    variant: float = 0.0
    related: float = 0.0
    chance: float = 0.0


_AS_SPELLED = Bm25()
BM25: Mapping[QueryKind, Bm25] = {
    "identifier": _AS_SPELLED,
    "path": _AS_SPELLED,
    "error": _AS_SPELLED,
    # tuned, docs/benchmarks.md: prose tells what a function does, often in the words of its name
    "natural": Bm25(
        k1=1.5,
        b=0.8,
        fields={"A": 8.0, "B": 2.0, "C": 2.0},
        variant=0.5,
        related=0.5,
        chance=1.0,
    ),
}


@dataclass(frozen=True, slots=True)
class Weights:
    """What a hit gains and loses. Gains are shares of the best fused score; losses are factors."""

    # the form: Cormack, Clarke and Büttcher, "Reciprocal Rank Fusion outperforms Condorcet and
    # individual Rank Learning Methods", SIGIR 2009, there with 60; tuned
    rrf_k: int = 3
    arms: Mapping[QueryKind, Mapping[str, float]] = field(default_factory=lambda: ARMS)
    definition: float = 3.0  # semble: the chunk defines the name that is asked for
    named_path: float = 3.0  # ours, as for a definition: the path that is asked for
    path: float = 0.75  # tuned: times the share of the query's words that the path has
    # tuned: times the share of its name's words that the query has; where no vectors speak
    name: float = 0.1
    tests: float = 0.3  # semble, and as good as any: tests, examples, compatibility layers
    # semble: `.d.ts`, which declares what is written elsewhere; not measured, no set has any
    declarations: float = 0.7


DEFAULT = Weights()
RAW = Weights(definition=0, named_path=0, path=0, name=0, tests=1, declarations=1)
"""Fusion alone, to compare with."""
