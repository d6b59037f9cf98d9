"""How long a search takes beside one bare query of the vector index: `python -m bench.latency`.

`python -m bench.latency --home FOLDER SOURCE …` indexes the sources (unpacked packages, 100,000
chunks or more) once and keeps them in the home. Then, query by query, it measures in turn

- bare: one top-100 query of the HNSW index, nothing joined
- hybrid: the whole search, its query's vector known already
- encoded: the same with the query's vector still to be made
- lexical: the search by words alone

and prints medians, 95th percentiles and their ratios to the bare query as JSON; then the same
searches from eight threads at once.
"""

import statistics
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from pgvector import HalfVector
from sqlalchemy import text

from bench.fleet import Fleet, arguments, fleet, print_figures
from schema.database import Database
from search.dense import EF_SEARCH
from search.query import Searcher
from search.scope import Scope, live_snapshots
from tasks.runtime import Runtime

TOP = 100
THREADS = 8
WARM_UP = 30


def main() -> None:
    """Prints the figures."""
    given = arguments(__doc__, queries=300)
    with fleet(given.home, given.sources) as found:
        with found.database() as database:
            queries = found.queries(database, given.queries + WARM_UP)
            figures = measure(found, database, queries)
        figures["at once"] = concurrently(found, queries[WARM_UP:])
    print_figures(figures)


def measure(found: Fleet, database: Database, queries: Sequence[str]) -> dict[str, Any]:
    """Milliseconds of each kind of query, in turn, so that all meet the same noise."""
    runtime = Runtime(found.settings, database)
    known, fresh = Searcher(runtime), Searcher(runtime)
    bare = Bare(runtime)
    spent: defaultdict[str, list[float]] = defaultdict(list)
    for number, query in enumerate(queries):
        known.search(query, scope=Scope())  # makes and keeps the vector
        ways: dict[str, Callable[[], object]] = {
            "bare": bare.query(query),
            "hybrid": partial(known.search, query, scope=Scope()),
            "encoded": partial(fresh.search, query, scope=Scope()),
            "lexical": partial(known.search, query, scope=Scope(), mode="lexical"),
        }
        for name, way in ways.items():
            started = time.perf_counter()
            way()
            if number >= WARM_UP:
                spent[name].append(1000 * (time.perf_counter() - started))
    figures = {name: _summary(values) for name, values in spent.items()}
    return {
        "chunks": bare.chunks,
        "queries": len(spent["bare"]),
        "milliseconds": figures,
        "times the bare query": {
            name: {
                key: round(figures[name][key] / figures["bare"][key], 2) for key in figures[name]
            }
            for name in figures
            if name != "bare"
        },
    }


class Bare:
    """One top-100 query of the HNSW index of the code space."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        with runtime.database.reading() as connection:
            live = live_snapshots(connection, Scope())
            self.chunks = sum(snapshot.counts["chunks"] for snapshot in live)
        self._model_id = live[0].code_model_id
        self._encoder = runtime.encoder(self._model_id)

    def query(self, query: str) -> Callable[[], object]:
        """The query, its vector made."""
        vector = self._encoder.encode_query(query)
        statement = text(f"""
SELECT input_id FROM embeddings WHERE model_id = {self._model_id} AND space = 'code'
 ORDER BY vector::halfvec({len(vector)}) <=> cast(:query AS halfvec({len(vector)})) LIMIT {TOP}
""")
        value = HalfVector(vector).to_text()

        def run() -> object:
            with self._runtime.database.reading() as connection:
                connection.execute(text(f"SET LOCAL hnsw.ef_search = {EF_SEARCH}"))
                return connection.execute(statement, {"query": value}).all()

        return run


def concurrently(found: Fleet, queries: Sequence[str]) -> dict[str, Any]:
    """All queries from eight threads; errors and searches per second."""
    errors: list[str] = []
    with found.database(THREADS) as database:
        searchers = [Searcher(Runtime(found.settings, database)) for _ in range(THREADS)]
        for searcher, share in zip(searchers, _shares(queries), strict=True):
            for query in share:
                searcher.search(query, scope=Scope())
        threads = [
            threading.Thread(target=_ask, args=(searcher, share, errors))
            for searcher, share in zip(searchers, _shares(queries), strict=True)
        ]
        started = time.perf_counter()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        seconds = time.perf_counter() - started
    return {
        "threads": THREADS,
        "errors": errors,
        "searches_per_second": round(len(queries) / seconds, 1),
    }


def _shares(queries: Sequence[str]) -> list[Sequence[str]]:
    return [queries[start::THREADS] for start in range(THREADS)]


def _ask(searcher: Searcher, queries: Sequence[str], errors: list[str]) -> None:
    for query in queries:
        try:
            searcher.search(query, scope=Scope())
        except Exception as exc:  # noqa: BLE001 - counted, whatever it is
            errors.append(f"{type(exc).__name__}: {exc}")


def _summary(values: Sequence[float]) -> dict[str, float]:
    cuts = statistics.quantiles(values, n=20)
    return {"p50": round(statistics.median(values), 2), "p95": round(cuts[18], 2)}


if __name__ == "__main__":
    main()
