"""The switch from one model to another: everywhere at once, back again, and what it leaves."""

import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from config import failpoints
from config.errors import BadInputError, ConflictError, DatabaseUnavailableError
from schema import audit, overview, receipts
from schema.database import Database
from schema.model_roles import MODELS_LOCK
from search.promotion import examine
from search.query import Answer
from tasks.embed.hash_encoder import HashEncoder
from tasks.embed.vectors import Vectors
from tasks.maintenance import maintain
from tasks.runtime import Runtime
from tasks.settle import settle
from tasks.verify import verify_repository
from tests.chaos.checker import unfinished, violations
from tests.commands import await_true
from tests.harness import PYTHON, Pipeline
from tests.integration.models.change import ACTOR, FILES, Change

Make = Callable[..., Path]
MODELS_HELD = f"""
SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND mode = 'ShareLock'
   AND (classid::bigint << 32) + objid::bigint = {MODELS_LOCK}
"""
NEW = {"new.py": PYTHON.replace("greet", "welcome")}


@pytest.fixture(autouse=True)
def _disarmed() -> Iterator[None]:
    """No test leaves a failpoint armed."""
    yield
    failpoints.arm("")


@pytest.fixture
def ready(change: Change) -> Change:
    """With a candidate whose vectors are all there."""
    change.add()
    change.fill()
    return change


def test_a_promotion_switches_every_repository_at_once(
    ready: Change, make_repository: Make
) -> None:
    """Nothing else changes: the same digests, counts and receipts, and nothing is outstanding."""
    ready.pipeline.index(make_repository(FILES, "fork"))
    ready.fill()
    digest, counts = ready.digest(), [row.counts for row in ready.live()]

    assert ready.promote() == 4  # two snapshots in two spaces

    assert set(ready.roles().values()) == {("hash-2", "hash-1", None)}
    assert ready.search().models == {"text": "hash-2", "code": "hash-2"}
    assert ready.search().coverage == {"lexical": 1.0, "text": 1.0, "code": 1.0}
    assert ready.digest() == digest
    assert [row.counts for row in ready.live()] == counts
    for repository in ("repository", "fork"):
        assert verify_repository(ready.pipeline.runtime, repository).ok


def test_what_is_indexed_afterwards_is_of_the_new_model(
    ready: Change, make_repository: Make
) -> None:
    """The settings still name the first one; they decide nothing any more."""
    ready.promote()

    repository = make_repository(NEW)
    receipt = ready.pipeline.index(repository)

    assert (receipt["state"], receipt["vectors"]["failed"]) == ("succeeded", 0)
    assert receipt["reused"]["embeddings"] == 2 * len(FILES)
    assert {row.text_model_id for row in ready.live()} == {ready.named("hash-2").id}
    assert ready.pipeline.index(repository)["snapshot_id"] == receipt["snapshot_id"]


def test_a_promotion_needs_every_vector(change: Change) -> None:
    """Whatever was examined before."""
    change.add()

    with pytest.raises(ConflictError, match="missing"):
        change.promote()

    assert change.roles()["text"] == ("hash-1", None, "hash-2")


def test_a_failed_vector_blocks_until_it_is_put_aside(change: Change) -> None:
    """`mnemo failed discard` says that it may be missing; the counts then say that it is."""
    change.add()
    change.fill()
    lost = change.pipeline.sql(
        "DELETE FROM embeddings WHERE model_id = :id AND space = 'code' AND input_id ="
        " (SELECT code_id FROM code_chunks ORDER BY id LIMIT 1) RETURNING input_id",
        id=change.named("hash-2").id,
    )
    change.pipeline.sql(
        "INSERT INTO failed_embeddings (chunk_id, model_id, space, error_class, last_error, state)"
        " SELECT id, :model, 'code', 'EmbeddingError', 'lost', 'quarantined' FROM code_chunks"
        " WHERE code_id = :input",
        model=change.named("hash-2").id,
        input=lost[0].input_id,
    )
    with pytest.raises(ConflictError):
        change.promote()

    change.pipeline.sql("UPDATE failed_embeddings SET state = 'discarded'")
    change.promote()

    [snapshot] = change.live()
    assert snapshot.counts["vectors"] == {"text": 3, "code": 2, "failed": 1}
    assert change.search().coverage["code"] == pytest.approx(2 / 3, abs=0.001)


