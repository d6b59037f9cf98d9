"""A connection that is lost at a COMMIT: nobody was told whether that took effect.

The next step asks the ledger. If it did, the lease's token is gone and nothing is written again; if
not, another attempt does the work. Either way the index is that of an undisturbed run.
"""

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from structlog.contextvars import merge_contextvars
from structlog.testing import capture_logs

from config import failpoints
from config.errors import DatabaseUnavailableError
from config.features import Features
from config.settings import Settings
from schema.database import Database
from tasks.runtime import Runtime
from tasks.settle import settle
from tests.chaos.checker import digest_of, unfinished
from tests.chaos.proxy import Pair, Proxy
from tests.harness import PYTHON, Pipeline

Make = Callable[..., Path]
FILES = {"a.py": PYTHON, "b.py": PYTHON + "\n\ndef more():\n    return greet('me')\n"}
COMMITS = (
    *("discover.begin", "discover.piece", "discover.finish", "parse.commit", "parse.settle"),
    *("embed.commit", "persist.commit", "settle"),
)
ROWS = """
SELECT (SELECT count(*) FROM snapshots), (SELECT count(*) FROM snapshot_files),
       (SELECT count(*) FROM blobs), (SELECT count(*) FROM code_chunks),
       (SELECT count(*) FROM symbols), (SELECT count(*) FROM symbol_references),
       (SELECT count(*) FROM embeddings), (SELECT count(*) FROM index_runs)
"""


class Swallowing(Proxy):
    """Swallows the next COMMIT, or the reply to it, and ends its connection.

    Attributes:
        prey: which of the two; "" for none.
    """

    prey = ""

    def _forward(self, pair: Pair, sink: socket.socket, piece: bytes) -> bool:
        kind = "reply" if sink is pair.client else "request"
        if kind == self.prey and b"COMMIT\0" in piece:
            self.prey = ""
            self.cut += 1
            return False
        return super()._forward(pair, sink, piece)


@pytest.fixture
def proxy(settings: Settings) -> Iterator[Swallowing]:
    """Stands between the victim and PostgreSQL."""
    assert settings.database_url is not None
    port = urlsplit(settings.database_url.get_secret_value()).port
    with Swallowing("127.0.0.1", port or 0) as swallowing:
        yield swallowing


@pytest.fixture
def victim(settings: Settings, proxy: Swallowing) -> Iterator[Pipeline]:
    """The pipeline of a process that reaches PostgreSQL through the proxy."""
    assert settings.database_url is not None
    url = settings.database_url.get_secret_value()
    through = url.replace(f":{urlsplit(url).port}/", f":{proxy.port}/")
    apart = settings.model_copy(
        # two batches, so that every commit is reached; and nobody else commits meanwhile
        update={"batch_files": 1, "features": Features.model_validate({"error_tracking": False})}
    )
    runtime = Runtime(apart, Database(through, settings.timeouts, name="victim"))
    yield Pipeline(runtime)
    runtime.close()


@pytest.mark.parametrize("prey", ["request", "reply"])
def test_nothing_is_doubled_or_missing_when_a_commit_is_lost(
    pipeline: Pipeline,
    victim: Pipeline,
    proxy: Swallowing,
    make_repository: Make,
    monkeypatch: pytest.MonkeyPatch,
    prey: str,
) -> None:
    """The first one of every kind that a run has: it did not arrive, or nobody was told of it."""
    database, source = pipeline.runtime.database, make_repository(FILES)
    pipeline.index(source, name="reference")
    expected = digest_of(database, "reference"), pipeline.sql(ROWS)
    pipeline.sql("TRUNCATE repositories, blobs, embedding_inputs CASCADE")
    left = set(COMMITS)

    @contextmanager
    def losing(name: str | None, *_: object) -> Iterator[None]:
        if name in left:
            left.remove(name)
            proxy.prey = prey
        yield

    monkeypatch.setattr(failpoints, "around", losing)
    victim.ask(source, name="victim")
    with capture_logs(processors=[merge_contextvars]) as logs:
        victim.drain()
    with suppress(DatabaseUnavailableError):  # where its first commit comes after the last batch
        settle(victim.runtime)
    settle(victim.runtime)

    assert left == set()
    assert proxy.cut == len(COMMITS)
    fenced = [line["stage"] for line in logs if line["event"] == "work.lease_lost"]
    assert fenced.count("embed") == (prey == "reply")
    assert (digest_of(database, "victim"), pipeline.sql(ROWS)) == expected
    assert unfinished(database) == []
