"""Real servers for every test that needs one: one PostgreSQL and one Valkey per session.

Each test gets a database of its own, cloned from a migrated template, so tests may run in any order
and leave whatever they like.
"""

import itertools
import shutil
import signal
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import hypothesis
import psycopg
import pytest
from psycopg import sql

from config.settings import Settings, get_settings
from config.timeouts import Timeouts
from schema.database import Database
from schema.migrate import migrate
from tasks.runtime import Runtime
from tests.commands import Cli, NewCli, make_cli
from tests.harness import Pipeline, git
from tests.machines import THOROUGH
from workers.embedded.home import Endpoints, Home
from workers.embedded.servers import Servers

TEMPLATE = "mnemo_template"
_numbers = itertools.count()
hypothesis.settings.register_profile(THOROUGH)


@pytest.fixture(scope="session", autouse=True)
def _no_settings_from_outside() -> Iterator[None]:
    """A developer's MNEMO_* variables must not decide what is tested."""
    with pytest.MonkeyPatch.context() as patch:
        import os  # noqa: PLC0415 - here and nowhere else

        for name in [name for name in os.environ if name.startswith("MNEMO_")]:  # noqa: TID251 - removes them
            patch.delenv(name)
        get_settings.cache_clear()
        yield
    get_settings.cache_clear()


@pytest.fixture(scope="session", autouse=True)
def _interruptible() -> None:
    """A shell's background jobs ignore SIGINT, and what they start inherits that."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def shared_folder() -> Iterator[Path]:
    """A folder that everybody may enter: PostgreSQL does not run as root."""
    folder = Path(tempfile.mkdtemp(prefix="mnemo-tests-"))
    folder.chmod(0o711)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def endpoints(shared_folder: Path) -> Iterator[Endpoints]:
    """PostgreSQL with a migrated template database, and Valkey."""
    owned = Home(shared_folder / "home").own()
    assert owned is not None
    with owned, Servers(owned) as servers:
        found = servers.endpoints
        with Database(_url(found, _create(found, TEMPLATE)), Timeouts()) as database:
            migrate(database)
        yield found


@pytest.fixture
def database_url(endpoints: Endpoints) -> Iterator[str]:
    """The URL of a database with the current schema, empty, for one test."""
    name = _create(endpoints, f"test_{next(_numbers)}", template=TEMPLATE)
    yield _url(endpoints, name)
    _drop(endpoints, name)


@pytest.fixture(scope="module")
def shared_database_url(endpoints: Endpoints) -> Iterator[str]:
    """The same for all tests of a module, which fill it once and then only read."""
    name = _create(endpoints, f"test_{next(_numbers)}", template=TEMPLATE)
    yield _url(endpoints, name)
    _drop(endpoints, name)


@pytest.fixture
def empty_database_url(endpoints: Endpoints) -> Iterator[str]:
    """The URL of a database that was never migrated."""
    name = _create(endpoints, f"test_{next(_numbers)}")
    yield _url(endpoints, name)
    _drop(endpoints, name)


@pytest.fixture
def settings(database_url: str, endpoints: Endpoints, tmp_path: Path) -> Settings:
    """Settings of a worker with the hash encoder and without patience."""
    return Settings.model_validate(
        {
            "home": tmp_path / "home",
            "database_url": database_url,
            "broker_url": endpoints.broker_url.get_secret_value(),
            "encoder": "hash",
            "retry_base": 0.01,
            "retry_cap": 0.02,
            "features": {"search_cache": False},  # tests share the broker, not what they ask
        }
    )


@pytest.fixture
def database(settings: Settings) -> Iterator[Database]:
    """The test's database."""
    with Database.from_settings(settings) as database:
        yield database


@pytest.fixture
def cli(settings: Settings, tmp_path: Path) -> Cli:
    """The command on the test's database, without workers."""
    assert settings.database_url is not None
    assert settings.broker_url is not None
    return make_cli(
        tmp_path,
        MNEMO_DATABASE_URL=settings.database_url.get_secret_value(),
        MNEMO_BROKER_URL=settings.broker_url.get_secret_value(),
        MNEMO_ENCODER="hash",
    )


@pytest.fixture
def runtime(settings: Settings, database: Database) -> Iterator[Runtime]:
    """The tools of a worker process."""
    runtime = Runtime(settings, database)
    yield runtime
    runtime.close()


@pytest.fixture
def write_files(tmp_path: Path) -> Callable[[dict[str, str | bytes]], Path]:
    """Writes files (path → content) into a folder and returns it."""
    folder = tmp_path / "source"

    def write(files: dict[str, str | bytes]) -> Path:
        for name, content in files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.encode() if isinstance(content, str) else content)
        return folder

    return write


@pytest.fixture
def pipeline(runtime: Runtime) -> Pipeline:
    """The pipeline over the test's database."""
    return Pipeline(runtime)


@pytest.fixture
def new_cli(shared_folder: Path) -> Iterator[NewCli]:
    """Makes commands with homes of their own and the hash encoder; stops them after the test."""
    made: list[Cli] = []

    def make(name: str, **variables: str) -> Cli:
        folder = shared_folder / name
        folder.mkdir(exist_ok=True)
        made.append(make_cli(folder, MNEMO_ENCODER="hash", **variables))
        return made[-1]

    yield make
    for cli in made:
        cli("down")


@pytest.fixture
def make_repository(tmp_path: Path) -> Callable[..., Path]:
    """Makes a git repository of files, or commits more to it; returns its folder."""

    def make(files: dict[str, str | None], folder: str = "repository") -> Path:
        root = tmp_path / folder
        if not root.exists():
            root.mkdir(parents=True)
            git(root, "init", "-q", "-b", "main")
        for name, content in files.items():
            path = root / name
            if content is None:
                path.unlink()
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)
        git(root, "add", "-A")
        git(root, "commit", "-q", "--allow-empty", "-m", "change")
        return root

    return make


def _administration(endpoints: Endpoints) -> "psycopg.Connection[tuple[object, ...]]":
    return psycopg.connect(endpoints.database_url.get_secret_value(), autocommit=True)


def _create(endpoints: Endpoints, name: str, *, template: str = "template1") -> str:
    with _administration(endpoints) as connection:
        connection.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(
                sql.Identifier(name), sql.Identifier(template)
            )
        )
    return name


def _url(endpoints: Endpoints, name: str) -> str:
    return endpoints.database_url.get_secret_value().rpartition("/")[0] + f"/{name}"


def _drop(endpoints: Endpoints, name: str) -> None:
    """Also beneath an autovacuum, which only a superuser may terminate but a plain drop cancels."""
    with _administration(endpoints) as connection:
        database = sql.Identifier(name)
        try:
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(database))
        except psycopg.errors.InsufficientPrivilege:
            connection.execute(sql.SQL("DROP DATABASE {}").format(database))
