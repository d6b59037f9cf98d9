"""The files that deploy MnemoLite, read by a parser: no engine is needed to see what they say."""

import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml

from config.timeouts import Timeouts
from schema.queues import QUEUES

ROOT = Path(__file__).parents[2]
SERVERS = {"postgres", "redis"}


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    """compose.yaml with its anchors resolved."""
    document: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())
    return document


@pytest.fixture(scope="module")
def workers(compose: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The services that run workers."""
    return {
        name: service
        for name, service in compose["services"].items()
        if service.get("command", [])[:2] == ["worker", "start"]
    }


def queues_of(service: dict[str, Any]) -> list[str]:
    """The queues that a service serves."""
    command = service["command"]
    return str(command[command.index("--queues") + 1]).split(",")


def test_every_queue_is_served_once(workers: dict[str, dict[str, Any]]) -> None:
    """A queue that nobody consumes looks like a slow one."""
    served = [queue for service in workers.values() for queue in queues_of(service)]

    assert sorted(served) == sorted(QUEUES)


def test_one_service_runs_the_reconciler(workers: dict[str, dict[str, Any]]) -> None:
    """Without one nothing is ever announced."""
    assert [name for name, s in workers.items() if "--no-reconciler" not in s["command"]] == [
        "reconciler"
    ]


def test_workers_can_be_scaled(workers: dict[str, dict[str, Any]]) -> None:
    """A fixed name or port would allow only one of each."""
    for service in workers.values():
        assert not {"container_name", "ports", "hostname"} & service.keys()


def test_workers_have_time_to_end_in_order(workers: dict[str, dict[str, Any]]) -> None:
    """More than the soft shutdown takes."""
    for service in workers.values():
        grace = int(service["stop_grace_period"].removesuffix("s"))

        assert grace > Timeouts().soft_shutdown + 10


def test_workers_start_after_the_migration(workers: dict[str, dict[str, Any]]) -> None:
    """And after both servers answer."""
    for service in workers.values():
        conditions = {name: needed["condition"] for name, needed in service["depends_on"].items()}

        assert conditions == {
            "postgres": "service_healthy",
            "redis": "service_healthy",
            "migrate": "service_completed_successfully",
        }


def test_workers_share_nothing_but_two_urls(workers: dict[str, dict[str, Any]]) -> None:
    """The models' folder is a cache."""
    for service in workers.values():
        assert {"MNEMO_DATABASE_URL", "MNEMO_BROKER_URL"} <= service["environment"].keys()
        assert set(service.get("volumes", [])) <= {"models:/var/lib/mnemolite/models"}


def test_postgres_is_mounted_where_18_wants_it(compose: dict[str, Any]) -> None:
    """The former path makes it refuse to start."""
    postgres = compose["services"]["postgres"]

    assert postgres["image"] == "pgvector/pgvector:pg18"
    assert postgres["volumes"] == ["postgres:/var/lib/postgresql"]


def test_servers_tell_when_they_are_ready(compose: dict[str, Any]) -> None:
    """Others wait for that."""
    for name in SERVERS:
        assert compose["services"][name]["healthcheck"]["test"]


def test_no_password_is_written_down(compose: dict[str, Any]) -> None:
    """They come from the environment, and starting without one is refused."""
    for service in compose["services"].values():
        for name, value in service.get("environment", {}).items():
            secret = "PASSWORD" in name or "URL" in name or name == "REDISCLI_AUTH"
            assert not secret or "_PASSWORD:?" in value


def test_the_broker_forgets_nothing_it_was_told(compose: dict[str, Any]) -> None:
    """It appends to a file and refuses rather than evicts."""
    command = shlex.join(compose["services"]["redis"]["command"])

    assert "--appendonly yes" in command
    assert "--maxmemory-policy noeviction" in command


def test_the_image_runs_as_an_ordinary_user() -> None:
    """By number, so that an orchestrator can check it."""
    lines = (ROOT / "Dockerfile").read_text().splitlines()

    assert "USER 10001" in lines
    assert sum(line.startswith("FROM ") for line in lines) == 2


def test_every_pinned_package_is_pinned_exactly() -> None:
    """constraints.txt is what was tested."""
    lines = [
        line
        for line in (ROOT / "constraints.txt").read_text().splitlines()
        if line and not line.startswith("#")
    ]

    assert all("==" in line for line in lines)
    assert "torch==2.13.0" in lines
    assert not any(line.startswith(("torchvision", "nvidia", "triton")) for line in lines)
