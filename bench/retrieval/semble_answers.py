"""What semble answers; run by the interpreter of its own environment, by path.

Reads `{"folder": …, "queries": […]}` from stdin, writes `{"chunks", "index_seconds", "answers"}`
to stdout: for each query its milliseconds and `[path, first line, last line]` of ten results.
"""

import json
import sys
import time

from semble import SembleIndex  # type: ignore[import-not-found]  # lives in its own environment

TOP = 10


def main() -> None:
    """Indexes the folder and answers every query."""
    asked = json.load(sys.stdin)
    started = time.perf_counter()
    index = SembleIndex.from_path(asked["folder"])
    taken = time.perf_counter() - started
    answers = []
    for query in asked["queries"]:
        began = time.perf_counter()
        results = index.search(query, top_k=TOP)
        milliseconds = 1_000 * (time.perf_counter() - began)
        places = [[r.chunk.file_path, r.chunk.start_line, r.chunk.end_line] for r in results]
        answers.append([milliseconds, places])
    chunks = index.stats.total_chunks
    json.dump({"chunks": chunks, "index_seconds": taken, "answers": answers}, sys.stdout)


if __name__ == "__main__":
    main()
