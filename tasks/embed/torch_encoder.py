"""Encoding by sentence-transformers on torch: works for every model and CPU."""

import logging
from collections.abc import Sequence
from typing import Any, Self

import numpy as np
import torch
from sentence_transformers import SentenceTransformer

from config.errors import EncoderUnavailableError
from config.logging import get_logger
from config.settings import Settings
from tasks.embed.models import Model
from tasks.embed.vectors import Vectors, token_batches, unit_rows

log = get_logger("encoder")
CHARS_PER_TOKEN = 3  # code under WordPiece, measured 2.9; only orders texts where no tokenizer can


class TorchEncoder:
    """A sentence-transformers model; see `Encoder`."""

    def __init__(self, model: SentenceTransformer, settings: Settings, backend: str) -> None:
        self.backend = backend
        self.model = model
        self.dimensions = int(model.get_embedding_dimension() or 0)
        self._max_tokens = settings.encoder_batch_tokens
        self._max_texts = settings.encoder_batch_texts

    @classmethod
    def load(cls, settings: Settings, model: Model) -> Self:
        """Loads the weights, in bfloat16 where the CPU computes with it.

        Raises:
            EncoderUnavailableError: the folder does not load, or memory ran out.
        """
        torch.set_num_threads(settings.threads)
        bf16 = settings.encoder_backend == "torch-bf16" or (
            settings.encoder_backend == "auto" and cpu_has_bf16()
        )
        loaded = load_transformer(model, torch.bfloat16 if bf16 else torch.float32)
        encoder = cls(loaded, settings, "torch-bf16" if bf16 else "torch-fp32")
        log.info("encoder.loaded", model=model.name, backend=encoder.backend)
        return encoder

    def encode(self, texts: Sequence[str]) -> Vectors:
        """See `Encoder.encode`."""
        out = np.empty((len(texts), self.dimensions), dtype=np.float32)
        for batch in token_batches(self._lengths(texts), self._max_tokens, self._max_texts):
            out[batch] = self._encode([texts[index] for index in batch], "document")
        return unit_rows(out)

    def encode_query(self, query: str) -> Vectors:
        """See `Encoder.encode_query`."""
        vector: Vectors = unit_rows(self._encode([query], "query"))[0]
        return vector

    def _encode(self, texts: list[str], purpose: str) -> Vectors:
        prompt = (self.model.prompts or {}).get(purpose) or ""
        try:
            vectors = self.model.encode(
                texts, batch_size=len(texts), prompt=prompt or None, show_progress_bar=False
            )
        except (MemoryError, RuntimeError) as exc:  # torch reports exhausted memory as RuntimeError
            raise EncoderUnavailableError(f"encoding {len(texts)} texts failed: {exc}") from exc
        return np.asarray(vectors, dtype=np.float32)

    def _lengths(self, texts: Sequence[str]) -> list[int]:
        limit = self.model.max_seq_length or 512
        tokenizer = getattr(self.model.tokenizer, "backend_tokenizer", None)
        if tokenizer is None:
            return [min(limit, len(text) // CHARS_PER_TOKEN) for text in texts]
        tokenizer.no_padding()
        return [min(limit, len(encoding.ids)) for encoding in tokenizer.encode_batch(list(texts))]


def load_transformer(model: Model, dtype: Any) -> SentenceTransformer:
    """The model in evaluation mode on the CPU. Local files and safetensors only, no remote code.

    Raises:
        EncoderUnavailableError: it does not load.
    """
    logging.getLogger("transformers").setLevel(logging.ERROR)
    try:
        loaded = SentenceTransformer(
            str(model.path),
            device="cpu",
            trust_remote_code=False,
            local_files_only=True,
            model_kwargs={"dtype": dtype, "use_safetensors": True},
        )
    except (OSError, ValueError, RuntimeError, ImportError, MemoryError) as exc:
        raise EncoderUnavailableError(f"the model {model.name} does not load: {exc}") from exc
    return loaded.eval()


def cpu_has_bf16() -> bool:
    """True where the CPU multiplies bfloat16 in hardware; elsewhere it is slower than float32."""
    capabilities = torch.cpu.get_capabilities()
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))
