"""Vectors that are kept between runs, by model and text: most texts outlive a change of the parser.

Encoding is all that takes long here. The encoder behind it is the real one; a text that was never
encoded before goes through it.
"""

import hashlib
import sqlite3
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tasks.embed.encoder import Encoder
from tasks.embed.vectors import Vectors

LOOKED_UP = 500  # parameters of one statement


class RememberingEncoder:
    """An encoder that looks a text up before it encodes it.

    Args:
        encoder: makes the vectors.
        model: the key of its model.
        file: where they are kept.
    """

    def __init__(self, encoder: Encoder, model: str, file: Path) -> None:
        self.backend = encoder.backend
        self.dimensions = encoder.dimensions
        self._encoder = encoder
        self._model = model
        self._store = sqlite3.connect(file)
        self._store.execute(
            "CREATE TABLE IF NOT EXISTS vectors (key BLOB PRIMARY KEY, vector BLOB) WITHOUT ROWID"
        )

    def encode(self, texts: Sequence[str]) -> Vectors:
        """See `Encoder.encode`."""
        keys = [self._key("document", text) for text in texts]
        known = self._known(keys)
        missing = [n for n, key in enumerate(keys) if key not in known]
        if missing:
            made = self._encoder.encode([texts[n] for n in missing])
            self._keep([(keys[n], vector) for n, vector in zip(missing, made, strict=True)])
            known |= {keys[n]: vector for n, vector in zip(missing, made, strict=True)}
        return np.stack([known[key] for key in keys])

    def encode_query(self, query: str) -> Vectors:
        """See `Encoder.encode_query`."""
        key = self._key("query", query)
        known = self._known([key])
        if key not in known:
            known[key] = self._encoder.encode_query(query)
            self._keep([(key, known[key])])
        return known[key]

    def close(self) -> None:
        """Closes the file."""
        self._store.close()

    def _key(self, role: str, text: str) -> bytes:
        return hashlib.sha256(f"{self._model}\0{role}\0{text}".encode()).digest()

    def _known(self, keys: Sequence[bytes]) -> dict[bytes, Vectors]:
        found: dict[bytes, Vectors] = {}
        for start in range(0, len(keys), LOOKED_UP):
            part = keys[start : start + LOOKED_UP]
            marks = ",".join("?" * len(part))
            rows = self._store.execute(
                f"SELECT key, vector FROM vectors WHERE key IN ({marks})", part
            )
            found |= {key: np.frombuffer(vector, dtype=np.float32) for key, vector in rows}
        return found

    def _keep(self, made: Sequence[tuple[bytes, Vectors]]) -> None:
        with self._store:
            self._store.executemany(
                "INSERT OR IGNORE INTO vectors VALUES (?, ?)",
                [(key, vector.astype(np.float32).tobytes()) for key, vector in made],
            )
