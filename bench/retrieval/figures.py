"""The figures of one set: arms, peers, other kinds of questions, and where the time goes."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

from bench.retrieval import peers
from bench.retrieval.arms import ARMS, FUSED_RANKED, LEXICAL_RANKED, answered, check
from bench.retrieval.corpus import NAMES, Corpus
from bench.retrieval.judge import Kind, Query, Span, hits, places
from bench.retrieval.laboratory import Index, Laboratory
from bench.retrieval.latency import latencies, percentiles
from bench.retrieval.metrics import estimate
from bench.retrieval.peers import PeerAnswers
from bench.retrieval.recordings import Recordings, record
from bench.retrieval.tables import MEASURES, compared, measured, shown, table

OTHERS: tuple[Kind, ...] = ("identifier", "path", "error")


def figures(lab: Laboratory, corpus: Corpus, cache: Path) -> Iterator[str]:
    """The parts of the report on a set, in Markdown, as they come to be known."""
    for names in NAMES:
        with lab.index(corpus, names) as index:
            recordings = record(index, cache)
            check(index, recordings)
            prose = recordings.of("prose")
            asked = _peers(cache, corpus.root(names), corpus.queries)
            yield f"#### Names {names}\n"
            yield _size(recordings)
            yield _arms(prose) + "\n"
            yield _differences(prose, asked, corpus.queries) + "\n"
            yield _peer_table(recordings, asked, corpus.queries) + "\n"
            if names == "kept":
                yield "#### Other questions\n"
                yield _other_kinds(recordings, asked) + "\n"
                yield "#### Milliseconds\n"
                yield _times(index, asked) + "\n"


def places_of(recordings: Recordings, arm_places: Sequence[Sequence[Span]]) -> list[int]:
    """The place of each query's first hit."""
    return places(arm_places, recordings.queries)


def reachable(recordings: Recordings) -> float:
    """The share of queries that some chunk answers: no ranking can do better."""
    by_path: dict[str, list[Span]] = defaultdict(list)
    for span in recordings.spans.values():
        by_path[span.path].append(span)
    found = [
        any(hits(span, query) for wanted in query.wanted for span in by_path[wanted.path])
        for query in recordings.queries
    ]
    return sum(found) / len(found)


def _peers(cache: Path, folder: Path, queries: Sequence[Query]) -> list[PeerAnswers]:
    return [*peers.ask_semble(cache, folder, queries), peers.ask_ripgrep(folder, queries)]


def _size(recordings: Recordings) -> str:
    prose = recordings.of("prose")
    return (
        f"{len(recordings.spans):,} chunks, {len(prose.queries):,} queries;"
        f" {reachable(prose):.1%} of them have a chunk that holds half of the function.\n"
    )


def _arms(prose: Recordings) -> str:
    rows = [measured(arm.title, places_of(prose, answered(prose, arm))) for arm in ARMS]
    return table(["arm", *MEASURES.values()], rows)


def _differences(prose: Recordings, asked: Sequence[PeerAnswers], queries: Sequence[Query]) -> str:
    """Fused and ranked against everything else."""
    best = places_of(prose, answered(prose, FUSED_RANKED))
    others = [(arm.title, answered(prose, arm)) for arm in ARMS if arm is not FUSED_RANKED]
    others += [(peer.title, _prose(peer, queries)) for peer in asked]
    rows = [compared(title, best, places_of(prose, shown)) for title, shown in others]
    return table([f"{FUSED_RANKED.title}, minus", "MRR@10", "NDCG@10"], rows)


def _peer_table(
    recordings: Recordings, asked: Sequence[PeerAnswers], queries: Sequence[Query]
) -> str:
    """Both judges, and how much there is to read."""
    prose = recordings.of("prose")
    systems = [(arm.title, answered(prose, arm)) for arm in (LEXICAL_RANKED, FUSED_RANKED)]
    systems += [(f"{peer.title}, {peer.note}", _prose(peer, queries)) for peer in asked]
    rows = []
    for title, found in systems:
        strict, either = (places(found, prose.queries, judge) for judge in ("function", "either"))
        lines = sum(len(span) for answer in found for span in answer) / len(found)
        rows.append(
            [
                title,
                *(shown(estimate(strict, measure)) for measure in ("mrr", "ndcg", "r10")),
                *(shown(estimate(either, measure)) for measure in ("mrr", "ndcg", "r10")),
                f"{lines:.0f}",
            ]
        )
    judged = [f"{MEASURES[m]}{by}" for by in ("", ", either") for m in ("mrr", "ndcg", "r10")]
    return table(["system", *judged, "lines in ten results"], rows)


def _prose(peer: PeerAnswers, queries: Sequence[Query]) -> list[list[Span]]:
    return [
        answer for answer, query in zip(peer.answers, queries, strict=True) if query.kind == "prose"
    ]


def _other_kinds(recordings: Recordings, asked: Sequence[PeerAnswers]) -> str:
    """MRR of names, paths and messages."""
    systems = [(arm.title, answered(recordings, arm)) for arm in ARMS]
    systems += [(peer.title, peer.answers) for peer in asked]
    rows = []
    for title, found in systems:
        all_places = places_of(recordings, found)
        cells = []
        for kind in OTHERS:
            of_kind = [
                place
                for place, query in zip(all_places, recordings.queries, strict=True)
                if query.kind == kind
            ]
            cells.append(shown(estimate(of_kind, "mrr")))
        rows.append([title, *cells])
    return table(["MRR@10", *OTHERS], rows)


def _times(index: Index, asked: Sequence[PeerAnswers]) -> str:
    taken = latencies(index)
    taken |= {f"{peer.title}, whole search": peer.milliseconds for peer in asked}
    rows = []
    for part, milliseconds in taken.items():
        median, high = percentiles(milliseconds)
        rows.append([part, f"{median:.1f}", f"{high:.1f}"])
    return table(["part", "p50", "p95"], rows)
