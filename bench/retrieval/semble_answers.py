"""What semble answers; run by the interpreter of its own environment, by path.

Reads `{"folder": …, "queries": […]}` from stdin, writes `{"chunks", "answers", "unranked"}` to
stdout: for each query its milliseconds and `[path, first line, last line]` of ten results, by its
whole search and by its search without ranking.
"""

import json
import sys
import time

from semble import SembleIndex  # type: ignore[import-not-found]  # lives in its own environment

TOP = 10


def main() -> None:
    """Indexes the folder and answers every query."""
    asked = json.load(sys.stdin)
    index = SembleIndex.from_path(asked["folder"])
    found = {
        "chunks": index.stats.total_chunks,
        "answers": [answer(index, query, rerank=True) for query in asked["queries"]],
        "unranked": [answer(index, query, rerank=False) for query in asked["queries"]],
    }
    json.dump(found, sys.stdout)


def answer(index: SembleIndex, query: str, *, rerank: bool) -> tuple[float, list[list[object]]]:
    """Milliseconds, and the places of ten results."""
    began = time.perf_counter()
    results = index.search(query, top_k=TOP, rerank=rerank)
    taken = 1_000 * (time.perf_counter() - began)
    return taken, [[r.chunk.file_path, r.chunk.start_line, r.chunk.end_line] for r in results]


if __name__ == "__main__":
    main()
