"""Which commit a search sees: the old one whole, or the new one whole."""

import uuid
from collections.abc import Callable
from pathlib import Path

import pytest

from schema import runs, snapshots
from schema.snapshots import Identity
from search.query import Answer, Searcher
from search.scope import Scope
from tasks.settle import settle
from tests.harness import PYTHON, Pipeline, git

Make = Callable[..., Path]
OLD = "def before(value):\n    return value\n"
NEW = "def after(value):\n    return value\n"


def lexical(pipeline: Pipeline, query: str) -> Answer:
    """A lexical search over everything."""
    return Searcher(pipeline.runtime).search(query, scope=Scope(), mode="lexical")


def test_a_first_snapshot_answers_while_it_is_built(
    pipeline: Pipeline, make_repository: Make
) -> None:
    """The first files are found before any vector exists, and the answer states its coverage."""
    pipeline.ask(make_repository({"greet.py": PYTHON}))
    pipeline.drain("discover", "parse")

    answer = lexical(pipeline, "greet")

    assert len(answer.results) == 1
    assert answer.coverage == {"lexical": 1.0, "text": 0.0, "code": 0.0}


def test_a_first_snapshot_shows_what_is_parsed(pipeline: Pipeline, make_repository: Make) -> None:
    """Coverage below one says that more will come."""
    pipeline.ask(make_repository({f"f{n}.py": f"def name{n}():\n    pass\n" for n in range(4)}))
    pipeline.drain("discover")
    pipeline.sql("UPDATE blobs SET state = 'parsed' WHERE id IN (SELECT id FROM blobs LIMIT 1)")

    assert lexical(pipeline, "name1").coverage["lexical"] == 0.25


def test_a_new_commit_is_not_seen_before_it_is_parsed(
    pipeline: Pipeline, make_repository: Make
) -> None:
    """Until its last file is parsed, searches read the old commit, whole."""
    pipeline.index(make_repository({"a.py": OLD, "b.py": PYTHON}))
    pipeline.ask(make_repository({"a.py": NEW, "b.py": None}))
    pipeline.drain("discover")

    assert [r.path for r in lexical(pipeline, "before").results] == ["a.py"]
    assert [r.path for r in lexical(pipeline, "greet").results] == ["b.py"]
    assert lexical(pipeline, "after").results == []


def test_a_new_commit_is_seen_as_soon_as_it_is_parsed(
    pipeline: Pipeline, make_repository: Make
) -> None:
    """Its vectors may still be missing: the old commit is gone in the same instant."""
    pipeline.index(make_repository({"a.py": OLD, "b.py": PYTHON}))
    pipeline.ask(make_repository({"a.py": NEW, "b.py": None}))
    pipeline.drain("discover", "parse")

    assert [r.path for r in lexical(pipeline, "after").results] == ["a.py"]
    assert lexical(pipeline, "before").results == []
    assert lexical(pipeline, "greet").results == []


def test_an_older_snapshot_never_replaces_a_newer_one(
    pipeline: Pipeline, make_repository: Make
) -> None:
    """A slow run that ends last does not turn the index back."""
    pipeline.index(make_repository({"a.py": PYTHON}))
    pipeline.ask(make_repository({"a.py": OLD}))
    pipeline.drain("discover")
    [slow] = pipeline.sql("SELECT id FROM batches WHERE state = 'pending'")
    pipeline.sql(
        "UPDATE batches SET next_attempt_at = now() + interval '1 h' WHERE id = :id", id=slow.id
    )
    pipeline.ask(make_repository({"a.py": NEW}))
    pipeline.drain("discover", "parse")
    pipeline.sql("UPDATE batches SET next_attempt_at = now() WHERE id = :id", id=slow.id)

    pipeline.drain()

    assert len(lexical(pipeline, "after").results) == 1
    assert lexical(pipeline, "before").results == []


