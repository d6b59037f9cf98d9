"""RabbitMQ with quorum queues as the broker: the same promises as with Valkey.

Not part of `make test`, since RabbitMQ comes from the system's packages: `make rabbitmq` installs
it and runs this.
"""

import contextlib
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from sqlalchemy import text

from schema.database import Database
from schema.queues import QUEUES
from tests.commands import MNEMO, Cli, await_true, make_cli
from tests.rabbitmq.node import Node

FUNCTIONS = 'def function_{0}(value):\n    """Adds {0} to the value."""\n    return value + {0}\n'
FILES = 600
LOG = "workers.log"


@pytest.fixture(scope="module")
def node(shared_folder: Path) -> Iterator[Node]:
    """A running RabbitMQ."""
    folder = shared_folder / "rabbitmq"
    folder.mkdir()
    with Node(folder) as node:
        yield node


@pytest.fixture
def mnemo(node: Node, database_url: str, tmp_path: Path) -> Cli:
    """The command, set up for the two servers."""
    return make_cli(
        tmp_path,
        MNEMO_DATABASE_URL=database_url,
        MNEMO_BROKER_URL=node.url,
        MNEMO_ENCODER="hash",
        MNEMO_BATCH_FILES="5",
    )


@pytest.fixture
def workers(mnemo: Cli) -> Iterator["subprocess.Popen[bytes]"]:
    """A host of workers, supervised."""
    with (mnemo.cwd / LOG).open("wb") as log:
        supervisor = subprocess.Popen(
            [MNEMO, "worker", "start"], env=mnemo.environment, cwd=mnemo.cwd, stdout=log, stderr=log
        )
    yield supervisor
    supervisor.send_signal(signal.SIGTERM)
    supervisor.wait(60)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A folder of small files."""
    folder = tmp_path / "source"
    folder.mkdir()
    for number in range(FILES):
        (folder / f"module_{number}.py").write_text(FUNCTIONS.format(number))
    return folder


@pytest.mark.usefixtures("workers")
def test_an_undisturbed_run_ends(mnemo: Cli, source: Path) -> None:
    """Discover, parse, embed and persist, each from its quorum queue."""
    receipt = mnemo("index", str(source), "--name", "source", "--json")

    assert receipt.json["state"] == "succeeded"
    assert receipt.json["files"]["indexed"] == FILES


@pytest.mark.parametrize("fault", ["purged", "killed", "frozen", "workers killed"])
def test_nothing_is_lost(
    fault: str,
    mnemo: Cli,
    workers: "subprocess.Popen[bytes]",
    source: Path,
    node: Node,
    database: Database,
) -> None:
    """The ledger rings again whatever the broker or a worker forgets."""
    asked = mnemo("index", str(source), "--name", "source", "--no-wait", "--json")
    await_true(lambda: _sealed(database) > FILES // 10)

    FAULTS[fault](node, workers, mnemo.cwd / LOG)

    assert _sealed(database) < FILES, "the run ended before the fault"
    assert mnemo("status", asked.json["run_id"], "--watch").code == 0
    verified = mnemo("verify", "source", "--json")
    assert verified.json["ok"], verified.json
    assert verified.json["stored"]["files"] == FILES


def _purge(node: Node, *_: object) -> None:
    node.empty(*QUEUES)


def _kill_broker(node: Node, *_: object) -> None:
    node.kill()
    node.start()


def _freeze_broker(node: Node, _: object, log: Path) -> None:
    node.freeze()
    await_true(lambda: "reconcile.broker_down" in log.read_text())
    node.thaw()


def _kill_workers(_: object, supervisor: "subprocess.Popen[bytes]", *__: object) -> None:
    for child in psutil.Process(supervisor.pid).children(recursive=True):
        with contextlib.suppress(ProcessLookupError):
            os.kill(child.pid, signal.SIGKILL)


FAULTS: dict[str, Callable[..., None]] = {
    "purged": _purge,
    "killed": _kill_broker,
    "frozen": _freeze_broker,
    "workers killed": _kill_workers,
}


def _sealed(database: Database) -> int:
    with database.reading() as connection:
        return int(
            connection.execute(
                text("SELECT count(*) FROM blobs WHERE state = 'sealed'")
            ).scalar_one()
        )
