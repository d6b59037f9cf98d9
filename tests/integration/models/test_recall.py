"""Is a candidate as good? Questions with known answers decide, and a worse one is not promoted."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from bench.corpus import generated
from config.errors import BadInputError
from schema import saved_queries
from schema.model_roles import SPACES
from schema.runs import get_repository
from search.dense import search_dense
from search.promotion import Examination, examine
from search.recall import TOP, documented, measure, nearest
from search.scope import Scope
from tests.harness import Pipeline
from tests.integration.models.change import Change

BETTER = "hash-2-1536"  # with more dimensions fewer words meet in one
WORSE = "hash-2-3"


@pytest.fixture
def corpus(pipeline: Pipeline, tmp_path: Path) -> Change:
    """Some dozen documented functions, indexed."""
    generated(tmp_path / "corpus", 12)
    assert pipeline.index(tmp_path / "corpus")["state"] == "succeeded"
    return Change(pipeline)


def examined(change: Change, model_id: int) -> Examination:
    """What `mnemo model promote` would see."""
    return examine(change.pipeline.runtime, dict.fromkeys(SPACES, model_id))


def save(change: Change, query: str, path: str, line: int = 0) -> None:
    """Saves a query about the corpus."""
    with change.pipeline.runtime.database.transaction() as connection:
        repository = get_repository(connection, "corpus")
        saved_queries.save(connection, repository, query, path, line)


def test_a_candidate_that_is_as_good_is_not_blocked(corpus: Change) -> None:
    """Counted on the same questions, one by one."""
    model_id = corpus.add(BETTER)
    corpus.fill()

    found = examined(corpus, model_id)

    assert found.blockers == []
    assert [(each.space, each.questions) for each in found.recall] == [
        ("text", "docstrings"),
        ("code", "docstrings"),
    ]
    assert all(each.asked >= each.live > each.asked / 2 > 10 for each in found.recall)


def test_a_candidate_that_is_worse_is_blocked(corpus: Change) -> None:
    """In every space in which it finds less; the tolerance is a setting."""
    model_id = corpus.add(WORSE)
    corpus.fill()

    found = examined(corpus, model_id)

    assert len(found.blockers) == 2
    assert all("falls from" in blocker for blocker in found.blockers)
    runtime = corpus.pipeline.runtime
    runtime.settings = runtime.settings.model_copy(update={"model_recall_tolerance": 1.0})
    assert examined(corpus, model_id).blockers == []


def test_nothing_is_compared_before_every_vector_is_there(corpus: Change) -> None:
    """What is not there cannot be found."""
    model_id = corpus.add("hash-2")

    found = examined(corpus, model_id)

    assert found.recall == []
    assert any("still to be made" in blocker for blocker in found.blockers)


def test_saved_queries_are_weighed_apart(corpus: Change) -> None:
    """A few that somebody saved are not lost among many docstrings."""
    [place] = corpus.pipeline.sql(
        "SELECT f.path, c.start_line, c.docstring FROM code_chunks c"
        " JOIN snapshot_files f ON f.blob_id = c.blob_id WHERE c.kind = 'function'"
        " ORDER BY c.id LIMIT 1"
    )
    save(corpus, place.docstring, place.path, place.start_line)
    save(corpus, place.docstring, place.path)
    model_id = corpus.add("hash-2")
    corpus.fill()

    recall = [each for each in examined(corpus, model_id).recall if each.questions == "saved"]

    assert [(each.space, each.asked, each.live) for each in recall] == [
        ("text", 2, 2),
        ("code", 2, 2),
    ]


def test_without_questions_nothing_is_promoted(
    pipeline: Pipeline, make_repository: Callable[..., Path]
) -> None:
    """Nobody knows whether the candidate is as good."""
    pipeline.index(make_repository({"plain.py": "def plain():\n    return 1\n"}))
    change = Change(pipeline)
    model_id = change.add("hash-2")
    change.fill()

    [blocker] = examined(change, model_id).blockers
    assert "nothing to compare" in blocker


def test_a_saved_query_follows_its_symbol(
    pipeline: Pipeline, make_repository: Callable[..., Path]
) -> None:
    """Lines move; without a symbol the line counts; what is gone is not asked any more."""
    function = "def wanted():\n    return 1\n"
    pipeline.index(make_repository({"a.py": function, "b.txt": "one\n", "c.py": "x = 1\n"}))
    with pipeline.runtime.database.transaction() as connection:
        repository = get_repository(connection, "repository")
        for path, line in (("a.py", 2), ("b.txt", 1), ("c.py", 0)):
            saved_queries.save(connection, repository, f"what is in {path}", path, line)
    far = "\n".join(f"# line {n}" for n in range(400)) + "\n\n\n"
    pipeline.index(make_repository({"a.py": far + function, "c.py": None}))

    with pipeline.runtime.database.reading() as connection:
        asked = {each.query: each.wanted for each in saved_queries.questions(connection)}
        [chunk] = pipeline.sql("SELECT max(id) AS id FROM code_chunks WHERE name = 'wanted'")

    assert asked.keys() == {"what is in a.py", "what is in b.txt"}
    assert asked["what is in a.py"] == {chunk.id}


def test_a_query_is_saved_only_with_an_answer(corpus: Change) -> None:
    """A path or a line that is not indexed is a typing error."""
    for path, line in (("nowhere.py", 0), ("package_000/module_00000.py", 9_999)):
        with pytest.raises(BadInputError, match="is indexed at"):
            save(corpus, "where?", path, line)


def test_docstrings_ask_for_one_chunk_each(
    pipeline: Pipeline, make_repository: Callable[..., Path]
) -> None:
    """Those that stand more than once, or say nearly nothing, tell nothing."""
    documentation = {"a": "Does what others do.", "b": "Does what others do.", "c": "Short."}
    documentation["d"] = "Does what no other\n    does at all.\n\n    More of it."
    files = {f"{n}.py": f'def {n}():\n    """{d}"""\n' for n, d in documentation.items()}
    pipeline.index(make_repository(files))

    with pipeline.runtime.database.reading() as connection:
        [question] = documented(connection)

    assert question.query == "Does what no other does at all."
    [chunk] = pipeline.sql("SELECT id FROM code_chunks WHERE name = 'd'")
    assert question.wanted == {chunk.id}


@pytest.mark.parametrize("space", SPACES)
def test_the_scan_is_exact(corpus: Change, space: str) -> None:
    """It gives the neighbours that PostgreSQL gives, by distance."""
    runtime = corpus.pipeline.runtime
    model_id = corpus.pipeline.live_model(space)
    encoder = runtime.encoder(model_id)
    with runtime.database.reading() as connection:
        asked = documented(connection)[:5]
        queries = [encoder.encode_query(question.query) for question in asked]
        found = nearest(connection, "corpus", space, model_id, np.stack(queries))
        for query, ids in zip(queries, found, strict=True):
            exact = search_dense(
                connection,
                Scope(repository="corpus"),
                space=space,
                model_id=model_id,
                query=query,
                indexes=(),
                limit=TOP,
            )
            nearer = {each.chunk_id for each in exact if each.distance < exact[-1].distance}
            assert len(set(ids)) == TOP
            assert nearer <= set(ids)  # of the equally far, any may be last
            assert nearer


def test_a_model_is_as_good_as_itself(corpus: Change) -> None:
    """The comparison itself favours neither."""
    model_id = corpus.pipeline.live_model()

    [recall] = measure(corpus.pipeline.runtime, {"text": (model_id, model_id)})

    assert recall.live == recall.candidate
    assert recall.fall == 0
