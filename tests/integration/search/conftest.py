"""An index that the tests of a module share: it is filled once, and then only read."""

from collections.abc import Callable, Iterator

import pytest

from config.settings import Settings
from schema.database import Database
from tasks.runtime import Runtime
from tests.harness import Pipeline


@pytest.fixture(scope="module")
def shared_pipeline(
    shared_database_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Pipeline]:
    """The pipeline over a database that the module keeps."""
    settings = Settings.model_validate(
        {
            "home": tmp_path_factory.mktemp("home"),
            "database_url": shared_database_url,
            "encoder": "hash",
        }
    )
    with Database.from_settings(settings) as database:
        runtime = Runtime(settings, database)
        yield Pipeline(runtime)
        runtime.close()


@pytest.fixture(scope="module")
def index_files(
    shared_pipeline: Pipeline, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str, dict[str, str]], None]:
    """Indexes files as a plain folder of that name."""

    def index(name: str, files: dict[str, str]) -> None:
        folder = tmp_path_factory.mktemp(name) / name
        for path, content in files.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(content, newline="")
        shared_pipeline.index(folder)

    return index
