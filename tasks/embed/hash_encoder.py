"""A fast, deterministic stand-in for a model, for fault and scale tests: vectors without meaning.

Feature hashing (Weinberger et al., 2009, https://arxiv.org/abs/0902.2206) over the words of a text.
"""

from collections.abc import Sequence
from typing import Self
from zlib import crc32

import numpy as np

from tasks.embed.models import HASH_SETTING
from tasks.embed.vectors import Vectors, unit_rows

DIMENSIONS = 384


class HashEncoder:
    """`MNEMO_ENCODER=hash`. Versions stand for models of their own: they share no direction."""

    backend = "hash"

    def __init__(self, version: int = 1, dimensions: int = DIMENSIONS) -> None:
        self.dimensions = dimensions
        self._salt = version - 1

    @classmethod
    def named(cls, setting: str) -> Self:
        """The encoder of `hash-VERSION[-DIMENSIONS]`."""
        found = HASH_SETTING.fullmatch(setting)
        if found is None:
            raise ValueError(f"{setting!r} names no hash encoder")
        return cls(int(found["version"]), int(found["dimensions"] or DIMENSIONS))

    def encode(self, texts: Sequence[str]) -> Vectors:
        """One signed count per word; see `Encoder.encode`."""
        vectors = np.zeros((len(texts), self.dimensions), dtype=np.float32)
        for row, text in enumerate(texts):
            for word in text.split() or [text]:
                code = crc32(word.encode(), self._salt)
                vectors[row, code % self.dimensions] += 1.0 if code & 0x8000_0000 else -1.0
            vectors[row, len(text) % self.dimensions] += 0.5
        return unit_rows(vectors)

    def encode_query(self, query: str) -> Vectors:
        """The vector of the query's words."""
        vector: Vectors = self.encode([query])[0]
        return vector
