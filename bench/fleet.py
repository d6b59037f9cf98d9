"""A large index to measure searches on: made once by the product itself, kept between runs.

Vectors are the real model's, because the graph of an HNSW index over random ones is another one.
"""

import argparse
import json
import os
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import text

from bench.installation import MNEMO
from config.logging import setup_logging
from config.settings import Settings
from schema.database import Database
from tasks.maintenance import maintain
from tasks.runtime import Runtime
from workers.embedded.home import Home
from workers.launch import with_endpoints

# One docstring each of many places: what people might ask for, in their own words.
QUERIES = text("""
SELECT c.docstring, c.name, f.path
  FROM code_chunks c
  JOIN LATERAL (SELECT f.path FROM snapshot_files f WHERE f.blob_id = c.blob_id LIMIT 1) f ON true
 WHERE length(c.docstring) > 30 AND c.kind IN ('function', 'method') AND length(c.name) > 5
 ORDER BY md5(c.id::text || :seed) LIMIT :count
""")
KINDS = ("prose", "prose", "prose", "prose", "prose", "prose", "name", "name", "name", "path")


@dataclass(frozen=True, slots=True)
class Fleet:
    """A running home with several repositories."""

    settings: Settings

    def database(self, size: int = 4) -> Database:
        """Connections as a search has them."""
        limit = self.settings.timeouts.sql_verify  # exact scans are part of what is measured
        return Database.from_settings(self.settings, statement_seconds=limit, size=size)

    def queries(self, database: Database, count: int, seed: str = "1") -> list[str]:
        """Mostly prose, some names, some paths; the same for the same index and seed."""
        with database.reading() as connection:
            rows = connection.execute(QUERIES, {"count": count, "seed": seed}).all()
        return [_query(KINDS[n % len(KINDS)], row) for n, row in enumerate(rows)]


def arguments(description: str | None, queries: int) -> argparse.Namespace:
    """The command line of a benchmark: `sources`, `home`, `queries`."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("sources", nargs="+", type=Path)
    parser.add_argument("--home", required=True, type=Path)
    parser.add_argument("--queries", type=int, default=queries)
    return parser.parse_args()


@contextmanager
def fleet(home: Path, folders: Sequence[Path]) -> Iterator[Fleet]:
    """Starts `home`, indexes what of `folders` it has not, and builds the vector indexes.

    In the end its servers are stopped; what is indexed stays.
    """
    environment = dict(os.environ) | {"MNEMO_HOME": str(home)}  # noqa: TID251 - passed on

    def mnemo(*given: str) -> None:
        subprocess.run([MNEMO, *given], env=environment, check=True, capture_output=True)

    mnemo("up")
    try:
        for folder in folders:
            mnemo("index", str(folder), "--json")
        yield _running(home)
    finally:
        mnemo("down")


def print_figures(figures: dict[str, Any]) -> None:
    """As one document on stdout."""
    print(json.dumps(figures, indent=2))


def _running(home: Path) -> Fleet:
    setup_logging(Settings.model_validate({"log_level": "warning"}), process="bench")
    endpoints = Home(home).endpoints()
    assert endpoints is not None
    # a vector that is shared would not have to be made
    chosen = {"home": home, "features": {"search_cache": False}}
    found = Fleet(with_endpoints(Settings.model_validate(chosen), endpoints))
    with found.database() as database:
        maintain(Runtime(found.settings, database))
    return found


def _query(kind: str, row: Any) -> str:
    match kind:
        case "name":
            return str(row.name)
        case "path":
            return str(row.path)
        case _:
            return " ".join(row.docstring.split("\n\n")[0].split())[:200]
