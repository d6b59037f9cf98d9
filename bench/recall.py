"""What the HNSW index loses, weighs and costs to build: `python -m bench.recall`.

Takes the home and the sources of `bench.latency`. Builds each index anew, as maintenance does,
watching the memory of the server's processes; then asks it for the nearest vectors of questions
and compares with the exact ones. A vector counts as found where its distance is among the exact
ones, so that equal distances do no harm. Prints JSON.
"""

import statistics
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psutil
from pgvector import HalfVector
from sqlalchemy import Connection, text

from bench.fleet import Fleet, arguments, fleet, print_figures
from schema import vector_index
from schema.database import Database
from schema.model_roles import SPACES
from search.dense import EF_SEARCH
from search.scope import Scope, live_snapshots
from tasks.runtime import Runtime

DEPTHS = (10, 100)
EF_TRIED = (40, 100, EF_SEARCH)
TOLERANCE = 1e-6
WATCH_SECONDS = 0.2


def main() -> None:
    """Prints the figures of both spaces."""
    given = arguments(__doc__, queries=200)
    with fleet(given.home, given.sources) as found, found.database() as database:
        runtime = Runtime(found.settings, database)
        with database.reading() as connection:
            live = live_snapshots(connection, Scope())
        encoder = runtime.encoder(live[0].model_id("code"))
        queries = found.queries(database, given.queries)
        asked = [HalfVector(encoder.encode_query(query)).to_text() for query in queries]
        figures = {
            space: _space(found, database, live[0].model_id(space), space, asked)
            for space in SPACES
        }
    print_figures({"queries": given.queries, "ef_search": EF_SEARCH} | figures)


def _space(
    found: Fleet, database: Database, model_id: int, space: str, asked: list[str]
) -> dict[str, Any]:
    name = vector_index.index_name(model_id, space)
    with database.autocommit() as connection:
        connection.execute(text(f"DROP INDEX IF EXISTS {name}"))
        started = time.perf_counter()
        with _peak(connection) as peak:
            vector_index.build_missing(
                connection, threshold=1, seconds=found.settings.timeouts.maintenance_task
            )
        seconds = time.perf_counter() - started
    with database.reading() as connection:
        size = connection.execute(text("SELECT pg_relation_size(:name)"), {"name": name})
        figures = {
            "vectors": _count(connection, model_id, space),
            "build_seconds": round(seconds, 1),
            "build_peak_mib": peak[0] >> 20,
            "index_mib": int(size.scalar_one()) >> 20,
        }
        exact = [_nearest(connection, model_id, space, query, None) for query in asked]
        recall = {
            f"ef_search {ef}": {
                f"recall@{depth}": _recall(connection, model_id, space, asked, exact, ef, depth)
                for depth in DEPTHS
                if depth <= ef
            }
            for ef in EF_TRIED
        }
    return figures | recall


def _count(connection: Connection, model_id: int, space: str) -> int:
    rows = connection.execute(
        text("SELECT count(*) FROM embeddings WHERE model_id = :model AND space = :space"),
        {"model": model_id, "space": space},
    )
    return int(rows.scalar_one())


def _recall(
    connection: Connection,
    model_id: int,
    space: str,
    asked: list[str],
    exact: list[list[float]],
    ef: int,
    depth: int,
) -> float:
    shares = []
    for query, nearest in zip(asked, exact, strict=True):
        found = _nearest(connection, model_id, space, query, ef)[:depth]
        farthest = nearest[:depth][-1] + TOLERANCE
        shares.append(sum(distance <= farthest for distance in found) / len(nearest[:depth]))
    return round(statistics.mean(shares), 4)


def _nearest(
    connection: Connection, model_id: int, space: str, query: str, ef: int | None
) -> list[float]:
    """Distances of the nearest vectors, by the index with `ef_search`, or exact where None."""
    width = query.count(",") + 1
    connection.execute(text(f"SET LOCAL enable_indexscan = {'off' if ef is None else 'on'}"))
    connection.execute(text(f"SET LOCAL hnsw.ef_search = {ef or EF_SEARCH}"))
    rows = connection.execute(
        text(f"""
SELECT vector::halfvec({width}) <=> cast(:query AS halfvec({width})) AS distance
  FROM embeddings WHERE model_id = {model_id} AND space = '{space}'
 ORDER BY distance LIMIT {max(DEPTHS)}
"""),
        {"query": query},
    )
    return sorted(rows.scalars())


@contextmanager
def _peak(connection: Connection) -> Iterator[list[int]]:
    """The most memory that the server's processes held beyond what they held before, in bytes."""
    pid = int(connection.execute(text("SELECT pg_backend_pid()")).scalar_one())
    server = psutil.Process(pid).parent()
    assert server is not None
    before, peak, stopped = _held(server), [0], threading.Event()

    def watch() -> None:
        while not stopped.wait(WATCH_SECONDS):
            peak[0] = max(peak[0], _held(server) - before)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield peak
    finally:
        stopped.set()
        thread.join()


def _held(server: psutil.Process) -> int:
    total = 0
    for process in [server, *server.children()]:
        try:
            total += process.memory_full_info().pss
        except psutil.NoSuchProcess:
            continue
    return total


if __name__ == "__main__":
    main()
