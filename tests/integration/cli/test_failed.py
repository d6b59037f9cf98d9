"""`mnemo failed` over a real database: what matches is listed, grouped, tried again, put aside."""

from collections.abc import Callable
from pathlib import Path

import pytest

from config.errors import SourceNotFoundError
from schema import runs
from tasks.settle import settle
from tasks.verify import verify_repository
from tests.commands import Cli
from tests.harness import PYTHON, Pipeline

Make = Callable[..., Path]
QUARANTINE = """
UPDATE blobs SET state = 'quarantined', batch_id = NULL, attempts = 3, worker_deaths = 1,
       error_class = 'ParseError', last_error = 'line 7 of /home/jane/x.py is broken'
 WHERE state = 'pending' AND id = (SELECT f.blob_id FROM snapshot_files f WHERE f.path = 'bad.py')
"""
LOSE_A_VECTOR = """
WITH lost AS (
    DELETE FROM embeddings WHERE space = 'code'
       AND input_id = (SELECT c.code_id FROM code_chunks c
                         JOIN snapshot_files f ON f.blob_id = c.blob_id
                        WHERE f.path = 'good.py' ORDER BY c.id LIMIT 1)
    RETURNING model_id, space, input_id)
INSERT INTO failed_embeddings
       (chunk_id, model_id, space, state, retry_count, error_class, last_error)
SELECT c.id, lost.model_id, lost.space, 'quarantined', 5, 'EmbeddingError', 'no vector for text 4'
  FROM lost JOIN code_chunks c ON c.code_id = lost.input_id
"""


@pytest.fixture
def broken(pipeline: Pipeline, make_repository: Make) -> Pipeline:
    """A repository of which one file is quarantined and one vector is lost."""
    bad = "def bad():\n    return 'very bad'\n"
    pipeline.ask(make_repository({"good.py": PYTHON, "bad.py": bad}))
    pipeline.drain("discover")
    pipeline.sql(QUARANTINE)
    pipeline.drain()
    settle(pipeline.runtime)
    pipeline.sql(LOSE_A_VECTOR)
    return pipeline


def ids(cli: Cli, *filters: str) -> list[str]:
    """What is listed."""
    result = cli("failed", "list", *filters, "--json")
    assert result.code == 0, result.stderr
    return [failure["id"].partition("-")[0] for failure in result.json["failures"]]


@pytest.mark.usefixtures("broken")
def test_filters_choose_what_is_listed(cli: Cli) -> None:
    """By terms and by options, over every kind of failure."""
    assert sorted(ids(cli)) == ["embed", "parse"]
    assert ids(cli, "--where", "stage=parse") == ["parse"]
    assert ids(cli, "--path", "good.*", "--lang", "python") == ["embed"]
    assert ids(cli, "--class", "ParseError", "--text", "LINE 7", "--since", "1h") == ["parse"]
    assert ids(cli, "--until", "2000-01-01") == []
    assert ids(cli, "--where", "repo=another") == []


@pytest.mark.usefixtures("broken")
def test_groups_and_one_failure_are_shown(cli: Cli) -> None:
    """By signature; and all that is known of one, scrubbed."""
    [group] = cli("failed", "groups", "--stage", "parse", "--json").json["groups"]
    assert (group["count"], group["sample"]) == (1, "repository:bad.py")
    assert group["signature"] == "ParseError: line <n> of <path> is broken"

    shown = cli("failed", "show", group["sample_id"], "--json").json
    assert "jane" not in shown["message"]
    assert [place["path"] for place in shown["places"]] == ["bad.py"]
    assert cli("failed", "show", "embed-999").code == 2


def test_what_is_tried_again_heals(cli: Cli, broken: Pipeline) -> None:
    """The quarantined file becomes searchable and the repository verifies."""
    assert not verify_repository(broken.runtime, "repository").ok

    result = cli("failed", "retry", "--stage", "parse", "--yes", "--json")
    assert (result.json["matched"], result.json["changed"]) == (1, 1)
    broken.drain()
    settle(broken.runtime)

    assert ids(cli) == ["embed"]
    verdict = verify_repository(broken.runtime, "repository")
    assert not any("bad.py" in missing for missing in verdict.missing)
    [snapshot] = broken.sql("SELECT state, counts #>> '{files,quarantined}' AS bad FROM snapshots")
    assert tuple(snapshot) == ("complete", "0")
    states = broken.sql("SELECT DISTINCT state FROM index_runs")
    assert "indexing" not in [row.state for row in states]

    cli("failed", "retry", "--stage", "embed", "--yes")
    [failure] = broken.sql("SELECT state, retry_count FROM failed_embeddings")
    assert tuple(failure) == ("pending", 0)


def test_a_preview_changes_nothing(cli: Cli, broken: Pipeline) -> None:
    """And off a terminal nothing is changed without --yes."""
    preview = cli("failed", "discard", "--dry-run", "--json").json
    assert (preview["matched"], preview["changed"]) == (2, 0)
    assert cli("failed", "discard").code == 2

    assert sorted(ids(cli)) == ["embed", "parse"]
    assert broken.sql("SELECT id FROM audit_log") == []


def test_what_is_discarded_is_listed_no_longer(cli: Cli, broken: Pipeline) -> None:
    """Unless it is asked for; an audit entry says who did it."""
    cli("failed", "discard", "--where", "repo=repository", "--yes")

    assert ids(cli) == []
    assert sorted(ids(cli, "--state", "discarded")) == ["embed", "parse"]
    assert not verify_repository(broken.runtime, "repository").ok
    [entry] = cli("failed", "audit", "--json").json["audit"]
    assert (entry["action"], entry["matched"], entry["changed"]) == ("failed.discard", 2, 2)
    assert entry["filter"] == {"repo": "repository"}


def test_a_failed_run_is_asked_for_again(
    cli: Cli, pipeline: Pipeline, make_repository: Make
) -> None:
    """As a new run of the same request, after which the old one is no longer listed."""
    asked = pipeline.ask(make_repository({"good.py": PYTHON}))
    pipeline.sql("UPDATE batches SET state = 'failed'")
    with pipeline.runtime.database.transaction() as connection:
        runs.fail_run(connection, asked.run_id, SourceNotFoundError())
    assert ids(cli, "--stage", "discover") == ["run"]

    cli("failed", "retry", "--yes")
    pipeline.drain()
    settle(pipeline.runtime)

    assert ids(cli) == []
    states = pipeline.sql("SELECT state FROM index_runs ORDER BY requested_at")
    assert [row.state for row in states] == ["failed", "succeeded"]


def test_a_queue_is_paused_and_resumed(cli: Cli, pipeline: Pipeline, make_repository: Make) -> None:
    """By its name; work may still be asked for."""
    assert cli("queue", "pause", "control").code == 0
    asked = pipeline.ask(make_repository({"good.py": PYTHON}))
    row = cli("queue", "list", "--json").json["queues"][0]
    assert (row["queue"], row["paused"], row["due"], row["consumers"]) == ("control", True, 1, 0)

    assert cli("queue", "resume", "control").code == 0
    pipeline.drain()
    settle(pipeline.runtime)
    assert pipeline.receipt(asked)["state"] == "succeeded"
    assert cli("queue", "pause", "discover").code == 2
