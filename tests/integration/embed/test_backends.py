"""The backends with the real model: whichever made a vector, it serves the others."""

from pathlib import Path
from typing import Literal

import numpy as np
import pytest

from config.settings import Settings
from tasks.embed.encoder import load_encoder
from tasks.embed.models import model_for
from tasks.embed.vectors import Vectors

Backend = Literal["openvino", "torch-bf16", "torch-fp32"]
AGREEMENT = 0.999


@pytest.fixture(scope="module")
def texts() -> list[str]:
    """Pieces of real source of several lengths."""
    source = Path(__file__).read_text() + Path(np.__file__).read_text()
    return [source[start : start + 40 + start // 20] for start in range(0, 12_000, 300)]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the converted model is kept."""
    return tmp_path_factory.mktemp("home")


def vectors(home: Path, backend: Backend, texts: list[str]) -> Vectors:
    """What a backend makes of the texts."""
    settings = Settings.model_validate({"home": home, "encoder_backend": backend})
    encoder = load_encoder(settings, model_for(settings, "code"))
    assert encoder.backend == backend
    return encoder.encode(texts)


@pytest.mark.parametrize("backend", ["openvino", "torch-bf16"])
def test_a_backend_agrees_with_torch_in_float32(
    home: Path, texts: list[str], backend: Backend
) -> None:
    """Each vector, not their average."""
    cosines = np.sum(vectors(home, "torch-fp32", texts) * vectors(home, backend, texts), axis=1)

    assert cosines.min() >= AGREEMENT
