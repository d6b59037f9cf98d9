"""What the search gets wrong, with the reasons it gives: `signals` of the wanted and of the first.

A failure is telling where some arm knew better: the wanted chunk stood high in it.
"""

from collections.abc import Iterator
from pathlib import Path

from bench.retrieval.arms import ALL
from bench.retrieval.corpus import Corpus, Names, first_words
from bench.retrieval.laboratory import Laboratory
from bench.retrieval.recordings import Recordings, all_ranked, ranked, record
from bench.retrieval.tuning import right_chunks
from search.rank import Ranked
from search.weights import DEFAULT

LOW = 4  # a place from which on a hit is hardly one


def failures(
    lab: Laboratory, corpus: Corpus, cache: Path, names: Names, count: int
) -> Iterator[str]:
    """The most telling ones as a list in Markdown."""
    with lab.index(corpus, names) as index:
        recordings = record(index, cache).of("prose")
    found = []
    for number, right in enumerate(right_chunks(recordings)):
        shown = ranked(recordings, number, ALL, DEFAULT)
        place = next((n for n, item in enumerate(shown, 1) if item.chunk_id in right), 0)
        known = _best_arm_place(recordings, number, right)
        if known and (place == 0 or place >= LOW):
            found.append((known, number, place, right, shown))
    for _, number, place, right, shown in sorted(found, key=lambda f: f[:2])[:count]:
        yield _told(recordings, number, place, right, shown)


def _best_arm_place(recordings: Recordings, number: int, right: frozenset[int]) -> int:
    """The sum of the places in the two arms that know best; 0 where fewer than two know."""
    found = []
    for hits in recordings.asked[number].hits.values():
        found += [n for n, (chunk_id, _) in enumerate(hits, 1) if chunk_id in right][:1]
    return sum(sorted(found)[:2]) if len(found) > 1 else 0


def _told(
    recordings: Recordings, number: int, place: int, right: frozenset[int], shown: list[Ranked]
) -> str:
    query = recordings.queries[number]
    everything = {item.chunk_id: item for item in all_ranked(recordings, number, ALL, DEFAULT)}
    wanted = next(item for chunk_id, item in everything.items() if chunk_id in right)
    return (
        f"- {first_words(query, 30)}\n"
        f"  - wanted, at {place or 'no place'}: {_item(recordings, wanted)}\n"
        f"  - on top: {_item(recordings, shown[0])}\n"
    )


def _item(recordings: Recordings, item: Ranked) -> str:
    span = recordings.spans[item.chunk_id]
    arms = {arm: int(item.signals[arm]["rank"]) for arm in ALL if arm in item.signals}
    return (
        f"`{recordings.symbols[item.chunk_id]}` in `{span.path}:{span.start}`, {item.score:.4f};"
        f" arms {arms}; ranking {item.signals.get('ranking', {})}"
    )