def test_a_listing_that_was_interrupted_is_replaced(
    pipeline: Pipeline, make_repository: Make
) -> None:
    """The next attempt starts its manifest anew and ends with one snapshot."""
    asked = pipeline.ask(make_repository({"a.py": PYTHON}))
    pipeline.drain("discover")
    pipeline.sql("UPDATE snapshots SET state = 'listing'")
    pipeline.sql(
        "UPDATE batches SET state = 'pending', finished_at = NULL WHERE stage = 'discover'"
    )

    pipeline.drain()

    assert pipeline.receipt(asked)["state"] == "succeeded"
    assert len(pipeline.sql("SELECT 1 FROM snapshots")) == 1
    assert len(lexical(pipeline, "greet").results) == 1


def test_settling_twice_changes_nothing(pipeline: Pipeline, make_repository: Make) -> None:
    """Closing is idempotent, so anybody may do it at any time."""
    receipt = pipeline.index(make_repository({"a.py": PYTHON}))
    settle(pipeline.runtime)

    [row] = pipeline.sql("SELECT id::text AS id FROM index_runs")
    assert row.id == receipt["run_id"]
    assert [1] == [row.n for row in pipeline.sql("SELECT count(*) AS n FROM snapshots")]


def test_a_run_whose_closing_was_missed_is_closed_later(
    pipeline: Pipeline, make_repository: Make
) -> None:
    """A worker that dies between its commit and the closing leaves nothing open."""
    asked = pipeline.ask(make_repository({"a.py": PYTHON}))
    pipeline.drain()
    pipeline.sql("UPDATE index_runs SET state = 'indexing', finished_at = NULL")
    pipeline.sql("UPDATE snapshots SET state = 'building', lexical_at = NULL, complete_at = NULL")

    settle(pipeline.runtime)

    assert pipeline.receipt(asked)["state"] == "succeeded"


def begin_listing(pipeline: Pipeline, folder: Path) -> uuid.UUID:
    """A run that dies, or is slow, just after it began the first manifest of a ref."""
    run_id = pipeline.ask(folder).run_id
    pipeline.sql("UPDATE batches SET state = 'done'")
    models = [pipeline.live_model(space) for space in ("text", "code")]
    ref = git(folder, "branch", "--show-current").strip()
    with pipeline.runtime.database.transaction() as connection:
        repository = runs.get_run(connection, run_id).repository
        begun = snapshots.create_snapshot(connection, repository.id, ref, Identity("", "", *models))
        runs.start_run(connection, run_id, begun)
        runs.set_default_ref(connection, repository.id, ref)
    return run_id


def test_a_listing_that_goes_nowhere_does_not_hide_what_is_whole(
    pipeline: Pipeline, make_repository: Make
) -> None:
    """It was live as the first of its ref; the next run takes its place."""
    folder = make_repository({"greet.py": PYTHON})
    begin_listing(pipeline, folder)

    pipeline.index(folder)

    assert [r.path for r in lexical(pipeline, "greet").results] == ["greet.py"]


@pytest.mark.parametrize(
    "stages", [(), ("discover",), ("discover", "parse"), ("discover", "parse", "embed", "persist")]
)
def test_of_two_runs_at_once_the_one_that_gives_way_takes_nothing_along(
    pipeline: Pipeline, make_repository: Make, stages: tuple[str, ...]
) -> None:
    """Whenever the first manifest is dropped, the other one becomes live or stays so."""
    folder = make_repository({"greet.py": PYTHON})
    first = begin_listing(pipeline, folder)
    second = pipeline.ask(folder).run_id
    if stages:
        pipeline.drain(*stages)

    with pipeline.runtime.database.transaction() as connection:
        other = runs.get_run(connection, second).snapshot_id
        if other is None:
            snapshots.drop_listing(connection, first)
        else:
            snapshots.follow_instead(connection, first, other)
    pipeline.drain()

    assert [r.path for r in lexical(pipeline, "greet").results] == ["greet.py"]
