"""Each safety net can be turned off by its setting, and then is off in a worker's own tools."""

import uuid
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlalchemy import Connection, text

from config.errors import EncoderUnavailableError, ParseError
from config.features import Features
from config.settings import Settings
from config.timeouts import Timeouts
from schema.database import Database
from search.shared_vectors import SharedVectors
from tasks.doorbells import Doorbells
from tasks.reconcile import Reconciler
from tasks.runtime import Runtime
from tests.harness import PYTHON, Pipeline
from workers.app import create_app

Make = Callable[..., Path]
MANY = 50


def featuring(settings: Settings, **features: bool) -> Settings:
    """The settings with some features on or off."""
    return Settings.model_validate(settings.model_dump() | {"features": features})


@pytest.fixture(params=[True, False], ids=["on", "off"])
def on(request: pytest.FixtureRequest) -> bool:
    """Whether the feature is on: what does not differ tests nothing."""
    return bool(request.param)


def test_every_feature_is_turned_off_here() -> None:
    """A new one needs a test that it can be."""
    source = Path(__file__).read_text()

    assert [name for name in Features.model_fields if f"{name}=on" not in source] == []


def test_breakers(settings: Settings, database: Database, on: bool) -> None:
    """A dependency that keeps failing is then called every time."""
    runtime = Runtime(featuring(settings, breakers=on), database)
    breaker = runtime.breakers.encoder()
    for _ in range(MANY):
        if not breaker.blocked():
            with pytest.raises(EncoderUnavailableError), breaker.guard():
                raise EncoderUnavailableError

    assert breaker.blocked() is on


def test_error_tracking(settings: Settings, database: Database, on: bool) -> None:
    """Nothing is then written to `errors`."""
    runtime = Runtime(featuring(settings, error_tracking=on), database)
    runtime.errors.record("parse", ParseError())
    runtime.errors.close()

    assert bool(rows(database, "SELECT 1 FROM errors")) is on


def test_retry_queue(
    settings: Settings, pipeline: Pipeline, make_repository: Make, on: bool
) -> None:
    """Failed embeddings then wait for a person."""
    pipeline.index(make_repository({"a.py": PYTHON}))
    pipeline.sql(
        "INSERT INTO failed_embeddings (chunk_id, model_id, space, error_class, last_error)"
        " SELECT c.id, m.id, 'text', 'EmbeddingError', '' FROM code_chunks c, embedding_models m"
    )
    app = create_app(settings)
    runtime = Runtime(featuring(settings, retry_queue=on), pipeline.runtime.database)
    Reconciler(runtime, Doorbells(app)).ring()
    app.close()

    rung = "SELECT 1 FROM failed_embeddings WHERE rung_at IS NOT NULL"
    assert bool(rows(pipeline.runtime.database, rung)) is on


def test_search_cache(settings: Settings, database: Database, on: bool) -> None:
    """Each process then encodes for itself."""
    runtime = Runtime(featuring(settings, search_cache=on), database)
    shared = SharedVectors(runtime.settings, runtime.breakers.cache())
    model = uuid.uuid4().hex  # of this test alone: the broker is everybody's
    shared.put(model, "a question", np.ones(8, np.float32))

    assert (shared.get(model, "a question") is not None) is on


def test_timeouts_of_statements(settings: Settings, on: bool) -> None:
    """Half a day is no limit; who is silent in a transaction still loses it."""
    with Database.from_settings(featuring(settings, timeouts=on)) as database:
        limits = [
            rows(database, f"SHOW {name}")[0][0]
            for name in ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout")
        ]

    assert limits == (["30s", "10s", "20s"] if on else ["12h", "12h", "20s"])


def test_timeouts_of_tasks(settings: Settings, on: bool) -> None:
    """A day; and the broker waits for longer than that before it delivers again."""
    app = create_app(featuring(settings, timeouts=on))
    limits = [task.time_limit or 0 for name, task in app.tasks.items() if "mnemo." in name]
    visible = app.conf.broker_transport_options["visibility_timeout"]
    app.close()

    assert (min(limits) == 86_400) is not on
    assert visible > 2 * max(limits)


def test_strict_transactions(settings: Settings, make_repository: Make, on: bool) -> None:
    """Two commits of the pipeline then do not wait for the disk; all others do."""
    database = Noting.from_settings(featuring(settings, strict_transactions=on))
    with closing(Runtime(settings, database)) as runtime:
        Pipeline(runtime).index(make_repository({"a.py": PYTHON}))

    hurried = {name for name, waits in database.waits.items() if waits == "off"}
    assert hurried == (set() if on else {"parse.commit", "persist.commit"})
    assert database.waits.keys() - hurried >= {"enqueue", "claim", "embed.commit", "settle"}


class Noting(Database):
    """Notes of each named transaction whether its commit will wait for the disk."""

    def __init__(self, url: str, timeouts: Timeouts, **options: Any) -> None:
        super().__init__(url, timeouts, **options)
        self.waits: dict[str, str] = {}

    @contextmanager
    def transaction(
        self, name: str | None = None, *, repeatable: bool = False
    ) -> Iterator[Connection]:
        """See `Database.transaction`."""
        with super().transaction(name, repeatable=repeatable) as connection:
            yield connection
            if name:
                setting = connection.exec_driver_sql("SHOW synchronous_commit").scalar_one()
                self.waits[name] = setting


def rows(database: Database, statement: str) -> list[Any]:
    """Of one statement."""
    with database.transaction() as connection:
        return list(connection.execute(text(statement)))