def test_a_forced_promotion_makes_what_is_missing_as_fresh_work(
    change: Change, database: Database
) -> None:
    """Searches tell the gap until it is closed."""
    digest = change.digest()
    change.add()

    change.promote(force=True)

    assert change.search().coverage == {"lexical": 1.0, "text": 0.0, "code": 0.0}
    with change.pipeline.runtime.database.reading() as connection:
        [run] = overview.open_runs(connection)
    assert run["repository"] == "repository"
    change.fill()
    assert change.search().coverage == {"lexical": 1.0, "text": 1.0, "code": 1.0}
    assert change.digest() == digest
    assert unfinished(database) == []
    assert verify_repository(change.pipeline.runtime, "repository").ok


@pytest.mark.parametrize("stages", [(), ("discover",), ("parse",), ("embed",), ("persist",)])
def test_a_run_that_is_building_ends_with_the_new_model(
    ready: Change, make_repository: Make, database: Database, stages: tuple[str, ...]
) -> None:
    """However far it was when the models changed."""
    asked = ready.pipeline.ask(make_repository(NEW))
    for stage in ("discover", "parse", "embed", "persist"):
        if stages and ready.pipeline.drain(stage) and stage in stages:
            break
    ready.promote(force=True)
    assert violations(database) == []

    ready.fill()

    receipt = ready.pipeline.receipt(asked)
    assert (receipt["state"], receipt["vectors"]["failed"]) == ("succeeded", 0)
    assert {row.code_model_id for row in ready.live()} == {ready.named("hash-2").id}
    assert unfinished(database) == []
    assert ready.pipeline.sql("SELECT id FROM failed_embeddings") == []
    assert verify_repository(ready.pipeline.runtime, "repository").ok


def test_a_batch_that_was_being_encoded_ends_with_the_new_model(
    ready: Change, make_repository: Make, database: Database
) -> None:
    """What the old one made of it is kept; what that failed on is not held against the new one."""

    class Promoting(HashEncoder):
        def encode(self, texts: Sequence[str]) -> Vectors:
            if ready.roles()["text"][0] == "hash-1":
                ready.promote(force=True)
            found = super().encode(texts)
            found[["failing" in text for text in texts]] = np.nan
            return found

    ready.pipeline.use(Promoting())
    failing = "def failing():\n    return 1\n"

    receipt = ready.pipeline.index(make_repository({**NEW, "failing.py": failing}))

    assert (receipt["state"], receipt["vectors"]["failed"]) == ("succeeded", 0)
    assert unfinished(database) == []
    vectors = dict(
        tuple(row)
        for row in ready.pipeline.sql("SELECT model_id, count(*) FROM embeddings GROUP BY 1")
    )
    assert vectors[ready.named("hash-2").id] == vectors[ready.named("hash-1").id] + 2


@pytest.mark.parametrize(
    ("done", "stage", "commit"),
    [
        ((), "discover", "discover.begin"),
        ((), "discover", "discover.finish"),
        (("discover", "parse"), "embed", "embed.commit"),
    ],
)
def test_a_promotion_waits_for_who_writes_by_the_old_model(
    ready: Change, make_repository: Make, done: tuple[str, ...], stage: str, commit: str
) -> None:
    """What is about to be committed is there before the models change, or after."""
    ready.pipeline.ask(make_repository(NEW))
    for each in done:
        ready.pipeline.drain(each)
    failpoints.arm(f"{commit}=sleep(1)")
    writing = threading.Thread(target=ready.pipeline.drain, args=(stage,))
    writing.start()
    await_true(lambda: ready.pipeline.sql(MODELS_HELD))

    ready.promote(force=True)

    writing.join()
    failpoints.arm("")
    ready.fill()
    hash_2 = ready.named("hash-2").id
    named = ready.pipeline.sql("SELECT text_model_id, code_model_id FROM snapshots")
    assert {tuple(row) for row in named} == {(hash_2, hash_2)}
    assert verify_repository(ready.pipeline.runtime, "repository").ok


def test_a_candidate_of_one_space_leaves_the_other_alone(change: Change) -> None:
    """Text vectors of one model and code vectors of another answer together."""
    change.add("hash-2", "code")
    change.fill()

    change.promote()

    assert change.search().models == {"text": "hash-1", "code": "hash-2"}
    assert change.roles() == {
        "text": ("hash-1", None, None),
        "code": ("hash-2", "hash-1", None),
    }
    assert verify_repository(change.pipeline.runtime, "repository").ok


