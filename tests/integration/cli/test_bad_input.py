"""Bad input: one clear line that says what to do, the right exit code, nothing half-written."""

import socket
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.commands import Cli, make_cli

NOBODY = "postgresql://u:p@127.0.0.1:1/d"


@pytest.fixture
def offline(tmp_path: Path) -> Cli:
    """The command with a home that must stay untouched: every test here ends before it is used."""
    return make_cli(tmp_path)


def one_line(text: str) -> str:
    """The single line that was printed."""
    [line] = text.splitlines()
    return line


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("/nonexistent/folder", "there is no /nonexistent/folder"),
        ("http://example.org/x", "https://"),
        ("git@example.org:x/y.git", "https://"),
        ("file:///etc", "https://"),
        ("ext::sh -c id", "https://"),
        ("https://127.0.0.1/x", "127.0.0.1"),
        ("https://[::1]/x", "::1"),
        ("https://user:secret@example.org/x", "credentials"),
        ("", "no source"),
    ],
)
def test_a_source_that_cannot_be_is_refused(offline: Cli, source: str, says: str) -> None:
    """Before anything is started."""
    result = offline("index", source)

    assert result.code == 2
    assert says in one_line(result.stderr)
    assert "secret" not in result.stderr
    assert not offline.home.exists()


def test_a_wrong_ref_names_the_branches(offline: Cli, tmp_path: Path) -> None:
    """Before anything is started."""
    root = _repository(tmp_path / "r")

    result = offline("index", str(root), "--ref", "nope")

    assert result.code == 2
    assert "main" in one_line(result.stderr)
    assert not offline.home.exists()


def test_a_repository_without_a_commit_is_refused(offline: Cli, tmp_path: Path) -> None:
    """There is nothing to index."""
    root = tmp_path / "r"
    subprocess.run(["git", "init", "-q", str(root)], check=True)

    result = offline("index", str(root))

    assert result.code == 2
    assert "commit" in one_line(result.stderr)


def test_a_source_without_supported_files_fails(mnemo: Cli, tmp_path: Path) -> None:
    """With exit code 2, and the repository is not searchable."""
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures" / "a.png").write_bytes(b"\x89PNG\0")

    result = mnemo("index", str(tmp_path / "pictures"), "--json")

    assert result.code == 2
    assert result.json["state"] == "failed"
    assert "--plan" in result.json["error"]["message"]


def test_json_is_one_document_also_when_it_fails(offline: Cli) -> None:
    """A program that parses stdout gets the reason."""
    result = offline("index", "/nonexistent", "--json")

    assert result.json["error"]["class"] == "SourceNotFoundError"


@pytest.mark.parametrize(
    "command",
    [["search", "x"], ["index", "."], ["status"], ["verify", "x"], ["failed", "list"]],
)
def test_a_database_that_does_not_answer_is_a_dependency(offline: Cli, command: list[str]) -> None:
    """Exit code 3, at once."""
    (offline.cwd / "a.py").write_text("x = 1\n")
    result = offline(*command, MNEMO_DATABASE_URL=NOBODY)

    assert result.code == 3
    assert "PostgreSQL does not answer" in one_line(result.stderr)


@pytest.mark.parametrize(
    ("variables", "says"),
    [
        ({"MNEMO_DATABASE_URL": "mysql://h/d"}, "MNEMO_DATABASE_URL"),
        ({"MNEMO_BROKER_URL": "redis://h"}, "MNEMO_DATABASE_URL"),
        ({"MNEMO_MAX_FILE_BYTES": "many"}, "MNEMO_MAX_FILE_BYTES"),
    ],
)
def test_a_wrong_setting_is_named(offline: Cli, variables: dict[str, str], says: str) -> None:
    """Exit code 2."""
    result = offline("status", **variables)

    assert result.code == 2
    assert says in one_line(result.stderr)


def test_a_wrong_password_is_no_outage(mnemo: Cli, shop: dict[str, Any], endpoints: Any) -> None:
    """Waiting would not help: exit code 2."""
    assert shop
    url = endpoints.database_url.get_secret_value()
    wrong = url.replace(url.split(":")[2].split("@")[0], "wrong")

    result = mnemo("status", MNEMO_DATABASE_URL=wrong)

    assert result.code == 2
    assert "refuses" in one_line(result.stderr)


def test_a_database_that_was_never_migrated_is_refused(
    offline: Cli, empty_database_url: str
) -> None:
    """The message says how to migrate it."""
    result = offline("status", MNEMO_DATABASE_URL=empty_database_url)

    assert result.code == 2
    assert "mnemo db migrate" in one_line(result.stderr)


def test_a_home_below_a_file_is_refused(tmp_path: Path) -> None:
    """Nobody can write there, not even root."""
    (tmp_path / "home").write_text("a file")
    (tmp_path / "a.py").write_text("x = 1\n")
    cli = make_cli(tmp_path)

    result = cli("index", str(tmp_path))

    assert result.code == 2
    assert str(tmp_path / "home") in one_line(result.stderr)


def test_a_taken_port_is_named(tmp_path: Path) -> None:
    """With the setting that chose it."""
    tmp_path.chmod(0o711)
    cli = make_cli(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = cli("up", MNEMO_POSTGRES_PORT=str(port))

    assert result.code == 2
    assert str(port) in one_line(result.stderr)
    assert "MNEMO_POSTGRES_PORT" in result.stderr


def test_workers_need_outside_servers(offline: Cli) -> None:
    """Those of the embedded mode are started by it."""
    result = offline("worker", "start")

    assert result.code == 2
    assert "MNEMO_BROKER_URL" in one_line(result.stderr)


def test_an_unknown_queue_is_named(offline: Cli) -> None:
    """With those that exist."""
    result = offline(
        *("worker", "start", "--queues", "nope"),
        MNEMO_DATABASE_URL=NOBODY,
        MNEMO_BROKER_URL="redis://127.0.0.1:1",
    )

    assert result.code == 2
    assert "control" in one_line(result.stderr)


@pytest.mark.parametrize("arguments", [["nope"], ["search"], ["index", ".", "--nope"]])
def test_a_wrong_command_line_is_explained(offline: Cli, arguments: list[str]) -> None:
    """Exit code 2."""
    result = offline(*arguments)

    assert result.code == 2
    assert one_line(result.stderr).startswith("mnemo: ")


def _repository(root: Path) -> Path:
    root.mkdir()
    (root / "a.py").write_text("x = 1\n")
    git = ["git", "-C", str(root), "-c", "user.name=t", "-c", "user.email=t@example.org"]
    for arguments in (("init", "-q", "-b", "main"), ("add", "-A"), ("commit", "-qm", "x")):
        subprocess.run([*git, *arguments], check=True)
    return root
