"""`mnemo cancel` over a real database: what it asks for, what it says, what others then say."""

from collections.abc import Callable
from pathlib import Path

import pytest

from schema.runs import Asked
from tests.commands import WAIT_SECONDS, Cli, await_true
from tests.harness import PYTHON, Pipeline

Make = Callable[..., Path]


@pytest.fixture
def asked(pipeline: Pipeline, make_repository: Make) -> Asked:
    """A run whose files are listed."""
    asked = pipeline.ask(make_repository({"a.py": PYTHON}))
    pipeline.drain("discover")
    return asked


def test_nothing_is_cancelled_by_mistake(cli: Cli, pipeline: Pipeline, asked: Asked) -> None:
    """Off a terminal it needs --yes; a preview changes nothing."""
    run = str(asked.run_id)

    assert cli("cancel", run).code == 2
    preview = cli("cancel", run, "--dry-run", "--json").json

    assert (preview["matched"], preview["changed"]) == (1, 0)
    assert [row["run_id"] for row in preview["runs"]] == [run]
    assert pipeline.receipt(asked)["state"] == "indexing"
    assert pipeline.sql("SELECT 1 FROM audit_log") == []


def test_a_cancelled_run_is_called_that_everywhere(
    cli: Cli, pipeline: Pipeline, asked: Asked
) -> None:
    """By status, of the run and of the repository, and by why."""
    run = str(asked.run_id)

    result = cli("cancel", run, "--yes", "--json")

    assert result.code == 0, result.stderr
    assert (result.json["matched"], result.json["changed"]) == (1, 1)
    assert cli("status", run, "--json").json["state"] == "cancelled"
    status = cli("status", "--json").json
    assert [row["state"] for row in status["repositories"]] == ["cancelled"]
    assert status["runs"] == []
    [reason] = cli("why", "repository", "--json").json["reasons"]
    assert reason.endswith("cancelled this run")
    assert pipeline.drain() == 0


def test_every_open_run_of_a_repository_is_cancelled(
    cli: Cli, pipeline: Pipeline, asked: Asked, make_repository: Make
) -> None:
    """And none of another one."""
    more = pipeline.ask(make_repository({"b.py": "def later():\n    return 1\n"}))
    fork = pipeline.ask(make_repository({"a.py": PYTHON}, "fork"))

    result = cli("cancel", "--repo", "repository", "--yes")

    assert result.code == 0, result.stderr
    assert str(asked.run_id) in result.stdout
    assert {pipeline.receipt(each)["state"] for each in (asked, more)} == {"cancelled"}
    assert pipeline.receipt(fork)["state"] == "pending"


def test_what_has_ended_is_left_as_it_is(cli: Cli, pipeline: Pipeline, asked: Asked) -> None:
    """There is nothing to ask for."""
    pipeline.drain()

    result = cli("cancel", str(asked.run_id), "--json")

    assert result.code == 0
    assert result.json["matched"] == 0
    assert pipeline.receipt(asked)["state"] == "succeeded"


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["00000000-0000-0000-0000-000000000000"],
        ["click"],
        ["--repo", "nowhere"],
        ["00000000-0000-0000-0000-000000000000", "--repo", "repository"],
    ],
)
def test_what_is_unknown_is_refused(cli: Cli, arguments: list[str]) -> None:
    """As bad input, with one line."""
    result = cli("cancel", *arguments, "--yes")

    assert result.code == 2
    assert len(result.stderr.splitlines()) == 1


def test_whoever_waits_for_the_run_is_told(
    cli: Cli, pipeline: Pipeline, make_repository: Make
) -> None:
    """`mnemo index` ends with 1 and says who cancelled."""
    code, stderr = meanwhile(cli, pipeline, make_repository, "cancel", "--repo", "repository")

    assert code == 1
    assert stderr.endswith("cancelled this run")


def test_whoever_waits_for_a_removed_repository_is_told(
    cli: Cli, pipeline: Pipeline, make_repository: Make
) -> None:
    """`mnemo index` could not do what it was asked to."""
    code, stderr = meanwhile(cli, pipeline, make_repository, "repos", "remove", "repository")

    assert code == 2
    assert stderr.endswith("its repository was removed")
    assert pipeline.sql("SELECT 1 FROM repositories") == []


def meanwhile(
    cli: Cli, pipeline: Pipeline, make_repository: Make, *arguments: str
) -> tuple[int, str]:
    """How `mnemo index` ends, and what it says, when that command is given while it waits."""
    waiting = cli.start("index", str(make_repository({"a.py": PYTHON})), "--sample")
    await_true(lambda: pipeline.sql("SELECT 1 FROM snapshots WHERE state <> 'listing'"))
    assert cli(*arguments, "--yes").code == 0
    stdout, stderr = waiting.communicate(timeout=WAIT_SECONDS)
    assert stdout == ""
    return waiting.returncode, stderr.strip()
