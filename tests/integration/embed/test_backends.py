"""The backends with the real model: whichever made a vector, it serves the others."""

import subprocess
import sys
from pathlib import Path
from typing import Literal

import numpy as np
import pytest

from config.errors import EncoderUnavailableError
from config.settings import Settings
from tasks.embed.encoder import load_encoder
from tasks.embed.models import model_for
from tasks.embed.vectors import Vectors

Backend = Literal["openvino", "torch-bf16", "torch-fp32"]
AGREEMENT = 0.999
CONVERT = """
import sys
from config.settings import get_settings
from tasks.embed.encoder import load_encoder
from tasks.embed.models import model_for

encoder = load_encoder(get_settings(), model_for(get_settings(), "code"))
print(encoder.backend, "torch" in sys.modules, file=sys.stderr)
"""


@pytest.fixture(scope="module")
def texts() -> list[str]:
    """Pieces of real source of several lengths."""
    source = Path(__file__).read_text() + Path(np.__file__).read_text()
    return [source[start : start + 40 + start // 20] for start in range(0, 12_000, 300)]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the converted model is kept."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def converting(home: Path) -> str:
    """The last word of a process that had to convert the model."""
    done = subprocess.run(
        [sys.executable, "-c", CONVERT],
        env={"MNEMO_HOME": str(home), "MNEMO_ENCODER_BACKEND": "openvino"},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stderr.strip().rpartition("\n")[2]


def vectors(home: Path, backend: Backend, texts: list[str]) -> Vectors:
    """What a backend makes of the texts."""
    settings = Settings.model_validate({"home": home, "encoder_backend": backend})
    encoder = load_encoder(settings, model_for(settings, "code"))
    assert encoder.backend == backend
    return encoder.encode(texts)


def test_a_worker_that_converts_does_not_keep_torch(converting: str, home: Path) -> None:
    """Half a gigabyte ends with the process that needed it; what it made is whole."""
    assert converting == "openvino False"
    [folder] = (home / "models").iterdir()
    assert (folder / "manifest.json").exists()


def test_a_conversion_that_hangs_ends(tmp_path: Path) -> None:
    """In time, and leaves nothing half-made."""
    limits = {"timeouts": {"model_conversion": 0.2}, "encoder_backend": "openvino"}
    settings = Settings.model_validate({"home": tmp_path} | limits)

    with pytest.raises(EncoderUnavailableError, match="MNEMO_TIMEOUTS__MODEL_CONVERSION"):
        load_encoder(settings, model_for(settings, "code"))

    assert list((tmp_path / "models").iterdir()) == []


@pytest.mark.usefixtures("converting")
@pytest.mark.parametrize("backend", ["openvino", "torch-bf16"])
def test_a_backend_agrees_with_torch_in_float32(
    home: Path, texts: list[str], backend: Backend
) -> None:
    """Each vector, not their average."""
    cosines = np.sum(vectors(home, "torch-fp32", texts) * vectors(home, backend, texts), axis=1)

    assert cosines.min() >= AGREEMENT
