"""PostgreSQL's disk fills up in the middle of a run: nothing is lost, and it goes on with room.

The server says so by SQLSTATE 53100 wherever it would have to extend a file; a trigger does it here
for one table at a time.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from config.errors import DatabaseFullError
from config.settings import Settings
from schema.models.ledger import STAGES
from tasks.embed.hash_encoder import HashEncoder
from tasks.embed.replay import replay_embedding
from tasks.settle import settle
from tasks.work import work
from tests.chaos.checker import digest_of, unfinished, violations
from tests.commands import Cli
from tests.harness import PYTHON, Pipeline
from tests.integration.pipeline.test_failures import BrokenEncoder
from workers.health import check

Make = Callable[..., Path]
FILES = {"a.py": PYTHON, "b.py": "def b():\n    return 2\n", "c.md": "# Title\n\nSome words.\n"}
ROUNDS = 7  # more than the attempts of a batch
REFUSE = """
CREATE OR REPLACE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  RAISE EXCEPTION 'could not extend file "base/5/16390": No space left on device'
        USING ERRCODE = 'disk_full', HINT = 'Check free disk space.';
END $$
"""
STATE = "SELECT stage, state, attempt, error_class FROM batches WHERE state <> 'done'"


@contextmanager
def full(pipeline: Pipeline, table: str, event: str = "INSERT") -> Iterator[None]:
    """There is no room for `table` inside the block."""
    pipeline.sql(REFUSE)
    pipeline.sql(f"CREATE TRIGGER full_disk BEFORE {event} ON {table} EXECUTE FUNCTION refuse()")
    yield
    pipeline.sql(f"DROP TRIGGER full_disk ON {table}")


def attempt(pipeline: Pipeline, stage: str) -> None:
    """Tries each batch at a stage once more, whenever it would be due."""
    pipeline.sql("UPDATE batches SET next_attempt_at = now() WHERE state = 'pending'")
    for row in pipeline.sql("SELECT id, stage FROM batches WHERE state = 'pending'"):
        if row.stage == stage:
            work(pipeline.runtime, stage, row.id)


def undisturbed(pipeline: Pipeline, repository: Path) -> str:
    """The digest of the same repository, indexed anew."""
    pipeline.sql("TRUNCATE repositories, blobs, embedding_inputs CASCADE")
    pipeline.index(repository)
    return digest_of(pipeline.runtime.database, "repository")


@pytest.mark.parametrize(
    ("stage", "table"),
    [
        ("discover", "blobs"),
        ("discover", "batches"),
        ("parse", "code_chunks"),
        ("embed", "embeddings"),
    ],
)
def test_a_run_waits_for_room(
    pipeline: Pipeline, make_repository: Make, stage: str, table: str
) -> None:
    """However long: no attempt is used up, nothing is half-written, nothing ends as failed."""
    database, repository = pipeline.runtime.database, make_repository(FILES)
    asked = pipeline.ask(repository)
    for earlier in STAGES[: STAGES.index(stage)]:
        pipeline.drain(earlier)
    [before] = pipeline.sql(f"SELECT count(*) AS rows FROM {table}")
    with full(pipeline, table):
        for _ in range(ROUNDS):
            attempt(pipeline, stage)
            assert violations(database) == []
        [batch] = pipeline.sql(STATE)
        assert tuple(batch) == (stage, "pending", 0, "DatabaseFullError")
        assert pipeline.sql(f"SELECT count(*) AS rows FROM {table}") == [before]
        assert pipeline.receipt(asked)["state"] in ("pending", "indexing")

    pipeline.sql("UPDATE batches SET next_attempt_at = now() WHERE state = 'pending'")
    pipeline.drain()
    settle(pipeline.runtime)

    assert pipeline.receipt(asked)["state"] == "succeeded"
    assert unfinished(database) == []
    assert digest_of(database, "repository") == undisturbed(pipeline, repository)


def test_without_room_for_the_ledger_nothing_is_claimed(
    pipeline: Pipeline, make_repository: Make
) -> None:
    """Not even an attempt can be counted; the step fails loudly and is done later."""
    asked = pipeline.ask(make_repository(FILES))
    with full(pipeline, "batches", "UPDATE"), pytest.raises(DatabaseFullError, match="No space"):
        work(pipeline.runtime, "discover", asked.batch_id)

    pipeline.drain()
    settle(pipeline.runtime)

    assert pipeline.receipt(asked)["state"] == "succeeded"


def test_a_step_that_cannot_even_be_given_back_is_done_later(
    pipeline: Pipeline, make_repository: Make
) -> None:
    """The disk fills up behind the claim: the lease runs out, and nothing else happens."""
    asked = pipeline.ask(make_repository(FILES))
    pipeline.drain("discover")
    released = "UPDATE OF next_attempt_at"
    [batch] = pipeline.sql("SELECT id FROM batches WHERE state = 'pending'")
    with full(pipeline, "batches", released), pytest.raises(DatabaseFullError):
        work(pipeline.runtime, "parse", batch.id)
    assert violations(pipeline.runtime.database) == []
    assert pipeline.sql("SELECT 1 FROM code_chunks") == []
    pipeline.sql(
        "UPDATE batches SET state = 'pending', lease_token = NULL, lease_until = NULL"
        " WHERE state = 'leased'"
    )

    pipeline.drain()
    settle(pipeline.runtime)

    assert pipeline.receipt(asked)["state"] == "succeeded"


def test_a_vector_that_finds_no_room_is_tried_on(pipeline: Pipeline, make_repository: Make) -> None:
    """Failed embeddings, too, wait for room as long as it takes."""
    runtime = pipeline.runtime
    pipeline.use(BrokenEncoder())
    pipeline.index(make_repository({"b.py": FILES["b.py"]}))
    pipeline.use(HashEncoder())
    failed = [row.id for row in pipeline.sql("SELECT id FROM failed_embeddings")]
    with full(pipeline, "embeddings"):
        for _ in range(ROUNDS):
            pipeline.sql("UPDATE failed_embeddings SET next_attempt_at = now()")
            replay_embedding(runtime, failed[0], runtime.policy("embed.retry"))
        [row] = pipeline.sql(
            "SELECT state, retry_count, error_class FROM failed_embeddings WHERE id = :id",
            id=failed[0],
        )
        assert tuple(row) == ("pending", 0, "DatabaseFullError")

    pipeline.sql("UPDATE failed_embeddings SET next_attempt_at = now()")
    assert all(replay_embedding(runtime, one, runtime.policy("embed.retry")) for one in failed)
    assert unfinished(runtime.database) == []


def test_whoever_asks_is_told(
    pipeline: Pipeline, make_repository: Make, settings: Settings, cli: Cli
) -> None:
    """By health, by `mnemo why`, and by the table of errors, until there is room again."""
    pipeline.ask(make_repository(FILES))
    pipeline.drain("discover")
    with full(pipeline, "code_chunks"):
        attempt(pipeline, "parse")
    pipeline.runtime.errors.flush()
    pipeline.sql("UPDATE batches SET next_attempt_at = now() + interval '1 min'")

    report = check(settings).services["postgresql"]
    assert (report.status, "disk is full" in report.detail) == ("degraded", True)
    assert any(
        "will be tried again" in reason and "No space left on device" in reason
        for reason in cli("why", "repository", "--json").json["reasons"]
    )
    [kind] = cli("errors", "stats", "--json").json["errors"]
    assert (kind["operation"], kind["error_class"]) == ("parse", "DatabaseFullError")

    pipeline.sql("UPDATE batches SET next_attempt_at = now() WHERE state = 'pending'")
    pipeline.drain()
    assert check(settings).services["postgresql"].status == "healthy"