def test_the_former_model_is_live_again_after_a_rollback(ready: Change) -> None:
    """In one step too, and the other way round once more."""
    before = ready.search()
    ready.promote()

    ready.rollback()

    assert ready.search() == before
    assert set(ready.roles().values()) == {("hash-1", "hash-2", None)}
    ready.rollback()
    assert ready.search().models["text"] == "hash-2"


def test_a_rollback_needs_what_was_indexed_meanwhile(
    ready: Change, make_repository: Make, database: Database
) -> None:
    """Made as a candidate's, or, by force, as fresh work."""
    ready.promote()
    ready.pipeline.index(make_repository(NEW))
    with pytest.raises(ConflictError):
        ready.rollback()

    ready.add("hash-1")
    ready.fill()
    ready.rollback()

    assert set(ready.roles().values()) == {("hash-1", "hash-2", None)}
    ready.pipeline.index(make_repository({"newer.py": "def newer():\n    return 1\n"}))
    ready.rollback(force=True)
    ready.fill()
    assert unfinished(database) == []
    assert verify_repository(ready.pipeline.runtime, "repository").ok


def test_a_model_is_dropped_with_all_that_it_has(ready: Change) -> None:
    """Vectors, indexes, failures, runs; a later candidate begins anew."""
    runtime = ready.pipeline.runtime
    runtime.settings = runtime.settings.model_copy(update={"hnsw_threshold": 1})
    maintain(runtime)
    model_id = ready.named("hash-2").id

    assert ready.drop("hash-2") == 6

    assert set(ready.roles().values()) == {("hash-1", None, None)}
    assert ready.pipeline.sql("SELECT 1 FROM embedding_models WHERE id = :id", id=model_id) == []
    assert ready.pipeline.sql("SELECT 1 FROM index_runs WHERE model_id IS NOT NULL") == []
    rows = ready.pipeline.sql("SELECT indexname FROM pg_indexes WHERE indexname LIKE '%hnsw%'")
    assert len(rows) == 2
    ready.add()
    ready.fill()
    assert set(ready.missing(ready.named("hash-2").id)) == {0}


def test_dropping_goes_on_where_it_was_interrupted(ready: Change) -> None:
    """From the first commit on the model has no role and nothing of it is tried again."""
    ready.pipeline.sql(
        "INSERT INTO failed_embeddings (chunk_id, model_id, space, error_class, last_error)"
        " SELECT id, :model, 'code', 'EmbeddingError', 'lost' FROM code_chunks LIMIT 1",
        model=ready.named("hash-2").id,
    )
    failpoints.arm("model.drop.done=error")
    with pytest.raises(DatabaseUnavailableError):
        ready.drop("hash-2")
    failpoints.arm("")

    assert set(ready.roles().values()) == {("hash-1", None, None)}
    assert ready.pipeline.sql("SELECT id FROM failed_embeddings") == []
    assert ready.drop("hash-2") == 6


def test_a_live_model_is_not_dropped(ready: Change) -> None:
    """Nor one that a snapshot still names."""
    with pytest.raises(BadInputError, match="is the live text and code model"):
        ready.drop("hash-1")

    ready.promote()
    ready.pipeline.sql(
        "UPDATE snapshots SET code_model_id = :former", former=ready.named("hash-1").id
    )
    with pytest.raises(BadInputError, match="repository still live on hash-1"):
        ready.drop("hash-1")


def test_a_former_model_that_is_dropped_while_it_encodes_leaves_nothing(
    ready: Change, make_repository: Make, database: Database
) -> None:
    """What it makes of a new commit is thrown away, and the new model makes it again."""

    class Dropping(HashEncoder):
        def encode(self, texts: Sequence[str]) -> Vectors:
            if ready.roles()["text"][0] == "hash-1":
                ready.promote(force=True)
                ready.drop("hash-1")
            return super().encode(texts)

    ready.pipeline.use(Dropping())

    receipt = ready.pipeline.index(make_repository(NEW))

    assert (receipt["state"], receipt["vectors"]["failed"]) == ("succeeded", 0)
    models = ready.pipeline.sql("SELECT DISTINCT model_id FROM embeddings")
    assert [row.model_id for row in models] == [ready.named("hash-2").id]
    assert ready.pipeline.sql("SELECT 1 FROM batches WHERE attempt > 1 OR state = 'failed'") == []
    assert unfinished(database) == []


