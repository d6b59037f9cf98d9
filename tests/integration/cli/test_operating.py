"""Operating a fleet: pausing and resuming, and being told why something waits."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.commands import Cli, await_true, make_cli

MakeShop = Callable[[str], Path]


@pytest.fixture(scope="module")
def fleet(shared_folder: Path) -> Iterator[Cli]:
    """A command with the hash encoder, whose servers and workers the tests of this module share."""
    folder = shared_folder / "operating"
    folder.mkdir()
    cli = make_cli(folder, MNEMO_ENCODER="hash")
    cli("up")
    yield cli
    cli("down")


def test_a_paused_queue_holds_a_run_and_resuming_ends_it(fleet: Cli, make_shop: MakeShop) -> None:
    """What is asked for meanwhile is accepted, and `why` names the queue and the way out."""
    assert fleet("queue", "pause", "parse").code == 0
    asked = fleet("index", str(make_shop("paused")), "--no-wait", "--json").json

    why = fleet("why", "paused", "--json")
    while not any("parse" in reason for reason in why.json["reasons"]):
        why = fleet("why", "paused", "--json")  # until the listing has ended

    assert "mnemo queue resume parse" in why.json["reasons"][0]
    fleet("queue", "resume", "parse")
    assert fleet("status", asked["run_id"], "--watch").code == 0
    assert fleet("verify", "paused").code == 0
    assert fleet("why", "paused", "--json").json["reasons"] == [
        "nothing is waiting: the last run succeeded"
    ]


def test_the_queues_are_listed_with_their_consumers(fleet: Cli) -> None:
    """Every queue has a consumer in the embedded mode."""
    rows = fleet("queue", "list", "--json").json["queues"]

    assert {row["queue"] for row in rows} >= {"control", "parse", "embed", "persist", "embed.retry"}
    assert all(row["consumers"] == 1 for row in rows)
    assert not any(row["paused"] for row in rows)


def test_an_unknown_queue_is_refused(fleet: Cli) -> None:
    """With the names of those that exist."""
    refused = fleet("queue", "pause", "embedding")

    assert refused.code == 2
    assert "embed.retry" in refused.stderr


def test_why_refuses_an_unknown_repository(fleet: Cli) -> None:
    """As every command does."""
    assert fleet("why", "nowhere").code == 2


def test_a_drained_worker_ends_and_stays_away(fleet: Cli, tmp_path: Path) -> None:
    """Its supervisor leaves it alone, and the queues that it served have no consumer."""
    [embedder] = [row for row in workers(fleet) if row["kind"] == "embed"]

    assert fleet("worker", "drain", embedder["process"], "--wait").code == 0

    assert "embed" not in {row["kind"] for row in workers(fleet)}
    folder = tmp_path / "drained"
    folder.mkdir()
    (folder / "new.py").write_text("def never_seen_before():\n    return 'so it needs vectors'\n")
    asked = fleet("index", str(folder), "--no-wait", "--json").json
    await_true(lambda: "no worker serves the queue embed" in fleet("why", "drained").stdout)
    fleet("down")
    fleet("up")
    assert fleet("status", asked["run_id"], "--watch").code == 0
    assert fleet("verify", "drained").code == 0


@pytest.mark.parametrize("arguments", [[], ["--all", "some"], ["nobody:here"]])
def test_draining_needs_names_or_all(fleet: Cli, arguments: list[str]) -> None:
    """Nothing is drained by mistake."""
    assert fleet("worker", "drain", *arguments).code == 2
    assert not any(row["draining"] for row in workers(fleet))


def workers(cli: Cli) -> list[dict[str, Any]]:
    """What `mnemo worker list` shows."""
    rows: list[dict[str, Any]] = cli("worker", "list", "--json").json["workers"]
    return rows
