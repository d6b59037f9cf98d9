"""One interface to every way of making vectors, and the choice among them.

`auto` takes OpenVINO where it is installed, else torch in bfloat16 where the CPU has it, else torch
in float32. They agree to a cosine above 0.999 (a test compares them), so vectors made by
one backend serve the others.
"""

from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any, Protocol

from config.errors import EncoderUnavailableError
from config.logging import get_logger
from config.settings import Settings
from tasks.deadline import limited
from tasks.embed.models import Model, model_for
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


@limited("model_check")
def describe_encoder(settings: dict[str, Any], space: str) -> str:
    """What loading the encoder of `space` gives, tried in a process of its own.

    Args:
        settings: `Settings.without_urls()`.
        space: text or code.

    Raises:
        DeadlineExceededError: it took too long.
        MnemoError: as `model_for` and `load_encoder`.
    """
    chosen = Settings.model_validate(settings)
    model = model_for(chosen, space)
    encoder = load_encoder(chosen, model)
    return f"{model.name} on {encoder.backend}, {encoder.dimensions} dimensions"
