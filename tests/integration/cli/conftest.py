"""The command with the real model on a home of its own, and something for it to index."""

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.commands import FILES, Cli, make_cli


@pytest.fixture(scope="session")
def mnemo(shared_folder: Path) -> Iterator[Cli]:
    """The command with the real model; servers and workers run until the end of the session."""
    folder = shared_folder / "cli"
    folder.mkdir()
    cli = make_cli(folder)
    yield cli
    assert cli("down").code == 0


@pytest.fixture(scope="session")
def make_shop(shared_folder: Path) -> Callable[[str], Path]:
    """Makes a git repository with a small shop in several files."""

    def make(name: str) -> Path:
        root = shared_folder / "sources" / name
        for path, content in FILES.items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(content)
        for arguments in (("init", "-q", "-b", "main"), ("add", "-A"), ("commit", "-qm", "shop")):
            subprocess.run(
                ["git", "-c", "user.name=t", "-c", "user.email=t@example.org", *arguments],
                cwd=root,
                check=True,
            )
        return root

    return make


@pytest.fixture(scope="session")
def shop(mnemo: Cli, make_shop: Callable[[str], Path]) -> dict[str, Any]:
    """The receipt of the shop, indexed."""
    result = mnemo("index", str(make_shop("shop")), "--json")
    assert result.code == 0, result.stderr
    receipt: dict[str, Any] = result.json
    return receipt
