"""Ten thousand files through real workers: everything ends, and ends right."""

from pathlib import Path
from typing import Any

import pytest

from bench.corpus import generated
from tests.commands import Cli, NewCli

FILES = 10_000


@pytest.fixture
def indexed(new_cli: NewCli, shared_folder: Path) -> tuple[Cli, dict[str, Any]]:
    """The command whose home holds the files, and the receipt."""
    source = shared_folder / "ten-thousand"
    generated(source, FILES)
    cli = new_cli("scale")
    result = cli("index", str(source), "--json")
    assert result.code == 0, result.stderr
    return cli, result.json


def test_ten_thousand_files_are_indexed_and_verified(indexed: tuple[Cli, dict[str, Any]]) -> None:
    """All are terminal, none is failed, the index is the source's at once; no breaker opened."""
    cli, receipt = indexed

    assert receipt["state"] == "succeeded"
    assert receipt["files"]["indexed"] == FILES
    assert receipt["files"]["quarantined"] == 0
    assert receipt["vectors"] == dict.fromkeys(("text", "code"), receipt["chunks"]) | {"failed": 0}
    verdict = cli("verify", receipt["repository"], "--json")
    assert verdict.code == 0, verdict.stdout
    assert verdict.json["outstanding"] == 0
    found = cli("search", "LIMIT_4242", "--json").json["results"]
    assert found[0]["path"] == "package_042/module_04242.py"
    assert cli("failed", "list", "--json").json == {"failures": []}

    logs = "".join(path.read_text() for path in cli.home.rglob("*.log"))
    assert "parse.done" in logs
    assert "breaker.changed" not in logs
