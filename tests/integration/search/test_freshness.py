"""Every answer says which commits it reads, how old they are, and what of each is there."""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest

from search.query import Answer, Searcher
from search.scope import Scope
from tests.harness import PYTHON, Pipeline, git

Make = Callable[..., Path]


@pytest.fixture
def root(pipeline: Pipeline, make_repository: Make) -> Path:
    """An indexed repository."""
    root = make_repository({"greet.py": PYTHON}, "web")
    pipeline.index(root)
    return root


def ask(pipeline: Pipeline, **scope: str) -> Answer:
    """A search."""
    return Searcher(pipeline.runtime).search("greet", scope=Scope(**scope))


def test_an_answer_names_the_commit_and_its_age(pipeline: Pipeline, root: Path) -> None:
    """By the clock of the database."""
    pipeline.sql("UPDATE snapshots SET complete_at = now() - interval '1 hour'")

    (read,) = ask(pipeline).snapshots

    assert (read["repository"], read["ref"], read["state"]) == ("web", "main", "complete")
    assert read["commit"] == git(root, "rev-parse", "HEAD")
    assert 3_600 <= read["age_s"] < 3_700
    assert datetime.fromisoformat(read["indexed_at"]).tzinfo
    assert "coverage" not in read


def test_the_commit_before_is_named_while_the_next_is_built(
    pipeline: Pipeline, root: Path, make_repository: Make
) -> None:
    """Answers read it whole."""
    before = git(root, "rev-parse", "HEAD")
    pipeline.ask(make_repository({"more.py": "x = 1\n"}, "web"))
    pipeline.drain("discover")

    assert [read["commit"] for read in ask(pipeline).snapshots] == [before]


@pytest.mark.usefixtures("root")
def test_repositories_state_their_own_coverage_where_they_differ(
    pipeline: Pipeline, make_repository: Make
) -> None:
    """The sum does not tell which one lacks what."""
    pipeline.ask(make_repository({"other.py": "def other():\n    pass\n"}, "half"))
    pipeline.drain("discover")
    pipeline.drain("parse")

    answer = ask(pipeline)

    whole = {"lexical": 1.0, "text": 1.0, "code": 1.0}
    assert {read["repository"]: (read["state"], read["coverage"]) for read in answer.snapshots} == {
        "web": ("complete", whole),
        "half": ("lexical", {"lexical": 1.0, "text": 0.0, "code": 0.0}),
    }
    assert 0 < answer.coverage["text"] < 1
    assert "coverage" not in ask(pipeline, repository="half").snapshots[0]
