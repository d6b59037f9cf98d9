"""Real models: one that lost half of its layers is refused, one that is as good is promoted."""

import json
import shutil
import sysconfig
from pathlib import Path
from typing import Any

import pytest

from config.settings import Settings
from schema.database import Database
from schema.model_roles import SPACES
from search.promotion import examine
from tasks.embed.models import resolve
from tasks.runtime import Runtime
from tests.harness import Pipeline
from tests.integration.models.change import Change

MODULES = ("heapq", "shlex", "textwrap")


@pytest.fixture(scope="session")
def packaged() -> Path:
    """The folder of the packaged model."""
    folder = resolve("packaged").path
    assert folder is not None
    return folder


@pytest.fixture(scope="session")
def cut(packaged: Path, shared_folder: Path) -> Path:
    """The packaged model without the second half of its layers: a model, but a bad one."""
    from sentence_transformers import SentenceTransformer  # noqa: PLC0415 - takes seconds

    model = SentenceTransformer(str(packaged), device="cpu", local_files_only=True)
    transformer: Any = model[0].auto_model
    transformer.encoder.layer = transformer.encoder.layer[:3]
    transformer.config.num_hidden_layers = 3
    model.save(str(shared_folder / "cut"), create_model_card=False)
    return shared_folder / "cut"


@pytest.fixture(scope="session")
def alike(packaged: Path, shared_folder: Path) -> Path:
    """The packaged model, which reads two tokens less of long texts: another one, as good."""
    folder = shutil.copytree(packaged, shared_folder / "alike")
    settings = folder / "sentence_bert_config.json"
    settings.write_text(json.dumps(json.loads(settings.read_text()) | {"max_seq_length": 254}))
    return folder


@pytest.fixture
def library(tmp_path: Path) -> Path:
    """Some modules of the standard library."""
    folder = tmp_path / "library"
    folder.mkdir()
    for name in MODULES:
        shutil.copy(Path(sysconfig.get_path("stdlib")) / f"{name}.py", folder)
    return folder


def test_only_a_model_that_finds_as_much_is_promoted(
    settings: Settings, database: Database, library: Path, cut: Path, alike: Path
) -> None:
    """Its text and code vectors are compared with those of the live model on docstrings."""
    real = {
        "encoder": "sentence-transformers",
        "encoder_backend": "torch-fp32",
        "encoder_threads": 1,
    }
    runtime = Runtime(settings.model_copy(update=real), database)
    change = Change(Pipeline(runtime))
    assert change.pipeline.index(library)["state"] == "succeeded"

    worse = change.add(str(cut))
    change.fill()
    found = examine(runtime, dict.fromkeys(SPACES, worse))
    assert len(found.blockers) == 2
    assert all("falls from" in blocker for blocker in found.blockers)

    change.drop(str(cut))
    as_good = change.add(str(alike))
    change.fill()
    assert examine(runtime, dict.fromkeys(SPACES, as_good)).blockers == []
    change.promote()

    answer = change.search("wrap a paragraph to lines of a width")
    assert answer.models == dict.fromkeys(SPACES, str(alike))
    assert answer.degraded == []
    assert answer.results[0].path == "textwrap.py"
    runtime.close()
