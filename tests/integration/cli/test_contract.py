"""What other programs rely on: JSON fields, exit codes, streams."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.commands import Cli

Shop = dict[str, Any]


def test_the_receipt_has_every_field(shop: Shop) -> None:
    """Index --json."""
    assert shop["state"] == "succeeded"
    assert {
        *("run_id", "correlation_id", "repository", "ref", "commit", "snapshot_id", "state"),
        *("files", "chunks", "vectors", "reused", "seconds"),
    } <= shop.keys()
    assert shop["files"] == {
        "discovered": 6,
        "indexed": 5,
        "skipped": {"binary": 1},
        "quarantined": 0,
    }
    assert shop["vectors"].keys() == {"text", "code", "failed"}
    assert shop["reused"].keys() == {"blobs", "embeddings"}
    assert shop["seconds"].keys() == {"total", "lexical", "vector"}


def test_an_answer_has_every_field(mnemo: Cli, shop: Shop) -> None:
    """Search --json."""
    answer = mnemo("search", "voucher", "--repo", shop["repository"], "--json").json

    assert answer["query"] == "voucher"
    assert answer["mode"] == "hybrid"
    assert answer["coverage"] == {"lexical": 1.0, "text": 1.0, "code": 1.0}
    assert answer["degraded"] == []
    assert {
        *("repository", "path", "start_line", "end_line", "language", "kind", "symbol"),
        *("score", "signals", "content"),
    } <= answer["results"][0].keys()


def test_a_verdict_has_every_field(mnemo: Cli, shop: Shop) -> None:
    """Verify --json."""
    verdict = mnemo("verify", shop["repository"], "--json").json

    assert verdict["ok"] is True
    assert verdict["commit"] == shop["commit"]
    assert verdict["expected"] == {"files": 5}
    assert verdict["stored"].keys() == {
        *("files", "blobs", "chunks", "vectors_text", "vectors_code", "symbols", "references"),
    }
    assert [] == verdict["missing"] == verdict["unexpected"] == verdict["duplicates"]
    assert verdict["outstanding"] == 0
    assert len(verdict["digest"]) == 64


def test_health_has_every_field(mnemo: Cli, shop: Shop) -> None:
    """Health --json."""
    assert shop
    report = mnemo("health", "--json").json

    assert report["status"] == "healthy"
    assert {"postgresql", "broker", "workers"} <= report["services"].keys()
    assert {"status", "detail", "since"} == report["services"]["broker"].keys()
    assert report["queues"]["embed"]["consumers"] == 1


def test_the_status_of_a_run_is_its_receipt(mnemo: Cli, shop: Shop) -> None:
    """Status RUN --json."""
    status = mnemo("status", shop["run_id"], "--json").json

    assert status["state"] == "succeeded"
    assert status["progress"]["parsed"] == status["progress"]["blobs"]


def test_status_lists_repositories(mnemo: Cli, shop: Shop) -> None:
    """Status --json."""
    [row] = [
        row
        for row in mnemo("status", "--json").json["repositories"]
        if row["name"] == shop["repository"]
    ]

    assert (row["commit"], row["state"]) == (shop["commit"], "complete")


def test_workers_are_listed(mnemo: Cli, shop: Shop) -> None:
    """Worker list --json."""
    assert shop
    kinds = {worker["kind"] for worker in mnemo("worker", "list", "--json").json["workers"]}

    assert {"parse", "embed", "retry", "reconciler"} == kinds


@pytest.mark.parametrize(
    ("query", "path"),
    [
        ("apply_voucher", "shop/discount.py"),
        ("Cart", "shop/cart.py"),
        ("cheaper because of a coupon, but not negative", "shop/discount.py"),
        ("notify the buyer that the purchase was received", "shop/mail.py"),
        ("how much do I have to pay for everything in the basket", "shop/cart.py"),
    ],
)
def test_functions_are_found_by_name_and_by_description(
    mnemo: Cli, shop: Shop, query: str, path: str
) -> None:
    """In the first three, by the real model."""
    answer = mnemo("search", query, "--repo", shop["repository"], "--json", "--limit", "3").json

    assert path in [result["path"] for result in answer["results"]]


def test_indexing_again_reuses_everything(mnemo: Cli, shop: Shop, shared_folder: Path) -> None:
    """And takes no time."""
    again = mnemo("index", str(shared_folder / "sources" / "shop"), "--json").json

    assert again["snapshot_id"] == shop["snapshot_id"]
    assert again["reused"]["blobs"] == 5
    assert again["reused"]["embeddings"] == shop["vectors"]["text"] + shop["vectors"]["code"]


def test_a_plan_writes_nothing(mnemo: Cli, shop: Shop, make_shop: Callable[[str], Path]) -> None:
    """It says what would be read, skipped and reused."""
    before = mnemo("status", "--json").json
    plan = mnemo("index", str(make_shop("planned")), "--plan", "--json")

    assert plan.code == 0
    assert plan.json["files"]["to_index"] == 5
    assert plan.json["files"]["skipped"] == {"binary": 1}
    assert plan.json["blobs"] == {"known": shop["files"]["indexed"], "new": 0}
    assert before == mnemo("status", "--json").json


def test_without_waiting_the_run_is_followed_later(
    mnemo: Cli, shop: Shop, make_shop: Callable[[str], Path]
) -> None:
    """Index --no-wait gives the run's id."""
    assert shop
    asked = mnemo("index", str(make_shop("later")), "--no-wait", "--json").json

    followed = mnemo("status", asked["run_id"], "--watch", "--json")

    assert followed.json["state"] == "succeeded"


def test_a_repository_is_removed(mnemo: Cli, shop: Shop, make_shop: Callable[[str], Path]) -> None:
    """Only when that is confirmed; what others share stays."""
    mnemo("index", str(make_shop("doomed")))

    assert mnemo("repos", "remove", "doomed").code == 2
    assert mnemo("repos", "remove", "doomed", "--dry-run").code == 0
    assert mnemo("search", "cart", "--repo", "doomed").code == 0
    assert mnemo("repos", "remove", "doomed", "--yes").code == 0
    assert mnemo("search", "cart", "--repo", "doomed").code == 2
    assert mnemo("verify", shop["repository"]).code == 0


@pytest.mark.parametrize("command", [["status"], ["worker", "list"], ["health"], ["repos", "list"]])
def test_off_a_terminal_there_is_no_colour(mnemo: Cli, shop: Shop, command: list[str]) -> None:
    """And nothing is wrapped."""
    assert shop
    result = mnemo(*command)

    assert result.code == 0
    assert "\x1b" not in result.stdout + result.stderr


def test_data_and_progress_do_not_mix(
    mnemo: Cli, shop: Shop, make_shop: Callable[[str], Path]
) -> None:
    """The receipt is on stdout, what happens meanwhile on stderr."""
    assert shop
    result = mnemo("index", str(make_shop("streams")))

    assert result.stdout.startswith("streams @ main")
    assert "lexically searchable" in result.stderr


def test_the_database_can_be_checked(mnemo: Cli, shop: Shop) -> None:
    """Db check."""
    assert shop
    assert mnemo("db", "check").code == 0
    assert mnemo("db", "migrate").code == 0


def test_settings_are_shown_without_secrets(mnemo: Cli) -> None:
    """Config show."""
    shown = mnemo("config", "show", "--json", MNEMO_DATABASE_URL="postgresql://u:hunter2@h/d")

    assert shown.code == 0
    assert "hunter2" not in shown.stdout
