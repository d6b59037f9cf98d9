"""Encoding by OpenVINO: the fastest backend on x86-64, and the one that needs no torch to start.

The model is converted once from sentence-transformers, pooling and all, checked against it, and
kept under `MNEMO_HOME/models`. Later processes load the converted file and the tokenizer alone,
which takes half a second instead of six. optimum-intel does the same, but requires torchvision.
Converting has a process of its own: torch's half a gigabyte ends with it, and so does a conversion
that hangs.
"""

import json
import shutil
import tempfile
import warnings
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from tokenizers import Tokenizer

from config.errors import EncoderUnavailableError, TransientError
from config.logging import get_logger
from config.settings import Settings
from tasks.deadline import run_limited
from tasks.embed.models import Model
from tasks.embed.untracked_openvino import openvino as ov
from tasks.embed.vectors import Vectors, token_batches, unit_rows

log = get_logger("encoder")
CONVERSION_VERSION = 1
AGREEMENT = 0.999  # cosine to sentence-transformers in float32, the least of the probes
PROBES = (
    "def read_file(path): return open(path).read()",
    "HttpServer.parse_request\nParses the request line and the headers of one HTTP/1.1 request.",
    "x",
    "select id, name from users where email = $1 order by created_at desc limit 10;" * 20,
)


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a converted model needs beside its graph."""

    inputs: list[str]
    max_tokens: int
    pad_id: int
    dimensions: int
    query_prompt: str
    document_prompt: str


class OpenVinoEncoder:
    """A converted model; see `Encoder`."""

    backend = "openvino"

    def __init__(self, folder: Path, settings: Settings) -> None:
        self.manifest = Manifest(**json.loads((folder / "manifest.json").read_text()))
        self.dimensions = self.manifest.dimensions
        self._max_tokens = settings.encoder_batch_tokens
        self._max_texts = settings.encoder_batch_texts
        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(self.manifest.max_tokens)
        # One stream over all threads: as fast as one per core here, with half the memory. Unpinned,
        # or several encoders on one machine would share the first cores and leave the rest idle.
        self._model = ov.Core().compile_model(
            folder / "model.xml",
            "CPU",
            {
                "PERFORMANCE_HINT": "LATENCY",
                "INFERENCE_NUM_THREADS": settings.threads,
                "ENABLE_CPU_PINNING": False,
            },
        )
        self._request = self._model.create_infer_request()

    @classmethod
    def load(cls, settings: Settings, model: Model) -> Self:
        """Loads the converted model, converting it first where this home has none yet.

        Raises:
            EncoderUnavailableError: it does not load, or converts to something else, or not in
                time.
        """
        folder = settings.home / "models" / f"{model.key[:16]}-openvino-{CONVERSION_VERSION}"
        try:
            if not (folder / "manifest.json").exists():
                _convert_apart(model, folder, settings)
            encoder = cls(folder, settings)
        except (OSError, RuntimeError, ValueError, MemoryError, TransientError) as exc:
            raise EncoderUnavailableError(f"OpenVINO cannot run {model.name}: {exc}") from exc
        log.info("encoder.loaded", model=model.name, backend=cls.backend)
        return encoder

    def encode(self, texts: Sequence[str]) -> Vectors:
        """See `Encoder.encode`."""
        return self._encode([self.manifest.document_prompt + text for text in texts])

    def encode_query(self, query: str) -> Vectors:
        """See `Encoder.encode_query`."""
        vector: Vectors = self._encode([self.manifest.query_prompt + query])[0]
        return vector

    def _encode(self, texts: list[str]) -> Vectors:
        encodings = self._tokenizer.encode_batch(texts)
        out = np.empty((len(texts), self.dimensions), dtype=np.float32)
        lengths = [len(encoding.ids) for encoding in encodings]
        for batch in token_batches(lengths, self._max_tokens, self._max_texts):
            out[batch] = self._infer([encodings[index].ids for index in batch])
        return unit_rows(out)

    def _infer(self, ids: list[list[int]]) -> Vectors:
        width = max(1, *map(len, ids))
        tokens = np.full((len(ids), width), self.manifest.pad_id, dtype=np.int64)
        mask = np.zeros_like(tokens)
        for row, sequence in enumerate(ids):
            tokens[row, : len(sequence)] = sequence
            mask[row, : len(sequence)] = 1
        given = {"input_ids": tokens, "attention_mask": mask, "token_type_ids": tokens * 0}
        try:
            result = self._request.infer({name: given[name] for name in self.manifest.inputs})
        except (RuntimeError, MemoryError) as exc:
            raise EncoderUnavailableError(f"encoding {len(ids)} texts failed: {exc}") from exc
        return np.asarray(result[0], dtype=np.float32)


def _convert_apart(model: Model, folder: Path, settings: Settings) -> None:
    """Converts into `folder`, whole or not at all, whatever becomes of the process that does it."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(dir=folder.parent))
    try:
        run_limited(
            "model_conversion",
            convert,
            model.name,
            str(model.path),
            str(scratch),
            settings.without_urls(),
            limits=settings.timeouts,
        )
        scratch.chmod(0o755)
        _publish(scratch, folder)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    log.info("encoder.converted", model=model.name)


