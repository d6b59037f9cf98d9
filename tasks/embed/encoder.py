"""One interface to every way of making vectors, and the choice among them.

`auto` takes OpenVINO where it is installed, else torch in bfloat16 where the CPU has it, else torch
in float32. They agree to a cosine above 0.999 (measured: `docs/benchmarks.md`), so vectors made by
one backend serve the others.
"""

from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from config.errors import EncoderUnavailableError
from config.logging import get_logger
from config.settings import Settings
from tasks.embed.models import Model

Vectors = NDArray[np.float32]
log = get_logger("encoder")


class Encoder(Protocol):
    """Makes unit vectors. Instances are for one thread at a time."""

    backend: str
    dimensions: int

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Vectors of `texts`, shape (len(texts), dimensions), float32, each of length 1.

        A text that has no usable vector gives a row of NaN; the caller decides.
        """
        ...

    def encode_query(self, query: str) -> Vectors:
        """The vector of a search query, shape (dimensions,), with the model's query prompt."""
        ...


def load_encoder(settings: Settings, model: Model) -> Encoder:
    """Loads `model` on the backend that the settings choose.

    Raises:
        EncoderUnavailableError: it cannot be loaded.
        ConfigurationError: the chosen backend is not installed.
    """
    # each backend is imported only when chosen: torch alone takes seconds and half a gigabyte
    if model.path is None:
        from tasks.embed.hash_encoder import HashEncoder  # noqa: PLC0415 - see above

        return HashEncoder()
    backend = settings.encoder_backend
    if backend == "openvino" or (backend == "auto" and find_spec("openvino") is not None):
        from tasks.embed.openvino_encoder import OpenVinoEncoder  # noqa: PLC0415 - see above

        try:
            return OpenVinoEncoder.load(settings, model)
        except EncoderUnavailableError as exc:
            if backend == "openvino":
                raise
            log.warning("encoder.openvino_failed", model=model.name, error=str(exc))
    from tasks.embed.torch_encoder import TorchEncoder  # noqa: PLC0415 - see above

    return TorchEncoder.load(settings, model)


def token_batches(
    lengths: Sequence[int], max_tokens: int, max_texts: int | None = None
) -> Iterator[list[int]]:
    """Groups texts of similar length, longest first; yields their indices.

    Padding is wasted work, so a batch is bounded by its padded tokens, not by its texts: on 1,000
    functions of the standard library this gave 1.3 times the throughput of batches of 32.
    `max_texts` switches to batches of a fixed number of texts.
    """
    order = sorted(range(len(lengths)), key=lambda index: -lengths[index])
    start = 0
    while start < len(order):
        longest = max(1, lengths[order[start]])
        size = max_texts or max(1, max_tokens // longest)
        yield order[start : start + size]
        start += size


def unit_rows(vectors: Vectors) -> Vectors:
    """Rows scaled to length 1; rows that are zero or not finite become NaN."""
    vectors = vectors.astype(np.float32, copy=False)
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    usable = np.isfinite(norms) & (norms > 1e-6)  # noqa: PLR2004 - below it, direction is noise
    return np.where(usable, vectors / np.where(usable, norms, 1.0), np.nan).astype(np.float32)
