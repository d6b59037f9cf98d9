"""Operating a fleet: pausing and resuming, and being told why something waits."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.commands import Cli, make_cli

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
