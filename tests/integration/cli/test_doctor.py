"""`mnemo doctor`: what it finds right, what it finds wrong, and its exit codes."""

from pathlib import Path

from config.failpoints import KNOWN
from tests.commands import NewCli

CHECKS = {"python", "packages", "git", "home", "model text", "model code", "database", "broker"}


def test_a_sound_installation_is_fit(new_cli: NewCli) -> None:
    """Nothing runs yet, and nothing is started."""
    cli = new_cli("doctor")

    result = cli("doctor", "--json")

    assert result.code == 0, result.stdout
    assert result.json["ok"]
    assert {check["name"] for check in result.json["checks"]} >= CHECKS
    assert not (cli.home / "run").exists()
    assert cli("doctor").stdout.count("ok ") == len(result.json["checks"])


def test_the_packaged_model_loads(new_cli: NewCli) -> None:
    """Without the network's help: the weights are installed."""
    result = new_cli("doctor-model")(
        "doctor", "--json", MNEMO_ENCODER="sentence-transformers", HF_HUB_OFFLINE="1"
    )

    details = {check["name"]: check["detail"] for check in result.json["checks"]}
    assert result.code == 0, result.stdout
    assert "384 dimensions" in details["model text"]


def test_a_model_that_does_not_load_in_time_is_told(new_cli: NewCli) -> None:
    """The command itself does not hang; the limit is named."""
    result = new_cli("doctor-hangs")(
        "doctor",
        "--json",
        MNEMO_ENCODER="sentence-transformers",
        MNEMO_TIMEOUTS__MODEL_CHECK="0.1",
        MNEMO_TIMEOUTS__MODEL_CONVERSION="0.1",
    )

    details = {check["name"]: check["detail"] for check in result.json["checks"]}
    assert result.code == 3, result.stdout
    assert "MNEMO_TIMEOUTS__MODEL_CHECK gives it longer" in details["model text"]


def test_running_servers_are_looked_at(new_cli: NewCli, database_url: str) -> None:
    """The database says its version and pgvector's."""
    result = new_cli("doctor-running")("doctor", "--json", MNEMO_DATABASE_URL=database_url)

    [database] = [check for check in result.json["checks"] if check["name"] == "database"]
    assert database["ok"]
    assert "pgvector" in database["detail"]


def test_a_server_that_is_down_is_a_dependency(new_cli: NewCli) -> None:
    """Exit code 3: there is nothing to repair here."""
    result = new_cli("doctor-down")(
        "doctor", "--json", MNEMO_DATABASE_URL="postgresql://u@127.0.0.1:1/d"
    )

    assert result.code == 3
    assert not result.json["ok"]


def test_a_broken_installation_is_told_apart(new_cli: NewCli, tmp_path: Path) -> None:
    """Exit code 2, and what to do about it."""
    result = new_cli("doctor-broken")("doctor", MNEMO_PG_BIN=str(tmp_path))

    assert result.code == 2
    assert "MNEMO_PG_BIN" in result.stdout


def test_failpoints_are_listed(new_cli: NewCli) -> None:
    """All of them, each with what it strikes."""
    cli = new_cli("doctor-failpoints")

    assert cli("doctor", "--failpoints", "--json").json["failpoints"] == dict(KNOWN)
    listed = cli("doctor", "--failpoints").stdout
    assert all(name in listed for name in KNOWN)