def test_a_candidate_that_is_dropped_while_it_encodes_leaves_nothing(change: Change) -> None:
    """Its batch is gone, its vectors are thrown away."""

    class Dropping(HashEncoder):
        def encode(self, texts: Sequence[str]) -> Vectors:
            change.drop("hash-2")
            return super().encode(texts)

    change.pipeline.runtime._encoders["hash-2"] = Dropping(2)
    change.add()
    change.fill()

    models = change.pipeline.sql("SELECT DISTINCT model_id FROM embeddings")
    assert [row.model_id for row in models] == [change.named("hash-1").id]
    assert change.pipeline.sql("SELECT 1 FROM batches WHERE blob_ids IS NOT NULL") == []
    assert set(change.roles().values()) == {("hash-1", None, None)}


def test_every_change_of_models_is_in_the_audit_log(ready: Change) -> None:
    """Who, what, which model."""
    ready.promote()
    ready.rollback()
    ready.drop("hash-2")

    with ready.pipeline.runtime.database.reading() as connection:
        entries = audit.entries(connection, 10)
    assert [(entry["action"], entry["changed"]) for entry in entries] == [
        ("model.drop", 6),
        ("model.rollback", 2),
        ("model.promote", 2),
        ("model.add", 2),
    ]
    assert entries[1]["filter"] == {"text": "hash-1", "code": "hash-1"}
    assert {entry["actor"] for entry in entries} == {ACTOR}


def test_a_receipt_stays_what_it_was(change: Change) -> None:
    """The run was what it was, whatever model its snapshot has now."""
    [run] = change.pipeline.sql("SELECT id FROM index_runs")
    with change.pipeline.runtime.database.reading() as connection:
        before = receipts.receipt(connection, run.id)
    change.add()
    change.fill()
    change.promote()

    with change.pipeline.runtime.database.reading() as connection:
        assert receipts.receipt(connection, run.id) == before


def test_a_needed_index_is_built_before_the_promotion(ready: Change) -> None:
    """Where there are enough vectors; not while they are still being made."""
    runtime = ready.pipeline.runtime
    runtime.settings = runtime.settings.model_copy(update={"hnsw_threshold": 1})
    models = dict.fromkeys(("text", "code"), ready.named("hash-2").id)
    unbuilt = examine(runtime, models, compare=False).blockers
    ready.pipeline.sql("UPDATE index_runs SET state = 'indexing' WHERE model_id IS NOT NULL")
    maintain(runtime)
    assert [blocker for blocker in unbuilt if "no index yet" in blocker] == unbuilt != []
    assert index_count(ready.pipeline) == 2

    settle(runtime)
    maintain(runtime)

    assert index_count(ready.pipeline) == 4
    assert examine(runtime, models, compare=False).blockers == []


def index_count(pipeline: Pipeline) -> int:
    """How many HNSW indexes there are."""
    return len(pipeline.sql("SELECT 1 FROM pg_indexes WHERE indexname LIKE 'embeddings_hnsw%'"))


def test_searches_during_changes_are_of_one_model(ready: Change) -> None:
    """Each is exactly the answer of the one or of the other, while models change all the time."""
    queries = ("greet a person", "take leave", "notes on people")
    answers: list[dict[str, Any]] = []
    for _ in range(2):
        answers.append({query: _facts(ready.search(query)) for query in queries})
        ready.promote() if len(answers) == 1 else ready.rollback()
    seen: list[dict[str, Any]] = []
    stop = threading.Event()

    def keep_asking() -> None:
        runtime = ready.pipeline.runtime
        with Database.from_settings(runtime.settings) as database:
            asking = Change(Pipeline(Runtime(runtime.settings, database)))
            while not stop.is_set():
                seen.append({query: _facts(asking.search(query)) for query in queries})

    asking = threading.Thread(target=keep_asking)
    asking.start()
    for _ in range(20):
        ready.rollback()
    stop.set()
    asking.join()

    assert answers[0] != answers[1]
    for query in queries:
        either = [answer[query] for answer in answers]
        assert all(answer[query] in either for answer in seen)
    assert all(any(answer[queries[0]] == each[queries[0]] for answer in seen) for each in answers)


def _facts(answer: Answer) -> Any:
    """What depends on the model: its names, and the distances that results were found at."""
    return answer.models, [(result.path, result.signals, result.score) for result in answer.results]