def convert(name: str, path: str, target: str, settings: dict[str, Any]) -> None:
    """Converts a sentence-transformers model, and checks what became of it.

    Args:
        name: the model's, for messages.
        path: its folder.
        target: an empty folder for the result.
        settings: `Settings.without_urls()` of whoever will use it.

    Raises:
        EncoderUnavailableError: the conversion's vectors differ from the model's own.
    """
    import torch  # noqa: PLC0415 - nothing else in this module needs it

    from tasks.embed.torch_encoder import load_transformer  # noqa: PLC0415 - imports torch

    transformer = load_transformer(Model("", name, path, Path(path)), torch.float32)
    features = transformer.preprocess(list(PROBES[:2]))
    inputs = [
        name for name in features if name in ("input_ids", "attention_mask", "token_type_ids")
    ]
    folder = Path(target)
    with warnings.catch_warnings(action="ignore"):  # tracing warns of branches on shapes
        graph = ov.convert_model(
            _pooled(transformer, inputs), example_input=tuple(features[name] for name in inputs)
        )
    for port, each in zip(graph.inputs, inputs, strict=True):
        port.get_tensor().set_names({each})
    ov.save_model(graph, folder / "model.xml", compress_to_fp16=False)
    transformer.tokenizer.backend_tokenizer.save(str(folder / "tokenizer.json"))
    prompts = transformer.prompts or {}
    manifest = Manifest(
        inputs=inputs,
        max_tokens=int(transformer.max_seq_length or 512),
        pad_id=int(transformer.tokenizer.pad_token_id or 0),
        dimensions=int(transformer.get_embedding_dimension() or 0),
        query_prompt=prompts.get("query") or "",
        document_prompt=prompts.get("document") or "",
    )
    (folder / "manifest.json").write_text(json.dumps(asdict(manifest)))
    encoder = OpenVinoEncoder(folder, Settings.model_validate(settings))
    _require_agreement(transformer, encoder)


def _pooled(transformer: Any, inputs: list[str]) -> Any:
    """A module from token tensors to sentence embeddings, all of the model's modules in between."""
    import torch  # noqa: PLC0415 - as above

    class Pooled(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.transformer = transformer

        def forward(self, *tensors: Any) -> Any:
            features = dict(zip(inputs, tensors, strict=True))
            return self.transformer(features)["sentence_embedding"]

    return Pooled().eval()


def _require_agreement(transformer: Any, encoder: OpenVinoEncoder) -> None:
    expected = unit_rows(np.asarray(transformer.encode(list(PROBES), show_progress_bar=False)))
    worst = float(np.min(np.sum(expected * encoder.encode(PROBES), axis=1)))
    if not worst >= AGREEMENT:
        raise EncoderUnavailableError(
            f"the model converted to OpenVINO disagrees with itself (cosine {worst:.4f}):"
            " set MNEMO_ENCODER_BACKEND=torch-fp32"
        )


def _publish(scratch: Path, folder: Path) -> None:
    try:
        scratch.rename(folder)
    except OSError:
        if not (folder / "manifest.json").exists():  # else another process was first: same content
            raise
