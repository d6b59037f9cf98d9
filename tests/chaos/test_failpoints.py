"""Every failpoint strikes once: killed there or told of a failure there, all is well in the end.

Before an operation or after it (`x.done`, the execute-then-error of `x`), no reader sees half a
file, and the work ends with the digest of an undisturbed run.
"""

import multiprocessing
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import redis

from config import failpoints
from config.errors import MnemoError
from config.settings import Settings
from config.timeouts import Timeouts
from schema.database import Database
from tests.chaos.checker import digest_of, unfinished, violations
from tests.chaos.driver import Driver, driving, run_until_struck
from tests.harness import PYTHON, git
from workers.embedded.home import Endpoints

FILES = {
    "greet.py": PYTHON,
    "numbers.py": "def double(x):\n    return 2 * x\n\n\ndef half(x):\n    return x / 2\n",
    "copy.py": PYTHON,
    "notes.md": "# Notes\n\nWhat a run does.\n\n## Later\n\nMore of it.\n",
    "empty.py": "",
}
NAME = "corpus"
# Armed together with a failpoint that is reached only when something else goes wrong.
NEEDED = {
    "postpone": "store_parsed=error",
    "give_up": "store_vectors=error",
    "unring": "publish=error",
    "replay.put_back": "encode=error",
    "renew": "encode=sleep(0.3)",
}
PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["tests.chaos.driver"])


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small repository."""
    folder = tmp_path_factory.mktemp("failpoints") / NAME
    folder.mkdir()
    for name, content in FILES.items():
        (folder / name).write_text(content)
    for arguments in (("init", "-q", "-b", "main"), ("add", "-A"), ("commit", "-qm", "all")):
        git(folder, *arguments)
    return folder


@pytest.fixture(autouse=True)
def _disarmed() -> Iterator[None]:
    yield
    failpoints.arm("")


@pytest.fixture
def patient(settings: Settings, request: pytest.FixtureRequest) -> Settings:
    """Settings under which the failpoint of the test can be reached."""
    operation = operation_of(request.getfixturevalue("name"))
    limits = {"heartbeat": 0.05} if operation == "renew" else {}
    attempts = 1 if operation == "give_up" else 5
    return settings.model_copy(
        update={
            "batch_files": 2,
            "max_attempts": attempts,
            "timeouts": Timeouts.model_validate(limits),
        }
    )


@pytest.fixture(scope="module")
def reference() -> dict[str, str]:
    """The digest of an undisturbed run, filled by the first test that needs it."""
    return {}


@pytest.fixture(autouse=True)
def _empty_broker(endpoints: Endpoints) -> None:
    with redis.Redis.from_url(endpoints.broker_url.get_secret_value()) as broker:
        broker.flushall()


def operation_of(name: str) -> str:
    """`claim.done` belongs to `claim`."""
    return name.removesuffix(".done")


@pytest.mark.parametrize("name", failpoints.KNOWN)
def test_killed_at(
    name: str, patient: Settings, source: Path, database: Database, reference: dict[str, str]
) -> None:
    """`kill -9` exactly there; another worker finishes."""
    with driving(patient, source) as driver:
        prepare(driver, name)
        process = PROCESSES.Process(
            target=run_until_struck, args=(patient, source, armed(name, "kill"), operation_of(name))
        )
        process.start()
        process.join()

        assert process.exitcode == -9
        assert violations(database) == []
        finish(driver, database, name)
    assert digest_of(database, NAME) == expected(reference, patient, source, database)


@pytest.mark.parametrize("name", failpoints.KNOWN)
def test_told_of_a_failure_at(
    name: str, patient: Settings, source: Path, database: Database, reference: dict[str, str]
) -> None:
    """An error there; after `x.done` the operation had succeeded, and is not done twice."""
    with driving(patient, source) as driver:
        prepare(driver, name)
        fault = failpoints.arm(armed(name, "error"))[name]
        with suppress(MnemoError):
            driver.begin(operation_of(name))
        if is_change(name):
            assert driver.step_until(driver.done)
            with suppress(MnemoError):
                driver.change_model()
            assert fault.struck
        if not fault.struck:
            assert driver.step_until(lambda: fault.struck)

        failpoints.arm("")
        assert violations(database) == []
        finish(driver, database, name)
    assert digest_of(database, NAME) == expected(reference, patient, source, database)


def armed(name: str, action: str) -> str:
    """The failpoint, and what makes it reachable."""
    needed = NEEDED.get(operation_of(name), "")
    return f"{name}={action},{needed}"


def is_change(name: str) -> bool:
    """Whether the failpoint is one of a change of models."""
    return name.startswith("model.")


def prepare(driver: Driver, name: str) -> None:
    """Brings the index to where the failpoint can be reached."""
    if name.startswith("replay."):
        failpoints.arm("encode=error")
        driver.ask()
        assert driver.step_until(driver.failing)
    elif name.startswith("discover.attach"):
        driver.ask()
        assert driver.step_until(driver.done)
    failpoints.arm("")


def finish(driver: Driver, database: Database, name: str) -> None:
    """What a fleet does afterwards, and what must hold then."""
    if not driver.asked():
        driver.ask()
    driver.pass_time()
    assert driver.step_until(driver.done)
    if is_change(name):
        driver.change_model()
        assert driver.changed()
    assert unfinished(database) == []


def expected(
    reference: dict[str, str], settings: Settings, source: Path, database: Database
) -> str:
    """The digest of an undisturbed run: the files are the same in every test of this module."""
    if "digest" not in reference:
        with database.transaction() as connection:
            connection.exec_driver_sql("TRUNCATE repositories, blobs, embedding_inputs CASCADE")
        with driving(settings, source) as driver:
            driver.ask()
            assert driver.step_until(driver.done)
        reference["digest"] = digest_of(database, NAME)
    return reference["digest"]
