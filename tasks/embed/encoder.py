"""One interface to every way of making vectors, and the choice among them.

`auto` takes OpenVINO where it is installed, else torch in bfloat16 where the CPU has it, else torch
in float32. They agree to a cosine above 0.999 (a test compares them), so vectors made by
one backend serve the others.
"""

from collections.abc import Sequence
from importlib.util import find_spec
from typing import Protocol

from config.errors import EncoderUnavailableError
from config.logging import get_logger
from config.settings import Settings
from tasks.embed.models import Model
from tasks.embed.vectors import Vectors

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

        return HashEncoder.named(model.setting)
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
