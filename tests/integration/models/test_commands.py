"""`mnemo model` as people and programs use it."""

from collections.abc import Callable
from pathlib import Path

import pytest

from bench.corpus import generated
from tests.commands import Cli
from tests.harness import Pipeline
from tests.integration.models.change import Change

BETTER = "hash-2-1536"
WORSE = "hash-3-3"


@pytest.fixture
def corpus(pipeline: Pipeline, tmp_path: Path) -> Change:
    """Some dozen documented functions, indexed."""
    generated(tmp_path / "corpus", 12)
    assert pipeline.index(tmp_path / "corpus")["state"] == "succeeded"
    return Change(pipeline)


def test_a_model_is_added_promoted_and_rolled_back(cli: Cli, corpus: Change) -> None:
    """Each step says what it did; a program reads it as JSON."""
    added = cli("model", "add", BETTER, "--json")
    assert added.json["candidate"]["name"] == BETTER

    early = cli("model", "promote", "--yes", "--json")
    assert early.code == 1
    assert early.json["switched"] is False
    assert any("still to be made" in blocker for blocker in early.json["blockers"])

    corpus.fill()
    status = cli("model", "status", "--json").json
    assert status["blockers"] == []
    assert {row["missing"] for row in status["progress"]} == {0}
    assert {each["asked"] for each in status["recall"]} == {44}
    assert [model["roles"] for model in status["models"]] == [
        ["text live", "code live"],
        ["text candidate", "code candidate"],
    ]

    assert cli("model", "promote", "--dry-run").code == 0
    assert cli("model", "promote").code == 2  # off a terminal, without --yes
    assert corpus.roles()["text"] == ("hash-1", None, BETTER)
    assert cli("model", "promote", "--yes").code == 0
    assert corpus.roles()["text"] == (BETTER, "hash-1", None)
    assert cli("search", "load order", "--json").json["models"]["text"] == BETTER

    assert cli("model", "rollback", "--yes").code == 0
    assert cli("model", "drop", BETTER, "--yes").code == 0
    assert set(corpus.roles().values()) == {("hash-1", None, None)}
    assert cli("model", "promote", "--yes").code == 2


def test_a_worse_model_is_promoted_only_by_force(cli: Cli, corpus: Change) -> None:
    """The refusal shows by how much it is worse."""
    cli("model", "add", WORSE, "--space", "code")
    corpus.fill()

    refused = cli("model", "promote", "--yes")

    assert refused.code == 1
    assert "recall@10 of code vectors on docstrings falls" in refused.stdout
    assert corpus.roles()["code"] == ("hash-1", None, WORSE)
    assert cli("model", "promote", "--yes", "--force").code == 0
    assert corpus.roles()["code"] == (WORSE, "hash-1", None)


def test_a_preview_of_dropping_changes_nothing(cli: Cli, corpus: Change) -> None:
    """And off a terminal nothing is dropped without --yes."""
    corpus.add(BETTER)
    corpus.fill()

    assert "88 vectors" in cli("model", "drop", BETTER, "--dry-run").stdout
    assert cli("model", "drop", BETTER).code == 2
    assert cli("model", "drop", "nothing-like-it", "--yes").code == 2

    assert corpus.roles()["text"] == ("hash-1", None, BETTER)


@pytest.mark.usefixtures("corpus")
def test_queries_are_saved_listed_and_forgotten(cli: Cli) -> None:
    """With the place that answers them."""
    place = "package_000/module_00003.py:9"
    saved = cli("model", "save-query", "who loads it?", "--repo", "corpus", "--expect", place)
    assert saved.code == 0, saved.stderr
    assert cli("model", "save-query", "?", "--repo", "corpus", "--expect", "no.py").code == 2

    [query] = cli("model", "queries", "--json").json["queries"]
    assert (query["query"], query["path"]) == ("who loads it?", "package_000/module_00003.py")

    assert cli("model", "forget-query", str(query["id"])).code == 0
    assert cli("model", "queries", "--json").json["queries"] == []
    assert cli("model", "forget-query", str(query["id"])).code == 2


def test_a_setting_that_decides_nothing_any_more_is_named(
    cli: Cli, corpus: Change, write_files: Callable[..., Path]
) -> None:
    """Whoever sets another model than the live one is told how to change it."""
    corpus.pipeline.sql("UPDATE embedding_models SET name = 'real', setting = '/models/real'")
    source = write_files({"a.py": "x = 1\n"})

    for variables, said in (
        ({}, "MNEMO_ENCODER=hash is ignored"),
        (
            {"MNEMO_ENCODER": "sentence-transformers", "MNEMO_TEXT_MODEL": "packaged"},
            "`mnemo model add packaged --space text` changes that",
        ),
    ):
        result = cli("index", str(source), "--no-wait", **variables)
        assert said in result.stderr
